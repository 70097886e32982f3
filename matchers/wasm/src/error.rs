//! What can go wrong with a plugin, each with a code that never changes its meaning. Lists in reports, metrics and
//! tests go by the code; the text is for people.

use std::{fmt, sync::Arc};

/// Why a file is not a plugin that can be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Larger than [`Limits::component_bytes`](crate::Limits::component_bytes).
    #[error("the file has {size} bytes, and {limit} are allowed")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// It does not begin like WebAssembly.
    #[error("the file is not WebAssembly: it does not begin with `\\0asm`")]
    NotWasm,
    /// A core module: what compilers make before it is turned into a component.
    #[error(
        "the file is a core WebAssembly module, and a component is needed: `muster plugin build` makes one of it"
    )]
    CoreModule,
    /// Machine code that wasmtime compiled elsewhere. It would be run as it is, so it is never accepted.
    #[error("the file is precompiled machine code: only the component itself is accepted")]
    Precompiled,
    /// It ends within a section.
    #[error(
        "the file is cut short: it ends at byte {size}, and its section at {section} goes to {end}"
    )]
    Truncated {
        /// Its size.
        size: usize,
        /// Where the section that is cut begins.
        section: usize,
        /// Where that section says that it ends.
        end: u64,
    },
    /// It is malformed, or uses a feature that is off (threads, 64-bit memories).
    #[error("the component is not valid: {detail}")]
    Invalid {
        /// What is wrong, in the words of the parser.
        detail: String,
    },
    /// It imports something other than `muster:matcher/host`.
    #[error(
        "the component wants `{import}`, and a plugin is given nothing but `muster:matcher/host`: no files, network, \
         clock or randomness"
    )]
    Import {
        /// What it imports.
        import: String,
    },
    /// It exports no `muster:matcher/plugin`, or one of a version that this muster does not know.
    #[error("the component exports {}, and this muster runs {}", list(.found, "no `muster:matcher/plugin`"), list(.supported, "none"))]
    Contract {
        /// The versions of `muster:matcher/plugin` that it exports.
        found: Vec<String>,
        /// The versions that this muster runs.
        supported: Vec<String>,
    },
    /// It names a version of the contract and does not keep to it.
    #[error("the component does not keep to the contract that it names: {detail}")]
    Mismatch {
        /// What differs.
        detail: String,
    },
    /// It asks for more to begin with than a plugin may have: memory, tables, parts.
    #[error("the component asks for more to begin with than a plugin may have: {detail}")]
    TooDemanding {
        /// What.
        detail: String,
    },
    /// The compiler took too long.
    #[error("the component could not be compiled within {seconds} seconds")]
    CompileTime {
        /// The limit on the processor.
        seconds: u64,
    },
    /// The compiler needed too much memory.
    #[error("the component could not be compiled within {} MiB of memory", .bytes >> 20)]
    CompileMemory {
        /// The limit.
        bytes: u64,
    },
    /// The compiler failed in another way.
    #[error("the component could not be compiled: {detail}")]
    CompileFailed {
        /// How it ended.
        detail: String,
    },
    /// It failed before it could be asked, or over being asked what it is.
    #[error("the plugin fails at once: {0}")]
    Describe(PluginError),
    /// What `describe` said cannot be used.
    #[error("what the plugin says of itself cannot be used: {field}: {detail}")]
    Description {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

impl LoadError {
    /// A stable word for counting and for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::NotWasm => "not-wasm",
            Self::CoreModule => "core-module",
            Self::Precompiled => "precompiled",
            Self::Truncated { .. } => "truncated",
            Self::Invalid { .. } => "invalid",
            Self::Import { .. } => "unknown-import",
            Self::Contract { .. } => "unsupported-contract",
            Self::Mismatch { .. } => "contract-mismatch",
            Self::TooDemanding { .. } => "too-demanding",
            Self::CompileTime { .. } => "compile-time",
            Self::CompileMemory { .. } => "compile-memory",
            Self::CompileFailed { .. } => "compile-failed",
            Self::Describe(error) => error.code.as_str(),
            Self::Description { .. } => "bad-description",
        }
    }
}

/// What happened to a plugin while it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// It did not end within its time or fuel.
    Timeout,
    /// It wanted more memory than it may have, or a larger table.
    Memory,
    /// It recursed too deeply.
    Stack,
    /// It ended itself: a panic, an abort, an unreachable instruction.
    Panicked,
    /// Another trap: out of bounds, division by zero, a call to nothing.
    Trap,
    /// It handed back or logged more than it may.
    Output,
    /// What it handed back is not what the contract describes: text that is not UTF-8, lengths and places outside its
    /// memory, a case that does not exist.
    Malformed,
    /// It gave fewer or more verdicts than there were databases.
    Count,
    /// Its verdict on a database depends on which others it was asked about.
    Unstable,
    /// It refuses settings that it had accepted.
    Settings,
    /// A verdict that must not be followed: a label under a key that is muster's own, a text too long.
    BadVerdict,
    /// It said itself that it cannot tell. No fault of the plugin's.
    Undecided,
    /// Something else, which is not the plugin's fault.
    Host,
}

impl Failure {
    /// Every kind, in order.
    pub const ALL: &'static [Self] = &[
        Self::Timeout,
        Self::Memory,
        Self::Stack,
        Self::Panicked,
        Self::Trap,
        Self::Output,
        Self::Malformed,
        Self::Count,
        Self::Unstable,
        Self::Settings,
        Self::BadVerdict,
        Self::Undecided,
        Self::Host,
    ];

    /// Whether it counts against the plugin: whoever pauses one that fails again and again goes by this.
    pub const fn is_fault(self) -> bool {
        !matches!(self, Self::Undecided | Self::Host)
    }

    /// A stable word for counting and for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::Stack => "stack-overflow",
            Self::Panicked => "panicked",
            Self::Trap => "trap",
            Self::Output => "too-much-output",
            Self::Malformed => "malformed-output",
            Self::Count => "wrong-count",
            Self::Unstable => "unstable",
            Self::Settings => "settings-refused",
            Self::BadVerdict => "bad-verdict",
            Self::Undecided => "undecided",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A plugin failed: nothing is decided about the databases that it was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginError {
    /// What happened.
    pub code: Failure,
    /// The particulars, in one line.
    pub detail: Arc<str>,
}

impl PluginError {
    pub(crate) fn new(code: Failure, detail: impl Into<Arc<str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for PluginError {}

/// Why a plugin cannot be used with some settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigureError {
    /// The plugin refused them.
    #[error("the settings are refused: {}", problems(.0))]
    Problems(Vec<Problem>),
    /// The plugin failed over them.
    #[error("configure: {0}")]
    Failed(PluginError),
    /// They are too long to be handed over.
    #[error("the settings have {size} bytes, and {limit} are allowed")]
    TooLarge {
        /// Their size.
        size: usize,
        /// The limit.
        limit: usize,
    },
}

impl ConfigureError {
    /// A stable word for counting and for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Problems(_) => "settings-refused",
            Self::Failed(error) => error.code.as_str(),
            Self::TooLarge { .. } => "settings-too-large",
        }
    }
}

/// One thing that is wrong with the settings, in the plugin's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Dotted path into the settings; empty for the whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

fn problems(problems: &[Problem]) -> String {
    let all: Vec<_> = problems.iter().map(Problem::to_string).collect();
    all.join("; ")
}

fn list(versions: &[String], none: &str) -> String {
    if versions.is_empty() {
        return none.to_owned();
    }
    let all: Vec<_> = versions
        .iter()
        .map(|version| format!("`muster:matcher/plugin@{version}`"))
        .collect();
    all.join(", ")
}
