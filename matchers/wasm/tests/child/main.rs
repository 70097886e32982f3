//! Compilation in a child process, and the cache of what it made. This program is its own child, so it has a `main`
//! of its own in place of the usual test runner.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

mod cache;

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use muster_wasm::{Compiler, Host, Limits, LoadError, Options, Plugin, compile};

/// What it is started with to compile.
const COMPILE: &str = "compile-a-component";
/// What it is started with to load the base, from a cache, and say what became of it.
const LOAD: &str = "load-with-cache";
/// The same, after it has taken its own file away.
const VANISH: &str = "load-after-vanishing";

/// A component that does nothing and exports nothing: it compiles, and is then refused for its contract.
const SMALL: &str = "(component (core module (func (export \"f\") (result i32) i32.const 1)))";

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    (
        "a_good_component_is_compiled_and_kept",
        a_good_component_is_compiled_and_kept,
    ),
    (
        "an_invalid_component_is_refused_in_words",
        an_invalid_component_is_refused_in_words,
    ),
    (
        "a_bomb_that_takes_time_is_ended",
        a_bomb_that_takes_time_is_ended,
    ),
    (
        "a_bomb_that_takes_memory_is_ended",
        a_bomb_that_takes_memory_is_ended,
    ),
    ("a_child_that_is_none_of_ours", a_child_that_is_none_of_ours),
    (
        "a_damaged_file_is_compiled_again",
        cache::a_damaged_file_is_compiled_again,
    ),
    (
        "another_engine_does_not_take_it",
        cache::another_engine_does_not_take_it,
    ),
    (
        "a_folder_that_others_can_write_is_refused",
        cache::a_folder_that_others_can_write_is_refused,
    ),
    (
        "a_cache_that_cannot_be_written_is_told_and_no_hindrance",
        cache::a_cache_that_cannot_be_written_is_told_and_no_hindrance,
    ),
    (
        "the_cache_does_not_grow_for_ever",
        cache::the_cache_does_not_grow_for_ever,
    ),
    (
        "a_file_of_another_component_is_not_taken",
        cache::a_file_of_another_component_is_not_taken,
    ),
    (
        "what_was_begun_by_others_is_left_to_them",
        cache::what_was_begun_by_others_is_left_to_them,
    ),
    ("what_is_used_stays", cache::what_is_used_stays),
    (
        "several_processes_at_once",
        cache::several_processes_at_once,
    ),
    (
        "its_own_file_may_be_gone_while_it_runs",
        its_own_file_may_be_gone_while_it_runs,
    ),
    (
        "a_limit_of_whoever_started_it_is_not_raised",
        a_limit_of_whoever_started_it_is_not_raised,
    ),
    (
        "where_there_is_no_address_space_it_says_so",
        where_there_is_no_address_space_it_says_so,
    ),
];

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == COMPILE) {
        return compile::child();
    }
    if let [mode, cache] = args.as_slice()
        && [LOAD, VANISH].contains(&mode.as_str())
    {
        if mode == VANISH {
            std::fs::remove_file(std::env::current_exe().expect("its file")).expect("removed");
        }
        let loaded = Host::new(options(Limits::default(), Some(cache.into())))
            .map_err(|error| error.to_string())
            .and_then(|host| host.load(&base()).map_err(|error| error.to_string()));
        match loaded {
            Ok(plugin) => println!("{}", plugin.description().name),
            Err(error) => println!("{error}"),
        }
        return ExitCode::SUCCESS;
    }
    if args.iter().any(|arg| arg == "--list") {
        for (name, _) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let wanted = |name: &str| {
        let mut filters = args.iter().filter(|arg| !arg.starts_with('-')).peekable();
        filters.peek().is_none() || filters.any(|filter| name.contains(filter.as_str()))
    };
    println!("\nrunning {} tests", TESTS.len());
    let mut failed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| wanted(name)) {
        let passed = std::panic::catch_unwind(test).is_ok();
        failed += usize::from(!passed);
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
    }
    println!("\ntest result: {failed} failed");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn base() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/plugins/base.wat");
    let text = std::fs::read_to_string(path).expect("base.wat");
    wat::parse_str(text).expect("it parses")
}

fn options(limits: Limits, cache: Option<PathBuf>) -> Options {
    Options {
        limits,
        compiler: Compiler::this_program([COMPILE]),
        cache,
    }
}

fn host(limits: Limits) -> Host {
    Host::new(options(limits, None)).expect("a host")
}

fn cached(cache: &Path) -> Host {
    Host::new(options(Limits::default(), Some(cache.to_owned()))).expect("a host")
}

fn code(loaded: Result<Plugin, LoadError>) -> (&'static str, String) {
    match loaded {
        Ok(_) => ("ok", String::new()),
        Err(error) => (error.code(), error.to_string()),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

fn a_good_component_is_compiled_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("deep").join("cache");
    let component = base();
    let first = cached(&cache).load(&component).expect("it loads");
    assert!(!first.was_cached());
    // Another host, as after a restart.
    let second = cached(&cache).load(&component).expect("it loads");
    assert!(second.was_cached());
    assert_eq!(first.description(), second.description());
    assert_eq!(files(&cache).len(), 1, "one file, and nothing beside it");
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&cache), 0o700);
    assert_eq!(mode(&files(&cache)[0]), 0o600);
}

fn an_invalid_component_is_refused_in_words() {
    let component = wat::parse_str("(component (core module (func i32.add drop)))").expect("text");
    let (code, text) = code(host(Limits::default()).load(&component));
    assert_eq!(code, "invalid");
    assert!(text.contains("type mismatch"), "{text}");
}

/// So many loops in each other, over so many variables: it is the register allocator that takes for ever.
fn loops(depth: usize) -> Vec<u8> {
    let variables = "(local i32)".repeat(depth);
    let open: String = (0..depth)
        .map(|i| {
            format!(
                "(loop $l{i} (local.set {i} (i32.add (local.get {i}) (local.get {})))",
                (i + 1) % depth
            )
        })
        .collect();
    let close: String = (0..depth)
        .rev()
        .map(|i| format!("(br_if $l{i} (local.get {i})))"))
        .collect();
    wat::parse_str(format!(
        "(component (core module (func {variables} {open} {close})))"
    ))
    .expect("text")
}

fn a_bomb_that_takes_time_is_ended() {
    let limits = Limits {
        compile_seconds: 1,
        ..Limits::default()
    };
    let bomb = loops(400);
    assert!(bomb.len() < 20_000, "it is small: {}", bomb.len());
    let (code, text) = code(host(limits).load(&bomb));
    assert_eq!(code, "compile-time", "{text}");
    assert!(text.contains("within 1 seconds"), "{text}");
}

fn a_bomb_that_takes_memory_is_ended() {
    let limits = Limits {
        compile_memory_bytes: 192 << 20,
        compile_seconds: 60,
        ..Limits::default()
    };
    let host = host(limits);
    let (fine, _) = code(host.load(&wat::parse_str(SMALL).expect("text")));
    assert_eq!(
        fine, "unsupported-contract",
        "what is small has memory enough"
    );
    let adds = "(local.set 0 (i32.add (local.get 0) (local.get 1)))".repeat(400_000);
    let bomb = wat::parse_str(format!(
        "(component (core module (func (param i32 i32) (result i32) {adds} (local.get 0))))"
    ))
    .expect("text");
    let (code, text) = code(host.load(&bomb));
    assert_eq!(code, "compile-memory", "{text}");
}

fn a_child_that_is_none_of_ours() {
    let with = |program: &str, args: &[&str]| {
        let limits = Limits {
            compile_seconds: 1,
            ..Limits::default()
        };
        let compiler = Compiler::Child {
            program: program.into(),
            args: args.iter().map(Into::into).collect(),
        };
        let options = Options {
            limits,
            compiler,
            cache: None,
        };
        code(Host::new(options).expect("a host").load(&base()))
    };
    for (program, args, want, detail) in [
        (
            "/nowhere/to/be/found",
            &[][..],
            "compile-failed",
            "cannot be started",
        ),
        ("/bin/true", &[], "compile-failed", "exit status: 0"),
        (
            "/bin/sh",
            &["-c", "echo no >&2; exit 7"],
            "compile-failed",
            "exit status: 7: no",
        ),
        (
            "/bin/sh",
            &["-c", "kill -KILL $$"],
            "compile-failed",
            "signal: 9",
        ),
        (
            "/bin/sh",
            &["-c", "exec sleep 1000"],
            "compile-time",
            "within 1 seconds",
        ),
        (
            "/bin/sh",
            &["-c", "cat >&2"],
            "compile-failed",
            "exit status: 0",
        ),
        (
            "/bin/echo",
            &["+what is not machine code"],
            "too-demanding",
            "",
        ),
    ] {
        let (code, text) = with(program, args);
        assert_eq!(code, want, "{program} {args:?}: {text}");
        assert!(text.contains(detail), "{program} {args:?}: {text}");
    }
}

/// This program, in another process; what it prints.
fn this_program(program: &Path, mode: &str, cache: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg(mode).arg(cache).stdout(Stdio::piped());
    command
}

fn printed(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn own_file() -> PathBuf {
    std::env::current_exe().expect("its file")
}

fn its_own_file_may_be_gone_while_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy");
    std::fs::copy(own_file(), &copy).expect("copied");
    let said = printed(&mut this_program(
        &copy,
        VANISH,
        &folder.path().join("cache"),
    ));
    assert!(!copy.exists(), "it took itself away");
    assert_eq!(said, "wat\n", "and compiled all the same");
}

fn a_limit_of_whoever_started_it_is_not_raised() {
    let compiler = Compiler::Child {
        program: "/bin/sh".into(),
        args: [
            "-c",
            "ulimit -v 196608; exec \"$0\" \"$1\"",
            own_file().to_str().expect("text"),
            COMPILE,
        ]
        .map(Into::into)
        .to_vec(),
    };
    let host = Host::new(Options {
        limits: Limits {
            compile_seconds: 60,
            ..Limits::default()
        },
        compiler,
        cache: None,
    })
    .expect("a host");
    assert_eq!(code(host.load(&base())).0, "ok", "it is enough for this");
    let adds = "(local.set 0 (i32.add (local.get 0) (local.get 1)))".repeat(400_000);
    let bomb = wat::parse_str(format!(
        "(component (core module (func (param i32 i32) (result i32) {adds} (local.get 0))))"
    ))
    .expect("text");
    let (code, text) = code(host.load(&bomb));
    assert_eq!(code, "compile-memory", "{text}");
}

fn where_there_is_no_address_space_it_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = printed(
        Command::new("/bin/sh")
            .args(["-c", "ulimit -v 8388608; exec \"$0\" \"$@\""])
            .arg(own_file())
            .arg(LOAD)
            .arg(folder.path().join("cache")),
    );
    assert!(
        said.contains("is its address space limited?"),
        "it names the cause: {said}"
    );
}
