//! [`Chain`]: the steps from a database to a judgement, in order, and the trace of them.
//!
//! support -> state -> endpoint -> sources -> rules -> name. The first step that stands against a database
//! ends it, so that the reason a person reads is the one to mend first.

use std::collections::BTreeMap;

use muster_model::{
    Availability, Database, Decision, Enrollment, Labels, Skip, Trace, selector::Shown,
};

use crate::{
    file::RuleFile,
    names::{self, Name},
    problem::Problem,
    reach,
    rule::{self, Enroll, Outcome, Rule},
    source::{SourceFilter, Unselected, list},
    template::Templates,
};

/// What the implicit rule is called where there are no rules.
const NO_RULES: &str = "no rules";

/// Sources and rules, checked, ready to judge.
#[derive(Clone, Debug)]
pub struct Chain {
    sources: Vec<SourceFilter>,
    rules: Vec<Rule>,
    names: Vec<String>,
    /// Whether there are no rules at all: then everything that a source selects is enrolled.
    implicit: bool,
    templates: Templates,
}

/// What the chain says of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What is decided.
    pub decision: Decision,
    /// Every step.
    pub trace: Trace,
    /// The rule that decided, by its place; none when none did, or when there are no rules.
    pub rule: Option<usize>,
    /// Every rule that matched on the way, by its place.
    pub matched: Vec<usize>,
}

/// A judgement in the making.
struct Judging<'a> {
    database: &'a Database,
    labels: Labels,
    trace: Trace,
    rule: Option<usize>,
    matched: Vec<usize>,
}

// === impl Chain ===

impl Chain {
    /// Checks sources and rules. `None` for the rules enrolls all that the sources select; no rules in the list
    /// enroll nothing.
    ///
    /// The problems beside a chain are all warnings. Without a chain they are all that is wrong, warnings too.
    pub fn build(
        sources: Vec<SourceFilter>,
        rules: Option<&[RuleFile]>,
    ) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut problems = Vec::new();
        let mut templates = Templates::new();
        let sources: Vec<_> = sources.into_iter().map(SourceFilter::normalised).collect();
        for source in &sources {
            source.check(&mut problems);
        }
        let files = rules.unwrap_or_default();
        let compiled = match rules {
            Some(files) => rule::compile(files, &mut templates, &mut problems),
            None => Vec::new(),
        };
        if problems.iter().any(|problem| !problem.warning) {
            return Err(problems);
        }
        reach::check(&sources, &compiled, &mut problems);
        let chain = Self {
            sources,
            rules: compiled,
            names: files.iter().map(|file| file.name.clone()).collect(),
            implicit: rules.is_none(),
            templates,
        };
        Ok((chain, problems))
    }

    /// The names of the rules, in order.
    pub fn rules(&self) -> &[String] {
        &self.names
    }

    /// Judges a database.
    pub fn judge(&self, database: &Database) -> Judgement {
        let (labels, shadowed) = database.labels();
        let trace = Trace {
            steps: Vec::with_capacity(self.rules.len() + 5),
            shadowed,
        };
        let mut judging = Judging {
            database,
            labels,
            trace,
            rule: None,
            matched: Vec::new(),
        };
        let decision = match judging
            .is_usable()
            .and_then(|()| judging.is_selected(&self.sources))
        {
            Err(reason) => Decision::Skip { reason },
            Ok(()) if self.implicit => {
                let reason = "no rules are configured: all that is selected is enrolled";
                judging.trace.step(NO_RULES, "enroll", reason);
                judging.enroll(
                    &Enroll::default(),
                    NO_RULES,
                    reason.to_owned(),
                    &self.templates,
                )
            }
            Ok(()) => judging.ask(&self.rules, &self.templates),
        };
        let Judging {
            trace,
            rule,
            matched,
            ..
        } = judging;
        Judgement {
            decision,
            trace,
            rule,
            matched,
        }
    }
}

// === impl Judging ===

impl Judging<'_> {
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

    /// Asks the rules, one after the other.
    fn ask(&mut self, rules: &[Rule], templates: &Templates) -> Decision {
        for (place, rule) in rules.iter().enumerate() {
            let because = match rule.select.matches(|key| self.labels.value(key)) {
                Ok(matched) if matched.is_empty() => "it is for all".to_owned(),
                Ok(matched) => list(&matched),
                Err(mismatch) => {
                    let detail = mismatch.to_string();
                    self.trace.step(rule.who.as_str(), "no match", detail);
                    continue;
                }
            };
            self.matched.push(place);
            let outcome = match &rule.outcome {
                Outcome::Enroll(_) => "enroll",
                Outcome::Skip(_) => "skip",
                Outcome::Pass => "passed",
            };
            self.trace.step(rule.who.as_str(), outcome, because);
            let trace = &mut self.trace;
            let say = |detail| trace.step(rule.who.as_str(), "labels", detail);
            if let Err(message) =
                rule.labels
                    .apply(&mut self.labels, self.database, templates, &rule.who, say)
            {
                self.rule = Some(place);
                return self.undecided(&rule.who, message);
            }
            match &rule.outcome {
                Outcome::Pass => {}
                Outcome::Skip(reason) => {
                    self.rule = Some(place);
                    let reason = Skip::Matcher {
                        matcher: rule.who.clone(),
                        reason: reason.clone(),
                    };
                    return Decision::Skip { reason };
                }
                Outcome::Enroll(enroll) => {
                    self.rule = Some(place);
                    let reason = format!("{} ({})", rule.who, rule.select);
                    return self.enroll(enroll, &rule.who, reason, templates);
                }
            }
        }
        Decision::Skip {
            reason: self.skip("rules", Skip::NoMatch),
        }
    }

    /// Names it, and makes the enrollment.
    fn enroll(
        &mut self,
        enroll: &Enroll,
        who: &str,
        reason: String,
        templates: &Templates,
    ) -> Decision {
        let mut hints = BTreeMap::new();
        for (key, template) in &enroll.hints {
            match templates.render(template, self.database, &self.labels) {
                Ok(value) => hints.insert(key.clone(), value),
                Err(why) => return self.undecided(who, format!("enroll.hints.{key}: {why}")),
            };
        }
        let named = match &enroll.name {
            Some(template) => templates
                .render(template, self.database, &self.labels)
                .and_then(|name| {
                    names::check(&name).map_err(|why| format!("`{}`: {why}", Shown(&name)))?;
                    Ok(Name {
                        short: name.clone(),
                        name,
                        from: format!("the template of {who}"),
                    })
                }),
            None => names::of(self.database),
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

    fn undecided(&mut self, who: &str, message: String) -> Decision {
        self.trace.step(who, "undecided", message.as_str());
        Decision::Undecided {
            matcher: who.to_owned(),
            message,
        }
    }
}

/// How many sources that do not select a database are in its trace.
const SHOWN: usize = 16;
