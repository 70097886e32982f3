//! `plugins`, and the matchers behind rules with a `plugin`.

use std::{path::Path, sync::Arc};

use super::{
    super::{Config, PLUGIN_BATCH, PLUGIN_MEMORY, PLUGIN_TIME, PluginSettings, Problem, file},
    Check,
};
use crate::plugins::{Loader, Plugins, load::Asking};

/// What loads the matchers behind rules with a `plugin`.
#[derive(Clone, Copy, Debug)]
pub struct With<'a> {
    /// That.
    pub loader: &'a Loader,
    /// The store's directory, when it is not the file that counts.
    pub store: Option<&'a Path>,
}

impl Check<'_> {
    /// How they are run.
    pub(super) fn plugin_settings(&mut self, plugins: Option<file::Plugins>) -> PluginSettings {
        let file::Plugins {
            keys,
            time,
            memory_mib,
            batch,
        } = plugins.unwrap_or_default();
        let keys = self.entries("plugins.keys", keys);
        let keys = keys.into_iter().map(|(path, key)| {
            if key.trim().is_empty() {
                let hint = "name a file, or give the key as base64".to_owned();
                self.error(&path, "it is empty", hint);
            }
            key
        });
        let keys = keys.collect();
        let time = self.span("plugins.time", time, PLUGIN_TIME, "1s", "1m");
        let memory_mib = self.number("plugins.memory_mib", memory_mib, 1..=4096, PLUGIN_MEMORY);
        let batch = self.number("plugins.batch", batch, 1..=1000, PLUGIN_BATCH);
        PluginSettings {
            keys,
            time,
            memory_mib,
            batch: usize::try_from(batch).unwrap_or(1),
        }
    }

    /// Loads the matchers of all rules that could be read.
    pub(super) fn plugins(&mut self, config: &Config, with: With<'_>) -> Arc<Plugins> {
        let mut asking = Vec::new();
        for (index, rule) in config.rules.iter().flatten().enumerate() {
            let path = self.document.item("rules", index);
            if !self.is_damaged(&path)
                && let Some(plugin) = &rule.plugin
            {
                let path = format!("{path}.plugin");
                asking.push(Asking {
                    rule: &rule.name,
                    plugin,
                    path,
                });
            }
        }
        let store = with.store.unwrap_or(&config.store);
        let (plugins, problems) = with.loader.load(config, store, &asking);
        for problem in problems {
            let line = self.document.line(&problem.path);
            self.problems.push(Problem { line, ..problem });
        }
        Arc::new(plugins)
    }
}
