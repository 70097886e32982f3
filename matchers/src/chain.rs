//! [`Chain`]: the steps from a database to a judgement, in order.
//!
//! support -> state -> endpoint -> sources -> rules -> name. The first step that stands against a database
//! ends it, so that the reason a person reads is the one to mend first.
//!
//! Many databases are judged at once: each goes through its steps by itself, and all wait before a rule that asks a
//! matcher of one's own, so that it is asked about all of them in one go.

use std::sync::Arc;

use muster_model::{Decision, Trace};

use crate::{
    file::RuleFile,
    judging::Judging,
    plugin::{Candidate, Failed, Matcher, Matchers, Subject, WRONG_COUNT},
    problem::Problem,
    reach,
    rule::{self, Outcome, Rule},
    source::SourceFilter,
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

impl Chain {
    /// Checks sources and rules. `None` for the rules enrolls all that the sources select; no rules in the list
    /// enroll nothing. `matchers` are those behind the rules with a `plugin`; a rule whose matchers are not there is
    /// an error.
    ///
    /// The problems beside a chain are all warnings. Without a chain they are all that is wrong, warnings too.
    pub fn build(
        sources: Vec<SourceFilter>,
        rules: Option<&[RuleFile]>,
        matchers: &Matchers,
    ) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        Self::made(sources, rules, Some(matchers))
    }

    /// What is wrong with sources and rules, warnings too, as far as it can be said without their matchers.
    pub fn check(sources: Vec<SourceFilter>, rules: Option<&[RuleFile]>) -> Vec<Problem> {
        match Self::made(sources, rules, None) {
            Ok((_, warnings)) => warnings,
            Err(problems) => problems,
        }
    }

    fn made(
        sources: Vec<SourceFilter>,
        rules: Option<&[RuleFile]>,
        matchers: Option<&Matchers>,
    ) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut problems = Vec::new();
        let mut templates = Templates::new();
        let sources: Vec<_> = sources.into_iter().map(SourceFilter::normalised).collect();
        for source in &sources {
            source.check(&mut problems);
        }
        let files = rules.unwrap_or_default();
        let compiled = match rules {
            Some(files) => rule::compile(files, matchers, &mut templates, &mut problems),
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

    /// Judges a database. Where there are several to judge, [`Self::judge_all`] is the cheaper way.
    pub fn judge<'a>(&self, subject: impl Into<Subject<'a>>) -> Judgement {
        let mut judging = self.begin(subject.into());
        self.go_on(std::slice::from_mut(&mut judging));
        judging.end()
    }

    /// Judges databases: one judgement for each, in the same order. Each is the one that the database gets alone.
    ///
    /// A matcher of one's own is asked once for all that come to it. Everything is held in memory meanwhile: whoever
    /// has very many of them hands them over in parts.
    pub fn judge_all(&self, subjects: &[Subject<'_>]) -> Vec<Judgement> {
        let mut judgings: Vec<Judging<'_>> = subjects
            .iter()
            .map(|subject| self.begin(*subject))
            .collect();
        self.go_on(&mut judgings);
        judgings.into_iter().map(Judging::end).collect()
    }

    /// The steps before the rules.
    fn begin<'a>(&self, subject: Subject<'a>) -> Judging<'a> {
        let mut judging = Judging::begin(subject, self.rules.len() + 5);
        judging.check(&self.sources);
        if self.implicit && judging.is_open() {
            judging.enroll_all(NO_RULES, &self.templates);
        }
        judging
    }

    /// The rules.
    fn go_on(&self, judgings: &mut [Judging<'_>]) {
        let (mut place, mut rest) = (0, self.rules.as_slice());
        loop {
            let plain = rest.iter().position(Rule::asks).unwrap_or(rest.len());
            let (before, after) = rest.split_at(plain);
            if !before.is_empty() {
                for judging in judgings.iter_mut().filter(|judging| judging.is_open()) {
                    judging.ask(place, before, &self.templates);
                }
            }
            let Some((asking, after)) = after.split_first() else {
                return;
            };
            self.ask(place + plain, asking, judgings);
            place += plain + 1;
            rest = after;
        }
    }

    /// A rule that asks matchers of one's own.
    fn ask(&self, place: usize, rule: &Rule, judgings: &mut [Judging<'_>]) {
        let Outcome::Ask { matchers, enroll } = &rule.outcome else {
            return;
        };
        let mut asked: Vec<&mut Judging<'_>> = judgings
            .iter_mut()
            .filter(|judging| judging.is_open())
            .filter_map(|judging| {
                let enters = judging.enter(place, rule, "asks", &self.templates);
                enters.then_some(judging)
            })
            .collect();
        for matcher in matchers {
            asked.retain(|judging| judging.is_open());
            if asked.is_empty() {
                return;
            }
            let candidates: Vec<_> = asked.iter().map(|judging| judging.candidate()).collect();
            let verdicts = verdicts(matcher, &candidates);
            for (judging, verdict) in asked.iter_mut().zip(verdicts) {
                judging.follow((place, rule), enroll, &**matcher, verdict, &self.templates);
            }
        }
    }
}

/// One verdict or failure for each, whatever the matcher does.
fn verdicts(
    matcher: &Arc<dyn Matcher>,
    candidates: &[Candidate<'_>],
) -> Vec<Result<crate::Verdict, Failed>> {
    let verdicts = matcher.judge(candidates);
    if verdicts.len() == candidates.len() {
        return verdicts;
    }
    let detail = format!(
        "{} verdicts on {} databases",
        verdicts.len(),
        candidates.len()
    );
    vec![Err(Failed::new(WRONG_COUNT, detail)); candidates.len()]
}
