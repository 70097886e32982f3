//! `muster edit`: changes a record in an editor.

use std::{
    env, fs,
    io::{self, Write as _},
    path::Path,
    process::Command as Process,
};

use clap::Args;
use muster_access::{Record, parse_records};

use super::{
    Common, Failure,
    authority::Reached,
    context::now,
    print,
    records::{Named, yaml},
};
use crate::{
    authority::{Command, How, Kind},
    exit::Exit,
    report::escape::shown,
};

/// Arguments of `muster edit`.
#[derive(Args, Debug)]
pub struct Edit {
    /// The record. $VISUAL, else $EDITOR, else `vi` is opened on it.
    #[arg(value_name = "KIND/NAME")]
    record: Named,
}

/// What begins a line that muster wrote into the file.
const NOTE: &str = "#! ";

impl Edit {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let Named { kind, name } = self.record.clone();
        if kind == Kind::CertAuthority {
            return Err(Failure::new("certificate authorities cannot be edited")
                .hint("`muster auth rotate` exchanges one"));
        }
        let authority = Reached::look(common)?;
        let documents = authority.documents(Command::Get { kind, name })?;
        let [document] = documents.as_slice() else {
            return Err(super::authority::nonsense());
        };
        // Nothing is held while somebody thinks: whoever is faster wins, and the other is told.
        drop(authority);
        let before = yaml(&document.body)?;
        let file = tempfile::Builder::new()
            .prefix("muster-")
            .suffix(".yaml")
            .tempfile()
            .map_err(|error| cannot("make a file to edit", &error))?;
        fs::write(file.path(), &before)
            .map_err(|error| cannot("write the file to edit", &error))?;
        let mut last = before.clone();
        let record = loop {
            open(file.path())?;
            let text = fs::read_to_string(file.path())
                .map_err(|error| cannot("read the edited file", &error))?;
            let text: String = text
                .lines()
                .filter(|line| !line.starts_with(NOTE))
                .flat_map(|line| [line, "\n"])
                .collect();
            if text == before {
                print(|out| writeln!(out, "{} unchanged", shown(&self.record.to_string())))?;
                return Ok(Exit::Done);
            }
            match understand(&text, &self.record) {
                Ok(record) => break record,
                Err(problems) if text == last => {
                    let mut failure = Failure::new(format!(
                        "{} was not changed: it cannot be used so",
                        self.record
                    ));
                    for problem in problems {
                        failure = failure.because(problem);
                    }
                    return Err(keep(file, failure));
                }
                Err(problems) => {
                    let notes: String = problems
                        .iter()
                        .flat_map(|problem| [NOTE, problem, "\n"])
                        .collect();
                    fs::write(file.path(), format!("{notes}{text}"))
                        .map_err(|error| cannot("write the file to edit", &error))?;
                    last = text;
                }
            }
        };
        let how = How::Replace {
            revision: document.revision,
        };
        let records = vec![record.to_value()];
        let put = Reached::look(common)
            .and_then(|authority| authority.ask(Command::Put { records, how }));
        if let Err(failure) = put {
            return Err(keep(file, failure));
        }
        print(|out| writeln!(out, "{} updated", shown(&self.record.to_string())))?;
        Ok(Exit::Done)
    }
}

/// The one record that stands in the text, or everything that is wrong with it.
fn understand(text: &str, named: &Named) -> Result<Record, Vec<String>> {
    let (mut records, problems) = parse_records(text, now());
    let wrong: Vec<String> = problems
        .iter()
        .filter(|problem| problem.is_error())
        .map(|problem| format!("error: {problem}"))
        .collect();
    if !wrong.is_empty() {
        return Err(wrong);
    }
    match (records.pop(), records.is_empty()) {
        (Some(record), true)
            if record.kind() == named.kind.as_str() && record.name() == named.name =>
        {
            Ok(record)
        }
        (Some(record), true) => Err(vec![format!(
            "error: this is {}/{} now: kind and name stay, `muster create` makes another record",
            record.kind(),
            record.name()
        )]),
        _ => Err(vec!["error: there has to be one record in it".to_owned()]),
    }
}

fn open(path: &Path) -> Result<(), Failure> {
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .filter_map(|name| env::var(name).ok())
        .find(|editor| !editor.trim().is_empty())
        .unwrap_or_else(|| "vi".to_owned());
    // An editor may come with arguments: `code --wait`.
    let status = Process::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(path)
        .status()
        .map_err(|error| cannot("start the editor", &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "the editor `{editor}` failed, so nothing was changed"
        ))
        .because(status.to_string())
        .hint("set $EDITOR to one that works"))
    }
}

/// Leaves the edited file where it is, and says so.
fn keep(file: tempfile::NamedTempFile, failure: Failure) -> Failure {
    match file.keep() {
        Ok((_, path)) => {
            let _ = writeln!(
                io::stderr(),
                "what was edited is kept in {}",
                path.display()
            );
            failure
        }
        Err(error) => failure.because(format!("what was edited is lost: {error}")),
    }
}

fn cannot(what: &str, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {what}")).cause(error)
}
