//! Whether the log is as it was written.
//!
//! What this can prove: that no line was changed, taken out, put in or moved, without all lines after it having been
//! written anew. Whoever may write the directory can write all of it anew, and there is no key that would stop that;
//! against it helps a link of the chain that was noted down elsewhere, which must still be in the log.

use std::{collections::HashSet, io, path::Path};

use serde_json::{Map, Value};

use super::{
    lines::{self, Lines},
    report::{MOST, Note, Report, Wrong},
};
use crate::{
    chain::{self, Chain},
    files::{self, Head, LOCK},
};

/// Reads the whole log of a directory, and says whether it is as it was written. `noted` are links of the chain that
/// were noted down elsewhere and must be in it.
///
/// # Errors
/// The directory cannot be read.
pub fn verify(dir: &Path, noted: &[String]) -> io::Result<Report> {
    // Before the files: what the head says must be in them even when they grow meanwhile.
    let head = Head::read(dir);
    let files = files::list(dir)?;
    let mut walk = Walk {
        report: Report {
            running: is_running(dir),
            files: files.len() as u64,
            ..Report::default()
        },
        before: None,
        noted: noted.iter().map(|link| link.to_ascii_lowercase()).collect(),
        removed: HashSet::new(),
        begins: None,
        head: head.as_ref().ok().cloned().flatten(),
        head_seen: false,
        lost_told: false,
        own: memchr::memmem::Finder::new(b"\"code\":\"MAU"),
    };
    for (index, file) in files.iter().enumerate() {
        let last = index + 1 == files.len();
        if let Err(error) = walk.file(&file.path(dir), &file.name, last) {
            let why = error.to_string();
            walk.report.wrong(&file.name, 0, Wrong::Unreadable { why });
        }
    }
    Ok(walk.end(files.is_empty()))
}

/// Whether another process writes the log.
fn is_running(dir: &Path) -> bool {
    let locked = files::read(&dir.join(LOCK)).map(|file| file.try_lock_shared().is_err());
    locked.unwrap_or(false)
}

struct Walk {
    report: Report,
    before: Option<Chain>,
    noted: HashSet<String>,
    /// Links of last lines that were removed, as the log says.
    removed: HashSet<String>,
    /// Where the first file begins, when that is not the log's beginning.
    begins: Option<(String, Chain)>,
    head: Option<Head>,
    head_seen: bool,
    /// Whether the log says by now how many events the head says were lost.
    lost_told: bool,
    /// What is in events of the log about itself.
    own: memchr::memmem::Finder<'static>,
}

impl Walk {
    fn file(&mut self, path: &Path, name: &str, last: bool) -> io::Result<()> {
        let mut lines = Lines::open(path)?;
        loop {
            let number = lines.count + 1;
            let Some((line, whole)) = lines.next()? else {
                return Ok(());
            };
            if !whole {
                if last {
                    self.note(
                        name,
                        number,
                        "the last line is not whole: it is being written, or it was cut off by a \
                        crash and is taken out at the next start",
                    );
                } else {
                    self.report.wrong(name, number, Wrong::Foreign);
                }
                continue;
            }
            self.line(name, number, line);
        }
    }

    fn line(&mut self, name: &str, number: u64, line: &[u8]) {
        self.report.lines += 1;
        let Some((body, said)) = chain::parts(line) else {
            self.report.wrong(name, number, Wrong::Foreign);
            return;
        };
        let before = match self.before {
            Some(before) => before,
            None => match begin(line, said) {
                Some(before) => {
                    if before.seq > 0 {
                        self.begins = Some((name.to_owned(), before));
                    }
                    before
                }
                None => {
                    self.report.wrong(
                        name,
                        number,
                        Wrong::Missing {
                            count: said.seq.saturating_sub(1),
                        },
                    );
                    // Where the chain comes from is gone; from here on it can be followed.
                    self.accept(name, number, line, said);
                    return;
                }
            },
        };
        if chain::next(&before.link, body) == said.link && said.seq == before.seq.wrapping_add(1) {
            self.accept(name, number, line, said);
            return;
        }
        let wrong = match said.seq.checked_sub(before.seq) {
            Some(1) => Wrong::Changed,
            Some(more @ 2..) => Wrong::Missing { count: more - 1 },
            _ => Wrong::Misplaced,
        };
        let misplaced = wrong == Wrong::Misplaced;
        self.report.wrong(name, number, wrong);
        if !misplaced {
            self.accept(name, number, line, said);
        }
    }

    fn accept(&mut self, name: &str, number: u64, line: &[u8], said: Chain) {
        let time = || String::from_utf8_lossy(lines::time(line).unwrap_or(&[])).into_owned();
        if self.before.is_none() {
            self.report.first_seq = said.seq;
            self.report.first_time = time();
        }
        if let Some(head) = self.head.as_ref().filter(|head| head.seq == said.seq) {
            self.head_seen = true;
            if head.chain != chain::hex(&said.link) {
                let seq = said.seq;
                self.report.wrong(name, number, Wrong::OtherHead { seq });
            }
        }
        if !self.noted.is_empty() {
            self.noted.remove(&chain::hex(&said.link));
        }
        self.before = Some(said);
        self.report.last_seq = said.seq;
        // Said of the last line only, once it is known which that is.
        if said.seq.is_multiple_of(1024) || self.report.last_time.is_empty() {
            self.report.last_time = time();
        } else if let Some(time) = lines::time(line) {
            self.report.last_time.clear();
            self.report
                .last_time
                .push_str(std::str::from_utf8(time).unwrap_or(""));
        }
        let start = line.get(..160).unwrap_or(line);
        if self.own.find(start).is_some() {
            self.own(name, number, line);
        }
    }

    /// An event of the log about itself.
    fn own(&mut self, name: &str, number: u64, line: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Map<String, Value>>(line) else {
            return;
        };
        let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
        let count = |key: &str| event.get(key).and_then(Value::as_u64).unwrap_or_default();
        let note = match text("code") {
            "MAU02W" => format!(
                "{} bytes of a line that a crash cut off were taken out of {}",
                count("bytes"),
                text("file")
            ),
            "MAU03E" => {
                let said = format!("{}: {}", text("file"), text("error"));
                self.report.wrong(name, number, Wrong::Recorded { said });
                return;
            }
            "MAU04W" => {
                let before = self.head.as_ref().map(|head| head.seq);
                self.lost_told |= before.is_some_and(|before| before < self.report.last_seq);
                lost(count("count"))
            }
            "MAU05W" => format!(
                "the log could not be written from {} to {}: {}",
                text("start_time"),
                text("end_time"),
                text("error")
            ),
            "MAU12I" => {
                self.removed.insert(text("last_chain").to_owned());
                return;
            }
            "MAU13W" => {
                "the file was taken away while it was written, and was made again".to_owned()
            }
            _ => return,
        };
        self.note(name, number, &note);
    }

    fn note(&mut self, file: &str, line: u64, what: &str) {
        if self.report.notes.len() < MOST {
            self.report.notes.push(Note {
                file: file.to_owned(),
                line,
                what: what.to_owned(),
            });
        }
    }

    fn end(mut self, empty: bool) -> Report {
        if empty {
            self.report.wrong("", 0, Wrong::Empty);
        }
        if let Some((file, before)) = self.begins.take() {
            if self.removed.contains(&chain::hex(&before.link)) {
                let what = format!(
                    "lines up to number {} were removed, as the log says",
                    before.seq
                );
                self.note(&file, 1, &what);
            } else {
                let count = before.seq;
                self.report.wrong(&file, 1, Wrong::Missing { count });
            }
        }
        match &self.head {
            None => self.report.wrong(files::HEAD, 0, Wrong::NoHead),
            Some(head) if head.seq > 0 && !self.head_seen => {
                let (expected, found) = (head.seq, self.report.last_seq);
                self.report
                    .wrong(&head.file.clone(), 0, Wrong::Truncated { expected, found });
            }
            Some(_) => {}
        }
        let count = self.head.as_ref().map_or(0, |head| head.lost);
        if count > 0 && !self.lost_told {
            self.note(files::HEAD, 1, &lost(count));
        }
        let mut noted: Vec<String> = self.noted.drain().collect();
        noted.sort();
        for chain in noted {
            self.report.wrong("", 0, Wrong::NotThere { chain });
        }
        self.report.chain = self
            .before
            .map(|last| chain::hex(&last.link))
            .unwrap_or_default();
        self.report
    }
}

fn lost(count: u64) -> String {
    format!("{count} events were not recorded, as the log could not be written")
}

/// What was before the first line of a file, as it says.
fn begin(line: &[u8], said: Chain) -> Option<Chain> {
    let event: Map<String, Value> = serde_json::from_slice(line).ok()?;
    if event.get("code")?.as_str()? != crate::kinds::FILE_START.code {
        // Standard output has no files: its chain begins with the first line.
        return None;
    }
    let link = chain::unhex(event.get("previous_chain")?.as_str()?.as_bytes())?;
    let seq = said.seq.checked_sub(1)?;
    Some(Chain { seq, link })
}
