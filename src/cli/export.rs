//! `muster export`: the enrolled databases for other tools.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::{Args, ValueEnum};

use super::{Common, Failure, context::write_file, print, records::yaml, targets::targets};
use crate::{exit::Exit, report::escape::shown};

/// Arguments of `muster export`.
#[derive(Args, Debug)]
pub struct Export {
    /// For which tool.
    #[arg(short, long, value_enum)]
    format: Format,
    /// The file to write. Without it, standard output.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// `kind: db` records, as `tctl create` takes them.
    Teleport,
}

impl Export {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let Format::Teleport = self.format;
        let targets = targets(common)?;
        let mut documents = Vec::new();
        let mut told = anstream::stderr().lock();
        for target in &targets {
            match muster_access::export(target) {
                Some(record) => documents.push(yaml(&record)?),
                None => {
                    let line = format!("{} is left out: it has no endpoint now", target.name);
                    // There is nobody left to tell when standard error is gone.
                    let _ = writeln!(told, "warning: {}", shown(&line));
                }
            }
        }
        let text = documents.join("---\n");
        match &self.out {
            None => print(|out| out.write_all(text.as_bytes()))?,
            Some(path) => {
                write_file(path, text.as_bytes()).map_err(|error| {
                    Failure::new(format!("cannot write {}", path.display())).cause(&error)
                })?;
                print(|out| {
                    writeln!(
                        out,
                        "{} databases written to {}",
                        documents.len(),
                        path.display()
                    )
                })?;
            }
        }
        Ok::<_, io::Error>(Exit::Done).map_err(Into::into)
    }
}
