//! Buffers that are there only while bytes are in them.
//!
//! Each worker thread keeps a few spare ones; the one given back last is taken first, because its memory is still
//! in the cache. An idle session holds none, so ten thousand idle sessions cost no buffers at all.

use std::cell::RefCell;

use super::record::{MAX_PLAIN, OVERHEAD};

/// Bytes of a buffer: four of TLS' longest records, and what each of them adds.
pub const SIZE: usize = 64 * 1024 + ROOM;
/// Bytes of a buffer beyond what may be plain text in it.
const ROOM: usize = 1024;
/// The most plain text that is put into one buffer.
pub const PLAIN: usize = SIZE - ROOM;

// So much can always be sealed into an empty buffer in one go, behind an answer to a change of keys.
const _: () = assert!(PLAIN.div_ceil(MAX_PLAIN) * OVERHEAD + 2 * OVERHEAD <= ROOM);

thread_local! {
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare { keep: 16, buffers: Vec::new() }) };
}

struct Spare {
    keep: usize,
    buffers: Vec<Box<[u8]>>,
}

/// How many spare buffers the calling worker keeps.
pub fn keep(count: usize) {
    SPARE.with_borrow_mut(|spare| spare.keep = count);
}

/// A buffer of [`SIZE`] bytes, with whatever was in it.
pub fn take() -> Box<[u8]> {
    SPARE
        .try_with(|spare| spare.borrow_mut().buffers.pop())
        .ok()
        .flatten()
        .unwrap_or_else(|| vec![0; SIZE].into_boxed_slice())
}

/// Gives a buffer back to the calling worker.
pub fn give(memory: Box<[u8]>) {
    // On a thread that is ending there is no pool any more; the memory is freed.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.buffers.len() < spare.keep {
            spare.buffers.push(memory);
        }
    });
}
