//! From a component to machine code, in a process of its own.
//!
//! Nothing that bounds a running plugin bounds the compiler: a few kilobytes can keep it busy for minutes or take
//! gigabytes. So it runs in a child with limits that the kernel holds it to, and only its result is taken. The child is
//! this same program, started with an argument that [`Compiler::Child`] names; its `main` calls [`child`] for it.

mod child;
mod parent;

use std::{ffi::OsString, path::PathBuf};

pub use self::child::child;
pub(crate) use self::parent::compile;

/// Where components are compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// In a process of its own, with limits.
    Child {
        /// The program: one whose `main` calls [`child`] when it is given these arguments.
        program: PathBuf,
        /// Its arguments.
        args: Vec<OsString>,
    },
    /// In this process, without limits: for components that one has written oneself.
    InProcess,
}

impl Compiler {
    /// This very program, with these arguments. It is found by what runs, not by name, so that an upgrade that
    /// replaces the file changes nothing.
    pub fn this_program<I: Into<OsString>>(args: impl IntoIterator<Item = I>) -> Self {
        Self::Child {
            program: PathBuf::from("/proc/self/exe"),
            args: args.into_iter().map(Into::into).collect(),
        }
    }
}

/// The largest machine code that is taken, in bytes. A plugin in Python comes to 60 MB.
pub(crate) const MAX_ARTIFACT: u64 = 256 << 20;

/// What the parent writes before the component, so that both compile for the same engine and the child knows its
/// limits: one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    memory_bytes: u64,
    seconds: u64,
    stack_bytes: usize,
    fuel: bool,
    component_bytes: usize,
}

/// The first word of that line.
const ORDER: &str = "muster-wasm-compile-1";
/// The longest such line.
const MAX_ORDER: u64 = 256;
/// What the child's answer begins with: machine code follows.
const DONE: u8 = b'+';
/// What the child's answer begins with: the reason follows.
const REFUSED: u8 = b'-';

impl Order {
    fn line(self) -> String {
        let Self {
            memory_bytes,
            seconds,
            stack_bytes,
            fuel,
            component_bytes,
        } = self;
        format!(
            "{ORDER} {memory_bytes} {seconds} {stack_bytes} {} {component_bytes}\n",
            u8::from(fuel)
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim_end().split(' ');
        if words.next()? != ORDER {
            return None;
        }
        let order = Self {
            memory_bytes: words.next()?.parse().ok()?,
            seconds: words.next()?.parse().ok()?,
            stack_bytes: words.next()?.parse().ok()?,
            fuel: match words.next()? {
                "0" => false,
                "1" => true,
                _ => return None,
            },
            component_bytes: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(order)
    }
}
