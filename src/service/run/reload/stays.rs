//! What of another configuration comes into force with the next start alone.

use super::{Config, Service};

impl Service {
    /// What cannot change while the service runs stays as it is, and whoever asks is told.
    pub(super) fn keep_what_needs_a_restart(&self, config: &mut Config) -> Vec<String> {
        let mut stays = Vec::new();
        let named = self.options.store.is_some();
        if !named && config.store != self.config.store {
            stays.push(format!(
                "store: it stays {} until the service is restarted",
                self.config.store.display()
            ));
        }
        config.store.clone_from(&self.config.store);
        if config.service.listen != self.config.service.listen {
            let shown = self.config.service.listen;
            stays.push(format!(
                "service.listen: it stays {} until the service is restarted",
                shown.map_or_else(|| "off".to_owned(), |address| address.to_string())
            ));
            config.service.listen = shown;
        }
        if config.requests.scopes_at_once != self.config.requests.scopes_at_once {
            stays.push(format!(
                "requests.scopes_at_once: it stays {} until the service is restarted",
                self.config.requests.scopes_at_once
            ));
            config.requests.scopes_at_once = self.config.requests.scopes_at_once;
        }
        if config.proxy != self.config.proxy {
            stays.push("proxy: it stays as it is until the service is restarted".to_owned());
            config.proxy.clone_from(&self.config.proxy);
        }
        if config.audit != self.config.audit {
            stays.push("audit: it stays as it is until the service is restarted".to_owned());
            config.audit.clone_from(&self.config.audit);
        }
        stays
    }
}
