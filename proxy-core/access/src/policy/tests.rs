#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::{LabelRules, Rules, Words};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn role(name: &str) -> Role {
    let rules = Rules {
        labels: LabelRules::all(),
        db_users: Words::any(),
        db_names: Words::any(),
        db_roles: Words::default(),
    };
    Role::new(name, rules)
}

#[test]
fn a_snapshot_does_not_change_when_another_is_made_from_it() {
    let before = Policy::new()
        .with_user(User::new("alice", ["dev"]))
        .with_role(role("dev"));
    let lock = Lock::new("l", LockTarget::Role("dev".to_owned()));
    let after = before.with_lock(lock).without_role("dev");
    assert!(before.role("dev").is_some() && before.locks().next().is_none());
    assert!(before.terms("alice", NOW).is_ok());
    assert!(matches!(
        after.terms("alice", NOW),
        Err(Denial::Locked { .. })
    ));
    assert!(
        after
            .without_lock("l")
            .terms("alice", NOW)
            .unwrap()
            .roles
            .is_empty()
    );
}

#[test]
fn a_lock_that_is_changed_no_longer_locks_what_it_did() {
    let policy = Policy::new()
        .with_user(User::new("alice", ["dev"]))
        .with_user(User::new("bob", ["dev"]))
        .with_role(role("dev"))
        .with_lock(Lock::new("l", LockTarget::User("alice".to_owned())))
        .with_lock(Lock::new("k", LockTarget::User("alice".to_owned())))
        .with_lock(Lock::new("l", LockTarget::User("bob".to_owned())));
    assert!(policy.terms("bob", NOW).is_err());
    assert!(policy.terms("alice", NOW).is_err());
    assert!(policy.without_lock("k").terms("alice", NOW).is_ok());
    assert!(
        policy
            .without_lock("k")
            .without_lock("l")
            .terms("bob", NOW)
            .is_ok()
    );
}

#[test]
fn the_terms_of_a_login_are_the_strictest_and_name_the_role() {
    let (mut short, mut long, mut totp) = (role("short"), role("long"), role("totp"));
    short.options.max_session_ttl = Some(Duration::from_secs(600));
    long.options.max_session_ttl = Some(Duration::from_secs(6000));
    totp.options.require_totp = true;
    let policy = Policy::new()
        .with_role(long)
        .with_role(short)
        .with_role(totp)
        .with_user(User::new(
            "alice",
            ["totp", "long", "short", "gone", "long"],
        ));
    let terms = policy.terms("alice", NOW).unwrap();
    assert_eq!(terms.roles, ["long", "short", "totp"]);
    assert_eq!(
        terms.max_ttl,
        Some((Duration::from_secs(600), "short".to_owned()))
    );
    assert_eq!(terms.totp.as_deref(), Some("totp"));
}
