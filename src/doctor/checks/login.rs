//! A person's login: it counts, the proxy is reached, and the client for databases is installed.

use super::words::{argument, path, span};
use crate::doctor::{
    Check, Evidence, Finding,
    evidence::{Login, NotReached},
};

/// Before the end of a login.
const ENDS: i64 = 30 * 60;

/// Looks at a login.
pub fn look(evidence: &Evidence) -> Vec<Finding> {
    let Some(seen) = &evidence.login else {
        return Vec::new();
    };
    let now = evidence.now;
    let Login {
        name,
        proxy,
        command,
        issued,
        expires,
        files,
        user,
        damaged,
        not_reached,
        refused,
        psql,
        install,
    } = seen;
    let check = Check::Login;
    let mut findings = Vec::new();
    let again = format!("log in again: {command}");
    if let Some(why) = damaged {
        findings.push(
            check
                .failed("login-damaged", name)
                .what("a file of the login is not what muster wrote")
                .why(why)
                .remedy(&again),
        );
    } else if *expires <= now {
        findings.push(
            check
                .failed("login-over", name)
                .what(format!("the login to {name} is over"))
                .why(format!("it ended at {expires}"))
                .remedy(&again),
        );
    } else if *issued > now {
        findings.push(
            check
                .failed("login-early", name)
                .what(format!(
                    "the login to {name} does not count yet, by the clock here"
                ))
                .why(format!("it is from {issued}, and it is {now} here"))
                .remedy("set the clock: timedatectl set-ntp true"),
        );
    } else if *expires <= now.plus(ENDS) {
        findings.push(
            check
                .warns("login-ends", name)
                .what(format!(
                    "the login to {name} ends in {}",
                    span(expires.since(now))
                ))
                .why(format!("it ends at {expires}"))
                .remedy(&again),
        );
    }
    if let Some(why) = refused {
        findings.push(
            check
                .failed("login-refused", name)
                .what(format!("the proxy of {name} does not take the login"))
                .why(why)
                .remedy(&again),
        );
    }
    if let Some(NotReached { kind, why }) = not_reached {
        let finding = match kind.as_str() {
            "untrusted" => check
                .failed("proxy-untrusted", proxy)
                .what("whoever answers is not the proxy that was logged in to")
                .remedy(format!(
                    "ask whoever runs it whether its authority was exchanged, and for a new command with its \
                     fingerprint; then {again}"
                )),
            "foreign" => check
                .failed("proxy-foreign", proxy)
                .what("whoever answers is no proxy of muster's")
                .remedy(format!(
                    "who answers: openssl s_client -connect {}\nat another address: muster login --proxy HOST:PORT",
                    argument(proxy)
                )),
            _ => check
                .failed("proxy-unreachable", proxy)
                .what("the proxy cannot be reached")
                .remedy(format!(
                    "is a VPN or a firewall between? Try: nc -vz -w 5 {}",
                    argument(proxy).replacen(':', " ", 1)
                )),
        };
        findings.push(finding.why(why));
    }
    let wide = files
        .iter()
        .filter(|file| file.mode & 0o077 != 0 && file.uid == Some(*user));
    findings.extend(wide.map(|file| {
        let wanted = if file.dir { 0o700 } else { 0o600 };
        check
            .warns("login-readable", file.path.display().to_string())
            .what("others on this machine may read the login")
            .why(format!(
                "its mode is {:04o}, and {wanted:04o} is enough",
                file.mode & 0o777
            ))
            .remedy(format!("chmod {wanted:o} {}", path(&file.path)))
    }));
    if psql.is_none() {
        findings.push(
            check
                .warns("psql-missing", "psql")
                .what("`muster db connect` needs psql, and it is not installed")
                .why("it is neither in PATH nor in /usr/lib/postgresql")
                .remedy(install),
        );
    }
    findings
}
