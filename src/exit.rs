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
    /// A check of `doctor` failed.
    Findings,
    /// Wrong usage of the command line (`EX_USAGE`).
    Usage,
    /// No service answers (`EX_UNAVAILABLE`).
    Unavailable,
    /// The configuration is wrong (`EX_CONFIG`).
    Config,
    /// Interrupted by SIGINT.
    Interrupted,
    /// Ended at once by SIGTERM.
    Terminated,
}

impl Exit {
    /// Every code.
    pub const ALL: &'static [Self] = &[
        Self::Done,
        Self::Failed,
        Self::Changes,
        Self::Incomplete,
        Self::Findings,
        Self::Usage,
        Self::Unavailable,
        Self::Config,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::Incomplete => 3,
            Self::Findings => 4,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::Config => 78,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// What it means, for the reference page.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => {
                "Done. For `plan`: nothing to change, or `--detailed-exitcode` was not given."
            }
            Self::Failed => {
                "Failed. The message says what failed, why, and what to do next. For `status`: the service is not ready, or the login does not count."
            }
            Self::Changes => "Changes are pending (`plan --detailed-exitcode`).",
            Self::Incomplete => {
                "Some scopes were not completely read; what is shown is valid for the rest (`scan`, and `plan` or `apply` with `--detailed-exitcode`). Comes before 2."
            }
            Self::Findings => {
                "Something does not work, and is listed with its remedy (`doctor`). What is only to be warned of ends with 0."
            }
            Self::Usage => "Wrong usage of the command line.",
            Self::Unavailable => {
                "The service does not answer: there is none (`status`, `reload`, `scan --now`), or the one that holds the store says nothing, or broke off (any command). Or the proxy cannot be reached, or says nothing (`login`, and what is asked by a login), or a database was not there in time (`db wait`, `db connect --wait`)."
            }
            Self::Config => "The configuration is wrong; every problem is listed.",
            Self::Interrupted => {
                "Interrupted (SIGINT). `run` ends cleanly then, with 0; a second signal ends it at once, with this. Either way a run is written whole or not at all."
            }
            Self::Terminated => {
                "Ended at once by a second signal to `run`, SIGTERM. Other commands end by the signal itself, which a shell shows in the same way."
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
