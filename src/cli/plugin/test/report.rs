//! What came of the cases: for people, as JUnit's XML, and as TAP.

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::Duration,
};

use super::{
    super::{
        run::{Logged, write_log},
        verdict::Said,
        view::count,
    },
    expect::{Expected, diff},
};
use crate::report::escape::shown;

/// What came of all of them.
pub(super) struct Outcome {
    /// The plugin: name and version.
    pub plugin: String,
    /// The file with the cases.
    pub file: String,
    /// One for each case that was run, in order, and then those on all of them together.
    pub results: Vec<Outcomes>,
    /// Cases that `--filter` left out.
    pub left_out: usize,
    /// How many expectations were written anew.
    pub updated: usize,
}

/// What came of one.
pub(super) struct Outcomes {
    /// What it is called.
    pub name: String,
    /// Where it begins.
    pub line: Option<usize>,
    /// What it computed.
    pub took: Duration,
    /// What is wrong; none when nothing is.
    pub fault: Option<Fault>,
    /// Whether what it expects was written anew.
    pub updated: bool,
}

/// What is wrong with one.
pub(super) struct Fault {
    /// In a line.
    pub summary: String,
    /// Line by line: ` ` for both, `-` for what was expected, `+` for what was found.
    pub diff: Vec<(char, String)>,
    /// What else helps.
    pub notes: Vec<String>,
    /// What the plugin logged.
    pub log: Vec<Logged>,
    /// Lines that were not kept.
    pub dropped: u64,
}

impl Fault {
    /// A verdict that is not the expected one.
    pub(super) fn differs(expected: Option<&Expected>, found: &Expected, said: &Said) -> Self {
        let summary = match expected {
            None => format!("nothing was expected, found {}", found.word()),
            Some(expected) if expected.word() == found.word() => {
                format!("expected another {}", found.word())
            }
            Some(expected) => format!("expected {}, found {}", expected.word(), found.word()),
        };
        let notes = match said {
            Said::Error { code, message } => vec![format!("{code}: {message}")],
            Said::Undecided { reason } => vec![format!("undecided: {reason}")],
            _ => Vec::new(),
        };
        Self {
            summary,
            diff: diff(
                &expected.map(Expected::lines).unwrap_or_default(),
                &found.lines(),
            ),
            notes,
            log: Vec::new(),
            dropped: 0,
        }
    }

    /// The particulars, indented.
    fn write(&self, indent: &str, out: &mut dyn Write) -> io::Result<()> {
        for (sign, text) in &self.diff {
            writeln!(
                out,
                "{}",
                format!("{indent}{sign} {}", shown(text)).trim_end()
            )?;
        }
        for note in &self.notes {
            writeln!(out, "{indent}{}", shown(note))?;
        }
        if !self.log.is_empty() || self.dropped > 0 {
            writeln!(out, "{indent}log:")?;
            write_log(&self.log, self.dropped, &format!("{indent}  "), out)?;
        }
        Ok(())
    }

    fn text(&self, indent: &str) -> String {
        let mut bytes = Vec::new();
        // Memory takes everything.
        let _written = self.write(indent, &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Outcome {
    /// How many failed.
    pub(super) fn failed(&self) -> usize {
        self.results
            .iter()
            .filter(|result| result.is_failed())
            .count()
    }

    /// For people.
    pub(super) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}, {}", shown(&self.plugin), shown(&self.file))?;
        for result in &self.results {
            let name = shown(&result.name);
            match &result.fault {
                None => writeln!(out, "  ok    {name}")?,
                Some(fault) => {
                    let word = if result.updated { "new " } else { "FAIL" };
                    let place = self.place(result);
                    let summary = shown(&fault.summary);
                    writeln!(out, "  {word}  {name} ({place}): {summary}")?;
                    fault.write("          ", out)?;
                }
            }
        }
        let failed = self.failed();
        let mut line = format!("{} passed, {failed} failed", self.results.len() - failed);
        // Writing to a text does not fail.
        if self.updated > 0 {
            let _ = write!(
                line,
                ", {} written anew",
                count(self.updated, "expectation")
            );
        }
        if self.left_out > 0 {
            let _ = write!(line, ", {} left out", self.left_out);
        }
        writeln!(out, "{line}")
    }

    fn place(&self, result: &Outcomes) -> String {
        match result.line {
            Some(line) => format!("{}:{line}", shown(&self.file)),
            None => shown(&self.file).into_owned(),
        }
    }

    /// The Test Anything Protocol, version 14.
    pub(super) fn tap(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "TAP version 14")?;
        writeln!(out, "1..{}", self.results.len())?;
        for (place, result) in self.results.iter().enumerate() {
            let not = if result.is_failed() { "not " } else { "" };
            let name = shown(&result.name)
                .replace('\\', "\\\\")
                .replace('#', "\\#");
            writeln!(out, "{not}ok {} - {name}", place + 1)?;
            let Some(fault) = result.fault.as_ref().filter(|_| result.is_failed()) else {
                continue;
            };
            writeln!(out, "  ---")?;
            writeln!(out, "  message: {}", quoted(&fault.summary))?;
            writeln!(out, "  at: {}", quoted(&self.place(result)))?;
            let particulars = fault.text("    ");
            if !particulars.is_empty() {
                // An indentation of its own: the first line may begin with spaces.
                writeln!(out, "  particulars: |2")?;
                out.write_all(particulars.as_bytes())?;
            }
            writeln!(out, "  ...")?;
        }
        Ok(())
    }

    /// The XML that JUnit writes and every build server reads.
    pub(super) fn junit(&self, out: &mut dyn Write) -> io::Result<()> {
        let (tests, failed) = (self.results.len(), self.failed());
        let seconds = |time: Duration| format!("{:.6}", time.as_secs_f64());
        let time = seconds(self.results.iter().map(|result| result.took).sum());
        writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        writeln!(
            out,
            "<testsuites name=\"muster plugin test\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\" time=\"{time}\">"
        )?;
        writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\" skipped=\"0\" time=\"{time}\">",
            xml(&self.plugin)
        )?;
        for result in &self.results {
            let line = result
                .line
                .map_or_else(String::new, |line| format!(" line=\"{line}\""));
            write!(
                out,
                "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\"{line} time=\"{}\"",
                xml(&result.name),
                xml(&self.plugin),
                xml(&self.file),
                seconds(result.took)
            )?;
            match result.fault.as_ref().filter(|_| result.is_failed()) {
                None => writeln!(out, "/>")?,
                Some(fault) => {
                    let summary = xml(&fault.summary);
                    writeln!(
                        out,
                        ">\n      <failure message=\"{summary}\" type=\"verdict\">"
                    )?;
                    // What is in it was made harmless, line by line.
                    out.write_all(markup(&fault.text("")).as_bytes())?;
                    writeln!(out, "</failure>\n    </testcase>")?;
                }
            }
        }
        writeln!(out, "  </testsuite>\n</testsuites>")
    }
}

impl Outcomes {
    const fn is_failed(&self) -> bool {
        self.fault.is_some() && !self.updated
    }
}

/// A text between quotes, for YAML: as JSON, which is YAML too.
fn quoted(text: &str) -> String {
    serde_json::Value::String(shown(text).into_owned()).to_string()
}

/// A text for XML, on one line.
fn xml(text: &str) -> String {
    markup(&shown(text))
}

fn markup(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, letter| {
            match letter {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                // The last of what XML has no place for.
                '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
                other => out.push(other),
            }
            out
        })
}
