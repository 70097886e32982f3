//! Files that are meant to hurt: each is refused, in one piece and soon.

use std::path::Path;

use proptest::prelude::*;

use super::{load, parse};

/// Seconds that this thread computed.
fn thread_time() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec
}

fn refused(name: &str, text: &str) -> String {
    let begin = thread_time();
    let Err(error) = parse(text, Some(Path::new("m.yaml"))) else {
        panic!("{name} parses")
    };
    // Far more than it takes, far less than what a file could take without bounds. It is the processor's time, so that
    // a busy machine fails nobody.
    let took = thread_time() - begin;
    assert!(took < 20, "{name} took {took} s");
    let shown = error.to_string();
    assert!(
        shown.len() < 64 * 1024,
        "{name}: {} bytes of problems",
        shown.len()
    );
    shown
}

#[test]
fn deep_nesting_is_refused() {
    for (name, text) in [
        ("lists", "[".repeat(100_000)),
        ("closed lists", "[".repeat(100_000) + &"]".repeat(100_000)),
        ("maps", "{a: ".repeat(100_000)),
        ("spread over lines", "[\n".repeat(100_000)),
        ("dashes", "- ".repeat(100_000)),
        ("questions", "? ".repeat(100_000)),
        (
            "under a key",
            format!("version: 1\nrules: {}", "[".repeat(100_000)),
        ),
        (
            "shallow",
            format!("version: 1\nrules: {}{}", "[".repeat(200), "]".repeat(200)),
        ),
    ] {
        refused(name, &text);
    }
}

#[test]
fn aliases_cannot_multiply() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{before}]\n");
    }
    refused("alias bomb", &bomb);
    let list = vec!["x"; 60_000].join(", ");
    let wide = format!("a: &a [{list}]\nb: [{}]\n", vec!["*a"; 60_000].join(", "));
    let shown = refused("wide aliases", &wide);
    assert!(shown.contains("more than 100000 values"), "{shown}");
    refused("an alias of itself", "a: &a [*a]\n");
    refused("an alias of nothing", "a: *nothing\n");
}

#[test]
fn size_is_bounded() {
    let five = format!("version: 1\n{}", "# padding\n".repeat(524_288));
    assert!(refused("5 MiB of comment", &five).contains("larger than 4 MiB"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.yaml");
    std::fs::write(&path, &five).unwrap();
    assert!(
        load(&path)
            .unwrap_err()
            .to_string()
            .contains("larger than 4 MiB")
    );
    let many: String = (0..90_000)
        .map(|index| format!("key{index}: x\n"))
        .collect();
    let shown = refused("90,000 unknown keys", &many);
    assert!(
        shown.ends_with("there are more problems than these"),
        "{shown}"
    );
    let many: String = (0..900).map(|index| format!("key{index}: x\n")).collect();
    let shown = refused("900 unknown keys", &many);
    assert_eq!(
        shown.lines().count(),
        101,
        "a hundred problems, and that there are more"
    );
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    assert!(
        refused("NUL", "version: 1\nstore: a\0b\n").contains("m.yaml:2: control character 0x00")
    );
    assert!(refused("escape", "version: \u{1b}[31m\n").contains("control character 0x1b"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("latin.yaml");
    std::fs::write(&path, b"version: 1\nstore: /var/lib/mus\xe4ter\n").unwrap();
    let shown = load(&path).unwrap_err().to_string();
    assert!(
        shown.contains("latin.yaml:2: the file is not UTF-8"),
        "{shown}"
    );
    assert!(
        load(dir.path())
            .unwrap_err()
            .to_string()
            .contains("cannot read the file")
    );
}

#[test]
fn the_beginning_may_be_odd() {
    let good =
        std::fs::read_to_string(super::root().join("fixtures/config/good/minimal.yaml")).unwrap();
    for text in [
        format!("\u{feff}{good}"),
        good.replace('\n', "\r\n"),
        format!("---\n{good}"),
        format!("%YAML 1.1\n---\n{good}"),
        format!("{good}...\n"),
    ] {
        parse(&text, None).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// No text makes it panic, and every problem has words.
    #[test]
    fn any_text_is_answered(text in "(version|store|rules|sources|aws|[a-z]{1,3}|[0-9]|: |- |\\[|\\]|\\{|\\}|, |\n|  |\"|'|&a|\\*a|!|\\||>|#|\\?|%|@|\t|é){0,60}") {
        if let Err(error) = parse(&text, None) {
            prop_assert!(!error.problems.is_empty());
            prop_assert!(error.problems.iter().all(|problem| !problem.message.is_empty()));
        }
    }

    /// A good file with one line changed is answered too, and lines that are named exist.
    #[test]
    fn any_damage_is_answered(line in 0_usize..60, text in "[ ]{0,8}[-a-z:\\[\\]{}\", *&!|>]{0,12}") {
        let full = std::fs::read_to_string(super::root().join("fixtures/config/good/full.yaml")).unwrap();
        let mut lines: Vec<&str> = full.lines().collect();
        let at = line % lines.len();
        lines[at] = &text;
        let text = lines.join("\n");
        if let Err(error) = parse(&text, None) {
            for problem in error.problems {
                prop_assert!(problem.line.is_none_or(|line| line >= 1 && line <= lines.len() + 1), "{problem}");
            }
        }
    }
}
