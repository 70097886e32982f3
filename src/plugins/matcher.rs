//! [`Own`]: a matcher of one's own, as the chain asks it.

use std::fmt;

use muster_matchers::{Candidate, Failed, Matcher, Proposal, Verdict};
use muster_wasm::{Configured, Enroll, Level, Line, PluginError};

use super::health::{Health, Outcome};

/// A component with its settings, and how it does.
pub struct Own {
    name: String,
    version: String,
    configured: Configured,
    health: Health,
}

impl Own {
    pub(super) fn new(configured: Configured) -> Self {
        let description = configured.plugin().description();
        Self {
            name: description.name.clone(),
            version: description.version.clone(),
            configured,
            health: Health::default(),
        }
    }

    /// How it does.
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// What it is.
    pub fn plugin(&self) -> &muster_wasm::Plugin {
        self.configured.plugin()
    }

    fn ask(&self, candidates: &[Candidate<'_>]) -> Vec<Result<Verdict, Failed>> {
        let asked: Vec<_> = candidates
            .iter()
            .map(|candidate| muster_wasm::Candidate {
                database: candidate.database,
                labels: candidate.labels,
                first_seen: candidate.first_seen,
            })
            .collect();
        let evaluation = self.configured.evaluate(&asked);
        for line in &evaluation.log {
            self.log(line);
        }
        if evaluation.dropped_lines > 0 {
            let (plugin, lines) = (&self.name, evaluation.dropped_lines);
            tracing::debug!(plugin, lines, "more lines of its log were not kept");
        }
        let mut outcome = Outcome::default();
        for (candidate, verdict) in candidates.iter().zip(&evaluation.verdicts) {
            match verdict {
                Err(error) if error.code.is_fault() => {
                    outcome.over.push(&candidate.database.id);
                    outcome.failure = Some(failed(error));
                }
                // That it cannot tell is an answer.
                _ => outcome.judged = outcome.judged.saturating_add(1),
            }
        }
        let was_news = self.health.asked(&outcome);
        if let Some(failure) = &outcome.failure {
            let (plugin, over) = (&self.name, outcome.over.len());
            tracing::warn!(
                plugin,
                over,
                of = candidates.len(),
                code = failure.code,
                detail = &*failure.detail,
                "a matcher failed: nothing is decided about these databases"
            );
        }
        if was_news {
            let plugin = &self.name;
            if self.health.standing().paused {
                tracing::error!(
                    plugin,
                    "a matcher fails again and again, and is not asked for a while"
                );
            } else {
                tracing::info!(plugin, "a matcher works again");
            }
        }
        evaluation.verdicts.into_iter().map(verdict).collect()
    }

    fn log(&self, line: &Line) {
        let (plugin, message) = (self.name.as_str(), line.message.as_str());
        match line.level {
            Level::Debug => tracing::debug!(plugin, message, "a matcher says"),
            Level::Info => tracing::info!(plugin, message, "a matcher says"),
            Level::Warn => tracing::warn!(plugin, message, "a matcher says"),
        }
    }
}

impl Matcher for Own {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn judge(&self, candidates: &[Candidate<'_>]) -> Vec<Result<Verdict, Failed>> {
        match self.health.paused() {
            Some(paused) => vec![Err(paused); candidates.len()],
            None => self.ask(candidates),
        }
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

fn failed(error: &PluginError) -> Failed {
    Failed {
        code: error.code.as_str(),
        detail: error.detail.clone(),
    }
}

fn verdict(verdict: Result<muster_wasm::Verdict, PluginError>) -> Result<Verdict, Failed> {
    match verdict {
        Err(error) => Err(failed(&error)),
        Ok(muster_wasm::Verdict::Skip(reason)) => Ok(Verdict::Skip(reason)),
        Ok(muster_wasm::Verdict::Pass(labels)) => Ok(Verdict::Pass(labels)),
        Ok(muster_wasm::Verdict::Enroll(enroll)) => {
            let Enroll {
                name,
                labels,
                hints,
                reason,
            } = enroll;
            Ok(Verdict::Enroll(Proposal {
                name,
                labels,
                hints,
                reason,
            }))
        }
    }
}
