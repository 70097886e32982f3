//! [`Rule`]: a rule as it is judged by.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use muster_model::{Labels, Selector, selector::Shown};

use crate::{
    file::{EnrollFile, PluginFile, RuleFile},
    labels::{LabelOps, compile_template},
    plugin::{Matcher, Matchers},
    problem::Problem,
    template::{Template, Templates},
};

/// The most rules of a configuration.
const MAX_RULES: usize = 1000;

/// The longest name of a rule and the longest reason, in bytes.
const MAX_TEXT: usize = 256;

/// A rule, checked.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// `rule "prod"`.
    pub who: String,
    /// Which databases it is for.
    pub select: Selector,
    /// What it does to labels.
    pub labels: LabelOps,
    /// What it says.
    pub outcome: Outcome,
}

/// What a rule says of the databases that it is for.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// They are enrolled.
    Enroll(Box<Enroll>),
    /// They are not; why.
    Skip(String),
    /// The next rule is asked.
    Pass,
    /// Somebody else's matchers are asked, in order.
    Ask {
        /// Those.
        matchers: Vec<Arc<dyn Matcher>>,
        /// How databases are enrolled, where they do not say.
        enroll: Box<Enroll>,
    },
}

/// How databases are enrolled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Enroll {
    /// Their name; none for the one that nobody wrote.
    pub name: Option<Template>,
    /// Hints for the proxy.
    pub hints: BTreeMap<String, Template>,
}

impl Rule {
    /// Whether nothing comes after it for the databases that it is for.
    pub(crate) const fn decides(&self) -> bool {
        matches!(self.outcome, Outcome::Enroll(_) | Outcome::Skip(_))
    }

    /// Whether somebody else's matchers are asked.
    pub(crate) const fn asks(&self) -> bool {
        matches!(self.outcome, Outcome::Ask { .. })
    }

    /// Whether it may change the label `key`.
    pub(crate) fn touches(&self, key: &str) -> bool {
        self.labels.touches(key) || (self.asks() && !Labels::is_reserved(key))
    }
}

/// Checks all rules; what is wrong with them goes to `problems`. Without `matchers`, rules are only checked.
pub(crate) fn compile(
    files: &[RuleFile],
    matchers: Option<&Matchers>,
    templates: &mut Templates,
    problems: &mut Vec<Problem>,
) -> Vec<Rule> {
    if files.len() > MAX_RULES {
        problems.push(Problem::error(
            "rules",
            format!("more than {MAX_RULES} rules"),
        ));
        return Vec::new();
    }
    if files.is_empty() {
        problems.push(
            Problem::warning("rules", "the list is empty, so nothing is enrolled")
                .hint("leave `rules` out to enroll all that the sources select"),
        );
    } else if files
        .iter()
        .all(|file| file.enroll.is_none() && file.plugin.is_none())
    {
        problems.push(
            Problem::warning("rules", "no rule enrolls anything, so nothing is enrolled")
                .hint("end with a rule that says `enroll: true`"),
        );
    }
    let mut names = BTreeSet::new();
    files
        .iter()
        .enumerate()
        .map(|(index, file)| {
            let path = format!("rules[{index}]");
            check_name(&file.name, &path, problems);
            if !names.insert(file.name.as_str()) {
                problems.push(Problem::error(
                    format!("{path}.name"),
                    format!("another rule is called `{}` already", Shown(&file.name)),
                ));
            }
            compile_one(file, &path, matchers, templates, problems)
        })
        .collect()
}

fn check_name(name: &str, path: &str, problems: &mut Vec<Problem>) {
    if name.trim().is_empty() || name.len() > MAX_TEXT || name.chars().any(char::is_control) {
        problems.push(Problem::error(
            format!("{path}.name"),
            format!("a rule's name has 1 to {MAX_TEXT} bytes on one line"),
        ));
    }
}

fn compile_one(
    file: &RuleFile,
    path: &str,
    matchers: Option<&Matchers>,
    templates: &mut Templates,
    problems: &mut Vec<Problem>,
) -> Rule {
    let outcome = match (&file.enroll, &file.skip) {
        (enroll, skip) if let Some(plugin) = &file.plugin => {
            check_plugin(plugin, skip.is_some(), path, problems);
            let enroll = enroll.as_ref();
            let enroll = enroll.map(|enroll| compile_enroll(enroll, path, templates, problems));
            Outcome::Ask {
                matchers: resolve(&file.name, path, matchers, problems),
                enroll: Box::new(enroll.unwrap_or_default()),
            }
        }
        (Some(_), Some(_)) => {
            problems.push(
                Problem::error(path, "it says both `enroll` and `skip`")
                    .hint("make two rules of it"),
            );
            Outcome::Pass
        }
        (Some(enroll), None) => {
            Outcome::Enroll(Box::new(compile_enroll(enroll, path, templates, problems)))
        }
        (None, Some(reason)) => {
            if reason.trim().is_empty()
                || reason.len() > MAX_TEXT
                || reason.chars().any(char::is_control)
            {
                problems.push(
                    Problem::error(
                        format!("{path}.skip"),
                        format!("a reason has 1 to {MAX_TEXT} bytes on one line"),
                    )
                    .hint("it is what people are told who look for the database"),
                );
            }
            if file.labels.is_some() {
                problems.push(Problem::warning(
                    format!("{path}.labels"),
                    "the labels of a database that is skipped are not kept",
                ));
            }
            Outcome::Skip(reason.clone())
        }
        (None, None) => {
            if file.labels.is_none() {
                problems.push(
                    Problem::error(path, "the rule does nothing")
                        .hint("give it `enroll`, `skip: REASON`, `labels` or `plugin`"),
                );
            }
            Outcome::Pass
        }
    };
    let labels = file
        .labels
        .as_ref()
        .map(|labels| LabelOps::compile(labels, &format!("{path}.labels"), templates, problems));
    Rule {
        who: format!("rule \"{}\"", file.name),
        select: file.r#match.clone().unwrap_or_else(Selector::all),
        labels: labels.unwrap_or_default(),
        outcome,
    }
}

fn check_plugin(plugin: &PluginFile, skip: bool, path: &str, problems: &mut Vec<Problem>) {
    if skip {
        problems.push(
            Problem::error(path, "it says both `plugin` and `skip`")
                .hint("the plugin says what is skipped; make two rules of it"),
        );
    }
    if plugin.path.trim().is_empty() {
        problems.push(
            Problem::error(format!("{path}.plugin.path"), "it is empty")
                .hint("name the component, or a directory of components"),
        );
    }
    let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(pin) = &plugin.sha256
        && !is_digest(pin)
    {
        problems.push(
            Problem::error(
                format!("{path}.plugin.sha256"),
                "it is no SHA-256: 64 hexadecimal digits",
            )
            .hint("`muster plugin inspect FILE` and `sha256sum FILE` print it"),
        );
    }
}

/// The matchers of a rule.
fn resolve(
    name: &str,
    path: &str,
    matchers: Option<&Matchers>,
    problems: &mut Vec<Problem>,
) -> Vec<Arc<dyn Matcher>> {
    let Some(matchers) = matchers else {
        return Vec::new();
    };
    let found = matchers.get(name).cloned().unwrap_or_default();
    if found.is_empty() {
        // A rule that nobody answers for would pass everything on, in silence.
        let path = format!("{path}.plugin");
        problems.push(Problem::error(path, "its plugin is not loaded"));
    }
    found
}

fn compile_enroll(
    file: &EnrollFile,
    path: &str,
    templates: &mut Templates,
    problems: &mut Vec<Problem>,
) -> Enroll {
    let path = format!("{path}.enroll");
    let name = file.name.as_ref().and_then(|text| {
        let path = format!("{path}.name");
        if text.is_empty() {
            problems.push(
                Problem::error(&path, "the name is empty").hint("leave it out for the usual name"),
            );
        } else if !text.contains("{{")
            && let Err(why) = crate::names::check(text)
        {
            problems.push(Problem::error(&path, why));
        }
        compile_template(text, &path, templates, problems)
    });
    let mut hints = BTreeMap::new();
    for (key, text) in &file.hints {
        let at = format!("{path}.hints.{key}");
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if key.is_empty() || key.len() > 64 || !key.bytes().all(valid) {
            let message = "a hint's key has 1 to 64 letters, digits, `-`, `_` and `.`";
            problems.push(Problem::error(&at, message));
        }
        if let Some(template) = compile_template(text, &at, templates, problems) {
            hints.insert(key.clone(), template);
        }
    }
    Enroll { name, hints }
}
