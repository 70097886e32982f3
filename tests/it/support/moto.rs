//! An AWS that is not ours: moto's server with a fleet in it, and what boto3 finds there.
//!
//! `tests/tools/servers.sh` installs both. Where they are missing a test fails and says so: it is never skipped.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use serde::Deserialize;

/// The role in the other account.
pub const ROLE: &str = "arn:aws:iam::222222222222:role/muster";

/// The regions that hold the fleet.
pub const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

/// A running server with the fleet of `tests/tools/fleet.py`.
pub struct Moto {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// What boto3 finds, by id.
    pub found: Vec<Found>,
    server: Child,
}

/// One endpoint, as boto3 lists it.
#[derive(Clone, Debug, Deserialize)]
pub struct Found {
    pub id: String,
    pub service: String,
    pub account: String,
    pub region: String,
    pub role: String,
    pub host: String,
    pub port: u16,
    pub engine: String,
    pub version: Option<String>,
    pub tags: std::collections::BTreeMap<String, String>,
    pub state: String,
}

impl Moto {
    /// The server that all tests of this process share: none of them changes it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        SHARED.get_or_init(|| {
            let mut moto = Self::bare();
            moto.found = moto.fleet("create");
            moto
        })
    }

    /// A server with nothing in it.
    pub fn bare() -> Self {
        let mut server = Command::new(python())
            .arg(tool("moto_more.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("start moto");
        // It prints its address when it listens; it ends when our end of its input closes.
        let mut url = String::new();
        let out = server.stdout.take().expect("piped");
        BufReader::new(out)
            .read_line(&mut url)
            .expect("read the address of moto");
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://"), "moto did not start; {HOW}");
        Self {
            url,
            found: Vec::new(),
            server,
        }
    }

    fn fleet(&self, what: &str) -> Vec<Found> {
        let output = Command::new(python())
            .args([
                tool("fleet.py").as_os_str(),
                what.as_ref(),
                self.url.as_ref(),
                ROLE.as_ref(),
            ])
            .output()
            .expect("run fleet.py");
        assert!(
            output.status.success(),
            "fleet.py {what}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect("fleet.py prints JSON")
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tools")
        .join(name)
}

/// The Python that has moto and boto3.
fn python() -> PathBuf {
    let tools = std::env::var_os("MUSTER_TEST_TOOLS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools"),
        PathBuf::from,
    );
    let python = tools.join("bin/python");
    assert!(
        tools.join("bin/moto_server").exists(),
        "no moto in {}; {HOW}",
        tools.display()
    );
    python
}

const HOW: &str = "install the test servers with `tests/tools/servers.sh`";
