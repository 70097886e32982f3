//! Components made of text: `fixtures/plugins/base.wat`, with other parts in place of its own. They need no toolchain.

use std::{collections::BTreeMap, fs, path::Path};

/// It fails over every database.
pub const PANICS: (&str, &str) = ("judge", "(unreachable)");

/// It skips every database.
pub const SKIPS: (&str, &str) = ("judge", "(call $skip (local.get $v))");

/// It enrolls every database.
pub const ENROLLS: (&str, &str) = ("judge", "(call $enroll (local.get $v))");

/// It passes every database on.
#[allow(dead_code, reason = "those who share this file do not all need it")]
pub const PASSES: (&str, &str) = ("judge", "(i32.store (local.get $v) (i32.const 2))");

/// It refuses all settings: `teams` is `none`.
pub const REFUSES: (&str, &str) = (
    "configure",
    "(i64.store (i32.const 600) (i64.const 0x736d616574))
     (i32.store (i32.const 608) (i32.const 0x656e6f6e))
     (i32.store (i32.const 528) (i32.const 600)) (i32.store (i32.const 532) (i32.const 5))
     (i32.store (i32.const 536) (i32.const 608)) (i32.store (i32.const 540) (i32.const 4))
     (i32.store (i32.const 512) (i32.const 1))
     (i32.store (i32.const 516) (i32.const 528)) (i32.store (i32.const 520) (i32.const 1))
     (i32.const 512)",
);

/// A whole plugin, called `wat`, that enrolls what speaks `postgres` with the label `by=wat`, and skips the rest; with
/// these parts in place of its own, and this version of five letters.
pub fn plugin(version: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    assert_eq!(version.len(), 5, "{version}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/plugins/base.wat");
    let base = fs::read_to_string(path).expect("base.wat");
    let parts: BTreeMap<_, _> = parts.iter().copied().collect();
    let (mut text, mut used, mut skips) = (String::new(), 0, false);
    for line in base.lines() {
        let trimmed = line.trim_start();
        if let Some(name) = trimmed.strip_prefix(";;[ ") {
            if let Some(part) = parts.get(name) {
                text = text + part + "\n";
                used += 1;
                skips = true;
            }
        } else if trimmed == ";;]" {
            skips = false;
        } else if !skips {
            text = text + line + "\n";
        }
    }
    assert_eq!(used, parts.len(), "base.wat has {:?}", parts.keys());
    let shown = "\"0.1.0\\00\\00\\00\"";
    assert!(text.contains(shown), "base.wat has its version");
    let text = text.replace(shown, &format!("\"{version}\\00\\00\\00\""));
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}
