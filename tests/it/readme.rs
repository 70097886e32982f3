//! What the README shows is what the program does.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
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
    let role = blocks("yaml")
        .into_iter()
        .find(|block| block.contains("kind: role"));
    fs::write(dir.path().join("analyst.yaml"), role.expect("a role")).expect("a role");
    let mut service = None;
    for command in &commands {
        let mut args: Vec<&str> = command.split_whitespace().collect();
        match args[0] {
            "run" => {
                service = Some(Running::start(dir.path()));
                continue;
            }
            // Nobody types as fast as this test.
            "status" => args.push("--wait"),
            _ => {}
        }
        let output = muster(dir.path(), &args);
        let code = output.status.code().expect("ended by itself");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Only what reads a cloud may fail here, and says why.
        match args[0] {
            "plan" | "apply" if args.get(1) != Some(&"ls") => {
                assert_eq!(code, 1, "{command}: {said}");
                assert!(said.contains("no-credentials"), "{command}: {said}");
            }
            // It says so in its findings.
            "doctor" => {
                let found = String::from_utf8_lossy(&output.stdout);
                assert_eq!(code, 4, "{command}: {said}{found}");
                assert!(found.contains("credentials/no-credentials"), "{found}");
            }
            // The unit hides directories of temporary files from the service, and this is one.
            "install" if said.contains("directory of temporary files") => assert_eq!(code, 1),
            _ => assert_eq!(code, 0, "{command}: {said}"),
        }
    }
    assert_eq!(service.expect("a service").stop(), Some(0));
}

/// A service that is not left behind.
struct Running(Child);

impl Running {
    /// `muster run`, on a port that the system chooses.
    fn start(dir: &Path) -> Self {
        let path = dir.join("muster.yaml");
        let config = fs::read_to_string(&path).expect("a configuration");
        assert!(!config.contains("\nservice:"), "{config}");
        let proxy = blocks("yaml")
            .into_iter()
            .find(|block| block.starts_with("proxy:"));
        let proxy = proxy
            .expect("a proxy")
            .replace("0.0.0.0:7430", "127.0.0.1:0");
        let config = format!("{config}\nservice: {{ listen: 127.0.0.1:0 }}\n{proxy}");
        fs::write(&path, config).expect("a configuration");
        Self::spawn(dir, &["run"])
    }

    fn spawn(dir: &Path, args: &[&str]) -> Self {
        let service = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(args)
            .current_dir(dir)
            .env_clear()
            .env("HOME", dir)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(service.expect("muster runs"))
    }

    /// Ends it cleanly.
    fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("a signal");
        self.0.wait().expect("a child").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demo_runs_as_a_service_that_other_commands_talk_to() {
    let dir = TempDir::new().expect("a directory");
    let mut service = Running::spawn(dir.path(), &["demo", "--run", "--keep", "demo"]);
    let config = ["--config", "demo/muster.yaml"];
    let ask = |args: &[&str]| muster(dir.path(), &[&config[..], args].concat());
    // The configuration is written before the service is there to be waited for.
    while !dir.path().join("demo/muster.yaml").exists() {
        assert!(service.0.try_wait().expect("a child").is_none());
        std::thread::yield_now();
    }
    let status = ask(&["status", "--wait", "--timeout", "5m"]);
    let ls = ask(&["db", "ls", "-o", "name"]);
    let ended = service.stop();
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert_eq!(status.status.code(), Some(0), "{text}");
    assert!(text.starts_with("muster "), "{text}");
    assert!(
        String::from_utf8_lossy(&ls.stdout).contains("orders-prod"),
        "{ls:?}"
    );
    assert_eq!(ended, Some(0));
}
