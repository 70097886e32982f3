//! [`Known`]: what is known of the scopes that the configuration asks for, from one resolution to the next.
//!
//! Which regions, accounts and subscriptions there are has to be asked, and asking can fail. Then what was known
//! before counts on: scopes go on being scanned by the scanners that they have, and those that are only remembered
//! from before the start are listed as unread with the reason, so that nothing looks as if nobody asked for it.
//!
//! Pure: asking is `pipeline::sources`' work.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use muster_discovery::Scanner;
use muster_matchers::{Chain, SourceFilter};
use muster_model::{AccountId, Failure, Provider, Scan, Scope};
use muster_plan::OpenScopes;
use muster_schedule::{Job, Pace, Wanted};

use crate::{
    config::Config,
    pipeline::{
        matched,
        sources::{Expansion, UNKNOWN, is_placeholder},
    },
    plugins::Plugins,
    service::{engine::Setup, handle::ReadingBasis},
};

/// The scopes, with what reads them.
#[derive(Default)]
pub(super) struct Known {
    /// Those that can be read.
    pub(super) scanners: BTreeMap<Arc<Scope>, Arc<dyn Scanner>>,
    /// Those that cannot, and why.
    pub(super) unread: BTreeMap<Arc<Scope>, Scan>,
    /// What each source selects.
    pub(super) filters: Vec<SourceFilter>,
    /// What the sources ask for by `*`.
    pub(super) open: Vec<OpenScopes>,
    /// Whether that is all.
    pub(super) complete: bool,
    /// What could not be listed, and why.
    pub(super) unlisted: Vec<(Scope, Failure)>,
    asked: BTreeMap<Scope, BTreeSet<String>>,
}

// === impl Known ===

impl Known {
    /// Puts together what was found out, what was known `before` for the same sources, and the scopes that the store
    /// remembers.
    pub(super) fn settle<'a>(
        expansion: Expansion,
        before: Option<&Self>,
        remembered: impl IntoIterator<Item = &'a Arc<Scope>>,
    ) -> Self {
        let Expansion {
            scanners,
            unread,
            filters,
            open,
            asked,
            complete,
        } = expansion;
        let mut known = Self {
            scanners: scanners
                .into_iter()
                .map(|scanner| (Arc::clone(scanner.scope()), Arc::from(scanner)))
                .collect(),
            filters,
            open,
            asked,
            complete,
            ..Self::default()
        };
        let (unlisted, unread): (Vec<Scan>, Vec<Scan>) = unread
            .into_iter()
            .partition(|scan| is_placeholder(&scan.scope));
        for scan in unread {
            let scope = Arc::clone(&scan.scope);
            // Whoever could read it goes on trying: its own answer says more than that of the way in.
            match before.and_then(|before| before.scanners.get(&scope)) {
                Some(scanner) => drop(known.scanners.insert(scope, Arc::clone(scanner))),
                None => drop(known.unread.insert(scope, scan)),
            }
        }
        let remembered: Vec<&Arc<Scope>> = remembered.into_iter().collect();
        // An account that answered, or that has a name of its own in the configuration, is not the unknown one. What
        // is recalled for the unknown one below must not count as named, or it would be recalled for one service only.
        let named: BTreeSet<(Provider, AccountId)> = known
            .scopes()
            .chain(unlisted.iter().map(|scan| &scan.scope))
            .map(|scope| (scope.provider, scope.account.clone()))
            .collect();
        for scan in unlisted {
            known.recall(scan, before, &remembered, &named);
        }
        known
    }

    /// Puts the scopes that are known from before in the place of one that stands for them.
    fn recall(
        &mut self,
        unlisted: Scan,
        before: Option<&Self>,
        remembered: &[&Arc<Scope>],
        named: &BTreeSet<(Provider, AccountId)>,
    ) {
        let sources = self.asked.remove(&*unlisted.scope).unwrap_or_default();
        if let Some(failure) = unlisted.coverage.failures().first() {
            let scope = (*unlisted.scope).clone();
            self.unlisted.push((scope, failure.clone()));
        }
        let fits = |scope: &Scope| {
            let wanted = &unlisted.scope;
            let account = match wanted.account.as_str() {
                UNKNOWN => !named.contains(&(scope.provider, scope.account.clone())),
                account => account == scope.account.as_str(),
            };
            account
                && !is_placeholder(scope)
                && scope.provider == wanted.provider
                && scope.service == wanted.service
                && scope.resource_group == wanted.resource_group
                && (wanted.region.as_str() == "*" || wanted.region == scope.region)
        };
        let mut found = BTreeMap::new();
        for scope in remembered.iter().filter(|scope| fits(scope)) {
            found.insert(Arc::clone(scope), None);
        }
        if let Some(before) = before {
            let readable = before.scanners.iter().filter(|(scope, _)| fits(scope));
            found.extend(readable.map(|(s, scanner)| (Arc::clone(s), Some(Arc::clone(scanner)))));
        }
        if found.is_empty() {
            let placeholder = Arc::clone(&unlisted.scope);
            self.asked.insert((*placeholder).clone(), sources);
            self.unread.insert(placeholder, unlisted);
            return;
        }
        for (scope, scanner) in found {
            for filter in &mut self.filters {
                if !sources.contains(&filter.name) {
                    continue;
                }
                if let Some(accounts) = &mut filter.accounts {
                    accounts.insert(scope.account.clone());
                }
                let open = OpenScopes {
                    provider: scope.provider,
                    account: Some(scope.account.clone()),
                    services: filter.services.iter().copied().collect(),
                    resource_groups: None,
                };
                let by_star = scope.provider == Provider::Aws && filter.regions.is_none();
                if by_star && !self.open.contains(&open) {
                    self.open.push(open);
                }
            }
            let asked = self.asked.entry((*scope).clone()).or_default();
            asked.extend(sources.iter().cloned());
            match scanner {
                Some(scanner) => drop(self.scanners.insert(scope, scanner)),
                None if self.scanners.contains_key(&scope) => {}
                None => {
                    let scan = Scan {
                        scope: Arc::clone(&scope),
                        ..unlisted.clone()
                    };
                    self.unread.entry(scope).or_insert(scan);
                }
            }
        }
    }

    /// Whether somebody has to be asked again before its time.
    pub(super) fn is_wanting(&self) -> bool {
        !self.complete || !self.unread.is_empty()
    }

    /// Whether this is one of the scopes.
    pub(super) fn contains(&self, scope: &Scope) -> bool {
        self.scanners.contains_key(scope) || self.unread.contains_key(scope)
    }

    /// Every scope, by itself.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &Arc<Scope>> {
        self.scanners.keys().chain(self.unread.keys())
    }

    /// How many scopes there are.
    pub(super) fn len(&self) -> usize {
        self.scanners.len().saturating_add(self.unread.len())
    }

    /// What the queue is told: each readable scope once for every source that asks for it. `failures` says how many
    /// incomplete scans in a row are remembered.
    pub(super) fn wanted(&self, config: &Config, failures: impl Fn(&Scope) -> u32) -> Vec<Wanted> {
        let paces: BTreeMap<Arc<str>, Pace> = sources(config).collect();
        let mut wanted = Vec::with_capacity(self.scanners.len());
        for scope in self.scanners.keys() {
            for name in self.asked.get(&**scope).into_iter().flatten() {
                if let Some((source, pace)) = paces.get_key_value(name.as_str()) {
                    wanted.push(Wanted {
                        scope: Arc::clone(scope),
                        source: Arc::clone(source),
                        pace: pace.clone(),
                        failures: failures(scope),
                    });
                }
            }
        }
        wanted
    }

    /// What is needed to judge what is read of so many scopes.
    pub(super) fn basis(&self, scopes: usize, all: bool) -> ReadingBasis {
        ReadingBasis {
            scopes,
            filters: self.filters.clone(),
            open: self.open.clone(),
            complete: self.complete && all,
        }
    }

    /// What the engine is told.
    ///
    /// # Errors
    /// What is wrong with a rule. A configuration that was checked has no such thing.
    pub(super) fn setup(
        &self,
        config: &Config,
        plugins: &Arc<Plugins>,
    ) -> Result<Setup, Vec<String>> {
        let rules = config.rules.as_deref();
        let matchers = plugins.matchers();
        let chain = Chain::build(self.filters.clone(), rules, &matchers);
        let (chain, _) = chain.map_err(|problems| {
            let told = |problem: muster_matchers::Problem| {
                format!("{}: {}", problem.path, problem.message)
            };
            problems.into_iter().map(told).collect::<Vec<_>>()
        })?;
        Ok(Setup {
            chain,
            plugins: Arc::clone(plugins),
            digest: matched::digest(&self.filters, config, plugins),
            settings: config.settings.clone(),
            scopes: self
                .scopes()
                .filter(|scope| !is_placeholder(scope))
                .cloned()
                .collect(),
            scopes_known: self.complete,
            open: self.open.clone(),
            tell: !config.notify.is_empty(),
            history: config.history,
        })
    }
}

/// The sources of a configuration with their paces.
fn sources(config: &Config) -> impl Iterator<Item = (Arc<str>, Pace)> {
    let aws = config.aws.iter().map(|s| (&s.name, &s.schedule));
    let azure = config.azure.iter().map(|s| (&s.name, &s.schedule));
    aws.chain(azure).map(|(name, own)| {
        let pace = own.as_ref().unwrap_or(&config.schedule);
        (Arc::from(name.as_str()), pace.clone())
    })
}

/// What the clock is told: when each source is due.
pub(super) fn jobs(config: &Config) -> Vec<Job> {
    sources(config)
        .map(|(source, Pace { when, .. })| Job { source, when })
        .collect()
}

/// Whether two configurations ask the same clouds for the same scopes, so that what was known of the one counts for
/// the other: all but tags and schedules.
pub(super) fn same_reach(a: &Config, b: &Config) -> bool {
    let aws = a.aws.len() == b.aws.len()
        && a.aws.iter().zip(&b.aws).all(|(a, b)| {
            (&a.name, &a.services, &a.regions, &a.accounts)
                == (&b.name, &b.services, &b.regions, &b.accounts)
        });
    let azure = a.azure.len() == b.azure.len()
        && a.azure.iter().zip(&b.azure).all(|(a, b)| {
            (&a.name, &a.services, &a.subscriptions, &a.resource_groups)
                == (&b.name, &b.services, &b.subscriptions, &b.resource_groups)
        });
    aws && azure
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
