//! `psql`, whose scripts and outputs are made and read here.

use std::{
    fs,
    io::{BufRead, BufReader, PipeReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
};

use tempfile::TempDir;

use super::{Robot, Way, answer, digest};

/// A `psql` that reads a script while it is written.
pub struct Psql {
    program: PathBuf,
    way: Way,
    dir: TempDir,
    /// Whether it has `\bind`, `\parse` and pipelines.
    modern: bool,
    child: Child,
    stdin: ChildStdin,
    /// What it says, errors between results as they come.
    said: BufReader<PipeReader>,
    /// Notifications that were not asked for yet.
    heard: Vec<Vec<String>>,
}

/// What came of one piece of a script.
struct Outcome {
    lines: Vec<String>,
    error: Option<Vec<String>>,
}

const MARK: &str = "=====";

impl Psql {
    /// Starts this program on this way.
    pub fn start(program: PathBuf, way: &Way) -> Self {
        let version = Command::new(&program).arg("--version").output().unwrap();
        let modern = String::from_utf8_lossy(&version.stdout).contains(" 18.");
        let (child, stdin, said) = launch(&program, way);
        Self {
            program,
            way: way.clone(),
            dir: tempfile::tempdir().unwrap(),
            modern,
            child,
            stdin,
            said,
            heard: Vec::new(),
        }
    }

    /// Runs a piece of a script.
    fn run(&mut self, script: &str) -> Outcome {
        let end = format!("\\echo '{MARK}' :ERROR :SQLSTATE :LAST_ERROR_MESSAGE");
        writeln!(self.stdin, "{script}\n{end}").unwrap();
        let mut lines: Vec<String> = Vec::new();
        loop {
            let mut line = String::new();
            self.said.read_line(&mut line).unwrap();
            let line = line.strip_suffix('\n');
            let line = line.unwrap_or_else(|| panic!("psql ended at {script}: {lines:?}"));
            if let Some(end) = line.strip_prefix(MARK) {
                let words: Vec<&str> = end.trim_start().splitn(3, ' ').collect();
                // It does not always say of COPY by variables what it says.
                let told = lines.iter().any(|line| line.starts_with("ERROR:  "));
                let error = match words[..] {
                    ["true", code, text] if !code.is_empty() => {
                        Some(answer(&["error", code, text]))
                    }
                    _ => told.then(|| said(&lines)),
                };
                return Outcome { lines, error };
            }
            match line.strip_prefix("Asynchronous notification \"") {
                Some(rest) => {
                    let (channel, rest) = rest.split_once("\" with payload \"").unwrap();
                    let (payload, _) = rest.rsplit_once("\" received").unwrap();
                    self.heard.push(answer(&["heard", channel, payload]));
                }
                None => lines.push(line.to_owned()),
            }
        }
    }

    /// Runs a statement, and reads the table that came of it.
    fn rows(&mut self, script: &str) -> Vec<String> {
        let Outcome { lines, error } = self.run(script);
        error.unwrap_or_else(|| table(&lines))
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn bound(&self, params: &[String]) -> String {
        let quoted = params
            .iter()
            .map(|param| format!(" '{}'", param.replace('\\', "\\\\").replace('\'', "''")));
        quoted.collect()
    }
}

fn launch(program: &PathBuf, way: &Way) -> (Child, ChildStdin, BufReader<PipeReader>) {
    let (said, both) = std::io::pipe().unwrap();
    let mut child = Command::new(program)
        .args([
            "-XAq",
            "-F",
            ",",
            "-P",
            "null=NULL",
            "-v",
            "VERBOSITY=verbose",
        ])
        .env_clear()
        .envs(way.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(both.try_clone().unwrap())
        .stderr(both)
        .spawn()
        .unwrap();
    let stdin = child.stdin.take().unwrap();
    (child, stdin, BufReader::new(said))
}

impl Robot for Psql {
    fn step(&mut self, words: &[String]) -> Vec<String> {
        let word = |at: usize| words[at].as_str();
        let done = || answer(&["done"]);
        match word(0) {
            "again" => {
                self.heard.clear();
                self.run("\\connect");
                done()
            }
            "sql" => self.rows(&format!("{};", word(1))),
            "other" => {
                let output = Command::new(&self.program)
                    .args(["-XAq", "-F", ",", "-P", "null=NULL", "-c", word(1)])
                    .env_clear()
                    .envs(self.way.env.iter().map(|(name, value)| (name, value)))
                    .output()
                    .unwrap();
                assert!(output.status.success(), "{output:?}");
                let lines = String::from_utf8(output.stdout).unwrap();
                table(&lines.lines().map(str::to_owned).collect::<Vec<_>>())
            }
            "types" => {
                let Outcome { lines, error } = self.run(&format!("{};", word(1)));
                error.unwrap_or_else(|| [answer(&["types"]), lines].concat())
            }
            "ask" if self.modern => {
                let bound = self.bound(&words[2..]);
                self.rows(&format!("{} \\bind{bound} \\g", word(1)))
            }
            "prepare" if self.modern => {
                let outcome = self.run(&format!("{} \\parse {}", word(2), word(1)));
                outcome.error.unwrap_or_else(done)
            }
            "run" if self.modern => {
                let bound = self.bound(&words[2..]);
                self.rows(&format!("\\bind_named {}{bound} \\g", word(1)))
            }
            "pipeline" if self.modern => {
                let sent = words[1..].iter();
                let sent: String = sent
                    .map(|sql| format!("{sql} \\bind \\sendpipeline\n"))
                    .collect();
                let Outcome { lines, .. } =
                    self.run(&format!("\\startpipeline\n{sent}\\endpipeline"));
                // Where the table is, is different each time.
                let errors = lines.into_iter().filter(|line| line.starts_with("ERROR:"));
                let errors: Vec<String> = errors.collect();
                match errors.is_empty() {
                    true => done(),
                    false => [answer(&["pipeline"]), errors].concat(),
                }
            }
            "copy-in" => self.rows(&format!("{};\n{}\\.", word(1), word(2))),
            "copy-lines" => {
                let count: usize = word(2).parse().unwrap();
                let lines: String = (1..=count)
                    .map(|number| format!("{number}\tline {number}\n"))
                    .collect();
                self.rows(&format!("{};\n{lines}\\.", word(1)))
            }
            "copy-out" => {
                let Outcome { lines, error } = self.run(&format!("{};", word(1)));
                error.unwrap_or_else(|| {
                    answer(&[
                        "text",
                        &lines
                            .iter()
                            .map(|line| format!("{line}\n"))
                            .collect::<String>(),
                    ])
                })
            }
            "copy-size" => {
                let file = self.file("out");
                self.run(&format!("\\o {file}\n{};\n\\o", word(1)));
                digest(&fs::read(file).unwrap())
            }
            "cursor" => {
                let script = format!(
                    "\\set FETCH_COUNT {}\n{};\n\\unset FETCH_COUNT",
                    word(2),
                    word(1)
                );
                let rows = self.rows(&script);
                answer(&["rows", &(rows.len() - 1).to_string()])
            }
            "listen" => {
                self.run(&format!("listen {};", word(1)));
                done()
            }
            "heard" => {
                while self.heard.is_empty() {
                    self.run("select;");
                }
                self.heard.remove(0)
            }
            "notices" => {
                let Outcome { lines, .. } = self.run(&format!("{};", word(1)));
                let notes = lines.iter().filter_map(|line| line.split_once(":  "));
                let notes = notes.filter_map(|(severity, rest)| {
                    let (_, text) = rest.split_once(": ")?;
                    (severity != "LOCATION").then(|| format!("{severity}: {text}"))
                });
                let notes = notes.collect();
                [answer(&["notices"]), notes].concat()
            }
            "lob" => {
                let (from, to) = (self.file("lob"), self.file("back"));
                fs::write(&from, "x".repeat(word(1).parse().unwrap())).unwrap();
                let script =
                    format!("\\lo_import {from}\n\\lo_export :LASTOID {to}\n\\lo_unlink :LASTOID");
                let Outcome { lines, .. } = self.run(&script);
                match fs::read(to) {
                    Ok(back) => digest(&back),
                    Err(_) => lines,
                }
            }
            "big" => {
                let to = self.file("big");
                let made = format!("\\set big `head -c {} /dev/zero | tr '\\0' x`", word(1));
                let script = format!(
                    "{made}\n\\pset tuples_only on\nselect :'big' \\g {to}\n\\pset tuples_only off\n\\unset big"
                );
                let outcome = self.run(&script);
                let back = fs::read(&to).unwrap_or_default();
                fs::remove_file(to).unwrap();
                let back = back.strip_suffix(b"\n").unwrap_or(&back);
                outcome.error.unwrap_or_else(|| digest(back))
            }
            _ => answer(&["cannot"]),
        }
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The error among these lines.
fn said(lines: &[String]) -> Vec<String> {
    let error = lines.iter().find_map(|line| line.strip_prefix("ERROR:  "));
    let (code, text) = error.unwrap().split_once(": ").unwrap();
    answer(&["error", code, text])
}

/// The rows between a head and a foot; `done` where there is no foot.
fn table(lines: &[String]) -> Vec<String> {
    let notes = ["NOTICE: ", "WARNING: ", "LOCATION: "];
    let lines: Vec<&String> = lines
        .iter()
        .filter(|line| !notes.iter().any(|note| line.starts_with(note)))
        .collect();
    match lines.as_slice() {
        [_, rows @ .., foot] if foot.starts_with('(') && foot.ends_with(')') => {
            let rows = rows.iter().map(ToString::to_string).collect();
            [answer(&["rows"]), rows].concat()
        }
        _ => answer(&["done"]),
    }
}
