//! Many scopes that are scanned again and again by the real scanners, and what each scan must say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use aws_credential_types::Credentials;
use muster::metrics::Metrics;
use muster_cloud::{
    BudgetConfig,
    aws::{AwsAccess, AwsOptions},
};
use muster_discovery::{Scanner, aws_scanner};
use muster_model::{Coverage, FailureReason, ResourceId, Scan, Scope, Service, Unread, fact};
use tokio::sync::{Semaphore, mpsc};

use super::weather::{Fault, Seen, Weather};
use crate::support::{
    cloud::Cloud,
    draw::Draw,
    fleet::{Pace, Region, Truth},
};

/// Attempts at one call.
const ATTEMPTS: u32 = 2;
/// Longest wait for an answer. Long enough for a machine that does other things as well: a scan with an answer that
/// came later is told apart by [`Expected::slow`], and made again.
const PATIENCE: Duration = Duration::from_secs(2);
/// Scans under way that use the processor.
const AT_ONCE: usize = 6;
/// The longest pause of a scope after failures, in cycles.
const BACKOFF: usize = 8;

/// Who is scanned, and how often.
pub struct Sweep {
    /// The accounts.
    pub accounts: usize,
    /// The regions of each.
    pub regions: usize,
    /// The cycles.
    pub cycles: usize,
    /// From this one on nothing fails and nothing changes any more.
    pub calm: usize,
    /// A healthy scope is due every so many cycles.
    pub every: usize,
    /// Calls in a thousand that fail.
    pub faults: usize,
    /// How the fleet changes.
    pub pace: Pace,
    /// What it all follows from.
    pub seed: u64,
}

/// One scope in one cycle.
pub struct Turn {
    /// The cycle, from 0.
    pub cycle: usize,
    /// What was scanned, and what was really there; none when the scope was not due.
    pub scanned: Option<Scanned>,
}

/// A scan and all that is known about it.
pub struct Scanned {
    /// What the scanner says.
    pub scan: Scan,
    /// What was really there.
    pub truth: BTreeMap<ResourceId, Truth>,
    /// What the cloud did.
    pub seen: Vec<Seen>,
    /// What it did before, for scans that came out otherwise because this machine was too slow, and were made again.
    pub late: Vec<Seen>,
}

/// What a scan must say, from what the cloud did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Reason and call of each failure, in order.
    pub failures: Vec<(FailureReason, String)>,
    /// Whether some answer came too late for the client, which no one told the cloud to do.
    pub slow: bool,
}

// === impl Sweep ===

impl Sweep {
    /// The scopes in order.
    pub fn scopes(&self) -> Vec<Arc<Scope>> {
        let names = self.names();
        names
            .iter()
            .map(|(account, region)| Arc::new(Scope::aws(account, region, Service::Rds)))
            .collect()
    }

    fn names(&self) -> Vec<(String, String)> {
        let account = |n: usize| format!("{}", n + 1).repeat(12);
        (0..self.accounts)
            .flat_map(|a| {
                (0..self.regions).map(move |r| (account(a), format!("eu-west-{}", r + 1)))
            })
            .collect()
    }

    /// Scans; every scope's turns come in order through the channel at its place. The scopes do not wait for each
    /// other: silence in one costs the others no time. The metrics are told of every call.
    pub fn start(
        &self,
        runtime: &tokio::runtime::Runtime,
        metrics: &Metrics,
    ) -> (Cloud, Vec<mpsc::Receiver<Turn>>) {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let names = self.names();
        let region = |key: &(String, String)| {
            (
                key.clone(),
                Region::new(&key.0, &key.1, self.pace, self.seed),
            )
        };
        let weather = Arc::new(Weather::new(
            names.iter().map(region),
            (self.faults, self.calm),
            Arc::clone(&slots),
            self.seed,
        ));
        let cloud = Cloud::start(Arc::clone(&weather));
        let receivers = runtime.block_on(async {
            let mut accounts = BTreeMap::new();
            for (account, _) in &names {
                if !accounts.contains_key(account) {
                    accounts.insert(account.clone(), access(cloud.url(), account, metrics).await);
                }
            }
            let mut receivers = Vec::new();
            for (place, (account, region)) in names.iter().enumerate() {
                let account = accounts[account].account(None).await.unwrap();
                let scope = Arc::new(Scope::aws(account.id(), region, Service::Rds));
                let scanner = aws_scanner(account.region(region), scope).unwrap();
                // Some turns ahead, so that a scope that waits holds nobody up.
                let (turns, receiver) = mpsc::channel(64);
                receivers.push(receiver);
                let live = Live {
                    weather: Arc::clone(&weather),
                    slots: Arc::clone(&slots),
                    scanner,
                    cycles: self.cycles,
                    every: self.every,
                    // Not all in the same cycle.
                    first: place % self.every,
                };
                tokio::spawn(live.run(turns));
            }
            receivers
        });
        (cloud, receivers)
    }
}

async fn access(url: &str, account: &str, metrics: &Metrics) -> AwsAccess {
    let key = format!("ASIAEXAMPLE0{account}");
    AwsAccess::load(AwsOptions {
        endpoint_url: Some(url.to_owned()),
        credentials: Some(Credentials::new(key, "secret", None, None, "test")),
        budgets: BudgetConfig {
            per_second: 1e6,
            burst: 1_000_000,
            concurrency: 8,
            attempts: ATTEMPTS,
            base_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(1),
            attempt_timeout: PATIENCE,
            patience: Duration::from_secs(60),
            observer: metrics.observer().into(),
            ..BudgetConfig::default()
        },
    })
    .await
}

/// One scope's life.
struct Live {
    weather: Arc<Weather>,
    slots: Arc<Semaphore>,
    scanner: Box<dyn Scanner>,
    cycles: usize,
    every: usize,
    first: usize,
}

impl Live {
    async fn run(self, turns: mpsc::Sender<Turn>) {
        let scope = Arc::clone(self.scanner.scope());
        let (account, region) = (scope.account.as_str(), scope.region.as_str());
        let (mut due, mut failures) = (self.first, 0);
        for cycle in 0..self.cycles {
            self.weather.step(account, region, cycle);
            let mut scanned = None;
            if cycle >= due {
                let slot = self.slots.acquire().await.unwrap();
                let mut late = Vec::new();
                let mut tries = 0;
                let (scan, seen) = loop {
                    self.weather.begin(account, region, cycle);
                    let scan = self.scanner.scan().await;
                    let seen = self.weather.take_seen(account, region);
                    if !is_late(&scan, &seen) {
                        break (scan, seen);
                    }
                    tries += 1;
                    assert!(tries < 20, "too slow a machine, or a wrong scan: {seen:#?}");
                    late.extend(seen);
                };
                drop(slot);
                let truth = self.weather.region(account, region).truth();
                failures = if scan.coverage.is_complete() {
                    0
                } else {
                    failures + 1
                };
                // As the service does: slower after repeated failure.
                due = cycle + (self.every << failures.min(4)).min(BACKOFF.max(self.every));
                scanned = Some(Scanned {
                    scan,
                    truth,
                    seen,
                    late,
                });
            }
            if turns.send(Turn { cycle, scanned }).await.is_err() {
                return;
            }
        }
    }
}

// === what a scan must say ===

impl Scanned {
    /// Holds the scan against what is really there and what the cloud did; gives what was expected.
    pub fn check(&self) -> Expected {
        let expected = expected(&self.seen, &self.scan);
        let got: Vec<_> = self
            .scan
            .coverage
            .failures()
            .iter()
            .map(|failure| (failure.reason, failure.call.clone()))
            .collect();
        let context = || {
            format!(
                "{}: {:?}, the cloud: {:#?}",
                self.scan.scope, self.scan.coverage, self.seen
            )
        };
        assert_eq!(got, expected.failures, "{}", context());
        for failure in self.scan.coverage.failures() {
            let permission = failure.permission.as_deref();
            let denied = failure.reason == FailureReason::Denied;
            assert_eq!(permission.is_some(), denied, "{}", context());
            assert!(!failure.message.is_empty(), "{}", context());
        }
        assert_eq!(
            matches!(self.scan.coverage, Coverage::Complete),
            expected.failures.is_empty(),
            "{}",
            context()
        );
        assert_eq!(self.scan.malformed, [], "{}", context());
        assert_eq!(
            self.scan.requests as usize,
            self.seen.len(),
            "{}",
            context()
        );
        self.check_found();
        expected
    }

    fn check_found(&self) {
        let scan = &self.scan;
        let found: BTreeSet<_> = scan.found.iter().map(|it| it.id.clone()).collect();
        assert_eq!(
            found.len(),
            scan.found.len(),
            "{}: something twice",
            scan.scope
        );
        let there: BTreeSet<_> = self.truth.keys().cloned().collect();
        if scan.coverage.is_complete() {
            assert_eq!(found, there, "{}: a complete scan", scan.scope);
        }
        assert!(found.is_subset(&there), "{}: {found:?}", scan.scope);
        for database in &scan.found {
            let truth = &self.truth[&database.id];
            let endpoint = database
                .endpoint
                .as_ref()
                .map(|endpoint| (endpoint.host.clone(), endpoint.port));
            assert_eq!(endpoint, truth.endpoint, "{}", database.id);
            assert_eq!(database.state.name, truth.state, "{}", database.id);
            assert_eq!(database.engine, truth.engine, "{}", database.id);
            assert_eq!(database.engine_version, truth.version, "{}", database.id);
            assert_eq!(database.tags, truth.tags, "{}", database.id);
            // What could not be read is not guessed: right, or not there and marked so.
            let vpc = database.derived.get("vpc-id");
            match vpc {
                Some(vpc) => assert_eq!(*vpc, truth.vpc, "{}", database.id),
                None => {
                    assert!(
                        truth.cluster && !scan.coverage.is_complete(),
                        "{}",
                        database.id
                    );
                    assert_eq!(
                        database.unread,
                        BTreeSet::from([Unread::Vpc]),
                        "{}",
                        database.id
                    );
                }
            }
            if let Some(ca) = database.fact(fact::CA) {
                assert_eq!(ca, truth.ca, "{}", database.id);
            }
            if let Some(public) = database.fact(fact::PUBLIC) {
                assert_eq!(public, truth.public.to_string(), "{}", database.id);
            }
        }
    }
}

/// Whether this machine was too slow for a scan: a call did not get through, or only after its scan had ended, or its
/// answer came too late.
fn is_late(scan: &Scan, seen: &[Seen]) -> bool {
    scan.requests as usize != seen.len() || expected(seen, scan).slow
}

/// What a scan must say, listing by listing, clusters first.
fn expected(seen: &[Seen], scan: &Scan) -> Expected {
    let mut expected = Expected::default();
    for action in ["DescribeDBClusters", "DescribeDBInstances"] {
        let calls: Vec<_> = seen.iter().filter(|seen| seen.action == action).collect();
        let call = format!("rds:{action}");
        let reported = scan
            .coverage
            .failures()
            .iter()
            .find(|failure| failure.call == call)
            .map(|failure| failure.reason);
        let reason = listing(&calls, reported, &mut expected.slow);
        expected
            .failures
            .extend(reason.map(|reason| (reason, call)));
    }
    expected
}

/// Why a listing ends early, by what the cloud did; none when it does not. An answer that the client did not wait for
/// shows in what it did next.
fn listing(
    calls: &[&Seen],
    reported: Option<FailureReason>,
    slow: &mut bool,
) -> Option<FailureReason> {
    let (mut attempt, mut wanted) = (1, None);
    for (place, seen) in calls.iter().enumerate() {
        assert_eq!(
            seen.marker, wanted,
            "another page than the next: {calls:#?}"
        );
        let after = calls.get(place + 1);
        let again = after.is_some_and(|after| after.marker == seen.marker);
        match seen.fault.and_then(|fault| fault.fails()) {
            // The page's own marker: nothing but the reader ends that.
            Some((reason, _)) if seen.fault == Some(Fault::Circle) && !again => {
                if reported != Some(FailureReason::Unreachable) {
                    return Some(reason);
                }
                *slow = true;
                return reported;
            }
            Some((reason, retry)) if seen.fault != Some(Fault::Circle) => {
                let late = reported == Some(FailureReason::Unreachable)
                    && reason != FailureReason::Unreachable;
                if after.is_none() {
                    *slow |= late;
                    assert!(
                        late || !retry || attempt == ATTEMPTS,
                        "gave up early: {calls:#?}"
                    );
                    return if late { reported } else { Some(reason) };
                }
                // A denial that came too late is asked for again.
                *slow |= !retry;
                attempt += 1;
            }
            _ if again => {
                *slow = true;
                attempt += 1;
            }
            _ if after.is_none() && (seen.next.is_some() || reported.is_some()) => {
                *slow = true;
                assert_eq!(reported, Some(FailureReason::Unreachable), "{calls:#?}");
                return reported;
            }
            _ => {
                (attempt, wanted) = (1, seen.next.clone());
            }
        }
        assert!(attempt <= ATTEMPTS, "one attempt too many: {calls:#?}");
    }
    None
}

/// The order in which the scopes of a cycle are taken in: any.
pub fn shuffled(scopes: usize, draw: &mut Draw) -> Vec<usize> {
    let mut order: Vec<_> = (0..scopes).collect();
    for place in (1..scopes).rev() {
        order.swap(place, draw.below(place + 1));
    }
    order
}
