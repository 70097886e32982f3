//! The reasons of a status: everything that is not as it should be, and what to do about it.

use muster_model::{Coverage, Timestamp};

use super::{Board, View};
use crate::{
    report::advice::advice,
    service::status::{AuditFailure, PluginState, PluginStatus, Reason},
};

/// The most scopes whose trouble is among the reasons, one by one. All of them are in the list of scopes.
const MAX_REASONS: usize = 100;

impl Board {
    pub(super) fn reasons(&mut self, view: &View<'_>, plugins: &[PluginStatus]) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let mut tell = |code: &str, subject: String, message: String, since: Option<Timestamp>| {
            let key = (code.to_owned(), subject.clone());
            let since = since.or_else(|| self.since.get(&key).copied());
            reasons.push(Reason {
                code: code.to_owned(),
                subject,
                message,
                since: since.unwrap_or(view.now),
            });
        };
        if let Some(failure) = &self.store.failure {
            tell(
                "store-failed",
                self.store.path.display().to_string(),
                failure.clone(),
                None,
            );
        }
        if let Some(reload) = self.config.last_reload.as_ref().filter(|r| !r.accepted) {
            let path = self.config.path.as_ref();
            let path = path.map_or_else(String::new, |path| path.display().to_string());
            let first = reload.messages.first().map_or("", String::as_str);
            let more = match reload.messages.len() {
                0 | 1 => String::new(),
                all => format!(" (and {} more)", all - 1),
            };
            let message = format!(
                "the new configuration was refused, and the old one is in force: {first}{more}; mend it, then `muster reload`"
            );
            tell("config-rejected", path, message, Some(reload.at));
        }
        if let Some((at, why)) = &self.rejected {
            let first = why.first().map_or("", String::as_str);
            let message = format!(
                "files of plugins are others now and cannot be used, so those before are in force: {first}; mend that, and it is seen"
            );
            tell("plugin-rejected", "plugins".to_owned(), message, Some(*at));
        }
        if let Some(audit) = view.proxy.as_ref().map(|proxy| &proxy.audit)
            && let Some(AuditFailure { why, since }) = &audit.failure
        {
            let message = format!(
                "the audit log cannot be written, so sessions end and none begins: {why}; mend that, and it goes on by itself"
            );
            let path = audit.path.as_ref();
            let subject =
                path.map_or_else(|| "stdout".to_owned(), |path| path.display().to_string());
            tell("audit-failing", subject, message, Some(*since));
        }
        for plugin in plugins {
            let failure = plugin.failure.as_deref().unwrap_or("it failed");
            let undecided = plural(
                usize::try_from(plugin.undecided).unwrap_or(usize::MAX),
                "database",
            );
            let (code, message) = match plugin.state {
                PluginState::Working => continue,
                PluginState::Failing => (
                    "plugin-failing",
                    format!(
                        "it failed the last time, and {undecided} stay as they are: {failure}; it is asked again"
                    ),
                ),
                PluginState::Paused => (
                    "plugin-paused",
                    format!(
                        "it failed {} times in a row and is not asked for a while; {undecided} stay as they are: {failure}; put another version there, or take it out of the rules",
                        plugin.failures_in_a_row
                    ),
                ),
            };
            tell(code, plugin.name.clone(), message, None);
        }
        // Before they were asked the first time, that is what `starting` says.
        let unlisted = view.known.unlisted.iter().filter(|_| view.resolved);
        for (scope, failure) in unlisted {
            let message = format!(
                "it cannot be found out which scopes there are: {failure}; {}",
                advice(failure, scope)
            );
            tell("scopes-unknown", scope.to_string(), message, None);
        }
        let mut failing: Vec<_> = self
            .lines
            .iter()
            .filter_map(|(scope, line)| {
                let coverage = &line.record.as_ref()?.coverage;
                (!coverage.is_complete()).then_some((scope, coverage, line.failing))
            })
            .collect();
        failing.sort_by_key(|(_, coverage, _)| matches!(coverage, Coverage::Partial(_)));
        let more = failing.len().saturating_sub(MAX_REASONS);
        for (scope, coverage, since) in failing.into_iter().take(MAX_REASONS) {
            let code = format!("scope-{}", coverage.as_str());
            let message = match coverage.failures() {
                [] => "it was not completely read".to_owned(),
                [first, rest @ ..] => {
                    let more = match rest.len() {
                        0 => String::new(),
                        more => format!(" (and {more} more)"),
                    };
                    format!("{first}{more}; {}", advice(first, scope))
                }
            };
            tell(&code, scope.to_string(), message, since);
        }
        if more > 0 {
            let message = "`muster scope ls` lists them".to_owned();
            tell(
                "scope-unread",
                format!("{more} further scopes"),
                message,
                None,
            );
        }
        if self.plans_waiting > 0 {
            let message = "removals that the brake held wait for a person: `muster plan ls` lists them, `muster plan approve` and `muster plan reject` decide"
                .to_owned();
            tell(
                "plan-waiting",
                plural(self.plans_waiting, "plan"),
                message,
                None,
            );
        }
        for sink in self.notify.iter().filter(|sink| sink.failures_in_a_row > 0) {
            let error = sink.error.as_deref().unwrap_or("it failed");
            let message = format!(
                "it cannot be told: {error}; {} wait, and it is tried again",
                plural(
                    usize::try_from(sink.waiting).unwrap_or(usize::MAX),
                    "notice"
                )
            );
            tell("notify-failing", sink.name.clone(), message, None);
        }
        if let Some(jump) = view.jump {
            let way = if jump.by < 0 { "back" } else { "forward" };
            let behind = match view.ahead {
                0 => String::new(),
                _ => "; the service follows it slowly, so that no grace passes early".to_owned(),
            };
            let message = format!(
                "the machine's clock jumped {way} by {} s, or the machine slept{behind}",
                jump.by.unsigned_abs()
            );
            tell("clock-jumped", "clock".to_owned(), message, Some(jump.at));
        }
        if !self.begun {
            let tried = self.lines.values().filter(|line| line.tried).count();
            let message = match (view.resolved, self.lines.len()) {
                (false, _) => "it is being found out which scopes there are".to_owned(),
                (true, all) => format!("{tried} of {all} scopes have been tried since the start"),
            };
            tell("starting", "scopes".to_owned(), message, Some(self.started));
        }
        self.since = reasons
            .iter()
            .map(|reason| ((reason.code.clone(), reason.subject.clone()), reason.since))
            .collect();
        reasons
    }
}

fn plural(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
