//! What a decision costs: `cargo run --release -p muster-access --example permit_bench`.
//!
//! Opening a session asks once. A thousand roles, a hundred thousand users with ten roles each, a thousand locks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Instant};

use muster_access::{
    Ask, Identity, LabelRules, Lock, LockTarget, Policy, Role, Rules, Usage, User, Words,
};
use muster_model::{
    Availability, Endpoint, Kind, Labels, Owner, Protocol, ResourceId, Scope, Selector, Service,
    State, Target, Timestamp,
};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const ROLES: usize = 1_000;
const USERS: usize = 100_000;

fn role(index: usize) -> Role {
    let env = ["dev", "staging", "prod", "test"][index % 4];
    let labels = match index % 5 {
        0 => LabelRules::with_templates(
            Some(Selector::of([("env", [env])]).unwrap()),
            [("team".to_owned(), vec!["{{external.teams}}"])],
        )
        .unwrap(),
        1 => Selector::of([("env", [env]), ("name", ["^orders-[0-9]+$"])])
            .unwrap()
            .into(),
        _ => Selector::of([("env", vec![env, "demo"]), ("team", vec!["*"])])
            .unwrap()
            .into(),
    };
    let allow = Rules {
        labels,
        db_users: Words::parse([
            "{{internal.db_users}}",
            "app",
            "ro_{{email.local(external.email)}}",
        ])
        .unwrap(),
        db_names: Words::parse(["shop", "billing", "{{internal.db_names}}"]).unwrap(),
        db_roles: Words::default(),
    };
    let mut role = Role::new(format!("role-{index}"), allow);
    if index.is_multiple_of(3) {
        role.deny.db_users = Words::parse(["postgres", "rdsadmin"]).unwrap();
        role.deny.labels = Selector::of([("class", ["secret*"])]).unwrap().into();
    }
    role
}

fn user(index: usize) -> User {
    let roles = (0..10).map(|role| format!("role-{}", (index * 7 + role * 101) % ROLES));
    let mut user = User::new(format!("user-{index}"), roles);
    let of = |values: &[&str]| {
        values
            .iter()
            .map(|value| (*value).to_owned())
            .collect::<Vec<_>>()
    };
    user.traits = BTreeMap::from([
        ("db_users".to_owned(), of(&["alice", "reporting"])),
        ("db_names".to_owned(), of(&["*"])),
        ("teams".to_owned(), of(&["payments", "orders-*"])),
        ("email".to_owned(), of(&["alice@example.com"])),
    ]);
    user
}

fn target() -> Arc<Target> {
    let mut labels = Labels::default();
    for (key, value) in [
        ("env", "dev"),
        ("team", "payments"),
        ("name", "orders-7"),
        ("owner", "x"),
    ] {
        assert!(labels.set(key, value, "bench"));
    }
    Arc::new(Target {
        id: ResourceId::of("arn:aws:rds:eu-west-1:1:db:orders", "instance"),
        name: "orders".to_owned(),
        short_name: "orders".to_owned(),
        kind: Kind::Rds,
        protocol: Protocol::Postgres,
        endpoint: Some(Endpoint {
            host: "db.example.com".to_owned(),
            port: 5432,
        }),
        tls_server_name: None,
        engine: "postgres".to_owned(),
        engine_version: "16.4".to_owned(),
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
}

/// The best of some rounds, in nanoseconds a call.
fn measure(what: &str, calls: usize, mut call: impl FnMut(usize)) {
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        for index in 0..calls {
            call(index);
        }
        #[allow(clippy::cast_precision_loss)]
        let each = start.elapsed().as_nanos() as f64 / calls as f64;
        best = best.min(each);
    }
    println!("{what:<44} {best:>9.0} ns");
}

fn main() {
    let mut policy = Policy::new();
    for index in 0..ROLES {
        policy = policy.with_role(role(index));
    }
    for index in 0..USERS {
        policy = policy.with_user(user(index));
    }
    for index in 0..1_000 {
        let target = LockTarget::User(format!("gone-{index}"));
        policy = policy.with_lock(Lock::new(format!("lock-{index}"), target));
    }
    let target = target();
    let who: Vec<Identity> = (0..1_000)
        .map(|index| {
            let user = format!("user-{}", index * 97 % USERS);
            let roles = policy.user(&user).unwrap().roles.clone();
            Identity {
                user,
                roles,
                usage: Usage::User,
                route: None,
                cluster: "bench".to_owned(),
                issued: NOW.plus(-60),
                expires: NOW.plus(3600),
                serial: "01".to_owned(),
                totp: false,
            }
        })
        .collect();
    let allowed = |who: &Identity| {
        policy
            .permit(who, &target, &Ask::new("app", "shop"), NOW)
            .is_ok()
    };
    println!(
        "{} of {} may open it",
        who.iter().filter(|who| allowed(who)).count(),
        who.len()
    );
    measure("permit, ten roles of 1,000", 20_000, |index| {
        let who = &who[index % who.len()];
        let _ = black_box(policy.permit(who, &target, &Ask::new("app", "shop"), NOW));
    });
    measure("permit, no role allows the user", 20_000, |index| {
        let who = &who[index % who.len()];
        let _ = black_box(policy.permit(who, &target, &Ask::new("nobody", "shop"), NOW));
    });
    measure("sees", 20_000, |index| {
        black_box(policy.sees(&who[index % who.len()], &target, NOW));
    });
    let viewers: Vec<_> = who
        .iter()
        .map(|who| policy.viewer(who, NOW).unwrap())
        .collect();
    measure("sees, the identity looked up before", 20_000, |index| {
        black_box(viewers[index % viewers.len()].sees(&target));
    });
    let bytes = who[0].encode().unwrap();
    measure("decode an identity", 20_000, |_| {
        let _ = black_box(Identity::decode(&bytes));
    });
    let changed = Arc::new(role(7));
    measure("change a role", 20_000, |_| {
        black_box(policy.with_role(Arc::clone(&changed)));
    });
    let changed = Arc::new(user(7));
    measure("change a user of 100,000", 20_000, |_| {
        black_box(policy.with_user(Arc::clone(&changed)));
    });
}
