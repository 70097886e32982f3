#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::pin::Pin;

use muster_model::{AccountId, Coverage, FailureReason, Service};

use super::*;
use crate::{config, pipeline::sources::unasked};

const AMBIENT: &str = "111111111111";
const ROLE: &str = "222222222222";

/// A scanner that is only there.
struct Idle(Arc<Scope>);

impl Scanner for Idle {
    fn scope(&self) -> &Arc<Scope> {
        &self.0
    }

    fn scan<'a, 'b>(&'a self) -> Pin<Box<dyn Future<Output = Scan> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async { Scan::empty(Arc::clone(&self.0)) })
    }
}

fn config() -> Config {
    let text = "
version: 1
store: /tmp/store
policy: sync
sources:
  aws:
    - types: [rds]
      regions: '*'
      accounts:
        - ambient
        - assume_role: arn:aws:iam::222222222222:role/muster
          external_id: one
  azure:
    - types: [postgres]
removal:
  grace: { scans: 2, time: 30m }
  brake: { share: 20%, at_least: 1 }
";
    config::parse(text, None).unwrap().config
}

fn aws(account: &str, region: &str) -> Arc<Scope> {
    Arc::new(Scope::aws(account, region, Service::Rds))
}

/// What comes back when everybody answers: these regions of both accounts.
fn answered(regions: &[&str]) -> Expansion {
    let mut expansion = Expansion {
        complete: true,
        filters: unasked(&config()).filters,
        ..Expansion::default()
    };
    for account in [AMBIENT, ROLE] {
        if let Some(accounts) = &mut expansion.filters[0].accounts {
            accounts.insert(AccountId::new(account));
        }
        for region in regions {
            let scope = aws(account, region);
            let asked = BTreeSet::from(["sources.aws[0]".to_owned()]);
            expansion.asked.insert((*scope).clone(), asked);
            expansion.scanners.push(Box::new(Idle(scope)));
        }
    }
    expansion
}

fn names<'a>(scopes: impl Iterator<Item = &'a Arc<Scope>>) -> Vec<String> {
    scopes.map(ToString::to_string).collect()
}

#[test]
fn before_anybody_has_answered_what_the_store_remembers_counts() {
    let azure = Arc::new(Scope::azure("sub-1", Service::PostgresqlFlexible, None));
    let remembered = [
        aws(AMBIENT, "us-east-1"),
        aws(ROLE, "eu-west-1"),
        azure,
        // Nobody asks for caches.
        Arc::new(Scope::aws(AMBIENT, "us-east-1", Service::Elasticache)),
    ];
    let known = Known::settle(unasked(&config()), None, &remembered);
    assert_eq!(
        names(known.unread.keys()),
        [
            "aws/111111111111/us-east-1/rds",
            "aws/222222222222/eu-west-1/rds",
            "azure/sub-1/*/postgresql-flexible",
            // Nobody remembers a single server: the scope that stands for them stays.
            "azure/unknown/*/postgresql",
        ]
    );
    assert!(known.scanners.is_empty() && !known.complete && known.is_wanting());
    let accounts = known.filters[0].accounts.as_ref().unwrap();
    assert_eq!(
        accounts.iter().map(AccountId::as_str).collect::<Vec<_>>(),
        [AMBIENT, ROLE],
        "what is enrolled there stays selected"
    );
    let setup = known.setup(&config(), &Arc::default()).unwrap();
    assert_eq!(setup.scopes.len(), 3);
    assert!(!setup.scopes_known);

    // Where nothing is remembered, the scope that stands for the others is listed, and no engine hears of it.
    let known = Known::settle(unasked(&config()), None, []);
    assert!(names(known.unread.keys()).contains(&"aws/unknown/*/rds".to_owned()));
    assert!(
        known
            .setup(&config(), &Arc::default())
            .unwrap()
            .scopes
            .is_empty()
    );
}

#[test]
fn every_service_of_an_unknown_account_is_remembered() {
    let text = "
version: 1
store: /tmp/store
policy: sync
sources:
  aws: [{ types: [rds, docdb, elasticache], regions: '*' }]
  azure: [{ types: [postgres, mysql] }]
";
    let config = config::parse(text, None).unwrap().config;
    let mut remembered: Vec<Arc<Scope>> = Vec::new();
    for service in [Service::Rds, Service::Docdb, Service::Elasticache] {
        let regions = ["eu-west-1", "us-east-1"];
        remembered.extend(regions.map(|region| Arc::new(Scope::aws(AMBIENT, region, service))));
    }
    for service in [
        Service::Postgresql,
        Service::PostgresqlFlexible,
        Service::Mysql,
        Service::MysqlFlexible,
    ] {
        remembered.push(Arc::new(Scope::azure("sub-1", service, None)));
    }
    let known = Known::settle(unasked(&config), None, &remembered);
    let mut wanted = remembered.clone();
    wanted.sort();
    assert_eq!(names(known.unread.keys()), names(wanted.iter()));
}

#[test]
fn a_setup_is_the_same_before_and_after_everybody_has_answered() {
    let all = Known::settle(answered(&["us-east-1"]), None, []);
    let remembered: Vec<_> = all.scopes().cloned().collect();
    let early = Known::settle(unasked(&config()), None, &remembered);
    let [all, early] = [&all, &early].map(|known| known.setup(&config(), &Arc::default()).unwrap());
    assert_eq!(all.digest, early.digest, "nothing is judged again");
    assert_eq!(all.scopes, early.scopes);
}

#[test]
fn scopes_are_scanned_on_while_their_list_cannot_be_read() {
    let before = Known::settle(answered(&["us-east-1", "eu-west-1"]), None, []);
    // The ambient credentials are gone, the role's account answers with one region.
    let mut expansion = unasked(&config());
    expansion
        .unread
        .retain(|scan| scan.scope.account.as_str() == UNKNOWN);
    let scope = aws(ROLE, "us-east-1");
    let asked = BTreeSet::from(["sources.aws[0]".to_owned()]);
    expansion.asked.insert((*scope).clone(), asked);
    expansion.scanners.push(Box::new(Idle(scope)));

    let known = Known::settle(expansion, Some(&before), []);
    assert_eq!(
        names(known.scanners.keys()),
        [
            "aws/111111111111/eu-west-1/rds",
            "aws/111111111111/us-east-1/rds",
            "aws/222222222222/us-east-1/rds",
        ],
        "what the role's account no longer lists is not taken for the ambient one's"
    );
    assert!(!known.complete);
    assert!(
        known
            .unlisted
            .iter()
            .any(|(scope, _)| scope.account.as_str() == UNKNOWN)
    );
    assert_eq!(
        known.wanted(&config(), |_| 0).len(),
        3,
        "all of them are scanned again and again"
    );
    let open: Vec<_> = known
        .open
        .iter()
        .filter_map(|open| open.account.clone())
        .collect();
    assert!(open.contains(&AccountId::new(AMBIENT)));
}

#[test]
fn a_scope_that_could_be_read_is_asked_on_by_itself() {
    let before = Known::settle(answered(&["us-east-1"]), None, []);
    let failed = Scan {
        coverage: Coverage::Unread(vec![Failure {
            reason: FailureReason::Denied,
            call: "sts:AssumeRole".to_owned(),
            message: "no".to_owned(),
            permission: None,
        }]),
        ..Scan::empty(aws(ROLE, "us-east-1"))
    };
    let expansion = || Expansion {
        unread: vec![failed.clone()],
        complete: true,
        ..Expansion::default()
    };
    let known = Known::settle(expansion(), Some(&before), []);
    assert_eq!((known.scanners.len(), known.unread.len()), (1, 0));
    let known = Known::settle(expansion(), None, []);
    assert_eq!((known.scanners.len(), known.unread.len()), (0, 1));
    assert!(known.is_wanting(), "it is asked for again before its time");
}

#[test]
fn tags_and_schedules_change_nothing_about_the_reach() {
    let (a, mut b) = (config(), config());
    b.aws[0].schedule = Some(b.schedule.clone());
    assert!(same_reach(&a, &b));
    b.aws[0].regions = Some(BTreeSet::from(["us-east-1".to_owned()]));
    assert!(!same_reach(&a, &b));
}
