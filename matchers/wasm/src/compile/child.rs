//! The child's side: limits first, then the component.

use std::{
    io::{self, BufRead, Read, Write},
    process::ExitCode,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{DONE, MAX_ORDER, ORDER, Order, REFUSED};
use crate::{
    engine::{self, Use},
    limits::Limits,
};

/// What `main` of the program is to be when it was started to compile: reads a component from standard input, and
/// writes machine code, or why there is none, to standard output. Nothing else may have run before it.
///
/// It gives itself limits before it reads the component: address space and processor time as ordered, and no
/// files to write.
pub fn child() -> ExitCode {
    match run(io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _told = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut line = String::new();
    input.by_ref().take(MAX_ORDER).read_line(&mut line)?;
    let order = Order::parse(&line)
        .ok_or_else(|| io::Error::other(format!("expected a line `{ORDER} …` first")))?;
    limit(order)?;
    let mut component = Vec::new();
    input
        .take(order.component_bytes as u64 + 1)
        .read_to_end(&mut component)?;
    let (kind, body) = match artifact(&component, order) {
        Ok(artifact) => (DONE, artifact),
        Err(detail) => (REFUSED, detail.into_bytes()),
    };
    output.write_all(&[kind])?;
    output.write_all(&body)?;
    output.flush()
}

fn limit(order: Order) -> io::Result<()> {
    let limits = [
        (Resource::As, order.memory_bytes, order.memory_bytes),
        // At the first it is told, at the second it is killed: so that being killed means something else.
        (
            Resource::Cpu,
            order.seconds,
            order.seconds.saturating_add(1),
        ),
        (Resource::Core, 0, 0),
        // Pipes are no files: the answer is not bounded by this.
        (Resource::Fsize, 0, 0),
    ];
    for (resource, current, maximum) in limits {
        // Never more than whoever started the program has allowed: that is not ours to raise.
        let allowed = getrlimit(resource);
        let least = |limit: u64, allowed: Option<u64>| allowed.map_or(limit, |a| a.min(limit));
        let limit = Rlimit {
            current: Some(least(current, allowed.current.or(allowed.maximum))),
            maximum: Some(least(maximum, allowed.maximum)),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

fn artifact(component: &[u8], order: Order) -> Result<Vec<u8>, String> {
    let limits = Limits {
        stack_bytes: order.stack_bytes,
        fuel: order.fuel.then_some(0),
        ..Limits::default()
    };
    engine::engine(&limits, Use::Compile)
        .and_then(|engine| engine.precompile_component(component))
        .map_err(|error| format!("{error:#}"))
}
