//! What the README shows is what the program does.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README")
}

/// The code blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let mut blocks = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once(&format!("```{language}\n")) {
        let (block, after) = after.split_once("```").expect("a block ends");
        blocks.push(block.to_owned());
        rest = after;
    }
    blocks
}

fn muster(dir: &Path, args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .expect("muster runs")
}

#[test]
fn the_excerpt_is_what_the_demo_prints() {
    let dir = TempDir::new().expect("a directory");
    let output = muster(dir.path(), &["demo"]);
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    // The second day: from its announcement on.
    let (_, second) = printed.split_once("The next day").expect("two days");
    let lines: Vec<&str> = second.lines().map(str::trim_end).collect();
    let excerpt = blocks("text").into_iter().next().expect("an excerpt");
    let mut from = 0;
    for line in excerpt.lines().filter(|line| !line.trim().is_empty()) {
        let at = lines[from..]
            .iter()
            .position(|printed| *printed == line.trim_end());
        from +=
            at.unwrap_or_else(|| panic!("`{line}` is not in, or not in this order:\n{second}")) + 1;
    }
}

#[test]
fn the_first_commands_work_without_any_credentials() {
    let dir = TempDir::new().expect("a directory");
    let commands: Vec<String> = blocks("sh")
        .iter()
        .flat_map(|block| block.lines())
        .filter_map(|line| line.strip_prefix("muster "))
        .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
        .collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in &commands {
        let args: Vec<&str> = command.split_whitespace().collect();
        let output = muster(dir.path(), &args);
        let code = output.status.code().expect("ended by itself");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Only what reads a cloud may fail here, and says why.
        match args[0] {
            "plan" | "apply" => {
                assert_eq!(code, 1, "{command}: {said}");
                assert!(said.contains("no-credentials"), "{command}: {said}");
            }
            _ => assert_eq!(code, 0, "{command}: {said}"),
        }
    }
}
