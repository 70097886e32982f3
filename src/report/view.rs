//! What several formats say of a plan, in the same words.

use std::collections::BTreeMap;

use muster_model::{Availability, Coverage, Failure, Origin};
use muster_plan::{Action, Change, Hold, Plan, Safety, ScopeLine, SkippedLine, Summary};

use super::{Options, escape::Shown};

/// The changes that a report lists: unchanged targets only when asked for.
pub(super) fn visible<'a>(plan: &'a Plan, options: &Options) -> impl Iterator<Item = &'a Change> {
    let unchanged = options.show_unchanged;
    plan.changes
        .iter()
        .filter(move |change| unchanged || change.action != Action::Keep)
}

/// The sign of an action.
pub(super) const fn sign(action: Action) -> char {
    match action {
        Action::Add => '+',
        Action::Update => '~',
        Action::Remove => '-',
        Action::Keep => '=',
        Action::Held => '!',
    }
}

/// The last line of the report, without its full stop's siblings: what applying the plan would do.
pub(super) fn summary(summary: &Summary) -> String {
    let Summary {
        add,
        update,
        remove,
        keep,
        held,
        skip,
    } = summary;
    format!(
        "Plan: {add} to enroll, {update} to update, {remove} to remove, {keep} unchanged, {held} held, {skip} skipped."
    )
}

/// The sentence for a plan that changes nothing; none for one that does.
pub(super) fn no_changes(plan: &Plan) -> Option<String> {
    let Summary {
        add,
        update,
        remove,
        keep,
        held,
        ..
    } = plan.summary;
    if add + update + remove > 0 {
        return None;
    }
    let mut text = "No changes.".to_owned();
    if held > 0 {
        text += &format!(
            " {} held, and nothing else is to be done.",
            count(held, "change is", "changes are")
        );
    } else if keep > 0 {
        text += &format!(
            " {}.",
            count(
                keep,
                "database stays as it is",
                "databases stay as they are"
            )
        );
    } else {
        text += " Nothing is enrolled, and nothing that was found is to be.";
    }
    let incomplete = incomplete(plan).count();
    if incomplete > 0 {
        text += &format!(
            " But {} not completely read.",
            count(incomplete, "scope was", "scopes were")
        );
    }
    Some(text)
}

/// `1 scope`, `2 scopes`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The scopes that were not completely read, in order.
pub(super) fn incomplete(plan: &Plan) -> impl Iterator<Item = &ScopeLine> + Clone {
    plan.scopes
        .iter()
        .filter(|line| !line.coverage.is_complete())
}

/// The scopes that were completely read and still have something to say.
pub(super) fn warned(plan: &Plan) -> impl Iterator<Item = &ScopeLine> + Clone {
    plan.scopes.iter().filter(|line| {
        line.coverage.is_complete() && !(line.warnings.is_empty() && line.malformed.is_empty())
    })
}

/// `12 complete, 1 partial, 1 unread`, without the zeros.
pub(super) fn coverages(plan: &Plan) -> String {
    let of = |word: &str| {
        plan.scopes
            .iter()
            .filter(|line| line.coverage.as_str() == word)
            .count()
    };
    ["complete", "partial", "unread"]
        .into_iter()
        .map(|word| (of(word), word))
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// How many databases all scopes found.
pub(super) fn found(plan: &Plan) -> usize {
    plan.scopes.iter().map(|line| line.found).sum()
}

/// The failures of a scope by reason and call, which is how they are summed up: `denied rds:DescribeDBClusters`.
pub(super) fn causes(failures: &[Failure]) -> String {
    let mut causes: Vec<_> = failures
        .iter()
        .map(|failure| format!("{} {}", failure.reason, failure.call))
        .collect();
    causes.dedup();
    let more = causes.len().saturating_sub(2);
    causes.truncate(2);
    let mut text = causes.join(", ");
    if more > 0 {
        text += &format!(", and {more} more");
    }
    text
}

/// Why a scope was not completely read, in one line.
pub(super) fn error(coverage: &Coverage) -> Option<String> {
    let (first, rest) = coverage.failures().split_first()?;
    let text = if rest.is_empty() {
        first.to_string()
    } else {
        format!("{first} (and {} more)", rest.len())
    };
    Some(Shown(&text).to_string())
}

/// Where a label came from: `derived`, `tag`, `matcher:NAME`.
pub(super) fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Derived => "derived".to_owned(),
        Origin::Tag => "tag".to_owned(),
        Origin::Matcher(name) => format!("matcher:{name}"),
    }
}

/// What a hold says first: `would remove, held by coverage`.
pub(super) fn hold(hold: Option<&Hold>) -> String {
    match hold {
        Some(hold) => format!(
            "would {}, held by {}",
            verb(hold.would),
            hold.safety.as_str()
        ),
        None => "held".to_owned(),
    }
}

/// An action as a verb.
pub(super) const fn verb(action: Action) -> &'static str {
    match action {
        Action::Add => "enroll",
        Action::Update => "update",
        Action::Remove => "remove",
        Action::Keep => "keep",
        Action::Held => "hold",
    }
}

/// What a safety means, as a sentence's beginning.
pub(super) const fn meaning(safety: Safety) -> &'static str {
    match safety {
        Safety::Coverage => "what was not completely read cannot prove a removal",
        Safety::Grace => "it has not been missing for long enough",
        Safety::Brake => "one plan may not remove so many",
        Safety::Owner => "the record belongs to somebody else",
        Safety::Policy => "the policy does not allow it",
        Safety::Name => "two databases want one name",
        Safety::Matcher => "a matcher failed, so nothing is decided",
    }
}

/// Whether a change's state has to be said: it is not simply available, and nothing else says it.
pub(super) fn says_state(change: &Change) -> bool {
    change.state.availability != Availability::Available
        && !change.fields.iter().any(|field| field.field == "state")
        && !change
            .notes
            .iter()
            .any(|note| note.contains(&change.state.name))
}

/// A side of a field's change.
pub(super) fn side(value: Option<&str>) -> &str {
    value.unwrap_or("(none)")
}

/// Skipped databases by the reason's word.
pub(super) fn skipped(plan: &Plan) -> BTreeMap<&str, Vec<&SkippedLine>> {
    let mut groups: BTreeMap<&str, Vec<&SkippedLine>> = BTreeMap::new();
    for line in &plan.skipped {
        groups.entry(&line.code).or_default().push(line);
    }
    groups
}

/// The reason that all of several databases share; none for one alone, or when they differ.
pub(super) fn shared_reason<'a>(lines: &[&'a SkippedLine]) -> Option<&'a str> {
    let (first, rest) = lines.split_first()?;
    (!rest.is_empty() && rest.iter().all(|line| line.reason == first.reason))
        .then_some(&*first.reason)
}

/// All that a person should know beside the rows: the plan's notes, the tags that tried to pass for muster's
/// own labels, and the notes of unchanged targets that the report does not list.
pub(super) fn notes(plan: &Plan, options: &Options) -> Vec<String> {
    let mut notes = plan.notes.clone();
    notes.extend(forged(plan));
    if options.show_unchanged {
        return notes;
    }
    let mut hidden: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for change in plan
        .changes
        .iter()
        .filter(|change| change.action == Action::Keep)
    {
        for note in &change.notes {
            hidden.entry(note).or_default().push(&change.name);
        }
    }
    notes.extend(
        hidden
            .into_iter()
            .map(|(note, names)| format!("{note}: unchanged {}", few(&names))),
    );
    notes
}

fn forged(plan: &Plan) -> Option<String> {
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names = Vec::new();
    for change in plan
        .changes
        .iter()
        .filter(|change| !change.shadowed.is_empty())
    {
        names.push(change.name.as_str());
        for tag in &change.shadowed {
            *keys.entry(&tag.key).or_default() += 1;
        }
    }
    if names.is_empty() {
        return None;
    }
    let tags = count(keys.values().sum(), "tag was", "tags were");
    let keys: Vec<_> = keys.into_keys().collect();
    Some(format!(
        "{tags} kept out of the labels, because only muster itself may set {}: on {}",
        few(&keys),
        few(&names)
    ))
}

/// `a, b, c and 4 more`.
fn few(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let mut text = names
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text += &format!(" and {} more", names.len() - SHOWN);
    }
    text
}
