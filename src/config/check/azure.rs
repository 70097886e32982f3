//! `sources.azure`.

use std::collections::BTreeSet;

use muster_model::Selector;

use super::{
    super::{file, problem::nearest, words},
    AzureSource, Check,
    aws::is_within,
    child,
    schedule::Basis,
};

impl Check<'_> {
    pub(super) fn azure_source(
        &mut self,
        path: String,
        source: file::Azure,
        basis: Basis<'_>,
    ) -> AzureSource {
        let services = self.services(&path, source.types, words::AZURE_TYPES, words::AZURE_MEANT);
        let subscriptions =
            self.subscriptions(&child(&path, "subscriptions"), source.subscriptions);
        let resource_groups = self.groups(&child(&path, "resource_groups"), source.resource_groups);
        let regions = self.azure_regions(&child(&path, "regions"), source.regions);
        let tags = source.tags.unwrap_or_else(Selector::all);
        let schedule = self.source_schedule(&path, source.schedule, basis);
        AzureSource {
            name: path,
            services,
            subscriptions,
            resource_groups,
            regions,
            tags,
            schedule,
        }
    }

    fn subscriptions(
        &mut self,
        path: &str,
        ids: Option<file::Many<String>>,
    ) -> Option<BTreeSet<String>> {
        let ids = self.names(path, ids?)?;
        for (path, id) in &ids {
            if !is_uuid(id) {
                let hint = "it looks like 11111111-2222-3333-4444-555555555555; `az account list` shows them";
                self.error(
                    path,
                    format!("`{id}` is not the id of a subscription"),
                    hint.to_owned(),
                );
            }
        }
        Some(ids.into_iter().map(|(_, id)| id.to_lowercase()).collect())
    }

    fn groups(
        &mut self,
        path: &str,
        groups: Option<file::Many<String>>,
    ) -> Option<BTreeSet<String>> {
        let groups = self.names(path, groups?)?;
        for (path, group) in &groups {
            let is_valid = |letter: char| letter.is_alphanumeric() || "-_.()".contains(letter);
            if group.contains('*') {
                let hint =
                    "name the groups, or \"*\" for all; tags and rules take patterns".to_owned();
                self.error(path, "resource groups are names, not patterns", hint);
            } else if group.chars().count() > 90
                || !group.chars().all(is_valid)
                || group.ends_with('.')
            {
                let hint = "the name only, without `/subscriptions/…`".to_owned();
                self.error(
                    path,
                    format!("`{group}` is not the name of a resource group"),
                    hint,
                );
            }
        }
        Some(groups.into_iter().map(|(_, group)| group).collect())
    }

    fn azure_regions(
        &mut self,
        path: &str,
        regions: Option<file::Many<String>>,
    ) -> Option<BTreeSet<String>> {
        let names = self.names(path, regions?)?;
        let mut regions = BTreeSet::new();
        for (path, name) in names {
            let region = words::azure_region(&name);
            let near = || nearest(&region, words::AZURE_REGIONS.iter().copied());
            let meant = |near: Option<&str>| near.map(|near| format!("did you mean `{near}`?"));
            let is_word = region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            if !is_word {
                let hint =
                    meant(near()).unwrap_or_else(|| "a region looks like westeurope".to_owned());
                self.warn(
                    &path,
                    format!("`{name}` does not look like a region of Azure"),
                    hint,
                );
            } else if !is_known_place(&region)
                && let Some(near) = near()
            {
                self.warn(
                    &path,
                    format!("no region `{name}` is known here"),
                    meant(Some(near)),
                );
            }
            if !regions.insert(region) {
                self.warn(&path, format!("`{name}` is already in the list"), None);
            }
        }
        Some(regions)
    }

    /// Sources that select nothing that another one does not.
    pub(super) fn azure_overlaps(&mut self, sources: &[AzureSource]) {
        for (index, source) in sources.iter().enumerate() {
            let within = |other: &&AzureSource| {
                source.services.is_subset(&other.services)
                    && is_within(source.subscriptions.as_ref(), other.subscriptions.as_ref())
                    && is_within(
                        source.resource_groups.as_ref(),
                        other.resource_groups.as_ref(),
                    )
                    && is_within(source.regions.as_ref(), other.regions.as_ref())
                    && (other.tags.is_all() || source.tags == other.tags)
            };
            let earlier = sources.iter().take(index).find(within);
            let later = || {
                // Of two that are alike only the second is reported.
                let is_alike = |other: &AzureSource| {
                    AzureSource {
                        name: source.name.clone(),
                        ..other.clone()
                    } == *source
                };
                sources
                    .iter()
                    .skip(index + 1)
                    .find(|other| within(other) && !is_alike(other))
            };
            if let Some(other) = earlier.or_else(later)
                && !source.services.is_empty()
                && !self.is_damaged(&source.name)
                && !self.is_damaged(&other.name)
            {
                self.warn(
                    &source.name,
                    format!("it selects nothing that {} does not", other.name),
                    None,
                );
            }
        }
    }
}

fn is_known_place(region: &str) -> bool {
    words::AZURE_REGIONS
        .iter()
        .any(|known| words::place_of(known) == words::place_of(region))
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths = [8, 4, 4, 4, 12];
    parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}
