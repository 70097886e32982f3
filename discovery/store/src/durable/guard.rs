//! Keeps a panic inside sled from becoming one of ours.
//!
//! sled checks its own files with assertions in places, so a damaged file may panic in it. Such a panic is
//! caught and becomes an error. It says nothing on standard error on its way: a hook, installed once, is
//! silent on a thread while it is inside sled, and passes every other panic on to the hook before it.

use std::{
    any::Any,
    cell::Cell,
    io,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use super::fault;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// How sled broke off.
pub(super) struct Broke {
    pub(super) why: String,
    /// The operating system's error that sled had not expected, when that was it.
    pub(super) system: Option<io::Error>,
}

/// What `call` returns, or how its panic came about. Nothing that `call` touches may be used after a panic,
/// except to drop it.
pub(super) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Broke> {
    install();
    let outer = INSIDE.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(outer);
    result.map_err(|payload| broke(payload.as_ref()))
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !INSIDE.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
}

fn broke(payload: &(dyn Any + Send)) -> Broke {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let system = fault::in_debug(text);
    let advised = fault::in_debug(text).map(fault::advised);
    let why = match &advised {
        Some(error) => error.to_string(),
        // The messages of assertions show whole data structures.
        None => text
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(200)
            .collect(),
    };
    Broke {
        why: format!("sled broke off: {why}"),
        system,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    #[test]
    fn a_panic_over_an_error_of_the_disk_is_told_in_the_systems_words() {
        let full = || io::Error::from_raw_os_error(28);
        let result: Result<(), _> = catch(|| {
            panic!(
                "called `Result::unwrap()` on an `Err` value: {:?}",
                sled::Error::Io(full())
            )
        });
        let Err(Broke { why, system }) = result else {
            panic!("it went well")
        };
        assert_eq!(
            why,
            "sled broke off: no space left on the device: free some space and try again"
        );
        assert_eq!(
            system.map(|error| error.kind()),
            Some(io::ErrorKind::StorageFull)
        );
    }
}
