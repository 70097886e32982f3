//! What is kept of a login beside its key and certificate: where, who, until when.

use muster_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Address, Error, Kind, Result, Signed};

/// The number of the form of `profile.json`.
const VERSION: u32 = 1;

/// By how many seconds the clock of a person may be behind the proxy's.
const SLACK: i64 = 600;

/// What `profile.json` says. Nothing of it is secret, and nothing of it is believed by the proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The number of this form.
    version: u32,
    /// What the cluster calls itself.
    pub cluster: String,
    /// Where its proxy is.
    pub proxy: Address,
    /// Who is logged in.
    pub user: String,
    /// The roles at the login.
    pub roles: Vec<String>,
    /// From when the certificate is.
    pub issued: Timestamp,
    /// Until when it is.
    pub expires: Timestamp,
    /// Whether a code was asked for: it will be the next time.
    #[serde(default)]
    pub second_factor: bool,
    /// Which role limits the time, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<String>,
    /// The certificate's serial number, in hexadecimal.
    #[serde(default)]
    pub serial: String,
}

impl About {
    /// What is kept of a login.
    pub fn of(cluster: &str, proxy: &Address, signed: &Signed, second_factor: bool) -> Self {
        Self {
            version: VERSION,
            cluster: cluster.to_owned(),
            proxy: proxy.clone(),
            user: signed.user.clone(),
            roles: signed.roles.clone(),
            issued: signed.issued,
            expires: signed.expires,
            second_factor,
            limited_by: signed.limited_by.clone(),
            serial: signed.serial.clone(),
        }
    }

    /// The command that logs in there again, to be copied. The cluster is kept under `name`.
    pub fn login_command(&self, name: &str) -> String {
        let command = format!(
            "muster login --proxy {} --user {}",
            self.proxy,
            quoted(&self.user)
        );
        if name == self.cluster {
            return command;
        }
        format!("{command} --cluster {name}")
    }

    /// Whether a login that is kept under `name` counts now.
    ///
    /// # Errors
    /// When it is over, and when it begins later than this machine's clock says. Says how to log in again.
    pub fn valid(&self, now: Timestamp, name: &str) -> Result<()> {
        let Self {
            expires,
            issued,
            user,
            ..
        } = self;
        if *expires <= now {
            return Err(Error::new(
                Kind::Expired,
                format!("the login of {user} to {name} is over"),
            )
            .because(format!("it was good until {expires}"))
            .hint(format!("log in again with `{}`", self.login_command(name))));
        }
        if issued.plus(-SLACK) > now {
            return Err(Error::new(
                Kind::Clock,
                format!("the login of {user} to {name} is not valid yet"),
            )
            .because(format!(
                "it is good from {issued}, and the clock of this machine says {now}"
            ))
            .hint("set the clock of this machine"));
        }
        Ok(())
    }

    /// Whether a newer muster wrote it.
    pub(super) const fn is_newer(&self) -> bool {
        self.version > VERSION
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+' | '/' | ':');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
