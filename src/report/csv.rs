//! The report for a spreadsheet: RFC 4180, a row for each change and each skipped database.
//!
//! Columns are added at the end only. A cell that a spreadsheet would take for a formula has an apostrophe
//! before it (see [`super::escape::csv_cell`]). Scopes and notes have no row: they are in the other formats.

use std::io;

use muster_plan::Plan;

use super::{Options, escape::csv_cell, view};

const HEADER: [&str; 15] = [
    "action", "id", "name", "kind", "protocol", "endpoint", "state", "reason", "would", "safety",
    "code", "labels", "fields", "shadowed", "notes",
];

pub(super) fn write(plan: &Plan, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    row(out, HEADER)?;
    for change in view::visible(plan, options) {
        let hold = change.hold.as_ref();
        let labels = join(
            change
                .labels
                .values()
                .map(|(key, value)| format!("{key}={value}")),
        );
        let fields = join(change.fields.iter().map(|field| {
            let (from, to) = (
                view::side(field.from.as_deref()),
                view::side(field.to.as_deref()),
            );
            format!("{}: {from} -> {to}", field.field)
        }));
        let shadowed = join(
            change
                .shadowed
                .iter()
                .map(|tag| format!("{}={}", tag.key, tag.value)),
        );
        row(
            out,
            [
                change.action.as_str(),
                change.id.as_str(),
                &change.name,
                change.kind.as_str(),
                change.protocol.as_str(),
                &change
                    .endpoint
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                &change.state.name,
                &change.reason,
                hold.map_or("", |hold| hold.would.as_str()),
                hold.map_or("", |hold| hold.safety.as_str()),
                "",
                &labels,
                &fields,
                &shadowed,
                &join(change.notes.iter().cloned()),
            ],
        )?;
    }
    for line in &plan.skipped {
        row(
            out,
            [
                "skip",
                line.id.as_str(),
                &line.name,
                line.kind.as_str(),
                "",
                "",
                "",
                &line.reason,
                "",
                "",
                &line.code,
                "",
                "",
                "",
                "",
            ],
        )?;
    }
    Ok(())
}

/// One record, with the line end that RFC 4180 asks for.
pub(super) fn row<'a>(
    out: &mut dyn io::Write,
    cells: impl IntoIterator<Item = &'a str>,
) -> io::Result<()> {
    for (number, cell) in cells.into_iter().enumerate() {
        if number > 0 {
            out.write_all(b",")?;
        }
        out.write_all(csv_cell(cell).as_bytes())?;
    }
    out.write_all(b"\r\n")
}

/// Several values in one cell.
fn join(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join("; ")
}
