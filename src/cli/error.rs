//! How a command fails: what, why, and what to do next, each once, on standard error.

use std::{error::Error, io, sync::Arc};

use crate::{control::ClientError, exit::Exit, report::escape::shown};

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    what: String,
    why: Vec<String>,
    next: Option<String>,
    exit: Exit,
    broken_pipe: bool,
}

impl Failure {
    /// What failed, on what: lower case, no full stop.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            why: Vec::new(),
            next: None,
            exit: Exit::Failed,
            broken_pipe: false,
        }
    }

    /// Why: the error and all that stands behind it.
    #[must_use]
    pub fn cause(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if self.why.last() != Some(&text) && text != self.what {
                self.why.push(text);
            }
            let shared = error.downcast_ref::<Arc<io::Error>>().map(AsRef::as_ref);
            if let Some(io) = error.downcast_ref::<io::Error>().or(shared) {
                // The store of a service that does not answer.
                let inner = io.get_ref().and_then(|e| e.downcast_ref::<ClientError>());
                if let Some(unreachable) = inner.filter(|error| error.is_unreachable()) {
                    self.exit = Exit::Unavailable;
                    self.next = unreachable.hint();
                }
            }
            next = error.source();
        }
        self
    }

    /// Why, in words of our own.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// What to do next.
    #[must_use]
    pub fn hint(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// What failed, where only the reasons were known.
    #[must_use]
    pub fn within(mut self, what: &str) -> Self {
        what.clone_into(&mut self.what);
        self
    }

    /// What failed in other words, with what was said of it before as the first reason.
    #[must_use]
    pub fn reworded(mut self, what: &str, said: String) -> Self {
        what.clone_into(&mut self.what);
        self.why.insert(0, said);
        self
    }

    /// All of it in one line, for where it is one problem among others.
    pub fn in_one_line(&self) -> String {
        let parts = std::iter::once(&self.what).chain(&self.why);
        parts.map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    /// Why, a line each.
    pub fn reasons(&self) -> &[String] {
        &self.why
    }

    /// What to do next.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// With which code to end.
    #[must_use]
    pub const fn exits(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The code.
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether all that happened is that nobody reads the output any more.
    pub const fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }

    /// Writes it: a line each, whatever names and messages from outside hold.
    pub fn print(&self, out: &mut dyn io::Write) {
        // There is nobody left to tell when standard error is gone.
        let _ = writeln!(out, "error: {}", shown(&self.what));
        for why in &self.why {
            let _ = writeln!(out, "cause: {}", shown(why));
        }
        if let Some(next) = &self.next {
            let _ = writeln!(out, "hint:  {}", shown(next));
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self {
            broken_pipe: error.kind() == io::ErrorKind::BrokenPipe,
            ..Self::new("cannot write the output").cause(&error)
        }
    }
}
