//! The parent's side: hands the component over, waits for so long, and says what became of it.

use std::{
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use rustix::process::Signal;
use wasmtime::Engine;

use super::{Compiler, DONE, MAX_ARTIFACT, Order, REFUSED};
use crate::{LoadError, guest::clean, limits::Limits};

/// What is read of the child's complaints.
const MAX_COMPLAINT: u64 = 4096;
/// Threads of the compiler. Each takes address space, so that a machine with many would leave no memory to them.
const THREADS: &str = "2";
/// How many times the processor's seconds may pass on the clock on the wall: on a busy machine a child gets a part of one
/// processor. What keeps computing is ended by the kernel long before.
const WALL: u64 = 6;

/// Machine code for this engine.
pub(crate) fn compile(
    component: &[u8],
    engine: &Engine,
    compiler: &Compiler,
    limits: &Limits,
) -> Result<Vec<u8>, LoadError> {
    match compiler {
        Compiler::InProcess => engine
            .precompile_component(component)
            .map_err(|error| invalid(&format!("{error:#}"))),
        Compiler::Child { program, args } => {
            let mut command = Command::new(program);
            command.args(args);
            in_child(component, command, limits)
        }
    }
}

fn in_child(component: &[u8], mut command: Command, limits: &Limits) -> Result<Vec<u8>, LoadError> {
    let failed = |what: &str, error: io::Error| LoadError::CompileFailed {
        detail: format!("{what}: {error}"),
    };
    let mut child = command
        .env_clear()
        .env("RAYON_NUM_THREADS", THREADS)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed("the compiler cannot be started", error))?;
    let outcome = talk(&mut child, component, limits);
    if !matches!(outcome, Ok(Some(_))) {
        // Already gone, if this fails.
        let _gone = child.kill();
    }
    let status = child
        .wait()
        .map_err(|error| failed("the compiler cannot be waited for", error))?;
    let outcome =
        outcome.map_err(|error| failed("no thread can be started to hear the compiler", error))?;
    let Some((answer, complaint)) = outcome else {
        return Err(LoadError::CompileTime {
            seconds: limits.compile_seconds,
        });
    };
    if answer.len() as u64 > MAX_ARTIFACT {
        return Err(LoadError::TooDemanding {
            detail: format!("its compiled form has more than {} MiB", MAX_ARTIFACT >> 20),
        });
    }
    match answer.split_first() {
        Some((&DONE, _)) if status.success() => {
            let mut answer = answer;
            answer.remove(0);
            Ok(answer)
        }
        Some((&REFUSED, why)) if status.success() => Err(invalid(&String::from_utf8_lossy(why))),
        _ => Err(ended(status, &complaint, limits)),
    }
}

/// What the child answered and complained of; none when it took too long.
fn talk(
    child: &mut Child,
    component: &[u8],
    limits: &Limits,
) -> io::Result<Option<(Vec<u8>, String)>> {
    let order = Order {
        memory_bytes: limits.compile_memory_bytes,
        seconds: limits.compile_seconds,
        stack_bytes: limits.stack_bytes,
        fuel: limits.fuel.is_some(),
        component_bytes: limits.component_bytes,
    };
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let thread = || std::thread::Builder::new().name("wasm-compile".to_owned());
        let started = thread()
            .spawn_scoped(scope, move || {
                // It may be gone already: then its end says why.
                let _written = stdin.map(|mut stdin| {
                    stdin
                        .write_all(order.line().as_bytes())
                        .and_then(|()| stdin.write_all(component))
                });
            })
            .and_then(|_| {
                thread().spawn_scoped(scope, move || {
                    let _waiting = sender.send(stdout.map(|stdout| read(stdout, MAX_ARTIFACT + 1)));
                })
            })
            .and_then(|_| {
                thread().spawn_scoped(scope, move || {
                    let complaint = stderr.map(|stderr| read(stderr, MAX_COMPLAINT));
                    clean(
                        &String::from_utf8_lossy(&complaint.unwrap_or_default()),
                        512,
                    )
                })
            });
        let complaining = match started {
            Ok(complaining) => complaining,
            Err(error) => {
                // Those that were started end with it.
                let _gone = child.kill();
                return Err(error);
            }
        };
        let wall = Duration::from_secs(limits.compile_seconds.saturating_mul(WALL));
        Ok(match receiver.recv_timeout(wall) {
            Ok(answer) => {
                let complaint = complaining.join().unwrap_or_default();
                Some((answer.unwrap_or_default(), complaint))
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let _gone = child.kill();
                None
            }
        })
    })
}

fn read(from: impl Read, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read before an error is of no less use.
    let _read = from.take(limit).read_to_end(&mut bytes);
    bytes
}

fn invalid(why: &str) -> LoadError {
    LoadError::Invalid {
        detail: clean(why, 512),
    }
}

/// What the end of a child that gave no answer means.
fn ended(status: ExitStatus, complaint: &str, limits: &Limits) -> LoadError {
    let memory = LoadError::CompileMemory {
        bytes: limits.compile_memory_bytes,
    };
    let time = LoadError::CompileTime {
        seconds: limits.compile_seconds,
    };
    match status.signal() {
        Some(signal) if signal == Signal::XCPU.as_raw() => time,
        _ if complaint.contains("memory allocation") || complaint.contains("Cannot allocate") => {
            memory
        }
        // How Rust ends where there is no memory, also when there is none to say so.
        Some(signal) if signal == Signal::ABORT.as_raw() && complaint.is_empty() => memory,
        _ if complaint.is_empty() => LoadError::CompileFailed {
            detail: format!("the compiler ended with {status}"),
        },
        _ => LoadError::CompileFailed {
            detail: format!("the compiler ended with {status}: {complaint}"),
        },
    }
}
