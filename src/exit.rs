//! Exit codes: one enum, one page (`docs/exit-codes.md`).

use std::process::ExitCode;

/// How a command ended, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; for a plan: nothing to change, or `--detailed-exitcode` was not given.
    Done,
    /// Failed; the message has cause and hint.
    Failed,
    /// Changes are pending. Only with `--detailed-exitcode`.
    Changes,
    /// Some scopes were not completely read. What is shown is valid for the rest. A plan says so only with
    /// `--detailed-exitcode`; `scan` always does.
    Incomplete,
    /// Wrong usage of the command line (`EX_USAGE`).
    Usage,
    /// The configuration is wrong (`EX_CONFIG`).
    Config,
    /// Interrupted by SIGINT.
    Interrupted,
}

impl Exit {
    /// Every code.
    pub const ALL: &'static [Self] = &[
        Self::Done,
        Self::Failed,
        Self::Changes,
        Self::Incomplete,
        Self::Usage,
        Self::Config,
        Self::Interrupted,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::Incomplete => 3,
            Self::Usage => 64,
            Self::Config => 78,
            Self::Interrupted => 130,
        }
    }

    /// What it means, for the reference page.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => {
                "Done. For `plan`: nothing to change, or `--detailed-exitcode` was not given."
            }
            Self::Failed => "Failed. The message says what failed, why, and what to do next.",
            Self::Changes => "Changes are pending (`plan --detailed-exitcode`).",
            Self::Incomplete => {
                "Some scopes were not completely read; what is shown is valid for the rest (`scan`, and `plan` or `apply` with `--detailed-exitcode`). Comes before 2."
            }
            Self::Usage => "Wrong usage of the command line.",
            Self::Config => "The configuration is wrong; every problem is listed.",
            Self::Interrupted => {
                "Interrupted (SIGINT). SIGTERM ends a command by the signal itself, which a shell shows as 143. Either way a run is written whole or not at all."
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
