//! `proxy` and `audit`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::Path,
};

use muster_model::selector::Pattern;

use super::{
    super::{
        AUDIT_KEEP, AUDIT_ROTATE_EVERY, AUDIT_ROTATE_MIB, AUDIT_STATEMENT_KIB, AuditSettings,
        AuditSink, CLUSTER, CONNECT_TIMEOUT, DRAIN, HANDSHAKE_TIMEOUT, HANDSHAKES, MAX_CONNECTIONS,
        ProxySettings, Secret, file, problem::meant,
    },
    Check, child,
};

impl Check<'_> {
    /// Where people enter; none when there is no proxy.
    pub(super) fn proxy(
        &mut self,
        proxy: Option<file::Proxy>,
        file: Option<&Path>,
    ) -> Option<ProxySettings> {
        let file::Proxy {
            listen,
            postgres,
            public,
            cluster_name,
            node_name,
            workers,
            max_connections,
            handshakes_per_address,
            handshake_timeout,
            connect_timeout,
            drain,
            trust,
            hosts,
            secrets,
        } = proxy?;
        if listen.is_none() {
            let hint = "name the address and port for people, such as `0.0.0.0:7430`";
            self.missing("proxy.listen", hint);
        }
        let address =
            |check: &mut Self, path: &str, text: Option<file::Text>| check.address(path, &text?.0);
        let listen = address(self, "proxy.listen", listen);
        let postgres = address(self, "proxy.postgres", postgres);
        if let (Some(one), Some(other)) = (listen, postgres)
            && one == other
            && one.port() != 0
        {
            let hint = "leave it out: PostgreSQL is served there already".to_owned();
            self.error(
                "proxy.postgres",
                "it is the address of `proxy.listen`",
                hint,
            );
        }
        let public = self.public(public);
        let cluster_name = cluster_name.unwrap_or_else(|| CLUSTER.to_owned());
        let cluster_name = self.plain_name("proxy.cluster_name", cluster_name);
        let node_name = node_name.map(|name| self.plain_name("proxy.node_name", name));
        let workers =
            workers.map(|workers| self.number("proxy.workers", Some(workers), 1..=256, 1));
        let trust = self.entries("proxy.trust", trust);
        let trust = trust.into_iter().map(|(path, text)| {
            let file = self.beside(&path, &text, file, "name a PEM file", "write the path");
            self.trusted(&path, &file);
            file
        });
        let trust = trust.collect();
        let number = |check: &mut Self, key: &str, value, most, default| {
            let number = check.number(&format!("proxy.{key}"), value, 1..=most, default);
            usize::try_from(number).unwrap_or(usize::MAX)
        };
        Some(ProxySettings {
            listen,
            postgres,
            public,
            cluster_name,
            node_name,
            workers: workers.and_then(|workers| NonZeroUsize::new(usize::try_from(workers).ok()?)),
            max_connections: number(
                self,
                "max_connections",
                max_connections,
                1_000_000,
                MAX_CONNECTIONS,
            ),
            handshakes_per_address: number(
                self,
                "handshakes_per_address",
                handshakes_per_address,
                100_000,
                HANDSHAKES,
            ),
            handshake_timeout: self.span(
                "proxy.handshake_timeout",
                handshake_timeout,
                HANDSHAKE_TIMEOUT,
                "1s",
                "5m",
            ),
            connect_timeout: self.span(
                "proxy.connect_timeout",
                connect_timeout,
                CONNECT_TIMEOUT,
                "1s",
                "5m",
            ),
            drain: self.span("proxy.drain", drain, DRAIN, "0s", "1h"),
            trust,
            hosts: self.hosts(hosts.unwrap_or_default()),
            secrets: self.secrets(secrets),
        })
    }

    fn address(&mut self, path: &str, text: &str) -> Option<SocketAddr> {
        if let Ok(address) = text.parse() {
            return Some(address);
        }
        let hint = match text.rsplit(':').next().unwrap_or(text).parse::<u16>() {
            Ok(port) => {
                format!("write `0.0.0.0:{port}`, `[::]:{port}` or one address of this machine")
            }
            Err(_) => "write `0.0.0.0:7430`, or one address of this machine and a port".to_owned(),
        };
        self.error(path, format!("`{text}` is not an address and a port"), hint);
        None
    }

    fn public(&mut self, public: Option<file::Many<String>>) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (path, name) in self.entries("proxy.public", public) {
            let is_name = |name: &str| {
                let labels = name.split('.');
                let is_label = |label: &str| {
                    !label.is_empty()
                        && label.len() <= 63
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                        && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                };
                name.len() <= 253 && labels.clone().count() > 0 && labels.into_iter().all(is_label)
            };
            if name.parse::<IpAddr>().is_ok() || is_name(&name) {
                names.insert(name.to_ascii_lowercase());
                continue;
            }
            let hint = match name.rsplit_once(':') {
                Some((host, port)) if is_name(host) && !port.starts_with('/') => {
                    format!("without the port: `{host}`")
                }
                _ => "write a host name or an IP address, without a scheme or a port".to_owned(),
            };
            self.error(&path, format!("`{name}` is not the name of a host"), hint);
        }
        names
    }

    fn plain_name(&mut self, path: &str, name: String) -> String {
        let is_valid = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_valid) {
            let hint = "1 to 64 of `a-z A-Z 0-9 . _ -`".to_owned();
            self.error(path, "it cannot be a name here", hint);
        }
        name
    }

    fn hosts(&mut self, hosts: BTreeMap<String, String>) -> BTreeMap<String, IpAddr> {
        let mut known = BTreeMap::new();
        for (host, address) in hosts {
            let path = child("proxy.hosts", &host);
            match address.parse() {
                Ok(address) => {
                    known.insert(host, address);
                }
                Err(_) => {
                    let hint = "write its IP address, without a port".to_owned();
                    self.error(&path, format!("`{address}` is not an IP address"), hint);
                }
            }
        }
        known
    }

    fn secrets(&mut self, secrets: Option<file::Many<file::ProxySecret>>) -> Vec<Secret> {
        let mut known = Vec::new();
        for (path, secret) in self.entries("proxy.secrets", secrets) {
            let file::ProxySecret {
                databases,
                db_users,
                password_file,
            } = secret;
            if databases.is_none() {
                let hint = "say by labels which databases it is for: `{ env: prod }`";
                self.missing(&child(&path, "databases"), hint);
            }
            let at = child(&path, "password_file");
            let file = match &password_file {
                None => {
                    self.missing(&at, "name the file that has the password");
                    None
                }
                Some(text) => self.secret_file(&at, text),
            };
            if let Some(file) = &file {
                self.password(&at, file);
            }
            let users = child(&path, "db_users");
            let db_users = db_users.and_then(|names| self.names(&users, names));
            for (path, name) in db_users.iter().flatten() {
                if let Err(error) = Pattern::parse(name) {
                    self.error(path, error.to_string(), None);
                }
            }
            let db_users = db_users.map(|names| names.into_iter().map(|(_, name)| name).collect());
            if let (Some(databases), Some(password_file)) = (databases, file) {
                known.push(Secret {
                    databases,
                    db_users,
                    password_file,
                });
            }
        }
        known
    }

    /// What is written down, and where.
    pub(super) fn audit(
        &mut self,
        audit: Option<file::Audit>,
        file: Option<&Path>,
    ) -> AuditSettings {
        let file::Audit {
            dir,
            sink,
            rotate_mib,
            rotate_every,
            keep,
            statement_kib,
            mask_literals,
        } = audit.unwrap_or_default();
        let dir = dir.map(|dir| {
            let variable = "write the path";
            let dir = self.beside("audit.dir", &dir, file, "name a directory", variable);
            self.directory("audit.dir", &dir);
            dir
        });
        let sink = match sink.as_deref() {
            None | Some("file") => AuditSink::File,
            Some("stdout") => AuditSink::Stdout,
            Some(other) => {
                self.error(
                    "audit.sink",
                    "unknown sink",
                    meant(other, &["file", "stdout"]),
                );
                AuditSink::File
            }
        };
        AuditSettings {
            dir,
            sink,
            rotate_mib: self.number("audit.rotate_mib", rotate_mib, 1..=65_536, AUDIT_ROTATE_MIB),
            rotate_every: self.span(
                "audit.rotate_every",
                rotate_every,
                AUDIT_ROTATE_EVERY,
                "1m",
                "30d",
            ),
            keep: self.span("audit.keep", keep, AUDIT_KEEP, "1d", "36500d"),
            statement_kib: self.number(
                "audit.statement_kib",
                statement_kib,
                1..=1024,
                AUDIT_STATEMENT_KIB,
            ),
            mask_literals: mask_literals.unwrap_or(false),
        }
    }
}
