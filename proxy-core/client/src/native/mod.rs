//! How native clients are told where a database is: as environment, connection strings and files of theirs.
//!
//! Nothing here is secret: certificate and key are named by their files.

mod choose;
mod find;
mod shell;

use std::{fmt::Write as _, path::PathBuf};

use muster_model::Timestamp;
use serde::Serialize;
use url::form_urlencoded::byte_serialize;

pub use self::{
    choose::{Chosen, check, choose},
    find::{INSTALL_PSQL, find_psql},
    shell::{Shell, word},
};

/// Where a database is, as whom, and by which files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// The database's full name.
    pub database: String,
    /// What it speaks.
    pub protocol: String,
    /// The proxy's host, which its certificate is verified for.
    pub host: String,
    /// The proxy's port.
    pub port: u16,
    /// The database user.
    pub db_user: String,
    /// The database name.
    pub db_name: String,
    /// The file of the proxy's authorities.
    pub ca_file: PathBuf,
    /// The file of the certificate.
    pub cert_file: PathBuf,
    /// The file of the key, PKCS#8 in PEM.
    pub key_file: PathBuf,
    /// Until when the certificate is good.
    pub expires: Timestamp,
}

/// Variables that would lead libpq elsewhere, or weaken what is verified: taken away from a client that is started here.
pub const CLEARED: &[&str] = &[
    "PGCHANNELBINDING",
    "PGHOSTADDR",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGREQUIRESSL",
    "PGSERVICE",
    "PGSSLCERTMODE",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLNEGOTIATION",
    "PGTARGETSESSIONATTRS",
];

impl Connection {
    /// The environment for libpq and all that is built on it.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let file = |path: &PathBuf| path.to_string_lossy().into_owned();
        vec![
            ("PGHOST", self.host.clone()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.db_user.clone()),
            ("PGDATABASE", self.db_name.clone()),
            ("PGSSLMODE", "verify-full".to_owned()),
            ("PGSSLROOTCERT", file(&self.ca_file)),
            ("PGSSLCERT", file(&self.cert_file)),
            ("PGSSLKEY", file(&self.key_file)),
            ("PGGSSENCMODE", "disable".to_owned()),
        ]
    }

    /// A URL for libpq and for drivers that read the same.
    pub fn url(&self) -> String {
        let mut url = format!(
            "postgresql://{}@{}/{}",
            encoded(&self.db_user),
            self.authority(),
            encoded(&self.db_name)
        );
        self.parameters(
            &mut url,
            &[
                ("sslmode", "verify-full"),
                ("sslrootcert", &self.ca_file.to_string_lossy()),
                ("sslcert", &self.cert_file.to_string_lossy()),
                ("sslkey", &self.key_file.to_string_lossy()),
            ],
        );
        url
    }

    /// A URL for JDBC, whose driver reads a key as PKCS#8 in DER alone: from `key`.
    pub fn jdbc(&self, key: &std::path::Path) -> String {
        let mut url = format!(
            "jdbc:postgresql://{}/{}",
            self.authority(),
            encoded(&self.db_name)
        );
        self.parameters(
            &mut url,
            &[
                ("user", &self.db_user),
                ("sslmode", "verify-full"),
                ("sslrootcert", &self.ca_file.to_string_lossy()),
                ("sslcert", &self.cert_file.to_string_lossy()),
                ("sslkey", &key.to_string_lossy()),
            ],
        );
        url
    }

    /// A section of `pg_service.conf`. Its name is the database's, without what ends one.
    pub fn pg_service(&self) -> String {
        let name: String = self
            .database
            .chars()
            .filter(|c| !matches!(c, '[' | ']'))
            .collect();
        let mut text = format!("[{}]\n", plain(&name));
        let file = |path: &PathBuf| path.to_string_lossy().into_owned();
        for (key, value) in [
            ("host", self.host.clone()),
            ("port", self.port.to_string()),
            ("user", self.db_user.clone()),
            ("dbname", self.db_name.clone()),
            ("sslmode", "verify-full".to_owned()),
            ("sslrootcert", file(&self.ca_file)),
            ("sslcert", file(&self.cert_file)),
            ("sslkey", file(&self.key_file)),
        ] {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{key}={}", plain(&value));
        }
        text
    }

    /// A command for `psql`, to be copied into a shell.
    pub fn command(&self) -> String {
        format!("psql {}", word(Shell::Sh, &self.url()))
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in [
            ("database", self.database.clone()),
            ("host", self.host.clone()),
            ("port", self.port.to_string()),
            ("user", self.db_user.clone()),
            ("database name", self.db_name.clone()),
            ("SSL mode", "verify-full".to_owned()),
            ("root certificate", self.ca_file.display().to_string()),
            ("client certificate", self.cert_file.display().to_string()),
            ("client key", self.key_file.display().to_string()),
            ("good until", self.expires.to_string()),
        ] {
            let _ = writeln!(text, "{name:<19} {}", plain(&value));
        }
        text
    }

    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    fn parameters(&self, url: &mut String, parameters: &[(&str, &str)]) {
        for (at, (name, value)) in parameters.iter().enumerate() {
            let sign = if at == 0 { '?' } else { '&' };
            let _ = write!(url, "{sign}{name}={}", encoded(value));
        }
    }
}

/// The URL of a local port, where nothing is encrypted and nobody is asked for a password.
pub fn local_url(host: &str, port: u16, db_user: Option<&str>, db_name: Option<&str>) -> String {
    let user = db_user.map_or_else(String::new, |user| format!("{}@", encoded(user)));
    let name = encoded(db_name.unwrap_or_default());
    match host.starts_with('/') {
        // libpq takes a directory as a host where it is encoded.
        true => format!("postgresql://{user}{}:{port}/{name}", encoded(host)),
        false => format!("postgresql://{user}{host}:{port}/{name}?sslmode=disable"),
    }
}

/// The same for JDBC; nothing for a socket, which its driver does not know.
pub fn local_jdbc(
    host: &str,
    port: u16,
    db_user: Option<&str>,
    db_name: Option<&str>,
) -> Option<String> {
    if host.starts_with('/') {
        return None;
    }
    let user = db_user.map_or_else(String::new, |user| format!("user={}&", encoded(user)));
    let name = encoded(db_name.unwrap_or_default());
    Some(format!(
        "jdbc:postgresql://{host}:{port}/{name}?{user}sslmode=disable"
    ))
}

/// A part of a URL: a space is `%20`, for libpq knows no `+`.
fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes())
        .flat_map(|part| match part {
            "+" => "%20".chars(),
            part => part.chars(),
        })
        .collect()
}

/// A value for a line of a file.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests;
