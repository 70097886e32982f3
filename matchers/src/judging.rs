//! What one database goes through, step by step, and the trace of it.

use std::collections::BTreeMap;

use muster_model::{
    Availability, Database, Decision, Enrollment, Labels, Skip, Timestamp, Trace, selector::Shown,
};

use crate::{
    chain::Judgement,
    labels,
    names::{self, Name},
    plugin::{BAD_VERDICT, Candidate, Failed, Matcher, Proposal, Subject, Verdict},
    rule::{Enroll, Outcome, Rule},
    source::{SourceFilter, Unselected, list},
    template::Templates,
};

/// A judgement in the making.
pub(crate) struct Judging<'a> {
    database: &'a Database,
    first_seen: Option<Timestamp>,
    labels: Labels,
    trace: Trace,
    rule: Option<usize>,
    matched: Vec<usize>,
    /// None as long as the next step is asked.
    decision: Option<Decision>,
}

/// Who enrolls a database, and what of it was said already.
struct Enrolling<'a> {
    /// Who gives reasons, and whose the decision is: `rule "prod"`, `plugin "owner"`.
    who: &'a str,
    /// Why.
    reason: String,
    /// The rule: its name and hints count where a plugin gives none.
    rule: &'a str,
    enroll: &'a Enroll,
    /// What a plugin gives.
    name: Option<String>,
    hints: Vec<(String, String)>,
}

impl<'a> Judging<'a> {
    /// Before the first step.
    pub(crate) fn begin(subject: Subject<'a>, steps: usize) -> Self {
        let Subject {
            database,
            first_seen,
        } = subject;
        let (labels, shadowed) = database.labels();
        let trace = Trace {
            steps: Vec::with_capacity(steps),
            shadowed,
        };
        Self {
            database,
            first_seen,
            labels,
            trace,
            rule: None,
            matched: Vec::new(),
            decision: None,
        }
    }

    /// Whether nothing is decided yet.
    pub(crate) const fn is_open(&self) -> bool {
        self.decision.is_none()
    }

    /// What a matcher is asked.
    pub(crate) const fn candidate(&self) -> Candidate<'_> {
        Candidate {
            database: self.database,
            labels: &self.labels,
            first_seen: self.first_seen,
        }
    }

    /// What it came to.
    pub(crate) fn end(mut self) -> Judgement {
        let decision = match self.decision.take() {
            Some(decision) => decision,
            None => Decision::Skip {
                reason: self.skip("rules", Skip::NoMatch),
            },
        };
        Judgement {
            decision,
            trace: self.trace,
            rule: self.rule,
            matched: self.matched,
        }
    }

    /// Whether it can be served as it is, and a source selects it.
    pub(crate) fn check(&mut self, sources: &[SourceFilter]) {
        let checked = self.is_usable().and_then(|()| self.is_selected(sources));
        if let Err(reason) = checked {
            self.decision = Some(Decision::Skip { reason });
        }
    }

    /// Whether it can be served as it is.
    fn is_usable(&mut self) -> Result<(), Skip> {
        let Database {
            unsupported,
            state,
            endpoint,
            engine,
            ..
        } = self.database;
        if let Some(why) = unsupported {
            return Err(self.skip("support", Skip::Unsupported { why: why.clone() }));
        }
        self.trace.step(
            "support",
            "passed",
            format!("engine `{}` can be served", Shown(engine)),
        );
        if state.availability == Availability::Unavailable {
            return Err(self.skip(
                "state",
                Skip::State {
                    state: state.clone(),
                },
            ));
        }
        let note = match state.availability {
            Availability::Stopped => ": stopped, and can be started again",
            Availability::Unknown => ": unknown, counts as available",
            Availability::Available | Availability::Unavailable => "",
        };
        self.trace.step(
            "state",
            "passed",
            format!("state is `{}`{note}", Shown(&state.name)),
        );
        match endpoint {
            Some(endpoint) => self.trace.step("endpoint", "passed", endpoint.to_string()),
            None if state.availability == Availability::Stopped => {
                self.trace
                    .step("endpoint", "passed", "none while it is stopped");
            }
            None => return Err(self.skip("endpoint", Skip::NoEndpoint)),
        }
        Ok(())
    }

    /// Whether a source selects it. Its tags are judged as labels, with those that muster derived.
    fn is_selected(&mut self, sources: &[SourceFilter]) -> Result<(), Skip> {
        let mut refused: Vec<(&SourceFilter, Unselected)> = Vec::new();
        for source in sources {
            match source.select(self.database, &self.labels) {
                Ok(detail) => {
                    self.trace.step(source.who(), "passed", detail);
                    return Ok(());
                }
                Err(unselected) => refused.push((source, unselected)),
            }
        }
        let nearest = refused
            .iter()
            .rev()
            .max_by_key(|(_, unselected)| unselected.near);
        let Some((source, unselected)) = nearest else {
            return Err(self.skip(
                "sources",
                Skip::NotSelected {
                    detail: "no sources are configured".to_owned(),
                },
            ));
        };
        let detail = format!("{}: {}", source.who(), unselected.detail);
        // Those of another cloud say nothing, unless there are no others.
        let (stage, _) = unselected.near;
        for (source, unselected) in refused
            .iter()
            .filter(|(_, other)| stage == 0 || other.near.0 > 0)
            .take(SHOWN)
        {
            self.trace
                .step(source.who(), "no match", unselected.detail.as_str());
        }
        Err(self.skip("sources", Skip::NotSelected { detail }))
    }

    /// Enrolls it, where there are no rules.
    pub(crate) fn enroll_all(&mut self, who: &str, templates: &Templates) {
        let reason = "no rules are configured: all that is selected is enrolled";
        self.trace.step(who, "enroll", reason);
        let enrolling = Enrolling {
            who,
            reason: reason.to_owned(),
            rule: who,
            enroll: &Enroll::default(),
            name: None,
            hints: Vec::new(),
        };
        self.decision = Some(self.enroll(enrolling, templates));
    }

    /// Asks rules, one after the other; `place` is that of the first. None of them asks a matcher.
    pub(crate) fn ask(&mut self, place: usize, rules: &[Rule], templates: &Templates) {
        for (rule, place) in rules.iter().zip(place..) {
            let outcome = match &rule.outcome {
                Outcome::Enroll(_) => "enroll",
                Outcome::Skip(_) => "skip",
                Outcome::Pass | Outcome::Ask { .. } => "passed",
            };
            if !self.enter(place, rule, outcome, templates) {
                if self.is_open() {
                    continue;
                }
                return;
            }
            match &rule.outcome {
                Outcome::Pass | Outcome::Ask { .. } => continue,
                Outcome::Skip(reason) => {
                    let reason = Skip::Matcher {
                        matcher: rule.who.clone(),
                        reason: reason.clone(),
                    };
                    self.decision = Some(Decision::Skip { reason });
                }
                Outcome::Enroll(enroll) => {
                    let enrolling = Enrolling {
                        who: &rule.who,
                        reason: format!("{} ({})", rule.who, rule.select),
                        rule: &rule.who,
                        enroll,
                        name: None,
                        hints: Vec::new(),
                    };
                    self.decision = Some(self.enroll(enrolling, templates));
                }
            }
            self.rule = Some(place);
            return;
        }
    }

    /// Whether a rule is for it; then its labels are changed. When that fails, nothing is decided about it.
    pub(crate) fn enter(
        &mut self,
        place: usize,
        rule: &Rule,
        outcome: &str,
        templates: &Templates,
    ) -> bool {
        let because = match rule.select.matches(|key| self.labels.value(key)) {
            Ok(matched) if matched.is_empty() => "it is for all".to_owned(),
            Ok(matched) => list(&matched),
            Err(mismatch) => {
                let detail = mismatch.to_string();
                self.trace.step(rule.who.as_str(), "no match", detail);
                return false;
            }
        };
        self.matched.push(place);
        self.trace.step(rule.who.as_str(), outcome, because);
        let trace = &mut self.trace;
        let say = |detail| trace.step(rule.who.as_str(), "labels", detail);
        let applied = rule
            .labels
            .apply(&mut self.labels, self.database, templates, &rule.who, say);
        if let Err(message) = applied {
            self.rule = Some(place);
            self.decision = Some(self.undecided(&rule.who, &rule.who, message));
            return false;
        }
        true
    }

    /// Does what a matcher says, as far as it may say that.
    pub(crate) fn follow(
        &mut self,
        (place, rule): (usize, &Rule),
        enroll: &Enroll,
        matcher: &dyn Matcher,
        verdict: Result<Verdict, Failed>,
        templates: &Templates,
    ) {
        // Labels, decisions and reasons do not have the version: another one that says the same changes nothing.
        let who = format!("plugin \"{}\"", matcher.name());
        let step = format!("{who} {}", matcher.version());
        let verdict = verdict.and_then(|verdict| match reserved(&verdict) {
            None => Ok(verdict),
            Some(key) => Err(Failed::new(
                BAD_VERDICT,
                format!("the label `{}` is muster's own to write", Shown(key)),
            )),
        });
        let decision = match verdict {
            Err(failed) => self.undecided(&step, &who, failed.to_string()),
            Ok(Verdict::Pass(labels)) => {
                self.trace.step(step.as_str(), "passed", "no opinion");
                if let Err(message) = self.label(&step, &who, labels) {
                    self.decision = Some(self.undecided(&step, &who, message));
                    self.rule = Some(place);
                }
                return;
            }
            Ok(Verdict::Skip(reason)) => {
                let reason = said(reason);
                self.trace.step(step.as_str(), "skip", reason.as_str());
                let reason = Skip::Matcher {
                    matcher: who,
                    reason,
                };
                Decision::Skip { reason }
            }
            Ok(Verdict::Enroll(proposal)) => {
                let Proposal {
                    name,
                    labels,
                    hints,
                    reason,
                } = proposal;
                let reason = said(reason);
                self.trace.step(step.as_str(), "enroll", reason.as_str());
                let unfit = name.as_ref().and_then(|name| {
                    let why = names::check(name).err()?;
                    Some(format!("{BAD_VERDICT}: the name `{}`: {why}", Shown(name)))
                });
                match unfit {
                    Some(message) => self.undecided(&step, &who, message),
                    None => match self.label(&step, &who, labels) {
                        Err(message) => self.undecided(&step, &who, message),
                        Ok(()) => {
                            let enrolling = Enrolling {
                                who: &who,
                                reason: format!("{who} of {}: {reason}", rule.who),
                                rule: &rule.who,
                                enroll,
                                name,
                                hints,
                            };
                            self.enroll(enrolling, templates)
                        }
                    },
                }
            }
        };
        self.rule = Some(place);
        self.decision = Some(decision);
    }

    /// Sets what a matcher adds.
    fn label(
        &mut self,
        step: &str,
        who: &str,
        labels: Vec<(String, String)>,
    ) -> Result<(), String> {
        for (key, value) in labels {
            let detail = labels::change(&self.labels, &key, &value);
            self.trace.step(step, "labels", detail);
            if !self.labels.set(&key, value, who) {
                return Err(format!("{BAD_VERDICT}: the label `{key}` is muster's own"));
            }
        }
        Ok(())
    }

    /// Names it, and makes the enrollment.
    fn enroll(&mut self, enrolling: Enrolling<'_>, templates: &Templates) -> Decision {
        let Enrolling {
            who,
            reason,
            rule,
            enroll,
            name,
            hints: given,
        } = enrolling;
        let mut hints: BTreeMap<String, String> = given.into_iter().collect();
        for (key, template) in &enroll.hints {
            if hints.contains_key(key) {
                continue;
            }
            match templates.render(template, self.database, &self.labels) {
                Ok(value) => hints.insert(key.clone(), value),
                Err(why) => {
                    return self.undecided(rule, rule, format!("enroll.hints.{key}: {why}"));
                }
            };
        }
        let chosen = |name: String, by: &str| {
            names::check(&name).map_err(|why| format!("`{}`: {why}", Shown(&name)))?;
            Ok(Name {
                short: name.clone(),
                name,
                from: by.to_owned(),
            })
        };
        let named = match (name, &enroll.name) {
            (Some(name), _) => chosen(name, who),
            (None, Some(template)) => templates
                .render(template, self.database, &self.labels)
                .and_then(|name| chosen(name, &format!("the template of {rule}"))),
            (None, None) => names::of(self.database),
        };
        match named {
            Ok(Name { name, short, from }) => {
                let also = if short == name {
                    String::new()
                } else {
                    format!("; short name `{short}`")
                };
                self.trace
                    .step("name", "passed", format!("`{name}` from {from}{also}"));
                let labels = std::mem::take(&mut self.labels);
                let matcher = who.to_owned();
                Decision::Enroll(Enrollment {
                    name,
                    short_name: short,
                    labels,
                    hints,
                    matcher,
                    reason,
                })
            }
            Err(detail) => Decision::Skip {
                reason: self.skip("name", Skip::BadName { detail }),
            },
        }
    }

    fn skip(&mut self, who: &str, reason: Skip) -> Skip {
        self.trace.step(who, "skip", reason.to_string());
        reason
    }

    fn undecided(&mut self, step: &str, who: &str, message: String) -> Decision {
        self.trace.step(step, "undecided", message.as_str());
        Decision::Undecided {
            matcher: who.to_owned(),
            message,
        }
    }
}

/// A label that only muster writes, and that a verdict sets. Whoever runs the matcher looks for that as well.
fn reserved(verdict: &Verdict) -> Option<&str> {
    let labels = match verdict {
        Verdict::Enroll(proposal) => proposal.labels.as_slice(),
        Verdict::Pass(labels) => labels.as_slice(),
        Verdict::Skip(_) => &[],
    };
    let mut keys = labels.iter().map(|(key, _)| key.as_str());
    keys.find(|key| Labels::is_reserved(key))
}

/// A reason, where one is given.
fn said(reason: String) -> String {
    if reason.trim().is_empty() {
        "it gives no reason".to_owned()
    } else {
        reason
    }
}

/// How many sources that do not select a database are in its trace.
const SHOWN: usize = 16;
