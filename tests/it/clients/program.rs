//! Robots that are programs of their own.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::{Robot, Way, here};
use crate::support::postgres::tools;

/// A program that reads a step a line and answers with a line.
pub struct Program {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Program {
    /// Starts one on this way, with further variables.
    pub fn start(program: &Path, args: &[&str], way: &Way, more: &[(&str, String)]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .envs(way.env.iter().map(|(name, value)| (name, value)))
            .envs(more.iter().map(|(name, value)| (name, value)))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
        }
    }
}

impl Robot for Program {
    fn step(&mut self, words: &[String]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| escape(word)).collect();
        writeln!(self.stdin, "{}", words.join("\t")).unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let line = line.strip_suffix('\n');
        let line = line.unwrap_or_else(|| panic!("it ended at {words:?}: see standard error"));
        line.split('\t').map(unescape).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn escape(word: &str) -> String {
    word.replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
}

fn unescape(word: &str) -> String {
    let mut out = String::new();
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        out.push(match letter {
            '\\' => match letters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                other => other.unwrap(),
            },
            letter => letter,
        });
    }
    out
}

/// The JDBC driver. It wants keys in a form of its own.
pub fn jdbc(way: &Way, place: &Path) -> Program {
    let jar = tools().join("clients/postgresql.jar");
    let classes = place.join("classes");
    if !classes.exists() {
        let javac = Command::new("javac")
            .args(["-nowarn", "-cp"])
            .arg(&jar)
            .arg("-d")
            .arg(&classes)
            .arg(here().join("Jdbc.java"))
            .output()
            .expect("javac: install a JDK, or run `tests/run`");
        assert!(javac.status.success(), "{javac:?}");
    }
    let url = match way.get("JDBC_URL") {
        Some(url) => url.to_owned(),
        None => jdbc_url(way, place),
    };
    let path = format!("{}:{}", jar.display(), classes.display());
    Program::start(
        Path::new("java"),
        &["-Xmx3g", "-cp", &path, "Jdbc"],
        way,
        &[("JDBC_URL", url)],
    )
}

/// The URL of a way that libpq's variables say, as a person would write it.
fn jdbc_url(way: &Way, place: &Path) -> String {
    let of = |name: &str| way.get(name).unwrap_or_default().to_owned();
    let mut url = format!(
        "jdbc:postgresql://{}:{}/{}?sslmode={}&sslrootcert={}",
        of("PGHOST"),
        of("PGPORT"),
        of("PGDATABASE"),
        of("PGSSLMODE"),
        of("PGSSLROOTCERT"),
    );
    if let Some(key) = way.get("PGSSLKEY") {
        let der = place.join(format!("{}.pk8", of("PGPORT")));
        let openssl = Command::new("openssl")
            .args([
                "pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in", key, "-out",
            ])
            .arg(&der)
            .output()
            .unwrap();
        assert!(openssl.status.success(), "{openssl:?}");
        url += &format!("&sslcert={}&sslkey={}", of("PGSSLCERT"), der.display());
        assert!(fs::exists(der).unwrap());
    }
    url
}
