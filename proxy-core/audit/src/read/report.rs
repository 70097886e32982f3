//! What is found in a log that is read to see whether it is as it was written.

use serde::Serialize;

/// What was found in a log.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Files that were read.
    pub files: u64,
    /// Lines that were read.
    pub lines: u64,
    /// The number of the first line.
    pub first_seq: u64,
    /// The number of the last line.
    pub last_seq: u64,
    /// The time of the first line.
    pub first_time: String,
    /// The time of the last line.
    pub last_time: String,
    /// The link of the last line: to be noted down elsewhere.
    pub chain: String,
    /// Whether the log was being written meanwhile.
    pub running: bool,
    /// What is not as it was written; at most 1000.
    pub problems: Vec<Problem>,
    /// Problems beyond those.
    pub more: u64,
    /// What the log says of itself that one should know, and that is no problem.
    pub notes: Vec<Note>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn wrong(&mut self, file: &str, line: u64, wrong: Wrong) {
        if self.problems.len() >= MOST {
            self.more += 1;
            return;
        }
        self.problems.push(Problem {
            file: file.to_owned(),
            line,
            what: wrong.to_string(),
            wrong,
        });
    }
}

pub(super) const MOST: usize = 1000;

/// One thing that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// In which file; empty for the log as a whole.
    pub file: String,
    /// At which line of it, from 1; 0 for the file as a whole.
    pub line: u64,
    /// In words.
    pub what: String,
    /// What it is.
    #[serde(flatten)]
    pub wrong: Wrong,
}

/// Something that one should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// In which file.
    pub file: String,
    /// At which line of it.
    pub line: u64,
    /// What.
    pub what: String,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Wrong {
    /// Not a line of a log.
    #[error("this is no line of the log, or it was changed beyond recognition")]
    Foreign,
    /// The hash does not fit.
    #[error("this line, or the end of the one before, was changed")]
    Changed,
    /// Lines are not there.
    #[error("{count} lines before this one are missing")]
    Missing {
        /// How many.
        count: u64,
    },
    /// A line that was there before, or was never written.
    #[error("this line does not belong here: it was put in, repeated or moved")]
    Misplaced,
    /// The end is not there.
    #[error(
        "the end of the log is missing: line number {expected} was on the disk, and the last one is {found}"
    )]
    Truncated {
        /// The number that the head has.
        expected: u64,
        /// The last number.
        found: u64,
    },
    /// The line that the head names is another one.
    #[error("the head says that line number {seq} has another chain than it has")]
    OtherHead {
        /// Its number.
        seq: u64,
    },
    /// There is no head, or none that can be read.
    #[error(
        "the head is missing or damaged, so that nobody can tell whether the end of the log is"
    )]
    NoHead,
    /// There are no files.
    #[error("there are no files")]
    Empty,
    /// The log itself says that something was wrong.
    #[error("the log was found damaged before: {said}")]
    Recorded {
        /// What it says.
        said: String,
    },
    /// A link that was noted down is not there.
    #[error("the chain {chain} is not in the log")]
    NotThere {
        /// The link.
        chain: String,
    },
    /// A file cannot be read.
    #[error("the file cannot be read: {why}")]
    Unreadable {
        /// Why.
        why: String,
    },
}
