//! What every implementation of [`Store`] must do, as code that can be run against it.
//!
//! ```
//! use muster_store::{MemoryStore, Store, conformance};
//!
//! struct Memory;
//! impl conformance::Subject for Memory {
//!     fn fresh(&mut self) -> Result<Box<dyn Store>, String> {
//!         Ok(Box::new(MemoryStore::new()))
//!     }
//!     fn reopen(&mut self, _: Box<dyn Store>) -> Result<conformance::Reopened, String> {
//!         Ok(conformance::Reopened::NotDurable)
//!     }
//! }
//! # fn main() -> Result<(), conformance::Failure> {
//! conformance::run(&mut Memory)
//! # }
//! ```
//!
//! It panics nowhere: a failure names the case and what was seen.

mod cases;
mod oracle;
mod readers;

pub use self::{
    cases::CASES,
    oracle::{Expected, Step, StepOp, StepWrite, random_steps, replay},
};

use crate::store::Store;

/// An implementation under test.
pub trait Subject {
    /// A new, empty store; independent of those made before.
    ///
    /// # Errors
    /// When it cannot be made.
    fn fresh(&mut self) -> Result<Box<dyn Store>, String>;

    /// Closes a store that [`Self::fresh`] or this has made, and opens the same data again.
    ///
    /// # Errors
    /// When it cannot be opened again.
    fn reopen(&mut self, store: Box<dyn Store>) -> Result<Reopened, String>;
}

/// A store opened again.
pub enum Reopened {
    /// It is there again.
    Durable(Box<dyn Store>),
    /// The implementation does not outlive its process.
    NotDurable,
}

/// One thing that an implementation must do.
#[derive(Clone, Copy)]
pub struct Case {
    /// What.
    pub name: &'static str,
    /// Tries it.
    pub run: fn(&mut dyn Subject) -> Result<(), String>,
}

/// A case that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{case}: {message}")]
pub struct Failure {
    /// Which.
    pub case: &'static str,
    /// What was seen.
    pub message: String,
}

/// Runs all cases, up to the first that fails.
///
/// # Errors
/// The failure.
pub fn run(subject: &mut dyn Subject) -> Result<(), Failure> {
    CASES.iter().try_for_each(|case| {
        (case.run)(subject).map_err(|message| Failure {
            case: case.name,
            message,
        })
    })
}

/// `Err` with a message unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

/// `Err` with both values unless they are equal.
macro_rules! ensure_eq {
    ($left:expr, $right:expr, $($message:tt)+) => {
        let (left, right) = (&$left, &$right);
        if left != right {
            let left: String = format!("{left:?}").chars().take(600).collect();
            let right: String = format!("{right:?}").chars().take(600).collect();
            return Err(format!("{}: {left} is not {right}", format_args!($($message)+)));
        }
    };
}

use {ensure, ensure_eq};
