//! Listings for commands such as `db ls` and `scope ls`: one set of rows in six formats.
//!
//! The columns are for people, so a table and CSV have what the columns say. JSON and YAML have the rows
//! themselves, as they serialise; their keys are the API's.

use std::{
    borrow::Cow,
    io::{self, Write},
    str::FromStr,
};

use clap::ValueEnum;
use serde::Serialize;

use super::{
    csv,
    escape::{Shown, shown},
    json,
    wrap::width,
};

/// How a listing is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum)]
pub enum ListFormat {
    /// Aligned columns.
    #[default]
    Table,
    /// Aligned columns, with those that few people need.
    Wide,
    /// An array of objects.
    Json,
    /// The same as YAML.
    Yaml,
    /// RFC 4180, with every column.
    Csv,
    /// The first column alone, a row a line.
    Name,
}

/// A column.
pub struct Column<R> {
    /// Its title, in lower case: `name`, `resource group`.
    pub title: &'static str,
    /// Whether only `wide` and `csv` show it.
    pub wide: bool,
    /// A row's value in it.
    pub cell: fn(&R) -> Cow<'_, str>,
}

/// Writes `rows` in `format`. The first column is the name.
///
/// # Errors
/// Those of `out`, and a row that cannot be serialised.
pub fn table<R: Serialize>(
    columns: &[Column<R>],
    rows: &[R],
    format: ListFormat,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        ListFormat::Table => aligned(
            columns.iter().filter(|column| !column.wide).collect(),
            rows,
            out,
        ),
        ListFormat::Wide => aligned(columns.iter().collect(), rows, out),
        ListFormat::Json => json::pretty(&rows, out),
        ListFormat::Yaml => yaml(rows, out),
        ListFormat::Csv => {
            csv::row(out, columns.iter().map(|column| column.title))?;
            for row in rows {
                let cells: Vec<_> = columns.iter().map(|column| (column.cell)(row)).collect();
                csv::row(out, cells.iter().map(AsRef::as_ref))?;
            }
            Ok(())
        }
        ListFormat::Name => {
            let Some(name) = columns.first() else {
                return Ok(());
            };
            rows.iter()
                .try_for_each(|row| writeln!(out, "{}", Shown(&(name.cell)(row))))
        }
    }
}

/// Columns as wide as their widest cell, two spaces apart, the last one as it is.
fn aligned<R>(columns: Vec<&Column<R>>, rows: &[R], out: &mut dyn Write) -> io::Result<()> {
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| {
            let cells = rows.iter().map(|row| width(&shown(&(column.cell)(row))));
            cells.chain([width(column.title)]).max().unwrap_or_default()
        })
        .collect();
    let mut line = |cells: &mut dyn Iterator<Item = String>| -> io::Result<()> {
        let mut pad = 0;
        for (cell, column) in cells.zip(&widths) {
            // An empty cell's padding is written only when a cell follows.
            if !cell.is_empty() {
                write!(out, "{:pad$}{cell}", "")?;
                pad = 0;
            }
            pad += column.saturating_sub(width(&cell)) + 2;
        }
        writeln!(out)
    };
    line(&mut columns.iter().map(|column| column.title.to_uppercase()))?;
    for row in rows {
        line(
            &mut columns
                .iter()
                .map(|column| shown(&(column.cell)(row)).into_owned()),
        )?;
    }
    Ok(())
}

fn yaml<R: Serialize>(rows: &[R], out: &mut dyn Write) -> io::Result<()> {
    let mut rows = serde_json::to_value(rows)?;
    show(&mut rows);
    let text = serde_yaml::to_string(&rows).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

/// YAML leaves direction marks and their like in plain text, so they are written out beforehand.
fn show(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = shown(text).into_owned(),
        serde_json::Value::Array(values) => values.iter_mut().for_each(show),
        serde_json::Value::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(key, mut value)| {
                    show(&mut value);
                    (shown(&key).into_owned(), value)
                })
                .collect();
        }
        _ => {}
    }
}

// === impl ListFormat ===

impl FromStr for ListFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ValueEnum::from_str(text, true).map_err(|_| {
            format!("unknown format `{text}` (expected one of: table, wide, json, yaml, csv, name)")
        })
    }
}
