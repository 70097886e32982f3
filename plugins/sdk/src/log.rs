//! Lines for whoever operates muster. It keeps 64 of 1 KiB a batch and counts the rest, so say what is wrong and not
//! what was done. In tests they go to standard error.
//!
//! ```
//! muster_plugin::warn!("no owner for account {}", "111122223333");
//! ```

use std::fmt;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the author.
    Debug,
    /// For whoever looks.
    Info,
    /// Somebody should look.
    Warn,
}

/// Hands a line to muster; [`warn!`](crate::warn) and the others are shorter.
pub fn log(level: Level, line: fmt::Arguments<'_>) {
    #[cfg(target_arch = "wasm32")]
    match line.as_str() {
        Some(line) => crate::__abi::log(level, line),
        None => crate::__abi::log(level, &line.to_string()),
    }
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {line}");
}

/// Logs a line for the author.
#[macro_export]
macro_rules! debug {
    ($($line:tt)*) => { $crate::log::log($crate::log::Level::Debug, format_args!($($line)*)) };
}

/// Logs a line for whoever looks.
#[macro_export]
macro_rules! info {
    ($($line:tt)*) => { $crate::log::log($crate::log::Level::Info, format_args!($($line)*)) };
}

/// Logs a line that somebody should look at.
#[macro_export]
macro_rules! warn {
    ($($line:tt)*) => { $crate::log::log($crate::log::Level::Warn, format_args!($($line)*)) };
}
