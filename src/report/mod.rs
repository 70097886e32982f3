//! Reports: a [`Plan`] as text, JSON, Markdown, HTML or CSV, and listings for the other commands.
//!
//! A plan is where a person decides whether to trust muster, so a report leaves nothing out silently: what is
//! held, skipped or could not be read is said with its reason. Names, tags and messages come from cloud
//! accounts and are not trusted: every format neutralises what could act on a terminal, a browser, a
//! spreadsheet or a reader's eye (see [`escape`]).
//!
//! Reports do not decide anything, know no clock, and print nowhere but to the writer that they are given.

pub mod advice;
mod csv;
pub mod escape;
mod html;
mod json;
mod markdown;
pub mod schema;
pub mod table;
mod text;
mod view;
pub(crate) mod wrap;

#[cfg(test)]
mod tests;

use std::{io, str::FromStr};

use clap::ValueEnum;
use muster_plan::Plan;

pub(crate) use self::json::pretty;

/// How a plan is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum)]
pub enum Format {
    /// For a terminal: signs, reasons, a summary line.
    #[default]
    Text,
    /// For programs: the documented, versioned schema.
    Json,
    /// For a pull request: GitHub flavoured, short enough for a comment.
    #[value(alias = "md")]
    Markdown,
    /// For people: one self-contained page.
    Html,
    /// For spreadsheets: a row for each change and each skipped database.
    Csv,
}

/// What a report shows, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Colours, by ANSI escapes. Text only.
    pub color: bool,
    /// Columns of the terminal; below 40 it counts as 40. Text only.
    pub width: usize,
    /// Also what stays as it is.
    pub show_unchanged: bool,
    /// Every skipped database instead of the first few of each reason. Text only: the other formats list all.
    pub show_skipped: bool,
    /// The heading of formats that have one (Markdown, HTML).
    pub title: String,
}

/// Writes `plan` to `out`, row by row.
///
/// # Errors
/// Those of `out`.
pub fn render(
    plan: &Plan,
    format: Format,
    options: &Options,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    match format {
        Format::Text => text::write(plan, options, out),
        Format::Json => json::write(plan, options, out),
        Format::Markdown => markdown::write(plan, options, out),
        Format::Html => html::write(plan, options, out),
        Format::Csv => csv::write(plan, options, out),
    }
}

// === impl Format ===

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ValueEnum::from_str(text, true).map_err(|_| {
            format!(
                "unknown report format `{text}` (expected one of: text, json, markdown, html, csv)"
            )
        })
    }
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            color: false,
            width: 100,
            show_unchanged: false,
            show_skipped: false,
            title: "muster plan".to_owned(),
        }
    }
}
