//! What is wrong or soon will be, as far as the service can tell without asking anybody: evidence, once a minute, for the
//! checks of [`crate::doctor`]. It is gathered beside the loop, for disks may hang.

use std::{
    path::PathBuf,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use muster_model::{Coverage, Scope, Timestamp};
use muster_proxy::Catalog;
use tokio::task::JoinSet;

use super::Service;
use crate::{
    authority::{Answer, Command},
    config::{AuditSink, Config},
    doctor::{
        Evidence, Finding,
        evidence::{Audit, Certificates, Clock, Compared, Logins, Permissions, Store},
        examine,
        gather::{certificates, denied, files, logins},
    },
    proxy::{self, Proxy},
};

/// How often it looks, at most when databases are others, and at least.
const EVERY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// After a count of all databases, how many times as long as it took no other one is made.
const REST: u32 = 30;

/// Looks again and again.
#[derive(Default)]
pub(super) struct Findings {
    looking: JoinSet<Found>,
    begun: Option<Instant>,
    /// The store's revision when it last looked.
    revision: u64,
    counted: Option<Counted>,
}

/// What came of one look.
struct Found {
    findings: Vec<Finding>,
    counted: Option<Counted>,
}

/// How muster logs in to databases, as it was counted.
struct Counted {
    logins: Logins,
    /// Those that were counted.
    of: Weak<Catalog>,
    /// When they are counted again, if they are others then.
    next: Instant,
}

/// What is looked at.
struct Ask {
    now: Timestamp,
    dir: PathBuf,
    config: Config,
    incomplete: Vec<(Scope, Coverage)>,
    dates: Vec<Compared>,
    proxy: Option<Arc<Proxy>>,
    counted: Option<Counted>,
}

impl Service {
    /// Takes what was found, and looks again when it is time.
    pub(super) fn look_for_findings(&mut self) {
        while let Some(found) = self.findings.looking.try_join_next() {
            // One that panicked is made again.
            let Ok(Found { findings, counted }) = found else {
                continue;
            };
            self.findings.counted = counted;
            if self.board.findings != findings {
                self.board.findings = findings;
                self.news = true;
            }
        }
        let idle = self.findings.looking.is_empty() && self.ending.is_none();
        if !idle || !self.loaded || !self.findings_are_due() {
            return;
        }
        self.findings.begun = Some(Instant::now());
        self.findings.revision = self.board.store.revision;
        let ask = Ask {
            now: self.now(),
            dir: self.board.store.path.clone(),
            config: self.config.clone(),
            incomplete: self.board.incomplete(),
            dates: self.metrics.dates(),
            proxy: self.proxy.clone(),
            counted: self.findings.counted.take(),
        };
        self.findings.looking.spawn_blocking(move || look(ask));
    }

    fn findings_are_due(&self) -> bool {
        let (least, most) = EVERY;
        let Some(age) = self.findings.begun.map(|begun| begun.elapsed()) else {
            return true;
        };
        let others = || {
            let served = self
                .proxy
                .as_ref()
                .map(|proxy| Arc::as_ptr(&proxy.catalog()));
            let counted = self
                .findings
                .counted
                .as_ref()
                .map(|counted| counted.of.as_ptr());
            served != counted || self.findings.revision != self.board.store.revision
        };
        age >= most || (age >= least && others())
    }
}

fn look(ask: Ask) -> Found {
    let Ask {
        now,
        dir,
        config,
        incomplete,
        dates,
        proxy,
        counted,
    } = ask;
    let scopes = || incomplete.iter().map(|(scope, coverage)| (scope, coverage));
    let user = files::user();
    let denied = denied::denied(scopes());
    let printed = (!denied.is_empty()).then(|| denied::printed(&config));
    let counted = match (&proxy, &config.proxy) {
        (Some(proxy), Some(settings)) => Some(count(proxy, settings, counted)),
        _ => None,
    };
    let evidence = Evidence {
        now,
        store: Some(Store {
            user,
            places: files::of_store(&dir).unwrap_or_default(),
            disk: files::disk(&dir),
            there: true,
            ..Store::default()
        }),
        audit: config.proxy.is_some().then(|| {
            let file = config.audit.sink == AuditSink::File;
            let path = file.then(|| proxy::audit_dir(&config.audit, &dir));
            let path = path.as_deref();
            Audit {
                place: path.and_then(|path| files::place(path).ok()),
                user,
                disk: path.and_then(files::disk),
                failing: None,
                damaged: proxy.as_ref().and_then(|proxy| proxy.status().audit.damage),
            }
        }),
        certificates: proxy.as_ref().map(|proxy| served(proxy, &config)),
        clock: Some(Clock {
            compared: dates,
            jumped: None,
            synchronized: files::synchronized(),
        }),
        credentials: Some(denied::without_credentials(scopes(), &config)),
        permissions: Some(Permissions { denied, printed }),
        logins: counted.as_ref().map(|counted| counted.logins.clone()),
        ..Evidence::default()
    };
    Found {
        findings: examine(&evidence),
        counted,
    }
}

fn served(proxy: &Proxy, config: &Config) -> Certificates {
    let authorities = match proxy.authority().handle(Command::Authorities, "") {
        Ok(Answer::Authorities { authorities, .. }) => certificates::authorities(&authorities),
        _ => Vec::new(),
    };
    let trust = config.proxy.as_ref().map(|proxy| proxy.trust.as_slice());
    Certificates {
        authorities,
        shown_until: Some(proxy.status().certificate_expires),
        trusted: certificates::trusted(trust.unwrap_or_default()),
        ..Certificates::default()
    }
}

/// Counts how databases are logged in to, when there are others than the last time. That looks at all of them, so it is
/// not done more often than it takes little of the time.
fn count(
    proxy: &Proxy,
    settings: &crate::config::ProxySettings,
    counted: Option<Counted>,
) -> Counted {
    let catalog = proxy.catalog();
    let begun = Instant::now();
    if let Some(mut counted) = counted
        && (counted.of.as_ptr() == Arc::as_ptr(&catalog) || begun < counted.next)
    {
        counted.logins.secrets = logins::secrets(Some(settings));
        return counted;
    }
    let mut count = logins::Count::default();
    for target in catalog.iter() {
        count.see(target, Some(settings), Some(proxy.keyring() as _));
    }
    Counted {
        logins: count.finish(Some(settings)),
        of: Arc::downgrade(&catalog),
        next: Instant::now() + begun.elapsed() * REST,
    }
}
