//! `muster audit verify`: whether the record is as it was written.

use std::{
    io::{self, Write},
    path::Path,
};

use clap::{Args, ValueEnum};
use muster_audit::{Report, verify};

use super::{Place, cannot};
use crate::{
    cli::{Common, Failure, print},
    exit::Exit,
    report::{escape::shown, pretty},
};

/// Arguments of `muster audit verify`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code 0: the log is as it was written; 1: it is not, and where is said on standard output. Note the last line's chain \
down somewhere else now and then: with --noted, nobody can write the whole log anew unseen.")]
pub struct Verify {
    /// A chain that was noted down and must be in the log. Can be given several times.
    #[arg(long, value_name = "CHAIN", value_parser = chain)]
    noted: Vec<String>,
    /// How the answer is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// One object.
    Json,
}

fn chain(text: &str) -> Result<String, String> {
    let digits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits
        .then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "a chain has 64 hexadecimal digits".to_owned())
}

impl Verify {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = self.place.find(common)?;
        let report = verify(&dir, &self.noted).map_err(|error| cannot(&dir, &error))?;
        print(|out| match self.output {
            Output::Text => text(&dir, &report, out),
            Output::Json => pretty(&report, out),
        })?;
        Ok(if report.is_whole() {
            Exit::Done
        } else {
            Exit::Failed
        })
    }
}

fn text(dir: &Path, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for problem in &report.problems {
        let place = match (&*problem.file, problem.line) {
            ("", _) => dir.display().to_string(),
            (file, 0) => file.to_owned(),
            (file, line) => format!("{file}:{line}"),
        };
        writeln!(out, "{}: {}", shown(&place), shown(&problem.what))?;
    }
    if report.more > 0 {
        writeln!(out, "and {} more", report.more)?;
    }
    for note in &report.notes {
        writeln!(
            out,
            "note: {}:{}: {}",
            shown(&note.file),
            note.line,
            shown(&note.what)
        )?;
    }
    let Report {
        lines,
        files,
        first_time,
        last_time,
        last_seq,
        chain,
        ..
    } = report;
    if *lines > 0 {
        writeln!(
            out,
            "{lines} lines in {files} files, from {} to {}",
            shown(first_time),
            shown(last_time)
        )?;
        writeln!(out, "line number {last_seq} has the chain {chain}")?;
    }
    let verdict = match (report.is_whole(), report.running) {
        (false, _) => "The log is NOT as it was written.",
        (true, false) => "The log is as it was written.",
        (true, true) => "The log is as it was written, and goes on being written.",
    };
    writeln!(out, "{verdict}")
}
