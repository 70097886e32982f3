//! Findings for people, and as data: what was looked at, what is wrong, what to do.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use muster_model::Timestamp;
use serde::Serialize;

use super::{Check, Evidence, Finding, Severity, examine};
use crate::report::{escape::shown, wrap::wrap};

/// The findings of one sort that are written in full: what is wrong with one database is often wrong with all.
const IN_FULL: usize = 3;
/// The further ones that are named.
const NAMED: usize = 12;
/// The fewest columns that are written for.
const NARROW: usize = 40;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// When.
    pub at: Timestamp,
    /// Every check that was asked for.
    pub checks: Vec<Looked>,
    /// What is wrong, in the order of the checks.
    pub findings: Vec<Finding>,
}

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Which.
    pub check: Check,
    /// `ok`, `warning`, `failed` or `skipped`.
    pub state: &'static str,
    /// What was looked at, or why nothing was.
    pub note: String,
}

// === impl Report ===

impl Report {
    /// Examines the evidence. `skipped` says why checks that were asked for were not made.
    pub fn new(evidence: &Evidence, checks: &[Check], skipped: &BTreeMap<Check, String>) -> Self {
        let mut findings = examine(evidence);
        findings.retain(|finding| checks.contains(&finding.check));
        let looked = |check: &Check| {
            let worst = findings
                .iter()
                .filter(|finding| finding.check == *check)
                .map(|finding| finding.severity)
                .min();
            let why_not = skipped.get(check);
            let state = match (worst, why_not) {
                (Some(severity), _) => severity.as_str(),
                (None, Some(_)) => "skipped",
                (None, None) => "ok",
            };
            let note = why_not.cloned();
            Looked {
                check: *check,
                state,
                note: note.unwrap_or_else(|| super::notes::note(*check, evidence)),
            }
        };
        Self {
            at: evidence.now,
            checks: checks.iter().map(looked).collect(),
            findings,
        }
    }

    /// Whether something does not work.
    pub fn failed(&self) -> bool {
        let mut all = self.findings.iter();
        all.any(|finding| finding.severity == Severity::Failed)
    }

    /// For people.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, width: usize, out: &mut dyn Write) -> io::Result<()> {
        let width = width.max(NARROW);
        for looked in &self.checks {
            let first = format!("{:<9}{:<15}", looked.state, looked.check);
            wrapped(out, width, &first, &" ".repeat(24), &shown(&looked.note))?;
        }
        findings(&self.findings, width, out)?;
        writeln!(out)?;
        let count = |severity: Severity| {
            let all = self.findings.iter();
            all.filter(|finding| finding.severity == severity).count()
        };
        let (failed, warnings) = (count(Severity::Failed), count(Severity::Warning));
        match (failed, warnings) {
            (0, 0) => writeln!(out, "Nothing is wrong."),
            _ => writeln!(out, "{failed} failed, {warnings} to be warned of."),
        }
    }
}

/// Findings for people: of each sort some in full.
///
/// # Errors
/// Those of `out`.
pub fn findings(found: &[Finding], width: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut sorts: BTreeMap<(Check, &str), Vec<&Finding>> = BTreeMap::new();
    let mut order = Vec::new();
    for finding in found {
        let sort = (finding.check, finding.code.as_str());
        let all = sorts.entry(sort).or_default();
        if all.is_empty() {
            order.push(sort);
        }
        all.push(finding);
    }
    for sort in order {
        let all = sorts.remove(&sort).unwrap_or_default();
        // What is said of one thing differs in what is wrong with it: its name alone would tell nothing.
        let of_one = all.windows(2).all(|pair| match pair {
            [one, other] => one.subject == other.subject,
            _ => true,
        });
        let most = if of_one { all.len() } else { IN_FULL };
        let (full, more) = all.split_at(all.len().min(most));
        for finding in full {
            one(finding, width, out)?;
        }
        further(more, sort, width, out)?;
    }
    Ok(())
}

const fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Failed => "! ",
        Severity::Warning => "~ ",
    }
}

/// One finding: what, why, what to do.
fn one(finding: &Finding, width: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    let mark = mark(finding.severity);
    let (code, subject) = (shown(&finding.code), shown(&finding.subject));
    wrapped(
        out,
        width,
        mark,
        "    ",
        &format!("{}/{code}  {subject}", finding.check),
    )?;
    wrapped(out, width, "    ", "    ", &shown(&finding.what))?;
    if !finding.why.is_empty() {
        for (n, line) in finding.why.lines().enumerate() {
            let first = if n == 0 { "    why: " } else { "         " };
            wrapped(out, width, first, "         ", &shown(line))?;
        }
    }
    for (n, line) in finding.remedy.lines().enumerate() {
        let first = if n == 0 { "    do:  " } else { "         " };
        // It is to be copied: what is indented, a policy or a command, stays as it is.
        if line.starts_with([' ', '{', '}']) {
            writeln!(out, "{first}{}", shown(line))?;
        } else {
            wrapped(out, width, first, "         ", &shown(line))?;
        }
    }
    Ok(())
}

/// Those of a sort that are not written in full.
fn further(
    more: &[&Finding],
    (check, code): (Check, &str),
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some(first) = more.first() else {
        return Ok(());
    };
    let named: Vec<_> = more
        .iter()
        .take(NAMED)
        .map(|finding| shown(&finding.subject).into_owned())
        .collect();
    let unnamed = match more.len().saturating_sub(named.len()) {
        0 => String::new(),
        _ => "; all of them with `-o json`".to_owned(),
    };
    writeln!(out)?;
    let text = format!(
        "{check}/{code}  and {} more: {}{unnamed}",
        more.len(),
        named.join(", ")
    );
    wrapped(out, width, mark(first.severity), "    ", &text)
}

fn wrapped(
    out: &mut dyn Write,
    width: usize,
    first: &str,
    further: &str,
    text: &str,
) -> io::Result<()> {
    let room = width.saturating_sub(further.len());
    for (n, line) in wrap(text, room).into_iter().enumerate() {
        let before = if n == 0 { first } else { further };
        writeln!(out, "{}", format!("{before}{line}").trim_end())?;
    }
    Ok(())
}
