//! `muster scope ls`: what is read, and how the last scans went.

use std::borrow::Cow;

use clap::{Args, Subcommand};
use muster_model::{Coverage, Failure as ScanFailure, Scan, ScopeRecord, Timestamp};
use serde::Serialize;

use super::{Common, Failure, ListFormat, context::Context, print, unread_is_fine};
use crate::{
    exit::Exit,
    pipeline::sources::expand,
    report::table::{Column, table},
    service::handle::ScopeScan,
};

/// Subcommands of `muster scope`.
#[derive(Subcommand, Debug)]
pub enum Scope {
    /// List the scopes: those of the store, and with --resolve those of the configuration as well.
    Ls(Ls),
}

/// Arguments of `muster scope ls`.
#[derive(Args, Debug)]
pub struct Ls {
    /// Ask the clouds which accounts, regions and subscriptions there are.
    #[arg(long)]
    resolve: bool,
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
}

/// One scope, as `scope ls` and `scan` show it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Row {
    /// `PROVIDER/ACCOUNT/REGION/SERVICE`.
    scope: String,
    /// `complete`, `partial`, `unread`, or `unknown` before its first scan.
    coverage: &'static str,
    found: u64,
    malformed: usize,
    requests: Option<u32>,
    last_scan: Option<Timestamp>,
    last_complete_scan: Option<Timestamp>,
    failures_in_a_row: u32,
    errors: Vec<String>,
}

impl Row {
    /// A scope that was just scanned, and what is remembered of that.
    pub(super) fn scanned(scan: &Scan, at: Timestamp, record: Option<&ScopeRecord>) -> Self {
        Self {
            scope: scan.scope.to_string(),
            coverage: scan.coverage.as_str(),
            found: scan.found.len() as u64,
            malformed: scan.malformed.len(),
            requests: Some(scan.requests),
            last_scan: Some(at),
            last_complete_scan: match record {
                Some(record) => record.complete,
                None => scan.coverage.is_complete().then_some(at),
            },
            failures_in_a_row: record.map_or(0, |record| record.failures_in_a_row),
            errors: all_texts(&scan.coverage, &scan.warnings),
        }
    }

    /// A scope that the service has just scanned.
    pub(super) fn by_service(scan: &ScopeScan) -> Self {
        let ScopeScan { record, aside } = scan;
        Self {
            found: aside.found,
            requests: Some(aside.requests),
            errors: all_texts(&record.coverage, &aside.warnings),
            ..Self::remembered(record)
        }
    }

    /// A scope as it is remembered.
    pub(super) fn remembered(record: &ScopeRecord) -> Self {
        Self {
            scope: record.scope.to_string(),
            coverage: record.coverage.as_str(),
            found: record.found,
            malformed: record.malformed.len(),
            requests: None,
            last_scan: Some(record.attempted),
            last_complete_scan: record.complete,
            failures_in_a_row: record.failures_in_a_row,
            errors: texts(&record.coverage),
        }
    }

    fn never(scope: &muster_model::Scope, coverage: &'static str, errors: Vec<String>) -> Self {
        Self {
            scope: scope.to_string(),
            coverage,
            found: 0,
            malformed: 0,
            requests: None,
            last_scan: None,
            last_complete_scan: None,
            failures_in_a_row: 0,
            errors,
        }
    }

    /// Writes a list of scopes.
    pub(super) fn write(rows: &[Self], format: ListFormat) -> Result<(), Failure> {
        let columns = [
            Column {
                title: "scope",
                wide: false,
                cell: |row: &Self| row.scope.as_str().into(),
            },
            Column {
                title: "coverage",
                wide: false,
                cell: |row| row.coverage.into(),
            },
            Column {
                title: "found",
                wide: false,
                cell: |row| row.found.to_string().into(),
            },
            Column {
                title: "malformed",
                wide: true,
                cell: |row| row.malformed.to_string().into(),
            },
            Column {
                title: "requests",
                wide: true,
                cell: |row| {
                    row.requests
                        .map(|n| n.to_string())
                        .unwrap_or_default()
                        .into()
                },
            },
            Column {
                title: "last scan",
                wide: false,
                cell: |row| when(row.last_scan),
            },
            Column {
                title: "last complete scan",
                wide: true,
                cell: |row| when(row.last_complete_scan),
            },
            Column {
                title: "failures in a row",
                wide: true,
                cell: |row| row.failures_in_a_row.to_string().into(),
            },
            Column {
                title: "error",
                wide: false,
                cell: |row| row.errors.join("; ").into(),
            },
        ];
        Ok(unread_is_fine(print(|out| {
            table(&columns, rows, format, out)
        }))?)
    }
}

fn when(at: Option<Timestamp>) -> Cow<'static, str> {
    at.map_or(Cow::Borrowed("never"), |at| at.to_string().into())
}

fn texts(coverage: &Coverage) -> Vec<String> {
    coverage
        .failures()
        .iter()
        .map(ScanFailure::to_string)
        .collect()
}

/// With the calls whose failure costs no coverage.
fn all_texts(coverage: &Coverage, warnings: &[ScanFailure]) -> Vec<String> {
    let warnings = warnings
        .iter()
        .map(|warning| format!("{warning} (costs no coverage)"));
    texts(coverage).into_iter().chain(warnings).collect()
}

impl Scope {
    pub(super) async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let Self::Ls(args) = self;
        let context = Context::load(common)?;
        let (state, _store) = context.state()?;
        let mut rows: Vec<Row> = state.scopes.values().map(Row::remembered).collect();
        let mut exit = Exit::Done;
        // A store that knows no scope yet has nothing to say.
        if args.resolve || rows.is_empty() {
            let expansion = expand(&context.config, &context.elsewhere).await;
            let known = |scope: &muster_model::Scope| state.scopes.contains_key(scope);
            for scanner in expansion
                .scanners
                .iter()
                .filter(|scanner| !known(scanner.scope()))
            {
                rows.push(Row::never(scanner.scope(), "unknown", Vec::new()));
            }
            for scan in expansion.unread.iter().filter(|scan| !known(&scan.scope)) {
                rows.push(Row::never(&scan.scope, "unread", texts(&scan.coverage)));
            }
            if !expansion.complete {
                exit = Exit::Incomplete;
            }
        }
        rows.sort();
        Row::write(&rows, args.output)?;
        Ok(exit)
    }
}
