//! A page of the documentation, walked by somebody who does what it says.
//!
//! - A `yaml` block whose first line is a comment with a file's name is written to that file.
//! - `sql` is run in the database as its administrator.
//! - `sh` is run line by line. `muster run` starts the service; what asks is answered at a terminal; what belongs to the
//!   provider's own tools (`aws`, `az`) is only read.
//! - `text` is what the block before it printed: each of its lines, in this order, perhaps among others; `…` stands for anything.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::judge::Judge;
use crate::{
    service::world::{Service, World},
    support::{postgres::Postgres, terminal::Terminal},
};

/// The password that is chosen.
const PASSWORD: &str = "correct horse battery";

/// Somebody who walks a page.
pub struct Walk<'a> {
    pub world: &'a World,
    pub postgres: &'a Postgres,
    pub judge: &'a Judge,
    /// What stands in the page, and what it is here.
    pub here: Vec<(String, String)>,
    /// What more stands in the configuration, under `proxy`.
    pub proxy: String,
    /// The service, as soon as the page has started it.
    pub service: Option<Service>,
    /// What the last block has printed.
    pub printed: String,
    /// The link that Alice was given.
    pub link: String,
}

/// A block: its language, and what is in it.
pub struct Block {
    pub language: String,
    pub text: String,
}

/// The text of a page.
pub fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name);
    fs::read_to_string(path).unwrap()
}

/// The blocks of a page.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```");
            blocks.push(Block {
                language: language.to_owned(),
                text: text.map(|line| format!("{line}\n")).collect(),
            });
        }
    }
    blocks
}

/// What the client reads, by the table of troubles of a page: the code of the first cell of each row.
pub fn troubles(page: &str) -> Vec<&str> {
    let (_, table) = page.split_once("\n## When it does not work\n").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.split('|').nth(1).unwrap().trim())
        .collect()
}

impl Walk<'_> {
    /// Does what the blocks say.
    pub fn through(&mut self, blocks: &[Block]) {
        for Block { language, text } in blocks {
            match language.as_str() {
                "yaml" => self.writes(text),
                "sql" => {
                    self.postgres.sql(text);
                }
                "sh" => {
                    self.printed.clear();
                    for line in text.lines().filter(|line| !line.is_empty()) {
                        self.types(line);
                    }
                }
                "text" => self.reads(text),
                other => panic!("what is a block of {other}?"),
            }
        }
    }

    fn writes(&self, text: &str) {
        let (name, rest) = text.split_once('\n').unwrap();
        let name = name.strip_prefix("# ").expect("a file's name");
        let mut text = self.is_here(rest);
        if name == "muster.yaml" {
            text = text.replace("\nproxy:\n", &format!("\nproxy:\n{}", self.proxy));
            text += "service: { listen: 127.0.0.1:0 }\n";
        }
        fs::write(self.dir().join(name), text).unwrap();
    }

    fn types(&mut self, line: &str) {
        let line = self.is_here(line);
        let line = line.split(" #").next().unwrap().trim();
        if line.starts_with("aws ") || line.starts_with("az ") {
            return;
        }
        let command = self.command(line);
        if line == "muster run" {
            let service = self.world.launch(command);
            service.shows("a door", |status| status.proxy.is_some());
            self.service = Some(service);
        } else if line.starts_with("muster login") {
            self.printed += &self.logs_in(&command);
        } else {
            let Output {
                status,
                stdout,
                stderr,
            } = { command }.output().unwrap();
            let (out, err) = (
                String::from_utf8_lossy(&stdout),
                String::from_utf8_lossy(&stderr),
            );
            let judged = || self.judge.seen();
            assert!(status.success(), "{line}: {out}{err}{:?}", judged());
            self.printed += &out;
            if let Some(link) = out
                .split_whitespace()
                .find(|word| word.contains("/invite/"))
            {
                self.link = link.to_owned();
            }
        }
    }

    /// The person answers what is asked.
    fn logs_in(&self, command: &Command) -> String {
        let mut terminal = Terminal::sit(command);
        let mut shown = String::new();
        for (asked, answer) in [
            ("The link of the invitation: ", self.link.as_str()),
            ("A new password, of at least 12 characters: ", PASSWORD),
            ("The same again: ", PASSWORD),
            ("Type yes if so: ", "no"),
        ] {
            shown += &terminal.shows(asked);
            terminal.types(&format!("{answer}\n"));
        }
        let (status, rest) = terminal.ends();
        shown += &rest;
        assert!(status.success(), "{shown}");
        assert!(!shown.contains(PASSWORD), "{shown}");
        shown
    }

    fn reads(&self, text: &str) {
        let printed: Vec<String> = self.printed.lines().map(spaced).collect();
        let mut from = 0;
        for line in text.lines() {
            let wanted = spaced(&self.is_here(line));
            let at = printed[from..].iter().position(|line| has(line, &wanted));
            let at = at.unwrap_or_else(|| panic!("`{wanted}` is not in:\n{}", self.printed));
            from += at + 1;
        }
    }

    fn is_here(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (there, here) in &self.here {
            text = text.replace(there, here);
        }
        text
    }

    /// A command as a person of this place runs it.
    pub fn command(&self, line: &str) -> Command {
        let words = words(line);
        let (program, args) = words.split_first().unwrap();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = self.world.command(&args);
        if program != "muster" {
            let mut other = Command::new(program);
            other.args(&args).current_dir(self.dir());
            command = other;
        }
        // As the page has it: what is beside it is found.
        command.env_remove("MUSTER_CONFIG");
        command
    }

    fn dir(&self) -> PathBuf {
        self.world.dir.path().to_owned()
    }
}

/// The words of a line, as a shell divides them. The pages need no more of it than double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('"').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// Whether a line has this text, in which `…` stands for anything.
fn has(line: &str, wanted: &str) -> bool {
    let mut rest = Some(line);
    for part in wanted.split('…') {
        rest = rest.and_then(|rest| rest.split_once(part.trim()).map(|(_, rest)| rest));
    }
    rest.is_some()
}

/// A line with single spaces: columns are as wide as what is in them.
fn spaced(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
