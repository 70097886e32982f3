//! What a matcher looks like from outside: version 0.1 of the contract in the component model's canonical form.
//!
//! Written by hand, and not by a generator of bindings: what muster hands over is then looked at where it lies, and no
//! text, list or record of it is copied, counted or freed. An instance lives for one batch, and its memory ends with it.
//! `world.bin` is the contract itself, which whatever makes components needs; it and the layouts below change with the
//! contract only, and that is frozen.
//!
//! Everything here is called by muster or by [`export!`](crate::export), and by nobody else.
#![allow(unsafe_code, missing_docs)]

use std::{
    alloc::{Layout, alloc, handle_alloc_error},
    borrow::Cow,
    ptr, slice, str,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{
    About, Database, Enroll, Matcher, Problem, Verdict, database::Batch, log::Level, settings,
    verdict::List,
};

#[doc(hidden)]
pub use crate::database::Row;

/// The contract, as `wit-component` encodes it. The root's tests hold it against the WIT.
pub const WORLD: &[u8; include_bytes!("world.bin").len()] = include_bytes!("world.bin");

/// The matcher, once it has its settings.
pub struct Held<M>(Mutex<Option<M>>);

/// A text or a list as it crosses: where it is, and how many it has.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Crossing<T> {
    at: *const T,
    len: usize,
}

/// Two words, for a text or a list that goes out.
type Out = [u32; 2];

/// A verdict that goes out: which one, and then its fields in the order of the contract.
type RawVerdict = [u32; 10];

// === impl Held ===

impl<M> Held<M> {
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }
}

// === impl Crossing ===

impl<T> Crossing<T> {
    pub const fn new(at: *const T, len: usize) -> Self {
        Self { at, len }
    }

    /// # Safety
    ///
    /// It must have come from muster, which writes whole values of the type into room that [`realloc`] made.
    unsafe fn get(self) -> &'static [T] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the caller's. Nothing that `realloc` makes is ever freed or written to again.
        unsafe { slice::from_raw_parts(self.at, self.len) }
    }
}

impl Crossing<u8> {
    /// # Safety
    ///
    /// It must be a text that came from muster.
    unsafe fn text(self) -> &'static str {
        // SAFETY: the caller's; whoever hands over a text sees to it that it is UTF-8.
        unsafe { str::from_utf8_unchecked(self.get()) }
    }
}

/// Room that is taken at once, for the many small texts of a batch.
const CHUNK: usize = 64 << 10;

/// Makes room for what is handed over. Nothing is freed.
///
/// # Safety
///
/// The canonical ABI's: a power of two to align to, and an old place that was made here.
pub unsafe fn realloc(old: *mut u8, old_len: usize, align: usize, len: usize) -> *mut u8 {
    // There is one thread, and no atomic instruction: these are plain numbers.
    static AT: AtomicUsize = AtomicUsize::new(0);
    static LEFT: AtomicUsize = AtomicUsize::new(0);

    if len == 0 {
        return ptr::without_provenance_mut(align);
    }
    let at = AT.load(Relaxed);
    let skip = at.wrapping_neg() & (align - 1);
    let left = LEFT.load(Relaxed);
    let new = if skip + len <= left {
        AT.store(at + skip + len, Relaxed);
        LEFT.store(left - skip - len, Relaxed);
        ptr::with_exposed_provenance_mut(at + skip)
    } else if len >= CHUNK / 4 {
        allocate(len, align)
    } else {
        let chunk = allocate(CHUNK, align.max(8));
        AT.store(chunk.expose_provenance() + len, Relaxed);
        LEFT.store(CHUNK - len, Relaxed);
        chunk
    };
    if old_len > 0 {
        // SAFETY: the old place has so many bytes, the new one has room for `len`, and they are two places.
        unsafe { ptr::copy_nonoverlapping(old, new, old_len.min(len)) };
    }
    new
}

fn allocate(len: usize, align: usize) -> *mut u8 {
    let Ok(layout) = Layout::from_size_align(len, align) else {
        panic!("muster asks for room that cannot be");
    };
    // SAFETY: both callers ask for more than nothing.
    let new = unsafe { alloc(layout) };
    if new.is_null() {
        handle_alloc_error(layout);
    }
    new
}

pub fn log(level: Level, line: &str) {
    #[link(wasm_import_module = "muster:matcher/host@0.1.0")]
    unsafe extern "C" {
        #[link_name = "log"]
        fn host_log(level: u32, at: *const u8, len: usize);
    }
    let level = match level {
        Level::Debug => 0,
        Level::Info => 1,
        Level::Warn => 2,
    };
    // SAFETY: the import has this signature, and only reads the text while it runs.
    unsafe { host_log(level, line.as_ptr(), line.len()) }
}

/// `describe`.
pub fn describe<M: Matcher>() -> *const [Out; 7] {
    let About {
        name,
        version,
        author,
        licence,
        summary,
        settings_schema,
    } = M::ABOUT;
    let texts = [name, version, author, licence, summary, settings_schema];
    let [name, version, author, licence, summary, schema] = texts.map(|text| out(text.into()));
    leak([
        name,
        version,
        author,
        licence,
        summary,
        schema,
        list(Vec::<u32>::new()),
    ])
}

/// `configure`.
///
/// # Safety
///
/// The settings must be a text that came from muster.
pub unsafe fn configure<M: Matcher>(held: &Held<M>, json: Crossing<u8>) -> *const [u32; 3] {
    std::panic::set_hook(Box::new(|panic| log(Level::Warn, &panic.to_string())));
    // SAFETY: the caller's.
    let json = unsafe { json.text() };
    match settings::configure::<M>(json) {
        Ok(matcher) => {
            *held.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(matcher);
            leak([0; 3])
        }
        Err(problems) => {
            let problems: Vec<[Out; 2]> = problems
                .into_iter()
                .map(|Problem { path, message }| [out(path.into()), out(message.into())])
                .collect();
            let [at, len] = list(problems);
            leak([1, at, len])
        }
    }
}

/// `evaluate`.
///
/// # Safety
///
/// All three lists must have come from muster.
pub unsafe fn evaluate<M: Matcher>(
    held: &Held<M>,
    texts: Crossing<Crossing<u8>>,
    pairs: Crossing<u32>,
    rows: Crossing<Row>,
) -> *const Out {
    // SAFETY: the caller's.
    let (texts, pairs, rows) = unsafe {
        let texts: Vec<&str> = texts.get().iter().map(|text| text.text()).collect();
        // A pair is two numbers, and all of them lie side by side.
        let pairs = Crossing::new(pairs.at.cast::<[u32; 2]>(), pairs.len / 2).get();
        (texts, pairs, rows.get())
    };
    // What a verdict borrows is read after this has returned.
    let batch = Batch {
        texts: Vec::leak(texts),
        pairs,
    };
    let held = held.0.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(matcher) = &*held else {
        panic!("muster asks before it has said what the settings are");
    };
    let verdicts: Vec<RawVerdict> = rows
        .iter()
        .map(|row| raw(matcher.judge(Database::new(batch, row))))
        .collect();
    leak(list(verdicts))
}

/// What a verdict borrows from the matcher stays where it is: the matcher is held until the instance ends.
fn raw(verdict: Verdict<'_>) -> RawVerdict {
    match verdict {
        Verdict::Enroll(Enroll {
            name,
            labels,
            hints,
            reason,
        }) => {
            let some = u32::from(name.is_some());
            let name = out(name.unwrap_or_default());
            let (labels, hints, reason) = (self::pairs(labels), self::pairs(hints), out(reason));
            [
                0, some, name[0], name[1], labels[0], labels[1], hints[0], hints[1], reason[0],
                reason[1],
            ]
        }
        Verdict::Skip(reason) => one(1, out(reason)),
        Verdict::Pass(labels) => one(2, pairs(labels)),
        Verdict::Undecided(why) => one(3, out(why)),
    }
}

fn one(which: u32, [at, len]: Out) -> RawVerdict {
    [which, at, len, 0, 0, 0, 0, 0, 0, 0]
}

fn pairs(pairs: List<'_>) -> Out {
    let pairs = pairs.into_iter().map(|(key, value)| [out(key), out(value)]);
    list(pairs.collect::<Vec<[Out; 2]>>())
}

fn out(text: Cow<'_, str>) -> Out {
    let text = match text {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => text.leak(),
    };
    [address(text.as_ptr()), length(text.len())]
}

fn list<T>(list: Vec<T>) -> Out {
    let list: &[T] = list.leak();
    [address(list.as_ptr()), length(list.len())]
}

fn leak<T>(value: T) -> *const T {
    Box::leak(Box::new(value))
}

/// Addresses and lengths of this target have 32 bits.
fn address<T>(at: *const T) -> u32 {
    at.expose_provenance() as u32
}

fn length(len: usize) -> u32 {
    len as u32
}

/// The exports have to be in the crate of the component: what only a dependency exports may be left out by the linker.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($matcher:ty) => {
        const _: () = {
            use $crate::__abi as abi;

            static MATCHER: abi::Held<$matcher> = abi::Held::new();

            #[unsafe(link_section = "component-type:muster:matcher@0.1.0:matcher")]
            static WORLD: [u8; abi::WORLD.len()] = *abi::WORLD;

            #[unsafe(export_name = "cabi_realloc")]
            unsafe extern "C" fn realloc(
                old: *mut u8,
                old_len: usize,
                align: usize,
                len: usize,
            ) -> *mut u8 {
                unsafe { abi::realloc(old, old_len, align, len) }
            }

            #[unsafe(export_name = "muster:matcher/plugin@0.1.0#describe")]
            extern "C" fn describe() -> *const [[u32; 2]; 7] {
                abi::describe::<$matcher>()
            }

            #[unsafe(export_name = "muster:matcher/plugin@0.1.0#configure")]
            unsafe extern "C" fn configure(at: *const u8, len: usize) -> *const [u32; 3] {
                unsafe { abi::configure(&MATCHER, abi::Crossing::new(at, len)) }
            }

            #[unsafe(export_name = "muster:matcher/plugin@0.1.0#evaluate")]
            unsafe extern "C" fn evaluate(
                texts: *const abi::Crossing<u8>,
                texts_len: usize,
                pairs: *const u32,
                pairs_len: usize,
                databases: *const abi::Row,
                databases_len: usize,
            ) -> *const [u32; 2] {
                unsafe {
                    abi::evaluate(
                        &MATCHER,
                        abi::Crossing::new(texts, texts_len),
                        abi::Crossing::new(pairs, pairs_len),
                        abi::Crossing::new(databases, databases_len),
                    )
                }
            }
        };
    };
}
