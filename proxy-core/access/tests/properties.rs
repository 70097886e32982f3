//! What holds of all decisions, whatever the roles.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{collections::BTreeMap, sync::Arc};

use muster_access::{
    Ask, Identity, LabelRules, Lock, LockTarget, Options, Policy, Record, Role, RoleVersion, Rules,
    Usage, User, Words, parse_records,
};
use muster_model::{
    Availability, Kind, Labels, Owner, Protocol, ResourceId, Scope, Selector, Service, State,
    Target, Timestamp,
};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// Few words, so that they meet.
fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a",
        "b",
        "c",
        "*",
        "{{external.t}}",
        "x{{internal.db_users}}",
    ])
    .prop_map(str::to_owned)
}

fn words() -> impl Strategy<Value = Words> {
    prop::collection::vec(word(), 0..3).prop_map(|words| Words::parse(words).unwrap())
}

fn labels() -> impl Strategy<Value = LabelRules> {
    let value = prop::sample::select(vec!["a", "b", "*", "a*", "^(a|b)$"]);
    let key = prop::sample::select(vec!["k", "l"]);
    let map = prop::collection::btree_map(key, prop::collection::vec(value, 1..3), 1..3);
    prop_oneof![
        1 => Just(LabelRules::none()),
        1 => Just(LabelRules::all()),
        1 => Just(LabelRules::with_templates(None, [("k".to_owned(), vec!["{{external.t}}"])]).unwrap()),
        4 => map.prop_map(|map| Selector::of(map).unwrap().into()),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    (labels(), words(), words(), words()).prop_map(|(labels, db_users, db_names, db_roles)| Rules {
        labels,
        db_users,
        db_names,
        db_roles,
    })
}

fn role(name: &'static str, denies: bool) -> impl Strategy<Value = Role> {
    let deny = if denies {
        rules().boxed()
    } else {
        Just(Rules::default()).boxed()
    };
    (rules(), deny).prop_map(move |(allow, deny)| Role {
        deny,
        ..Role::new(name, allow)
    })
}

fn roles() -> impl Strategy<Value = Vec<Role>> {
    (
        role("r0", true),
        role("r1", true),
        role("r2", false),
        role("r3", false),
    )
        .prop_map(|(r0, r1, r2, r3)| vec![r0, r1, r2, r3])
}

fn target() -> impl Strategy<Value = Arc<Target>> {
    let value = prop::sample::select(vec!["a", "b", "c"]);
    let kinds = vec![
        (Kind::Rds, Protocol::Postgres),
        (Kind::Rds, Protocol::Mysql),
        (Kind::Docdb, Protocol::Mongodb),
        (Kind::Elasticache, Protocol::Redis),
        (Kind::AzurePostgresql, Protocol::Postgres),
    ];
    let labels = prop::collection::btree_map(prop::sample::select(vec!["k", "l"]), value, 0..3);
    (labels, prop::sample::select(kinds)).prop_map(|(map, (kind, protocol))| {
        let mut labels = Labels::default();
        for (key, value) in map {
            assert!(labels.set(key, value, "test"));
        }
        Arc::new(Target {
            id: ResourceId::of("arn:1", "instance"),
            name: "t".to_owned(),
            short_name: "t".to_owned(),
            kind,
            protocol,
            endpoint: None,
            tls_server_name: None,
            engine: "postgres".to_owned(),
            engine_version: String::new(),
            state: State {
                name: "available".to_owned(),
                availability: Availability::Available,
            },
            labels,
            hints: BTreeMap::new(),
            facts: BTreeMap::new(),
            scope: Arc::new(Scope::aws("1", "eu-west-1", Service::Rds)),
            owner: Owner {
                by: Owner::DISCOVERY.to_owned(),
                group: String::new(),
            },
            reason: String::new(),
        })
    })
}

fn policy(roles: &[Role], names: &[&str]) -> Policy {
    let mut user = User::new("alice", names.iter().copied());
    user.traits = BTreeMap::from([
        ("t".to_owned(), vec!["a".to_owned(), "^[".to_owned()]),
        ("db_users".to_owned(), vec!["a".to_owned()]),
    ]);
    roles
        .iter()
        .fold(Policy::new().with_user(user), |policy, role| {
            policy.with_role(role.clone())
        })
}

fn identity(names: &[&str]) -> Identity {
    Identity {
        user: "alice".to_owned(),
        roles: names.iter().map(|name| (*name).to_owned()).collect(),
        usage: Usage::User,
        route: None,
        cluster: "c".to_owned(),
        issued: NOW.plus(-60),
        expires: NOW.plus(600),
        serial: "01".to_owned(),
        totp: true,
    }
}

fn asked() -> impl Strategy<Value = (String, String)> {
    let name = prop::sample::select(vec!["a", "b", "c", "xa", "*", "a@b"]);
    let database = prop::sample::select(vec!["a", "b", "c", ""]);
    (name, database).prop_map(|(user, name)| (user.to_owned(), name.to_owned()))
}

const ALL: [&str; 4] = ["r0", "r1", "r2", "r3"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What some roles deny, they deny also beside others; and what denies need not be in the certificate.
    #[test]
    fn a_denial_is_never_lost_by_adding_roles(roles in roles(), target in target(), (user, name) in asked(), taken in 1_usize..4) {
        let ask = Ask::new(&user, &name);
        let few = &ALL[..taken];
        let denied = policy(&roles, few).permit(&identity(&ALL), &target, &ask, NOW);
        let is_denied = matches!(denied, Err(muster_access::Denial::Denied { .. }));
        let more = policy(&roles, &ALL).permit(&identity(&ALL), &target, &ask, NOW);
        prop_assert!(!is_denied || more.is_err());
        let uncarried = policy(&roles, few).permit(&identity(&few[..1]), &target, &ask, NOW);
        prop_assert!(!is_denied || uncarried.is_err());
    }

    /// A role that denies nothing takes nothing away.
    #[test]
    fn a_role_without_deny_never_takes_a_permit_away(roles in roles(), target in target(), (user, name) in asked()) {
        let ask = Ask::new(&user, &name);
        let before = policy(&roles, &ALL[..2]).permit(&identity(&ALL), &target, &ask, NOW);
        let after = policy(&roles, &ALL).permit(&identity(&ALL), &target, &ask, NOW);
        prop_assert!(before.is_err() || after.is_ok());
    }

    /// A certificate with fewer roles opens no more.
    #[test]
    fn a_certificate_with_fewer_roles_opens_no_more(roles in roles(), target in target(), (user, name) in asked(), taken in 0_usize..5) {
        let ask = Ask::new(&user, &name);
        let policy = policy(&roles, &ALL);
        let few = policy.permit(&identity(&ALL[..taken]), &target, &ask, NOW);
        let all = policy.permit(&identity(&ALL), &target, &ask, NOW);
        prop_assert!(few.is_err() || all.is_ok());
    }

    /// The order in which roles are named changes nothing.
    #[test]
    fn the_order_of_roles_does_not_matter(
        roles in roles(), target in target(), (user, name) in asked(),
        order in Just(ALL.to_vec()).prop_shuffle(), carried in Just(ALL.to_vec()).prop_shuffle(),
    ) {
        let ask = Ask::new(&user, &name);
        let one = policy(&roles, &ALL).permit(&identity(&ALL), &target, &ask, NOW);
        let two = policy(&roles, &order).permit(&identity(&carried), &target, &ask, NOW);
        match (one, two) {
            (Ok(one), Ok(two)) => {
                prop_assert_eq!(one.roles(), two.roles());
                prop_assert_eq!(one.db_roles(), two.db_roles());
                prop_assert_eq!(one.options(), two.options());
            }
            (one, two) => prop_assert_eq!(one.is_ok(), two.is_ok()),
        }
    }

    /// Whoever may open it sees it, with a choice that has the user; explained as it is decided; and not under a lock.
    #[test]
    fn a_permit_agrees_with_all_else_that_is_said(roles in roles(), target in target(), (user, name) in asked()) {
        let ask = Ask::new(&user, &name);
        let policy = policy(&roles, &ALL);
        let who = identity(&ALL);
        let decision = policy.permit(&who, &target, &ask, NOW);
        let explained = policy.explain(&who, &target, &ask, NOW);
        prop_assert_eq!(explained.allowed, decision.is_ok());
        prop_assert!(!explained.to_text().is_empty());
        let Ok(permit) = decision else { return Ok(()); };
        prop_assert!(policy.sees(&who, &target, NOW));
        let choices = policy.choices(&who, &target, NOW).unwrap();
        prop_assert!(choices.db_users.any || choices.db_users.named.contains(&user));
        prop_assert!(!choices.db_users.not.contains(&user));
        prop_assert!(policy.permit(&who, permit.target(), &permit.ask(), NOW).is_ok());
        for lock in [
            LockTarget::User("alice".to_owned()),
            LockTarget::Role("r3".to_owned()),
            LockTarget::Target("t".to_owned()),
        ] {
            let locked = policy.with_lock(Lock::new("l", lock));
            prop_assert!(locked.permit(&who, &target, &ask, NOW).is_err());
            prop_assert!(!locked.sees(&who, &target, NOW));
            prop_assert!(locked.without_lock("l").permit(&who, &target, &ask, NOW).is_ok());
        }
        prop_assert!(policy.permit(&who, &target, &ask, who.expires).is_err());
        prop_assert!(policy.without_user("alice").permit(&who, &target, &ask, NOW).is_err());
    }

    /// What is over by itself ends a permit at the time that it says, neither later nor before.
    #[test]
    fn a_permit_says_when_it_is_over(
        roles in roles(), target in target(), (user, name) in asked(),
        ends in prop::collection::vec(prop::option::of(1_i64..700), 5), after in 0_i64..700,
    ) {
        let ask = Ask::new(&user, &name);
        let end = |index: usize| ends[index].map(|seconds| NOW.plus(seconds));
        let roles: Vec<Role> = roles.into_iter().enumerate().map(|(index, mut role)| {
            role.meta.expires = end(index);
            role
        }).collect();
        let policy = policy(&roles, &ALL);
        let mut alice = (**policy.user("alice").unwrap()).clone();
        alice.meta.expires = end(4);
        let policy = policy.with_user(alice);
        let who = identity(&ALL);
        let Ok(permit) = policy.permit(&who, &target, &ask, NOW) else { return Ok(()); };
        let then = NOW.plus(after);
        let holds = policy.permit(&who, &target, &ask, then).is_ok();
        prop_assert_eq!(holds, then < permit.options().ends_at);
    }

    /// A role that is written down and read again is the same role.
    #[test]
    fn a_role_that_is_written_is_read(
        allow in rules(), deny in rules(), version in prop::sample::select(RoleVersion::ALL),
        ttl in prop::option::of(60_u64..200_000), idle in prop::option::of(1_u64..9999),
        most in prop::option::of(1_u32..99), flags: (bool, bool), name in "[a-z][a-z .:@*\"'#-]{0,8}[a-z]",
    ) {
        let options = Options {
            max_session_ttl: ttl.map(std::time::Duration::from_secs),
            client_idle_timeout: idle.map(std::time::Duration::from_secs),
            max_connections: most,
            require_totp: flags.0,
            audit: None,
            db_replication: flags.1,
        };
        let role = Role { version, deny, options, ..Role::new(name, allow) };
        let yaml = Record::Role(role.clone()).to_yaml();
        let (records, problems) = parse_records(&yaml, NOW);
        prop_assert_eq!(records, vec![Record::Role(role)], "{}\n{:?}", yaml, problems);
    }

    /// A user's names and traits survive, whatever they are.
    #[test]
    fn a_user_that_is_written_is_read(
        name in "[^/\\p{C}\\p{Z}]{1,10}", roles in prop::collection::btree_set("[^\\p{C}]{1,9}", 0..4),
        traits in prop::collection::btree_map("[^\\p{C}]{1,9}", prop::collection::vec("\\PC{0,9}", 1..3), 0..3),
        description in prop::option::of("[^\\p{C}]{1,9}"),
    ) {
        let mut user = User::new(name, roles);
        user.traits = traits;
        user.meta.description = description;
        let yaml = Record::User(user.clone()).to_yaml();
        let (records, problems) = parse_records(&yaml, NOW);
        prop_assert_eq!(records, vec![Record::User(user)], "{}\n{:?}", yaml, problems);
    }

    /// Any text is read to its end, and what is wrong with it is told.
    #[test]
    fn no_text_breaks_the_reader(text in "[a-z0-9:{}\\[\\]\"'*&!|>\\-#%@ \n\t]{0,200}") {
        let (records, problems) = parse_records(&text, NOW);
        prop_assert!(!records.is_empty() || problems.iter().any(muster_access::Problem::is_error));
    }

    /// A record with a piece cut out is read or refused, and never breaks the reader.
    #[test]
    fn damaged_records_are_read_or_refused(from in any::<prop::sample::Index>(), len in 0_usize..40) {
        let text = include_str!("../../../fixtures/access/records/databases.yaml");
        let letters: Vec<char> = text.chars().collect();
        let from = from.index(letters.len());
        let cut: String = letters.iter().enumerate()
            .filter(|(at, _)| !(from..from + len).contains(at))
            .map(|(_, letter)| letter)
            .collect();
        let (records, problems) = parse_records(&cut, NOW);
        for record in records {
            if let Record::Db(db) = record {
                let _ = db.to_target();
            }
        }
        for problem in problems {
            prop_assert!(!problem.to_string().is_empty());
        }
    }
}
