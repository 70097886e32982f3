//! docs/write-a-matcher.md, followed to the letter: its commands are run, its files written, and what the last block
//! configures is what muster takes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{
    guests::{compiler, guest, with_cargo},
    kit::Ended,
};

/// Language and text of each block, in order.
fn blocks() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/write-a-matcher.md");
    let text = fs::read_to_string(path).expect("the page");
    let mut blocks = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("\n```") {
        let (language, after) = after.split_once('\n').expect("a block begins");
        let (block, after) = after.split_once("\n```\n").expect("a block ends");
        blocks.push((language.to_owned(), block.to_owned()));
        rest = after;
    }
    blocks
}

struct Author {
    home: TempDir,
    at: PathBuf,
    ran: Vec<String>,
}

impl Author {
    fn run(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.ran
            .push(words.iter().take(3).copied().collect::<Vec<_>>().join(" "));
        match words.as_slice() {
            // Somebody has done that for tests: tests/tools/wasm-toolchain.sh.
            ["rustup", ..] => {}
            ["cd", folder] => self.at.push(folder),
            ["cargo", args @ ..] => {
                let mut command = Command::new(env!("CARGO"));
                command.args(args).env_remove("CARGO_MANIFEST_DIR");
                with_cargo(&mut command);
                let ended = Ended::of(command.current_dir(&self.at)).ends(0);
                assert!(ended.out.contains("test result: ok"), "{}", ended.out);
            }
            ["muster", args @ ..] => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
                command.args(args).current_dir(&self.at).env_clear();
                with_cargo(&mut command);
                command
                    .envs(compiler())
                    // As for an author who has set nothing: cargo makes a module, and muster the component.
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "rust-lld")
                    .env("XDG_CACHE_HOME", self.home.path().join("cache"));
                Ended::of(&mut command).ends(0);
            }
            _ => panic!("the page has a command that nobody runs: {line}"),
        }
    }
}

#[test]
fn the_page_on_writing_a_matcher_works() {
    let home = TempDir::new().expect("a folder");
    let at = home.path().to_path_buf();
    let mut author = Author {
        home,
        at,
        ran: Vec::new(),
    };
    let mut config = None;
    for (language, text) in blocks() {
        match language.as_str() {
            "sh" => text.lines().for_each(|line| author.run(line)),
            "rust" => fs::write(author.at.join("src/lib.rs"), text).expect("written"),
            "yaml" if text.starts_with("rules:") => config = Some(text),
            "yaml" => fs::write(author.at.join("tests.yaml"), text).expect("written"),
            other => panic!("a block of {other}"),
        }
    }
    for command in [
        "plugin new",
        "plugin build",
        "plugin test",
        "plugin inspect",
    ] {
        let command = format!("muster {command}");
        assert!(author.ran.contains(&command), "{command}: {:?}", author.ran);
    }

    // What the project has now is what its tests were run on: the example of the template is gone.
    let built = fs::read(author.at.join("ownership.wasm")).expect("a component");
    assert_eq!(&built[..8], b"\0asm\x0d\0\x01\0");

    // cargo made a plain module, which becomes the same component when it is named itself.
    let module = guest("ownership");
    assert_eq!(&module[..8], b"\0asm\x01\0\0\0");
    fs::write(author.at.join("module.wasm"), module).expect("written");
    author.run("muster plugin build module.wasm --out again.wasm");
    let again = fs::read(author.at.join("again.wasm")).expect("a component");
    assert!(again == built);

    author.at = author.home.path().to_path_buf();
    let config = config.expect("a configuration");
    let config = format!(
        "version: 1\nstore: data\npolicy: sync\nsources: {{ aws: [{{ types: [rds], regions: [eu-west-1] }}] }}\n{config}"
    );
    fs::write(author.at.join("muster.yaml"), config).expect("written");
    author.run("muster config check");
}
