//! Who reads what the service shows: `tests/tools/read_service.py`, which has nothing of muster's.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::de::DeserializeOwned;

use super::{Service, address};
use crate::service::world::PATIENCE;

/// The reader, running beside one service.
pub struct Reader {
    url: String,
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// One series: family, type, name, labels, value.
pub type Sample = (String, String, String, BTreeMap<String, String>, f64);

/// A program that `tests/tools/servers.sh` installs. Where it is missing the test fails and says so.
pub fn tool(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools");
    let tools = std::env::var_os("MUSTER_TEST_TOOLS").map_or(own, PathBuf::from);
    let path = tools.join("bin").join(name);
    assert!(
        path.exists(),
        "{} is not there: run tests/tools/servers.sh",
        path.display()
    );
    path
}

impl Reader {
    pub fn of(service: &Service) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/read_service.py");
        let mut child = Command::new(tool("python"))
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the reader starts");
        Self {
            url: format!("http://{}", address(service)),
            asks: child.stdin.take().expect("its input"),
            answers: BufReader::new(child.stdout.take().expect("its output")),
            child,
        }
    }

    /// What it says to one request; see the program.
    pub fn says<T: DeserializeOwned>(&mut self, what: &str) -> T {
        writeln!(self.asks, "{what} {}", self.url).expect("the reader reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        serde_json::from_str(&line).expect("the reader has found fault; see above")
    }

    /// Every series of a scrape.
    pub fn scrape(&mut self) -> Vec<Sample> {
        self.says("metrics")
    }

    /// The value of one series, written as in a query: `muster_targets{protocol="redis"}`.
    pub fn value(&mut self, series: &str) -> Option<f64> {
        value(&self.scrape(), series)
    }

    /// Waits until every series is as it should be.
    pub fn until(&mut self, wanted: &[(&str, Is)]) {
        let until = Instant::now() + PATIENCE;
        loop {
            let samples = self.scrape();
            let wrong: Vec<String> = wanted
                .iter()
                .filter_map(|(series, is)| {
                    let value = value(&samples, series);
                    (!is.fits(value)).then(|| format!("{series} is {value:?}, not {is:?}"))
                })
                .collect();
            if wrong.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "{wrong:#?}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a series should be.
#[derive(Clone, Copy, Debug)]
pub enum Is {
    Exactly(f64),
    AtLeast(f64),
    Absent,
}

impl Is {
    fn fits(self, value: Option<f64>) -> bool {
        match (self, value) {
            (Self::Exactly(wanted), Some(value)) => value == wanted,
            (Self::AtLeast(wanted), Some(value)) => value >= wanted,
            (Self::Absent, None) => true,
            (Self::Absent, Some(_)) | (_, None) => false,
        }
    }
}

/// The value of one series of a scrape. All of its labels have to be named.
fn value(samples: &[Sample], series: &str) -> Option<f64> {
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels: BTreeMap<String, String> = labels
        .trim_end_matches('}')
        .split_terminator(',')
        .map(|label| {
            let (name, value) = label.split_once('=').expect("a label");
            (name.to_owned(), value.trim_matches('"').to_owned())
        })
        .collect();
    let mut found = samples
        .iter()
        .filter(|(_, _, it, its, _)| it == name && *its == labels)
        .map(|(.., value)| *value);
    let value = found.next();
    assert_eq!(found.next(), None, "{series} is there twice");
    value
}
