//! Somebody sits at a terminal and logs in: the proxy is met for the first time, and nobody sees the secrets that are typed.

use std::{fs, path::PathBuf, process::Command};

use muster::service::status::ProxyStatus;

use crate::{
    door::{
        daily::trouble::{code, step},
        town::{Town, said},
    },
    support::terminal::Terminal,
};

const PASSWORD: &str = "correct horse battery";

/// A machine of eva's.
struct Desk {
    home: PathBuf,
    at: String,
}

/// An invitation: the link, and the fingerprint in it.
struct Invited {
    link: String,
    pin: String,
}

impl Desk {
    fn new(town: &Town, proxy: &ProxyStatus, name: &str) -> Self {
        let home = town.world.dir.path().join(name);
        fs::create_dir(&home).unwrap();
        let port = proxy.listen[0].rsplit(':').next().unwrap();
        let at = format!("localhost:{port}");
        Self { home, at }
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(&self.home)
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", "/usr/bin:/bin");
        command
    }

    /// Sits down before `muster`.
    fn sits(&self, args: &[&str]) -> Terminal {
        Terminal::sit(&self.command(env!("CARGO_BIN_EXE_muster"), args))
    }

    /// Sits down before a shell that runs `muster`, and says afterwards how it ended and how it left the terminal.
    fn sits_before_a_shell(&self, args: &[&str]) -> Terminal {
        // What interrupts muster is not for the shell.
        let script = "trap : INT; \"$@\"; echo \"code $?\"; stty -a";
        let args = [&["-c", script, "sh", env!("CARGO_BIN_EXE_muster")], args];
        Terminal::sit(&self.command("/bin/sh", &args.concat()))
    }

    fn first(&self) -> Vec<&str> {
        vec!["login", "--proxy", &self.at, "--user", "eva"]
    }

    fn question(&self) -> String {
        format!("Password of eva at {}: ", self.at)
    }

    fn is_empty(&self) -> bool {
        !self.home.join(".config/muster/current").exists()
    }
}

fn invited(town: &Town, desk: &Desk, roles: &str) -> Invited {
    let printed = town.muster(&["user", "add", "eva", "--roles", roles]);
    let (_, rest) = printed.split_once("/invite/").unwrap();
    let rest = rest.split_whitespace().next().unwrap();
    Invited {
        // The configuration leaves the port to the system.
        link: format!("https://{}/invite/{rest}", desk.at),
        pin: rest.split_once('#').unwrap().1.to_owned(),
    }
}

/// Eva has taken her invitation, elsewhere.
fn settled(town: &Town, proxy: &ProxyStatus) -> Invited {
    let elsewhere = Desk::new(town, proxy, "elsewhere");
    let invited = invited(town, &elsewhere, "shop");
    let file = elsewhere.home.join("password");
    fs::write(&file, PASSWORD).unwrap();
    let file = file.to_str().unwrap();
    let login = ["login", "--invite", &invited.link, "--password-file", file];
    let login = elsewhere
        .command(env!("CARGO_BIN_EXE_muster"), &login)
        .output();
    said(&login.unwrap());
    invited
}

#[test]
fn the_proxy_is_met_by_its_fingerprint_and_the_password_is_not_shown() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let invited = settled(&town, &proxy);
    let desk = Desk::new(&town, &proxy, "desk");

    // Not what was told: nothing secret is asked for, and nothing is kept.
    let agree = "Type yes to trust it: ";
    let mut terminal = desk.sits(&desk.first());
    let shown = terminal.shows(agree);
    assert!(shown.contains(&format!("\n  {}\n", invited.pin)), "{shown}");
    terminal.types("no\n");
    let (status, rest) = terminal.ends();
    assert_eq!(status.code(), Some(1), "{rest}");
    assert!(
        rest.contains("the proxy's fingerprint was not agreed to") && !rest.contains("Password"),
        "{rest}"
    );
    assert!(desk.is_empty());

    // The wrong password: which of the two is wrong is not said.
    let mut terminal = desk.sits(&desk.first());
    terminal.shows(agree);
    terminal.types("yes\n");
    terminal.shows(&desk.question());
    terminal.types("wrong horse battery\n");
    let (status, rest) = terminal.ends();
    assert_eq!(status.code(), Some(1), "{rest}");
    assert!(
        rest.contains("user name, password or code is wrong") && !rest.contains("horse"),
        "{rest}"
    );
    assert!(desk.is_empty());

    // The right one. What is typed by mistake and taken back is not part of it.
    let mut terminal = desk.sits(&desk.first());
    terminal.shows(agree);
    terminal.types("YES\n");
    terminal.shows(&desk.question());
    terminal.types(&format!("wrong\x15{PASSWORD}x\x7f\n"));
    let (status, rest) = terminal.ends();
    assert!(status.success(), "{rest}");
    assert!(
        rest.contains("eva is logged in to test") && !rest.contains("horse"),
        "{rest}"
    );

    // The next day only the password is asked for.
    let mut terminal = desk.sits(&["login"]);
    let shown = terminal.shows(&desk.question());
    assert!(!shown.contains("fingerprint"), "{shown}");
    terminal.types(&format!("{PASSWORD}\n"));
    let (status, rest) = terminal.ends();
    assert!(
        status.success() && rest.contains("eva is logged in to test"),
        "{rest}"
    );
    service.stop();
}

#[test]
fn control_c_and_control_d_end_it_and_leave_the_terminal_as_it_was() {
    let town = Town::new("");
    let (service, proxy) = town.open();
    let invited = settled(&town, &proxy);
    let desk = Desk::new(&town, &proxy, "desk");
    let pinned = [&desk.first()[..], &["--ca-pin", &invited.pin]].concat();
    let question = desk.question();
    for (args, asked, typed, code, says) in [
        // In the middle of a password, which is understood by muster itself.
        (
            &pinned,
            question.as_str(),
            "correct ho\x03",
            "130",
            "interrupted",
        ),
        (&pinned, &question, "\x04", "1", "nothing was typed"),
        (&pinned, &question, "\n", "1", "nothing was typed"),
        // Where nothing is hidden the key is a signal, as everywhere.
        (&desk.first(), "Type yes to trust it: ", "ye\x03", "130", ""),
        (
            &desk.first(),
            "Type yes to trust it: ",
            "\x04",
            "1",
            "was not agreed to",
        ),
    ] {
        let mut terminal = desk.sits_before_a_shell(args);
        terminal.shows(asked);
        terminal.types(typed);
        let shown = terminal.shows(&format!("code {code}\n"));
        assert!(shown.contains(says), "{typed:?}: {shown}");
        assert!(!shown.contains("correct"), "{typed:?}: {shown}");
        let (_, rest) = terminal.ends();
        let words: Vec<&str> = rest
            .split(|letter: char| letter.is_whitespace() || letter == ';')
            .collect();
        for word in ["echo", "isig", "icanon"] {
            assert!(words.contains(&word), "{typed:?}: no {word} in {rest}");
        }
        assert!(desk.is_empty(), "{typed:?}");
    }
    service.stop();
}

#[test]
fn an_invitation_is_taken_and_a_second_factor_set_up_and_asked_for() {
    let town = Town::new("");
    town.create(
        "kind: role\nversion: v7\nmetadata: { name: careful }\nspec: { options: { require_totp: true } }\n",
    );
    let (service, proxy) = town.open();
    let desk = Desk::new(&town, &proxy, "desk");
    let invited = invited(&town, &desk, "shop,careful");
    let mut terminal = desk.sits(&["login", "--invite"]);
    let mut shown = terminal.shows("The link of the invitation: ");
    let now = step();
    for (asked, answer) in [
        (
            "A new password, of at least 12 characters: ",
            invited.link.as_str(),
        ),
        (
            "This is too short.\nA new password, of at least 12 characters: ",
            "elevenchars",
        ),
        ("The same again: ", PASSWORD),
        (
            "These were not the same.\nA new password, of at least 12 characters: ",
            "correct horse batterz",
        ),
        ("The same again: ", PASSWORD),
        ("Put this secret into an authenticator app:\n  ", PASSWORD),
    ] {
        terminal.types(&format!("{answer}\n"));
        shown += &terminal.shows(asked);
    }
    let secret = terminal.shows("\n").trim().to_owned();
    terminal.shows("The code that it shows: ");
    let first = code(&secret, now);
    terminal.types(&format!("{first}\n"));
    let (status, rest) = terminal.ends();
    assert!(
        status.success() && rest.contains("eva is logged in to test"),
        "{rest}"
    );
    shown += &rest;
    for typed in ["horse", "/invite/", &first] {
        assert!(!shown.contains(typed), "{typed:?} in {shown}");
    }

    // From here on it is known that there is a code. It was good once.
    let mut terminal = desk.sits(&["login"]);
    terminal.shows(&desk.question());
    terminal.types(&format!("{PASSWORD}\n"));
    terminal.shows("Code: ");
    terminal.types(&format!("{first}\n"));
    let (status, rest) = terminal.ends();
    assert!(
        !status.success() && rest.contains("user name, password or code is wrong"),
        "{rest}"
    );
    assert!(rest.contains("a code is good once"), "{rest}");

    // On another machine it is asked for when the password was right.
    let other = Desk::new(&town, &proxy, "other");
    let mut terminal = other.sits(&[&other.first()[..], &["--ca-pin", &invited.pin]].concat());
    terminal.shows(&other.question());
    terminal.types(&format!("{PASSWORD}\n"));
    terminal.shows("Code of your second factor: ");
    // The one of the next half minute is good already.
    let next = code(&secret, step().max(now + 1));
    terminal.types(&format!("{next}\n"));
    let (status, rest) = terminal.ends();
    assert!(
        status.success() && rest.contains("eva is logged in to test"),
        "{rest}"
    );
    assert!(!rest.contains(&next), "{rest}");
    service.stop();
}
