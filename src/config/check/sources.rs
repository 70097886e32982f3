//! `sources`, and the lists in it.

use std::collections::BTreeSet;

use muster_model::Service;

use super::{
    super::{file, problem},
    AwsSource, AzureSource, Check, child, is_private,
    schedule::Basis,
};

impl Check<'_> {
    pub(super) fn sources(
        &mut self,
        sources: Option<file::Sources>,
        served: bool,
        basis: Basis<'_>,
    ) -> (Vec<AwsSource>, Vec<AzureSource>) {
        let Some(sources) = sources else {
            // What is only served may be all that people registered by hand.
            if !served {
                self.missing(
                    "sources",
                    "name at least one under `sources.aws` or `sources.azure`",
                );
            }
            return (Vec::new(), Vec::new());
        };
        if sources.aws.is_none() && sources.azure.is_none() && !self.is_damaged("sources") {
            self.error(
                "sources",
                "no sources",
                "name at least one under `aws` or `azure`".to_owned(),
            );
        }
        let aws = self.entries("sources.aws", sources.aws);
        let aws: Vec<AwsSource> = aws
            .into_iter()
            .map(|(path, source)| self.aws_source(path, source, basis))
            .collect();
        let azure = self.entries("sources.azure", sources.azure);
        let azure: Vec<AzureSource> = azure
            .into_iter()
            .map(|(path, source)| self.azure_source(path, source, basis))
            .collect();
        self.aws_overlaps(&aws);
        self.azure_overlaps(&azure);
        (aws, azure)
    }

    /// The items of a list with their paths. A list that is there and empty is an error.
    pub(super) fn entries<T>(
        &mut self,
        path: &str,
        list: Option<file::Many<T>>,
    ) -> Vec<(String, T)> {
        let Some(list) = list else { return Vec::new() };
        let items = list.into_vec();
        if items.is_empty() && !self.is_damaged(path) {
            self.error(
                path,
                "the list is empty",
                "name at least one, or remove the key".to_owned(),
            );
        }
        items
            .into_iter()
            .enumerate()
            .map(|(index, item)| (self.document.item(path, index), item))
            .collect()
    }

    /// The words of a list, each with its path; a word that comes twice is a warning. `None` for `*`, alone.
    pub(super) fn names(
        &mut self,
        path: &str,
        list: file::Many<String>,
    ) -> Option<Vec<(String, String)>> {
        let items = self.entries(path, Some(list));
        let mut seen = BTreeSet::new();
        let mut names = Vec::new();
        for (path, item) in items {
            if item.trim().is_empty() {
                self.error(&path, "it is empty", None);
            } else if !seen.insert(item.to_lowercase()) {
                let message = if is_private(&path) {
                    "it is given twice".to_owned()
                } else {
                    format!("`{item}` is given twice")
                };
                self.warn(&path, message, None);
            } else {
                names.push((path, item));
            }
        }
        let Some((star, _)) = names.iter().find(|(_, name)| name == "*") else {
            return Some(names);
        };
        if names.len() == 1 {
            return None;
        }
        let hint = "keep one or the other".to_owned();
        self.error(star, "`*` is all, and cannot stand beside others", hint);
        names.retain(|(_, name)| name != "*");
        Some(names)
    }

    /// The services of a list of types.
    pub(super) fn services(
        &mut self,
        source: &str,
        types: Option<file::Many<String>>,
        known: &[(&str, &'static [Service])],
        meant: &[(&str, &str)],
    ) -> BTreeSet<Service> {
        let path = child(source, "types");
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let Some(types) = types else {
            self.missing(
                &path,
                &format!("name at least one of: {}", words.join(", ")),
            );
            return BTreeSet::new();
        };
        let mut services = BTreeSet::new();
        for (path, word) in self.entries(&path, Some(types)) {
            let found = known.iter().find(|(known, _)| *known == word);
            let Some((_, found)) = found else {
                let hint = meant
                    .iter()
                    .find(|(wrong, _)| *wrong == word.to_lowercase())
                    .map_or_else(
                        || problem::meant(&word, &words),
                        |(_, hint)| (*hint).to_owned(),
                    );
                self.error(&path, format!("unknown type `{word}`"), hint);
                continue;
            };
            let before = services.len();
            services.extend(found.iter().copied());
            if services.len() == before {
                self.warn(&path, format!("`{word}` is already in the list"), None);
            }
        }
        services
    }
}
