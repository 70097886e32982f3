//! What wasmtime's errors mean. Those that it gives a type are told by it; the rest are texts that may change, and all
//! come to [`Failure::Malformed`]: what a plugin handed back could not be read.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::{
    Failure, PluginError,
    guest::{Exceeded, Guest, Level, clean},
};

/// Of wasmtime's text for a plugin that hands over too much; it has no type.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls";

/// What became of an instance.
pub(crate) fn failure(error: &wasmtime::Error, guest: &Guest) -> PluginError {
    if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        let code = match exceeded {
            Exceeded::Memory { .. } | Exceeded::Table { .. } => Failure::Memory,
            Exceeded::Time { .. } | Exceeded::Wall { .. } => Failure::Timeout,
        };
        return PluginError::new(code, exceeded.to_string());
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trapped(*trap, guest);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return PluginError::new(Failure::Host, "all places for instances are taken");
    }
    let text = format!("{error:#}");
    if text.contains(HOSTCALL_FUEL) {
        return PluginError::new(Failure::Output, "it hands over more than it may");
    }
    PluginError::new(
        Failure::Malformed,
        format!("what it handed back cannot be read: {}", clean(&text, 256)),
    )
}

/// Runs what hands a plugin's bytes to wasmtime. A panic there is a fault of ours that one plugin has found: it must not
/// take the others' verdicts along.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, PluginError> {
    // What it was at is dropped while it unwinds, and nobody else has seen it.
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("without words");
        PluginError::new(
            Failure::Host,
            format!("the host panicked over it: {}", clean(said, 256)),
        )
    })
}

fn trapped(trap: Trap, guest: &Guest) -> PluginError {
    match trap {
        Trap::OutOfFuel => PluginError::new(Failure::Timeout, "it did not end within its fuel"),
        Trap::Interrupt => PluginError::new(Failure::Timeout, "it did not end within its time"),
        Trap::StackOverflow => PluginError::new(Failure::Stack, "its stack overflowed"),
        Trap::UnreachableCodeReached => {
            // The SDKs log what a panic says before they end.
            let last = guest.lines.last().filter(|line| line.level == Level::Warn);
            let detail = match last {
                Some(line) => format!("it panicked: {}", line.message),
                None => "it panicked: `unreachable` was executed".to_owned(),
            };
            PluginError::new(Failure::Panicked, detail)
        }
        Trap::InvalidChar
        | Trap::StringOutOfBounds
        | Trap::ListOutOfBounds
        | Trap::InvalidDiscriminant
        | Trap::UnalignedPointer => PluginError::new(
            Failure::Malformed,
            format!("what it handed over cannot be read: {trap}"),
        ),
        Trap::CannotEnterComponent => {
            PluginError::new(Failure::Host, "it was called after it had failed")
        }
        trap => PluginError::new(Failure::Trap, trap.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, clippy::panic)]

    use super::{Failure, caught};

    #[test]
    fn a_panic_is_an_error_about_one_plugin() {
        assert_eq!(caught(|| 1).expect("no panic"), 1);
        let error = caught(|| panic!("place {}\u{1b}[2J", 7)).expect_err("a panic");
        assert_eq!(error.code, Failure::Host);
        assert_eq!(
            &*error.detail,
            "the host panicked over it: place 7\u{fffd}[2J"
        );
    }
}
