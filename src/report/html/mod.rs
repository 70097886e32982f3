//! The report as one page: no request goes out from it, and without its script it only loses the filter.
//!
//! The template escapes every value when it is compiled; what [`Shown`] neutralises is written out before
//! that. Style and script are named by their hashes in the page's content security policy, so that nothing
//! else could run even if something got through.

use std::{borrow::Cow, io};

use askama::Template;
use base64::{Engine, engine::general_purpose::STANDARD};
use muster_model::{Coverage, Failure, Label, Origin, Scope};
use muster_plan::{Action, Change, Hold, Plan, ScopeLine, SkippedLine};
use sha2::{Digest, Sha256};

use super::{Options, advice::advice, escape::Shown, view};

const STYLE: &str = include_str!("plan.css");
const SCRIPT: &str = include_str!("plan.js");

pub(super) fn write(plan: &Plan, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    Page { plan, options }.write_into(out)
}

#[derive(Template)]
#[template(path = "plan.html", config = "src/report/askama.toml")]
struct Page<'a> {
    plan: &'a Plan,
    options: &'a Options,
}

/// The changes of one action, under one heading.
struct Group {
    action: Action,
    title: &'static str,
    about: &'static str,
}

/// The groups in the order of the page, after the held ones.
const GROUPS: [Group; 4] = [
    Group {
        action: Action::Add,
        title: "To enroll",
        about: "Found, selected, and not enrolled yet.",
    },
    Group {
        action: Action::Update,
        title: "To update",
        about: "Enrolled, and the cloud or the rules say otherwise now.",
    },
    Group {
        action: Action::Remove,
        title: "To remove",
        about: "Proven gone, or no longer selected.",
    },
    Group {
        action: Action::Keep,
        title: "Unchanged",
        about: "Enrolled, and as it should be.",
    },
];

impl Group {
    fn word(&self) -> &'static str {
        self.action.as_str()
    }

    fn sign(&self) -> char {
        view::sign(self.action)
    }
}

impl<'a> Page<'a> {
    fn groups(&self) -> impl Iterator<Item = &'static Group> {
        GROUPS
            .iter()
            .filter(|group| group.action != Action::Keep || self.options.show_unchanged)
    }

    fn of(&self, action: &Action) -> impl Iterator<Item = &'a Change> {
        let action = *action;
        self.plan
            .changes
            .iter()
            .filter(move |change| change.action == action)
    }

    fn number(&self, action: &Action) -> usize {
        self.of(action).count()
    }

    fn held(&self) -> impl Iterator<Item = &'a Change> {
        self.of(&Action::Held)
    }

    /// The filter's boxes: action and title.
    fn toggles(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let keep = self.options.show_unchanged;
        [
            ("held", "held"),
            ("add", "enroll"),
            ("update", "update"),
            ("remove", "remove"),
            ("keep", "unchanged"),
            ("skip", "skipped"),
        ]
        .into_iter()
        .filter(move |(word, _)| keep || *word != "keep")
    }

    fn notes(&self) -> Vec<String> {
        view::notes(self.plan, self.options)
    }

    fn at(&self) -> String {
        self.plan.at.to_string()
    }
}

/// What the template shows of a text from outside.
fn plain(text: &str) -> Shown<'_> {
    Shown(text)
}

fn optional(text: &Option<String>) -> Shown<'_> {
    Shown(view::side(text.as_deref()))
}

/// `sha256-…` of an inline style or script, for the content security policy.
fn hash(text: &str) -> String {
    format!(
        "sha256-{}",
        STANDARD.encode(Sha256::digest(text.as_bytes()))
    )
}

fn endpoint(change: &Change) -> String {
    change
        .endpoint
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// The labels with those first that people set: of what muster derives there is much, and it surprises nobody.
fn labels(change: &Change) -> Vec<(&str, &Label)> {
    let mut labels: Vec<_> = change.labels.iter().collect();
    labels.sort_by_key(|(_, label)| label.origin == Origin::Derived);
    labels
}

/// The class of a label's chip.
fn chip(label: &Label) -> &'static str {
    match label.origin {
        Origin::Derived => "derived",
        Origin::Tag => "tag",
        Origin::Matcher(_) => "matcher",
    }
}

/// Where a label came from, as text beside it.
fn origin(label: &Label) -> Cow<'_, str> {
    match &label.origin {
        Origin::Derived => "derived".into(),
        Origin::Tag => "tag".into(),
        Origin::Matcher(name) => name.as_str().into(),
    }
}

/// Where a label came from, as a sentence.
fn provenance(label: &Label) -> String {
    match &label.origin {
        Origin::Derived => "muster derived it from the provider's record".to_owned(),
        Origin::Tag => "a tag, as the owner of the cloud account set it".to_owned(),
        Origin::Matcher(name) => format!("set by {name}"),
    }
}

fn would(hold: &Hold) -> &'static str {
    view::verb(hold.would)
}

fn why_held(hold: &Hold) -> &'static str {
    view::meaning(hold.safety)
}

fn what_to_do(failure: &Failure, scope: &Scope) -> String {
    advice(failure, scope)
}

fn scope_name(line: &ScopeLine) -> String {
    line.scope.to_string()
}

fn record_id(id: &Option<String>) -> &str {
    id.as_deref().unwrap_or("a record without an id")
}

fn has_details(line: &ScopeLine) -> bool {
    line.coverage != Coverage::Complete || !line.warnings.is_empty() || !line.malformed.is_empty()
}

/// Skipped databases of one reason, and the reason when all share it.
fn shared<'a>(lines: &[&'a SkippedLine]) -> Option<&'a str> {
    view::shared_reason(lines)
}
