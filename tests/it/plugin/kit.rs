//! Components made of text, and the program that is run on them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with plugins in it, and a home for the cache.
pub struct Desk(TempDir);

pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/plugins")
}

/// `base.wat` with other sections in place of its own; see fixtures/plugins/README.md.
pub fn base(replace: &[(&str, &str)]) -> Vec<u8> {
    let base = fs::read_to_string(fixtures().join("base.wat")).expect("base.wat");
    let (mut out, mut used, mut skipping) = (String::new(), 0, false);
    for line in base.lines() {
        let trimmed = line.trim_start();
        if let Some(name) = trimmed.strip_prefix(";;[ ") {
            if let Some((_, text)) = replace.iter().find(|(section, _)| *section == name) {
                out.push_str(text);
                out.push('\n');
                (used, skipping) = (used + 1, true);
            }
        } else if trimmed == ";;]" {
            skipping = false;
        } else if !skipping {
            out.push_str(line);
            out.push('\n');
        }
    }
    assert_eq!(used, replace.len(), "base.wat has them all");
    wat::parse_str(&out).unwrap_or_else(|error| panic!("{error}"))
}

/// It enrolls every second database of a batch.
pub const COUNTS: &[(&str, &str)] = &[
    ("code", "(global $seen (mut i32) (i32.const 0))"),
    (
        "judge",
        "(global.set $seen (i32.add (global.get $seen) (i32.const 1))) \
         (if (i32.and (global.get $seen) (i32.const 1)) (then (call $enroll (local.get $v))) \
           (else (call $skip (local.get $v))))",
    ),
];

/// It crashes over what does not speak `postgres`.
pub const CRASHES: &[(&str, &str)] = &[(
    "judge",
    "(if (i32.eq (call $len (i32.load offset=16 (local.get $db))) (i32.const 8)) \
       (then (call $enroll (local.get $v)) (return))) \
     (unreachable)",
)];

/// It refuses all settings but none: `path` is wrong, it says.
pub const REFUSES: &[(&str, &str)] = &[
    (
        "code",
        "(data (i32.const 560) \"aliases.env\" \"must be a map\")",
    ),
    (
        "configure",
        "(if (i32.eq (i32.load (local.get $settings)) (i32.const 0x6c6c756e)) (then (return (i32.const 320)))) \
         (i32.store (i32.const 512) (i32.const 1)) \
         (i32.store (i32.const 516) (i32.const 528)) \
         (i32.store (i32.const 520) (i32.const 1)) \
         (i32.store (i32.const 528) (i32.const 560)) \
         (i32.store (i32.const 532) (i32.const 11)) \
         (i32.store (i32.const 536) (i32.const 571)) \
         (i32.store (i32.const 540) (i32.const 13)) \
         (i32.const 512)",
    ),
];

impl Desk {
    pub fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    /// A folder with `wat.wasm`: base.wat with these sections.
    pub fn with(replace: &[(&str, &str)]) -> Self {
        let desk = Self::new();
        desk.write("wat.wasm", base(replace));
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("written");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null());
        command
    }

    /// `muster plugin ARGS`.
    pub fn plugin(&self, args: &[&str]) -> Ended {
        let all = [&["plugin"], args].concat();
        Ended::of(&mut self.command(&all))
    }

    pub fn json(&self, args: &[&str]) -> Value {
        let ended = self.plugin(args);
        serde_json::from_str(&ended.out)
            .unwrap_or_else(|error| panic!("{error}: {}{}", ended.out, ended.err))
    }
}

impl Ended {
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().expect("muster runs");
        Self {
            code: output.status.code().expect("ended by itself"),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self
    }

    /// Failed, and said so in these words.
    #[track_caller]
    pub fn fails(self, words: &[&str]) -> Self {
        let ended = self.ends(1);
        for word in words {
            assert!(
                ended.err.contains(word),
                "`{word}` is not in:\n{}",
                ended.err
            );
        }
        ended
    }
}

/// Compares with a file of `fixtures/plugins/commands`; `MUSTER_BLESS=1` writes it.
#[track_caller]
pub fn golden(name: &str, now: &str) {
    let path = fixtures().join("commands").join(name);
    if std::env::var_os("MUSTER_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, now).expect("written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(there, now, "{name}: MUSTER_BLESS=1 writes it anew");
}

/// The same, without what differs from run to run.
pub fn steady(text: &str) -> String {
    let rules = [
        (r"\b\d+(\.\d)? (ns|us|ms|s)\b", "TIME"),
        (r#"time="[0-9.]+""#, r#"time="SECONDS""#),
        (r"\b[0-9a-f]{64}\b", "DIGEST"),
    ];
    rules.iter().fold(text.to_owned(), |text, (rule, with)| {
        let rule = regex::Regex::new(rule).expect("a rule");
        rule.replace_all(&text, *with).into_owned()
    })
}
