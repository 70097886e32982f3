//! What may be removed, and on what proof.

use muster_model::{Record, Scope, Target};

use super::{NOT_SEEN, OpenScopes, Planner, rows::line};
use crate::{Action, Change, Hold, Policy, Safety, SkippedLine, Unconfigured, inventory::covering};

/// Whether a scope's silence about a database means anything.
enum Proof {
    /// It was read completely.
    Complete,
    /// It was not; what to say.
    Incomplete(String),
    /// No source asks for it any more.
    Unconfigured,
}

impl Planner<'_> {
    /// Not found by this run: missing from complete scans, or its scope was not completely read.
    pub(super) fn absent(&mut self, record: &Record, target: Option<&Target>) {
        let Some(target) = target else {
            // As long as its scope is not completely read it may be back without anybody having seen it.
            let read = matches!(self.proof(&record.database.scope), Proof::Complete);
            if read && self.gone(record) {
                self.forget.push(record.database.id.clone());
            } else {
                self.skipped.push(SkippedLine {
                    code: NOT_SEEN.to_owned(),
                    reason: self.absence(record),
                    ..line(record)
                });
            }
            return;
        };
        match self.proof(&record.database.scope) {
            Proof::Incomplete(why) => self.hold(target, Action::Remove, Safety::Coverage, why),
            Proof::Unconfigured if self.settings.unconfigured == Unconfigured::Hold => {
                let why = format!(
                    "no source covers {} any more, so nothing is known of it",
                    record.database.scope
                );
                self.hold(target, Action::Remove, Safety::Coverage, why);
            }
            Proof::Unconfigured => {
                let why = format!("no source covers {} any more", record.database.scope);
                self.remove_unconfigured(record, target, why);
            }
            Proof::Complete if self.gone(record) => {
                let why = self.absence(record);
                self.remove_proven(target, format!("gone: {why}"));
            }
            Proof::Complete => {
                let why = self.absence(record);
                self.hold(target, Action::Remove, Safety::Grace, why);
            }
        }
    }

    fn absence(&self, record: &Record) -> String {
        let grace = self.settings.grace;
        match record.missing {
            Some(missing) => format!(
                "not found by {}{} complete {} since {} (grace: {} scans and {})",
                missing.scans,
                // They are not counted for ever: see `Inventory::merge`.
                if missing.scans < grace.scans {
                    ""
                } else {
                    " or more"
                },
                if missing.scans == 1 { "scan" } else { "scans" },
                missing.since,
                grace.scans,
                span(grace.seconds),
            ),
            None => match self.proof(&record.database.scope) {
                Proof::Incomplete(why) => why,
                Proof::Complete | Proof::Unconfigured => {
                    format!("no source covers {} any more", record.database.scope)
                }
            },
        }
    }

    fn gone(&self, record: &Record) -> bool {
        record.missing.is_some_and(|missing| {
            missing.scans >= self.settings.grace.scans
                && self.now.since(missing.since) >= self.settings.grace.seconds
        })
    }

    /// A removal for another reason than absence: still only where the scope was completely read.
    pub(super) fn remove(&mut self, record: &Record, target: &Target, reason: String) {
        match self.proof(&record.database.scope) {
            Proof::Incomplete(why) => {
                self.hold(
                    target,
                    Action::Remove,
                    Safety::Coverage,
                    format!("{reason}; but {why}"),
                );
            }
            Proof::Unconfigured if self.settings.unconfigured == Unconfigured::Hold => {
                self.hold(target, Action::Remove, Safety::Coverage, reason);
            }
            Proof::Unconfigured => self.remove_unconfigured(record, target, reason),
            Proof::Complete => self.remove_proven(target, reason),
        }
    }

    /// A removal because nobody asks for its scope any more: not before the grace has passed since the scope
    /// was last read, for it may be that the credentials lead to another account just now.
    fn remove_unconfigured(&mut self, record: &Record, target: &Target, reason: String) {
        let last = covering(&record.database.scope)
            .filter_map(|scope| self.before.get(&scope))
            .map(|before| before.attempted)
            .max()
            .unwrap_or(record.changed);
        let grace = self.settings.grace.seconds;
        if self.now.since(last) < grace {
            let why = format!("{reason}; last read {last} (grace: {})", span(grace));
            return self.hold(target, Action::Remove, Safety::Grace, why);
        }
        self.remove_proven(target, reason);
    }

    fn remove_proven(&mut self, target: &Target, reason: String) {
        if self.settings.policy != Policy::Sync {
            let why = format!(
                "{reason}; policy {} never removes",
                self.settings.policy.as_str()
            );
            return self.hold(target, Action::Remove, Safety::Policy, why);
        }
        let change = self.change(target, Action::Remove, reason);
        self.changes.push(change);
    }

    fn proof(&self, scope: &Scope) -> Proof {
        let mut configured = None;
        for scope in covering(scope) {
            let Some(line) = self.line(&scope) else {
                continue;
            };
            if line.coverage.is_complete() {
                return Proof::Complete;
            }
            configured = Some(line);
        }
        match configured {
            Some(line) => {
                // The report says it all once for the scope; here the call and the reason are enough.
                let why = line
                    .coverage
                    .failures()
                    .first()
                    .map_or_else(String::new, |failure| {
                        format!(" ({} {})", failure.reason, failure.call)
                    });
                Proof::Incomplete(format!("{} was not completely read{why}", line.scope))
            }
            None if !self.scopes_known => Proof::Incomplete(format!(
                "{scope} was not read: it is not known which scopes there are"
            )),
            None if self.open.iter().any(|open| open.covers(scope)) => Proof::Incomplete(format!(
                "{scope} was not read: a source asks for all there are, and the provider no longer lists it"
            )),
            None => Proof::Unconfigured,
        }
    }

    /// Too many removals at once are none. Those that are due count, those that wait for their grace, and those of
    /// the last hour: a large loss is no smaller for being noticed bit by bit.
    pub(super) fn brake(&mut self) {
        let own = match self.rest {
            Some(index) => index.own_targets(),
            None => {
                let own = self.targets.values().filter(|target| self.owns(target));
                own.count()
            }
        };
        let allowance = self.settings.brake.allowance(own);
        let approved = self.removals.approved;
        let due =
            |change: &Change| change.action == Action::Remove && !approved.contains(&change.id);
        let waits = |change: &&Change| {
            matches!(
                change.hold,
                Some(Hold {
                    would: Action::Remove,
                    safety: Safety::Grace
                })
            )
        };
        let removals = self.changes.iter().filter(|change| due(change)).count();
        let elsewhere = self.rest.map_or(0, |index| {
            index.removals_beside(|id| {
                self.inventory.get(id).is_some() || self.targets.contains_key(id)
            })
        });
        let besides = self.changes.iter().filter(waits).count() + elsewhere + self.removals.besides;
        if removals == 0 || removals.saturating_add(besides) <= allowance {
            return;
        }
        let also = match besides {
            0 => String::new(),
            1 => ", and 1 more is missing or was removed lately".to_owned(),
            besides => format!(", and {besides} more are missing or were removed lately"),
        };
        for change in self.changes.iter_mut().filter(|change| due(change)) {
            change.action = Action::Held;
            change.hold = Some(Hold {
                would: Action::Remove,
                safety: Safety::Brake,
            });
            change.reason = format!(
                "{}{HELD}this plan would remove {removals} of {own} targets{also}, and {allowance} is the most it may",
                change.reason
            );
        }
    }
}

/// What stands between why a target would be removed, and why the brake holds that.
const HELD: &str = "; but ";

/// The two halves of the reason of a removal that the brake holds: why the target would be removed, and why that is
/// held, which is the same for all of one plan.
pub fn why_and_why_held(reason: &str) -> (&str, Option<&str>) {
    match reason.rsplit_once(HELD) {
        Some((why, held)) if held.starts_with("this plan would remove ") => (why, Some(held)),
        _ => (reason, None),
    }
}

// === impl OpenScopes ===

impl OpenScopes {
    /// Whether it stands for this scope too.
    fn covers(&self, scope: &Scope) -> bool {
        self.provider == scope.provider
            && self.services.contains(&scope.service)
            && self.account.as_ref().is_none_or(|it| *it == scope.account)
            && self.resource_groups.as_ref().is_none_or(|groups| {
                let group = scope.resource_group.as_deref().unwrap_or_default();
                groups.iter().any(|it| it.eq_ignore_ascii_case(group))
            })
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        s if s > 0 && s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s > 0 && s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s > 0 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_taken_apart_only_where_the_brake_put_it_together() {
        let held = "this plan would remove 3 of 10 targets, and 2 is the most it may";
        for (reason, halves) in [
            (
                format!("gone; but not long{HELD}{held}"),
                ("gone; but not long", Some(held)),
            ),
            (
                "gone; but not long".to_owned(),
                ("gone; but not long", None),
            ),
            ("gone".to_owned(), ("gone", None)),
        ] {
            assert_eq!(why_and_why_held(&reason), halves);
        }
    }
}
