//! [`SourceFilter`]: which databases a source of the configuration selects.
//!
//! Scanners report everything they see. That a source asks for some regions or tags only is judged here, so that a
//! person can be told which filter keeps a database out.

use std::collections::BTreeSet;

use muster_model::{AccountId, Database, Labels, Provider, Selector, Service};

use crate::{names::resource_group, problem::Problem};

/// What one source selects.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SourceFilter {
    /// Its path in the configuration: `sources.aws[0]`.
    pub name: String,
    /// The cloud.
    pub provider: Provider,
    /// The families of calls.
    pub services: Vec<Service>,
    /// Accounts or subscriptions; none for all.
    pub accounts: Option<BTreeSet<AccountId>>,
    /// Regions; none for all. Azure's may be written as names (`West Europe`).
    pub regions: Option<BTreeSet<String>>,
    /// Resource groups (Azure), in upper or lower case; none for all.
    pub resource_groups: Option<BTreeSet<String>>,
    /// Labels, as imported: tags, and what muster derived.
    pub tags: Selector,
}

/// Why a source does not select a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unselected {
    /// How far the database came: more is nearer.
    pub near: (usize, usize),
    /// What stands against it.
    pub detail: String,
}

impl SourceFilter {
    /// What reports call it: `source aws[0]`.
    pub(crate) fn who(&self) -> String {
        format!(
            "source {}",
            self.name.strip_prefix("sources.").unwrap_or(&self.name)
        )
    }

    /// Azure's regions as its API spells them.
    #[must_use]
    pub(crate) fn normalised(mut self) -> Self {
        if self.provider == Provider::Azure {
            self.regions = self
                .regions
                .map(|regions| regions.iter().map(|region| plain_region(region)).collect());
        }
        self
    }

    /// What in it cannot be meant.
    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        let empty = |set: bool, field: &str| {
            set.then(|| {
                Problem::warning(
                    format!("{}.{field}", self.name),
                    "the list is empty, so the source selects nothing",
                )
                .hint("leave it out for all")
            })
        };
        problems.extend(empty(self.services.is_empty(), "services"));
        problems.extend(empty(
            self.accounts.as_ref().is_some_and(BTreeSet::is_empty),
            "accounts",
        ));
        problems.extend(empty(
            self.regions.as_ref().is_some_and(BTreeSet::is_empty),
            "regions",
        ));
        let groups = self
            .resource_groups
            .as_ref()
            .is_some_and(BTreeSet::is_empty);
        problems.extend(empty(groups, "resource_groups"));
        if let Some(why) = self.tags.contradiction() {
            problems.push(Problem::warning(
                format!("{}.tags", self.name),
                format!("it can never match: {why}"),
            ));
        }
    }

    /// Whether it selects the database: which labels did it, or what stands against it.
    pub(crate) fn select(
        &self,
        database: &Database,
        labels: &Labels,
    ) -> Result<String, Unselected> {
        let scope = &database.scope;
        let unselected = |stage, detail| Unselected {
            near: (stage, 0),
            detail,
        };
        if self.provider != scope.provider {
            return Err(unselected(
                0,
                format!(
                    "the source is for {}, not for {}",
                    self.provider, scope.provider
                ),
            ));
        }
        if !self.services.contains(&scope.service) {
            let asked = join(self.services.iter().map(|service| service.as_str()));
            return Err(unselected(
                1,
                format!("service is `{}`, asked for {asked}", scope.service),
            ));
        }
        if let Some(accounts) = &self.accounts
            && !accounts.contains(&scope.account)
            && !accounts
                .iter()
                .any(|account| self.is_same(account.as_str(), scope.account.as_str()))
        {
            let asked = join(accounts.iter().map(AccountId::as_str));
            return Err(unselected(
                2,
                format!("account is `{}`, asked for {asked}", scope.account),
            ));
        }
        if let Some(regions) = &self.regions
            && !regions.contains(&database.region)
        {
            let asked = join(regions.iter().map(String::as_str));
            return Err(unselected(
                3,
                format!("region is `{}`, asked for {asked}", database.region),
            ));
        }
        if let Some(groups) = &self.resource_groups {
            let group = resource_group(database).unwrap_or_default();
            if !groups.iter().any(|asked| asked.eq_ignore_ascii_case(group)) {
                let asked = join(groups.iter().map(String::as_str));
                return Err(unselected(
                    4,
                    format!("resource group is `{group}`, asked for {asked}"),
                ));
            }
        }
        match self.tags.matches(|key| labels.value(key)) {
            Ok(matched) if matched.is_empty() => Ok("it selects all".to_owned()),
            Ok(matched) => Ok(list(&matched)),
            Err(mismatch) => Err(Unselected {
                near: (5, mismatch.held),
                detail: mismatch.to_string(),
            }),
        }
    }

    /// Whether two accounts are one: Azure's ids come in upper and in lower case.
    fn is_same(&self, one: &str, other: &str) -> bool {
        one == other || (self.provider == Provider::Azure && one.eq_ignore_ascii_case(other))
    }
}

/// Texts with commas between them.
pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// `West Europe` as `westeurope`.
fn plain_region(region: &str) -> String {
    region
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect()
}

/// `[a, b]`, cut after a few.
fn join<'a>(items: impl Iterator<Item = &'a str> + Clone) -> String {
    const SHOWN: usize = 6;
    let shown = items.clone().take(SHOWN).collect::<Vec<_>>().join(", ");
    match items.count().saturating_sub(SHOWN) {
        0 => format!("[{shown}]"),
        more => format!("[{shown}, {more} more]"),
    }
}
