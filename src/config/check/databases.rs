//! `databases`: read as the records of `kind: db` are, by the same code.

use std::collections::HashMap;

use muster_access::{DbRecord, Record, Written};
use muster_credentials::{
    endpoint::{EndpointError, token_endpoint},
    method::{Method, MethodError, Why, method},
};
use muster_model::{DERIVED_KEYS, Labels, Protocol, Target, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    super::{ProxySettings, file, problem::meant},
    Check, Problem, child,
};

/// Words that a protocol may also be called by, as in records.
const ALSO: [&str; 3] = ["postgresql", "mariadb", "valkey"];

impl Check<'_> {
    /// Databases that are named one by one.
    pub(super) fn databases(
        &mut self,
        databases: Option<file::Many<file::Database>>,
        proxy: Option<&ProxySettings>,
        served: bool,
    ) -> Vec<DbRecord> {
        let is_some = databases.is_some();
        let mut known: Vec<(String, DbRecord)> = Vec::new();
        let mut names: HashMap<String, String> = HashMap::new();
        for (path, database) in self.entries("databases", databases) {
            if let Some(name) = &database.name {
                self.unique(&path, name, &mut names);
            }
            if let Some(record) = self.database(&path, &database) {
                known.push((path, record));
            }
        }
        if is_some && !served && !self.is_damaged("proxy") {
            let hint = "add `proxy: { listen: 0.0.0.0:7430 }`".to_owned();
            self.warn("databases", "nobody is served them without `proxy`", hint);
        }
        for (path, record) in &known {
            let target = record.written_in(Written::Configuration);
            self.can_log_in(path, record, &target, proxy);
        }
        known.into_iter().map(|(_, record)| record).collect()
    }

    fn unique(&mut self, path: &str, name: &str, names: &mut HashMap<String, String>) {
        match names.get(&name.to_ascii_lowercase()) {
            Some(first) => {
                let message = format!("`{name}` is the name of {first} already");
                let hint = "give one of them another name".to_owned();
                self.error(&child(path, "name"), message, hint);
            }
            None => {
                names.insert(name.to_ascii_lowercase(), path.to_owned());
            }
        }
    }

    /// One of them, as the record that it is.
    fn database(&mut self, path: &str, database: &file::Database) -> Option<DbRecord> {
        let mut is_whole = true;
        for (key, is_there, hint) in [
            (
                "name",
                database.name.is_some(),
                "give the name that people connect to",
            ),
            (
                "protocol",
                database.protocol.is_some(),
                "say `protocol: postgres`",
            ),
            (
                "uri",
                database.uri.is_some(),
                "say where it listens: `uri: HOST:PORT`",
            ),
        ] {
            if !is_there {
                self.missing(&child(path, key), hint);
                is_whole = false;
            }
        }
        for key in database.labels.iter().flatten().map(|(key, _)| key) {
            if Labels::is_reserved(key) && !DERIVED_KEYS.contains(&key.as_str()) {
                let path = child(&child(path, "labels"), key);
                let hint = "choose a key of your own".to_owned();
                self.warn(&path, "muster sets this label itself: it is left out", hint);
            }
        }
        let read = Record::from_value(&as_record(database), Timestamp::from_unix(0));
        let (record, problems) = match read {
            Ok((Record::Db(record), problems)) => (Some(record), problems),
            Ok((_, problems)) | Err(problems) => (None, problems),
        };
        for problem in problems {
            let place = place(path, &problem.path);
            // What is missing or was no value at all is said already.
            let key = place.strip_prefix(path).unwrap_or_default();
            let is_said = match key {
                ".name" => database.name.is_none(),
                ".protocol" => database.protocol.is_none(),
                ".uri" => database.uri.is_none(),
                _ => false,
            };
            if is_said || self.is_damaged(&place) {
                continue;
            }
            let mut hint = problem.hint;
            if key == ".protocol"
                && let Some(word) = &database.protocol
            {
                let words = Protocol::ALL.iter().map(|one| one.as_str());
                let words: Vec<&str> = words.chain(ALSO).collect();
                hint = hint.or_else(|| Some(meant(word, &words)).filter(|m| m.starts_with("did")));
            }
            let line = self.document.line(&place);
            self.problems.push(Problem {
                path: place,
                line,
                message: problem.message,
                hint,
                warning: problem.severity == muster_access::Severity::Warning,
            });
        }
        record.filter(|_| is_whole)
    }

    /// Whether muster could log in at all: what the keyring would refuse at each login is refused here.
    fn can_log_in(
        &mut self,
        path: &str,
        record: &DbRecord,
        target: &Target,
        proxy: Option<&ProxySettings>,
    ) {
        let secrets = proxy.into_iter().flat_map(|proxy| &proxy.secrets);
        let has_secret = secrets.into_iter().any(|secret| {
            secret
                .databases
                .matches(|key| target.labels.value(key))
                .is_ok()
        });
        let chosen = match method(target, has_secret) {
            Ok(chosen) => chosen,
            Err(error @ MethodError::NotOfKind { .. }) => {
                let hint = "leave `auth` out, or say by `aws` or `azure` whose database it is";
                self.error(&child(path, "auth"), error.to_string(), hint.to_owned());
                return;
            }
            Err(error @ (MethodError::IamOff | MethodError::EntraOff)) => {
                let hint = "nobody can connect until it is on: switch it on at the provider and say so here, \
                     or give a password in `proxy.secrets`";
                self.warn(path, error.to_string(), hint.to_owned());
                return;
            }
            // Protocols that come next: the record is kept, as one that was written by hand is.
            Err(_) => return,
        };
        if !matches!(chosen.method, Method::Iam | Method::Entra) {
            return;
        }
        if let Err(error @ EndpointError::Foreign { .. }) = token_endpoint(target) {
            let hint = if record.aws.region.is_none() && record.azure == Default::default() {
                "give the region in `aws.region`"
            } else if chosen.why == Why::Hint {
                "write the endpoint that the provider reports, or choose another `auth`"
            } else {
                "write the endpoint that the provider reports; or say by `auth` how muster logs in without a token"
            };
            let message = format!("no token is sent there: {error}");
            self.error(&child(path, "uri"), message, hint.to_owned());
        }
    }
}

/// The place in the file of a place in the record.
fn place(path: &str, inner: &str) -> String {
    let rest = ["metadata", "spec"]
        .iter()
        .find_map(|part| inner.strip_prefix(part))
        .unwrap_or_default();
    format!("{path}{rest}")
}

fn as_record(database: &file::Database) -> Value {
    // A map with texts as keys: there is nothing in it that JSON has not.
    let Ok(Value::Object(mut spec)) = serde_json::to_value(database) else {
        return Value::Null;
    };
    let mut metadata = Map::new();
    for key in ["name", "description", "labels"] {
        if let Some(value) = spec.remove(key).filter(|value| !value.is_null()) {
            metadata.insert(key.to_owned(), value);
        }
    }
    // So that the rest is judged as well.
    metadata.entry("name").or_insert_with(|| "unnamed".into());
    json!({ "kind": "db", "metadata": metadata, "spec": spec })
}
