//! Keeps a panic inside sled from becoming one of ours.
//!
//! sled checks its own files with assertions in places, so a damaged file may panic in it. Such a panic is
//! caught and becomes an error. It says nothing on standard error on its way: a hook, installed once, is
//! silent on a thread while it is inside sled, and passes every other panic on to the hook before it.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// What `call` returns, or the message of its panic. Nothing that `call` touches may be used after a panic,
/// except to drop it.
pub(super) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    install();
    let outer = INSIDE.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(outer);
    result.map_err(|payload| message(payload.as_ref()))
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

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    // The messages of assertions show whole data structures.
    let line = text.lines().next().unwrap_or_default();
    format!(
        "sled broke off: {}",
        line.chars().take(200).collect::<String>()
    )
}
