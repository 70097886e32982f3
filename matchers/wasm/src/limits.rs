//! [`Limits`]: what a plugin may use and hand back. Each has a default that suits plugins in Rust, C, JavaScript and
//! Python alike.

use std::time::Duration;

/// The most databases that a plugin is given at once.
pub const MAX_BATCH: usize = 1000;

/// A plugin in Python takes five on a fast machine, and many times that with a compiler that was built without
/// optimisations itself.
const COMPILE_SECONDS: u64 = if cfg!(debug_assertions) { 600 } else { 30 };

/// What one plugin may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest component, in bytes. A plugin in Python is 18 MB.
    pub component_bytes: usize,
    /// Memory of one instance, all its linear memories and tables together, in bytes.
    pub memory_bytes: usize,
    /// Stack of one call, in bytes.
    pub stack_bytes: usize,
    /// How long one batch may compute: instantiation, `configure` and `evaluate` together. It is time on the
    /// processor, so that a busy machine fails no plugin; by the clock on the wall it is [`Limits::WALL`] times that.
    pub time: Duration,
    /// In place of `time`: how many units of wasmtime's fuel one batch may use. The same on every run and machine.
    /// For tests and golden files; it costs up to 30 %.
    pub fuel: Option<u64>,
    /// How many databases a plugin is given at once, 1 to [`MAX_BATCH`]. With 1 it sees each alone, at ten times the
    /// cost.
    pub batch: usize,
    /// Batches of up to so many databases are judged one by one, each in an instance of its own.
    pub alone: usize,
    /// How many databases of each larger batch are judged once more: the last one alone, the others together and
    /// shuffled. A verdict that differs fails the batch.
    pub spot_checks: usize,
    /// Lines that are kept of what one batch logs.
    pub log_lines: usize,
    /// Bytes that are kept of one logged line.
    pub log_line_bytes: usize,
    /// Threads that judge batches at the same time; never more than the machine has.
    pub threads: usize,
    /// Memory that the compiler may use: the address space of its process, in bytes.
    pub compile_memory_bytes: u64,
    /// How long compilation may take: seconds on the processor, and twice that by the clock on the wall.
    pub compile_seconds: u64,
}

impl Limits {
    /// How many times [`Limits::time`] a batch may take by the clock on the wall.
    pub const WALL: u32 = 10;
    /// How many times [`Limits::log_lines`] are kept of one evaluation, however many batches it has.
    pub const LOG: usize = 16;

    /// How long all batches of one evaluation may compute together: the time of one for every thousand databases, and
    /// for eight more. No batch alone can be told from one that does much; all together can.
    pub(crate) fn allowance(&self, databases: usize) -> Duration {
        let thousands = u32::try_from(databases / 1000).unwrap_or(u32::MAX);
        self.time.saturating_mul(thousands.saturating_add(8))
    }

    /// Bytes that a plugin may hand back for a batch of so many databases. About ten times what a talkative plugin
    /// needs.
    pub(crate) const fn output_bytes(databases: usize) -> usize {
        (64 << 10) + databases.saturating_mul(4 << 10)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes: 32 << 20,
            memory_bytes: 64 << 20,
            stack_bytes: 512 << 10,
            time: Duration::from_secs(2),
            fuel: None,
            batch: MAX_BATCH,
            alone: 16,
            spot_checks: 16,
            log_lines: 64,
            log_line_bytes: 1024,
            threads: 8,
            compile_memory_bytes: 1 << 30,
            compile_seconds: COMPILE_SECONDS,
        }
    }
}
