//! Reference pages that are made from the program are what the program says. `MUSTER_BLESS=1` writes them anew.

use std::{fs, path::Path};

fn golden(path: &str, now: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("MUSTER_BLESS").is_some() {
        fs::write(&file, now).expect("the page can be written");
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == now,
        "{path} is stale: run `MUSTER_BLESS=1 cargo test`, and look at the difference"
    );
}

#[test]
fn the_page_of_commands_is_true() {
    golden("docs/cli.md", &muster::cli::docs::commands());
}

#[test]
fn the_page_of_exit_codes_is_true() {
    golden("docs/exit-codes.md", &muster::cli::docs::exit_codes());
}

#[test]
fn the_page_of_metrics_is_true() {
    golden("docs/metrics.md", &muster::metrics::docs::page());
}
