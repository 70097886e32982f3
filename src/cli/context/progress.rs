//! How far a run is, for whoever watches.

use std::io::{self, IsTerminal};

use muster_model::Scan;

/// Progress on standard error: a bar on a terminal, else nothing.
pub(super) struct Progress(pub(super) Option<indicatif::ProgressBar>);

impl Progress {
    pub(super) fn start(scopes: usize, quiet: bool) -> Self {
        if quiet || !io::stderr().is_terminal() {
            return Self(None);
        }
        let style = indicatif::ProgressStyle::with_template(
            "{spinner} {pos}/{len} scopes {wide_bar} {msg}",
        )
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
        Self(Some(
            indicatif::ProgressBar::new(scopes as u64).with_style(style),
        ))
    }

    pub(super) fn ended(&self, scan: &Scan) {
        let Some(bar) = &self.0 else { return };
        let scope = &scan.scope;
        if scan.coverage.is_complete() {
            bar.set_message(format!("{scope}: {} found", scan.found.len()));
        } else {
            let reasons: Vec<&str> = scan
                .coverage
                .failures()
                .iter()
                .map(|failure| failure.reason.as_str())
                .collect();
            bar.println(format!(
                "  {scope}: {}: {}",
                scan.coverage.as_str(),
                reasons.join(", ")
            ));
        }
        bar.inc(1);
    }

    pub(super) fn finish(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}
