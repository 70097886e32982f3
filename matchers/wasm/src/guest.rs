//! What the host keeps of one running instance: how much memory it has, how long it has run, what it logged.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Engine, ResourceLimiter, Result, Store, UpdateDeadline};

use crate::{
    engine::{MAX_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES},
    limits::Limits,
};

/// How serious a plugin says a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For the author.
    Debug,
    /// For whoever looks.
    Info,
    /// For whoever operates it.
    Warn,
}

impl Level {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
        }
    }
}

/// A line that a plugin logged, made fit for a terminal: no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How serious.
    pub level: Level,
    /// What.
    pub message: String,
}

/// A limit that an instance ran into. Typed, so that no text has to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error("it wants {wanted} bytes of memory, and {limit} are allowed")]
    Memory { wanted: usize, limit: usize },
    #[error("it wants a table of {wanted} elements, and {limit} are allowed")]
    Table { wanted: usize, limit: usize },
    #[error("it did not end within {limit:?} of computing")]
    Time { limit: Duration },
    #[error("it did not end within {limit:?}")]
    Wall { limit: Duration },
}

/// The data of a store.
pub(crate) struct Guest {
    memory: usize,
    memory_limit: usize,
    /// Lines that were kept.
    pub(crate) lines: Vec<Line>,
    /// Lines that were not.
    pub(crate) dropped: u64,
    log_lines: usize,
    log_line_bytes: usize,
}

impl Guest {
    /// A store for one instance, with every limit set: instantiation runs the plugin's code already.
    pub(crate) fn store(engine: &Engine, limits: &Limits, databases: usize) -> Result<Store<Self>> {
        let guest = Self {
            memory: 0,
            memory_limit: limits.memory_bytes,
            lines: Vec::new(),
            dropped: 0,
            log_lines: limits.log_lines,
            log_line_bytes: limits.log_line_bytes,
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| guest);
        store.set_hostcall_fuel(Limits::output_bytes(databases));
        if let Some(fuel) = limits.fuel {
            store.set_fuel(fuel)?;
        } else {
            let limit = limits.time;
            let wall = limit.saturating_mul(Limits::WALL);
            let (since, computed) = (Instant::now(), thread_time());
            store.set_epoch_deadline(1);
            store.epoch_deadline_callback(move |_| {
                if thread_time().saturating_sub(computed) >= limit {
                    return Err(Exceeded::Time { limit }.into());
                }
                if since.elapsed() >= wall {
                    return Err(Exceeded::Wall { limit: wall }.into());
                }
                Ok(UpdateDeadline::Continue(1))
            });
        }
        Ok(store)
    }

    /// Memory and tables that the instance has, in bytes.
    pub(crate) const fn memory(&self) -> usize {
        self.memory
    }

    /// Keeps a line, or counts it.
    pub(crate) fn log(&mut self, level: Level, message: &str) {
        if self.lines.len() < self.log_lines {
            let message = clean(message, self.log_line_bytes);
            self.lines.push(Line { level, message });
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let wanted = self.memory.saturating_sub(current).saturating_add(desired);
        let fits = wanted <= self.memory_limit;
        if fits {
            self.memory = wanted;
        }
        fits
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        if self.grow(current, desired) {
            return Ok(true);
        }
        let wanted = self.memory.saturating_sub(current).saturating_add(desired);
        let limit = self.memory_limit;
        Err(Exceeded::Memory { wanted, limit }.into())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        if desired > MAX_TABLE_ELEMENTS {
            return Err(Exceeded::Table {
                wanted: desired,
                limit: MAX_TABLE_ELEMENTS,
            }
            .into());
        }
        // An element is a pointer.
        let bytes = |elements: usize| elements.saturating_mul(size_of::<usize>());
        self.memory_growing(bytes(current), bytes(desired), None)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

/// How long this thread has computed.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// At most so many bytes of a text (and `…` where there were more), on one line and without anything that a terminal
/// would obey.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for c in text.chars() {
        let c = match c {
            '\t' | '\n' | '\r' => ' ',
            c if c.is_control() || is_invisible(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        };
        if out.len() + c.len_utf8() > limit {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out
}

/// Whether a character turns the direction of the text around it, or is seen by nobody.
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
