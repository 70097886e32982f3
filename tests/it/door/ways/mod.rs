//! The ways to a database: `muster db …` after `muster login`, with the real `psql`.

mod connect;
mod other;
pub mod port;
mod wait;

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use muster::service::status::ProxyStatus;

use super::town::{Town, complaint, said};
use crate::support::postgres;

/// Somebody who is logged in, with a home of their own.
pub struct Person {
    home: PathBuf,
}

const PASSWORD: &str = "correct horse battery";

impl Person {
    /// Invites somebody with these roles, who takes the invitation and logs in.
    pub fn new(town: &Town, proxy: &ProxyStatus, name: &str, roles: &str) -> Self {
        let invited = town.muster(&["user", "add", name, "--roles", roles]);
        let (_, link) = invited.split_once("/invite/").expect("a link");
        let link = link.split_whitespace().next().unwrap();
        let port = proxy.listen[0].rsplit(':').next().unwrap();
        let home = town.world.dir.path().join(format!("home-{name}"));
        fs::create_dir(&home).unwrap();
        let person = Self { home };
        let password = person.home.join("password");
        fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        said(&person.run(&[
            "login",
            "--invite",
            &format!("https://localhost:{port}/invite/{link}"),
            "--password-file",
            password.to_str().unwrap(),
        ]));
        person
    }

    /// Logs in anew.
    pub fn log_in(&self) {
        let password = self.home.join("password");
        said(&self.run(&["login", "--password-file", password.to_str().unwrap()]));
    }

    /// `muster`, where there is no configuration and nothing else of the operator's.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        self.settle(&mut command);
        command.args(args).stdin(Stdio::null());
        command
    }

    /// The environment of this person.
    pub fn settle(&self, command: &mut Command) {
        let path = format!("{}:/usr/bin:/bin", postgres::bin().display());
        command
            .current_dir(&self.home)
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", path);
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// `psql` in this person's environment, with further variables.
    pub fn psql(&self, variables: &[(&str, &str)], args: &[&str]) -> Command {
        let mut psql = Command::new(postgres::bin().join("psql"));
        self.settle(&mut psql);
        psql.envs(variables.iter().copied())
            .args(["-XAtq"])
            .args(args)
            .stdin(Stdio::null());
        psql
    }

    /// A script of `sh`, for which `muster` is a command.
    pub fn sh(&self, script: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_muster"));
        let mut sh = Command::new("sh");
        self.settle(&mut sh);
        let dir = program.parent().unwrap().display();
        let path = format!("{dir}:{}:/usr/bin:/bin", postgres::bin().display());
        sh.env("PATH", path).args(["-c", script]).output().unwrap()
    }

    /// The directory of the login.
    pub fn login(&self) -> PathBuf {
        self.home.join(".config/muster/clusters/test")
    }
}

/// A town whose door is at the same port again when the service is started anew.
pub fn town_at_one_port() -> Town {
    let town = Town::new("");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let config = fs::read_to_string(town.world.config()).unwrap();
    let door = "proxy:\n  listen: 127.0.0.1:0\n";
    assert!(config.contains(door), "{config}");
    town.world
        .write(&config.replace(door, &format!("proxy:\n  listen: {address}\n")));
    town
}

const SELECT: &str = "select current_user, current_database()";
