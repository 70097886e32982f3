//! The report for a pull request: GitHub flavoured Markdown, short enough for one comment.
//!
//! GitHub takes 65,536 characters. Every section has a share of them; what does not fit is cut at a whole row,
//! and the section says how many rows that were. The summary line is never cut.

use std::{
    fmt::{self, Write as _},
    io,
};

use muster_plan::{Action, Change, Plan, ScopeLine};

use super::{
    Options,
    advice::advice,
    escape::Markdown,
    view::{self, count},
};

/// What GitHub takes for a comment, in bytes: never more than it counts in characters.
const LIMIT: usize = 65_536;
/// Kept free for headings, the notes of what was cut and closing tags.
const RESERVE: usize = 4_096;
/// The most that the sections before the changes may take, so that held rows or a broken account never push
/// the changes out.
const HELD: usize = 18_000;
const SCOPES: usize = 9_000;
const NOTES: usize = 4_000;
const SKIPPED: usize = 12_000;
/// The longest value, in bytes of Markdown; the other formats have it whole.
const VALUE: usize = 1_200;
/// How long the particulars of one row may become before the rest of them is only counted.
const DETAILS: usize = 3_000;

pub(super) fn write(plan: &Plan, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    let page = page(plan, options).map_err(|_| io::Error::other("cannot format the report"))?;
    out.write_all(page.as_bytes())
}

/// The page, whole: it is bounded.
fn page(plan: &Plan, options: &Options) -> Result<String, fmt::Error> {
    let mut head = String::new();
    writeln!(
        head,
        "## {}\n\n**{}**\n",
        text(&options.title),
        view::summary(&plan.summary)
    )?;
    if let Some(sentence) = view::no_changes(plan) {
        writeln!(head, "{sentence}\n")?;
    }
    if !plan.scopes.is_empty() {
        writeln!(
            head,
            "Scanned {}, found {}: {}.\n",
            count(plan.scopes.len(), "scope", "scopes"),
            count(view::found(plan), "database", "databases"),
            view::coverages(plan)
        )?;
    }
    let held = section(
        HELD,
        "### :warning: Held\n\nThese would change, and a safety keeps them as they are.\n\n\
         | Name | Would | Held by | Reason |\n| --- | --- | --- | --- |\n",
        plan.changes
            .iter()
            .filter(|change| change.action == Action::Held)
            .map(held),
    )?;
    let scopes = section(
        SCOPES,
        "### :warning: Not completely read\n\nNothing in these scopes is removed.\n\n\
         | Scope | Coverage | Call | Why | What to do |\n| --- | --- | --- | --- | --- |\n",
        view::incomplete(plan).flat_map(failures),
    )?;
    let warnings = section(
        NOTES,
        "### Warnings\n\n| Scope | Call | What |\n| --- | --- | --- |\n",
        plan.scopes.iter().flat_map(warnings),
    )?;
    let notes = section(
        NOTES,
        "### Notes\n\n",
        view::notes(plan, options)
            .iter()
            .map(|note| format!("- {}\n", text(note))),
    )?;
    let skipped = skipped(plan)?;
    let taken = [&head, &held, &scopes, &warnings, &notes, &skipped]
        .into_iter()
        .map(String::len)
        .sum::<usize>();
    let changes = section(
        LIMIT.saturating_sub(RESERVE + taken),
        "### Changes\n\n| | Name | Database | What and why |\n| --- | --- | --- | --- |\n",
        view::visible(plan, options)
            .filter(|change| change.action != Action::Held)
            .map(change),
    )?;
    Ok([head, held, scopes, changes, warnings, notes, skipped].concat())
}

/// A heading and as many rows as fit into `budget` bytes. Empty without rows.
fn section(
    budget: usize,
    heading: &str,
    rows: impl Iterator<Item = String>,
) -> Result<String, fmt::Error> {
    let mut section = String::new();
    let mut cut = 0_usize;
    for row in rows {
        if section.is_empty() {
            section.push_str(heading);
        }
        // After the first row that is cut all are, or the order would not be the plan's.
        if cut > 0 || section.len() + row.len() > budget.max(heading.len()) {
            cut += 1;
        } else {
            section.push_str(&row);
        }
    }
    if cut > 0 {
        write!(
            section,
            "\n_{} cut here to stay within a comment's size._\n",
            count(cut, "row was", "rows were")
        )?;
    }
    if !section.is_empty() {
        section.push('\n');
    }
    Ok(section)
}

fn change(change: &Change) -> String {
    let mut what = Vec::new();
    if change.action != Action::Update || change.fields.is_empty() {
        what.push(text(&change.reason));
    }
    what.extend(details(change));
    format!(
        "| `{}` | {} | {} {} | {} |\n",
        view::sign(change.action),
        code(&change.name),
        change.kind,
        change.protocol,
        lines(what)
    )
}

fn held(change: &Change) -> String {
    let (would, safety) = change.hold.as_ref().map_or(("change", "?"), |hold| {
        (view::verb(hold.would), hold.safety.as_str())
    });
    let mut why = vec![text(&change.reason)];
    why.extend(details(change));
    format!(
        "| {} | {would} | **{safety}** | {} |\n",
        code(&change.name),
        lines(why)
    )
}

/// Fields, state, tags that were not used, notes.
fn details(change: &Change) -> Vec<String> {
    let mut details: Vec<_> = change
        .fields
        .iter()
        .map(|field| {
            let (from, to) = (
                view::side(field.from.as_deref()),
                view::side(field.to.as_deref()),
            );
            format!("{}: {} → {}", text(&field.field), code(from), code(to))
        })
        .collect();
    if view::says_state(change) {
        details.push(format!("state: {}", code(&change.state.name)));
    }
    details.extend(change.shadowed.iter().map(|tag| {
        format!(
            "tag not used, its key is muster's own: {}={}",
            code(&tag.key),
            code(&tag.value)
        )
    }));
    details.extend(
        change
            .notes
            .iter()
            .map(|note| format!("note: {}", text(note))),
    );
    details
}

fn failures(line: &ScopeLine) -> impl Iterator<Item = String> {
    line.coverage.failures().iter().map(|failure| {
        let mut why = format!("**{}**: {}", failure.reason, text(&failure.message));
        if let Some(permission) = &failure.permission {
            why += &format!("<br>missing permission: {}", code(permission));
        }
        format!(
            "| {} | {} | {} | {why} | {} |\n",
            code(&line.scope.to_string()),
            line.coverage.as_str(),
            code(&failure.call),
            text(&advice(failure, &line.scope))
        )
    })
}

fn warnings(line: &ScopeLine) -> impl Iterator<Item = String> {
    let calls = line.warnings.iter().map(|failure| {
        (
            &failure.call,
            format!(
                "{}: {}; {}",
                failure.reason,
                text(&failure.message),
                text(&advice(failure, &line.scope))
            ),
        )
    });
    let records = line.malformed.iter().map(|record| {
        let id = record
            .provider_id
            .as_deref()
            .unwrap_or("a record without an id");
        (
            &record.call,
            format!("malformed: {}: {}", code(id), text(&record.message)),
        )
    });
    calls.chain(records).map(|(call, what)| {
        format!(
            "| {} | {} | {what} |\n",
            code(&line.scope.to_string()),
            code(call)
        )
    })
}

fn skipped(plan: &Plan) -> Result<String, fmt::Error> {
    let mut all = String::new();
    if plan.skipped.is_empty() {
        return Ok(all);
    }
    let groups = view::skipped(plan);
    let share = SKIPPED / groups.len().max(1);
    writeln!(
        all,
        "<details><summary>Skipped: {}</summary>\n",
        count(plan.skipped.len(), "database", "databases")
    )?;
    let mut more = 0;
    for (word, lines) in groups {
        if all.len() + share.min(600) > SKIPPED {
            more += lines.len();
            continue;
        }
        all += &section(
            share.max(600),
            &format!(
                "**{}** ({})\n\n| Name | Kind | Reason |\n| --- | --- | --- |\n",
                text(word),
                lines.len()
            ),
            lines.iter().map(|line| {
                format!(
                    "| {} | {} | {} |\n",
                    code(&line.name),
                    line.kind,
                    text(&line.reason)
                )
            }),
        )?;
    }
    if more > 0 {
        writeln!(
            all,
            "_{} for other reasons were cut._\n",
            count(more, "database", "databases")
        )?;
    }
    all.push_str("</details>\n");
    Ok(all)
}

/// Particulars as lines of one cell.
fn lines(mut lines: Vec<String>) -> String {
    let mut room = DETAILS;
    let fitting = lines
        .iter()
        .take_while(|line| {
            let fits = line.len() <= room;
            room = room.saturating_sub(line.len());
            fits
        })
        .count();
    let more = lines.len() - fitting;
    lines.truncate(fitting);
    if more > 0 {
        lines.push(format!("_and {more} more_"));
    }
    lines.join("<br>")
}

/// A text from outside, of which nothing is Markdown.
fn text(text: &str) -> String {
    let mut end = text.len();
    loop {
        let shown = Markdown(text.get(..end).unwrap_or_default()).to_string();
        if shown.len() <= VALUE {
            return if end < text.len() {
                format!("{shown}…")
            } else {
                shown
            };
        }
        end = text.floor_char_boundary(end.min(VALUE * 2) / 2);
    }
}

/// The same in the type of code. `<code>` and not backticks: a name may hold backticks and pipes.
fn code(value: &str) -> String {
    format!("<code>{}</code>", text(value))
}
