//! `kind: lock`.

use muster_model::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Problem,
    fields::{Fields, Findings, NOT_FOLLOWED},
    meta,
    tree::child,
};
use crate::{
    lock::{Lock, LockTarget},
    user::Meta,
};

/// What Teleport locks, and muster does not know.
const UNKNOWN: &[(&str, &str)] = &[
    ("access_request", "muster has no access requests"),
    ("bot_instance_id", "muster has no bots"),
    ("device", "muster does not know devices: lock the user"),
    (
        "join_token",
        "remove the token instead: `muster rm token/NAME`",
    ),
    (
        "login",
        "muster has no logins: lock the user, or deny the database user in a role",
    ),
    ("mfa_device", "muster does not know devices: lock the user"),
    ("windows_desktop", "muster has no desktops"),
];

/// Reads the parts of a lock behind the metadata.
pub(super) fn read(
    name: String,
    mut meta: Meta,
    root: &mut Fields<'_>,
    now: Timestamp,
    found: &mut Findings,
) -> Option<Lock> {
    let mut spec = root.map("spec", found)?;
    let target = match spec.map("target", found) {
        Some(target) => read_target(target, found),
        None => {
            let problem = Problem::error("spec.target", "a lock has to say what it locks");
            let hint = "write `target: { user: NAME }`, or `role`, `database`, `node`";
            found.tell(problem.at(root.line).hint(hint));
            None
        }
    };
    let message = spec.text("message", found).filter(|text| !text.is_empty());
    let mut expires = spec.time("expires", found);
    if let Some(ttl) = spec.span("ttl", found) {
        let ttl = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        let end = now.plus(ttl);
        expires = Some(expires.map_or(end, |other| other.min(end)));
    }
    // The lock itself goes when its record does.
    if let Some(end) = meta.expires.take() {
        expires = Some(expires.map_or(end, |other| other.min(end)));
    }
    if expires.is_some_and(|expires| expires <= now) {
        let path = child(&spec.path, "expires");
        found.tell(Problem::warning(path, "it has expired already").at(spec.line));
    }
    spec.skip(&["created_at", "created_by"]);
    spec.finish(found);
    Some(Lock {
        name,
        target: target?,
        message,
        expires,
        meta,
    })
}

/// Makes what is locked of its name.
type Make = fn(String) -> LockTarget;

fn read_target(mut map: Fields<'_>, found: &mut Findings) -> Option<LockTarget> {
    let make: [(&str, Make); 7] = [
        ("user", LockTarget::User),
        ("role", LockTarget::Role),
        ("database", LockTarget::Target),
        ("db", LockTarget::Target),
        ("target", LockTarget::Target),
        ("node", LockTarget::Node),
        ("server_id", LockTarget::Node),
    ];
    let mut targets = Vec::new();
    for (key, make) in make {
        if let Some(text) = map.text(key, found).filter(|text| !text.is_empty()) {
            targets.push((key, make(text)));
        }
    }
    let (path, line) = (map.path.clone(), map.line);
    let before = found.problems.len();
    map.refuse(UNKNOWN, NOT_FOLLOWED, found);
    map.finish(found);
    let mut targets = targets.into_iter();
    match (targets.next(), targets.next()) {
        (Some((_, target)), None) => Some(target),
        (Some((one, _)), Some((two, _))) => {
            let message = format!("a lock is on one thing: `{one}` or `{two}`");
            found.tell(
                Problem::error(path, message)
                    .at(line)
                    .hint("write two locks"),
            );
            None
        }
        (None, _) => {
            if found.problems.len() == before {
                let hint = "write one of `user`, `role`, `database`, `node`";
                found.tell(Problem::error(path, "it locks nothing").at(line).hint(hint));
            }
            None
        }
    }
}

/// As a file says it.
pub(super) fn write(lock: &Lock) -> Value {
    let key = match lock.target {
        LockTarget::Target(_) => "database",
        _ => lock.target.word(),
    };
    let mut spec = Map::new();
    spec.insert("target".to_owned(), json!({ key: lock.target.name() }));
    if let Some(message) = &lock.message {
        spec.insert("message".to_owned(), message.as_str().into());
    }
    if let Some(expires) = lock.expires {
        spec.insert("expires".to_owned(), expires.to_string().into());
    }
    json!({
        "kind": "lock",
        "version": "v2",
        "metadata": meta::write(&lock.name, &lock.meta),
        "spec": spec,
    })
}
