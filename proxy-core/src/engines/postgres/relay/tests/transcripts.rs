//! What real clients and servers said to each other, and what is to be recorded of it: `fixtures/postgres/*.txt`.
//!
//! A line is `>` and a message of the client, `<` and one of the server, `=` and an event that is in the record by then, or
//! `#` and a remark. Messages that came together stand together. `MUSTER_BLESS=1` writes the events anew, to be read
//! before they are committed.

use super::*;

enum Said {
    Client(Vec<u8>),
    Server(Vec<u8>),
    Remark,
    Event(String),
}

pub(crate) fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/postgres")
}

fn files() -> Vec<std::path::PathBuf> {
    let files = in_folder(folder());
    assert!(files.len() > 5, "transcripts are missing");
    files
}

/// The transcripts of a folder, in order.
pub(crate) fn in_folder(folder: std::path::PathBuf) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    files.sort();
    files
}

/// `\xHH`, `\n`, `\\` and the like, as Rust writes bytes in a literal.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next().expect("something behind a backslash") {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'0' => out.push(0),
            b'x' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            other => out.push(other),
        }
    }
    out
}

/// `Q "SELECT 1\0"`, or `D*1000 "..."` for the same message many times.
fn message(text: &str) -> Vec<u8> {
    let (tag, body) = text.split_once(' ').unwrap_or((text, "\"\""));
    let (tag, times) = tag.split_once('*').unwrap_or((tag, "1"));
    let body = body
        .strip_prefix('"')
        .and_then(|body| body.strip_suffix('"'))
        .expect("a body in quotes");
    m(tag.as_bytes()[0], &unescape(body)).repeat(times.parse().unwrap())
}

fn read(path: &std::path::Path) -> Vec<Said> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| match line.split_at_checked(2) {
            Some(("> ", rest)) => Said::Client(message(rest)),
            Some(("< ", rest)) => Said::Server(message(rest)),
            Some(("= ", rest)) => Said::Event(rest.to_owned()),
            _ => Said::Remark,
        })
        .collect()
}

/// All transcripts, in pieces as they came: whether the client said it, and what.
pub(crate) fn conversations() -> Vec<Vec<(bool, Vec<u8>)>> {
    let mut conversations: Vec<_> = files()
        .iter()
        .map(|path| {
            let mut turns: Vec<(bool, Vec<u8>)> = Vec::new();
            for said in read(path) {
                let (client, bytes) = match said {
                    Said::Client(bytes) => (true, bytes),
                    Said::Server(bytes) => (false, bytes),
                    _ => continue,
                };
                match turns.last_mut() {
                    Some((side, before)) if *side == client => before.extend(bytes),
                    _ => turns.push((client, bytes)),
                }
            }
            turns
        })
        .collect();
    conversations
        .retain(|turns| turns.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < 100_000);
    conversations
}

#[test]
fn what_was_said_is_recorded_as_it_is_written() {
    let bless = std::env::var_os("MUSTER_BLESS").is_some();
    for path in files() {
        let said = read(&path);
        let original = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = original.lines().collect();
        let replication = original.contains("# replication\n");
        let mut play = Play::new(Settings {
            replication,
            ..SETTINGS
        });
        let (mut bytes, mut of_client) = (Vec::new(), true);
        let mut expected: Vec<String> = Vec::new();
        let mut written = String::new();
        let mut show = |bytes: &mut Vec<u8>, of_client: bool| {
            if !bytes.is_empty() {
                if of_client {
                    play.client(bytes)
                } else {
                    play.server(bytes)
                };
                bytes.clear();
            }
            play.lines.before += play.lines.events.len() as u64;
            std::mem::take(&mut play.lines.events)
        };
        let mut seen: Vec<String> = Vec::new();
        for (said, line) in said.into_iter().zip(lines) {
            let (client, more) = match said {
                Said::Client(more) => (true, more),
                Said::Server(more) => (false, more),
                Said::Remark => {
                    written.push_str(line);
                    written.push('\n');
                    continue;
                }
                Said::Event(event) => {
                    for event in show(&mut bytes, of_client) {
                        written.push_str(&format!("= {event}\n"));
                        seen.push(event);
                    }
                    expected.push(event);
                    if !bless {
                        assert_eq!(
                            seen.get(expected.len() - 1),
                            expected.last(),
                            "{}: {line}",
                            path.display()
                        );
                    }
                    continue;
                }
            };
            if client != of_client {
                for event in show(&mut bytes, of_client) {
                    written.push_str(&format!("= {event}\n"));
                    seen.push(event);
                }
                of_client = client;
            }
            bytes.extend(more);
            written.push_str(line);
            written.push('\n');
        }
        for event in show(&mut bytes, of_client) {
            written.push_str(&format!("= {event}\n"));
            seen.push(event);
        }
        if bless {
            std::fs::write(&path, written).unwrap();
        } else {
            assert_eq!(seen, expected, "{}", path.display());
        }
    }
}
