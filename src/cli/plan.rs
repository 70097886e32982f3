//! `muster plan`: what would change, and why. Changes nothing.

use std::path::PathBuf;

use clap::Args;

use super::{
    Common, Failure, ReportArgs,
    context::{Context, Scanned, write_file},
    opened::Opened,
    plans::Plans,
    print, trial, unread_is_fine,
};
use crate::{
    exit::Exit,
    pipeline::{
        run::Run,
        saved::{self, Basis},
    },
    report,
};

/// Arguments of `muster plan`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Plan {
    /// What is done with plans that the brake held, in place of making a plan.
    #[command(subcommand)]
    held: Option<Plans>,
    #[command(flatten)]
    report: ReportArgs,
    /// Also save the plan here, to be applied by `muster apply FILE`.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// End with 2 when there are changes, and with 3 when a scope was not completely read.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Release the brake for this plan: it may remove any number.
    #[arg(long)]
    allow_mass_removal: bool,
    /// Show only what this plugin would change in place of the one of its name, or of that of a rule. It is tried on what
    /// was last seen: no cloud is read, and nothing comes into force. May be given several times.
    #[arg(long, value_name = "[RULE=]FILE", conflicts_with_all = ["out"])]
    matcher: Vec<String>,
}

impl Plan {
    pub(super) async fn run(self, common: &Common) -> Result<Exit, Failure> {
        if let Some(held) = self.held {
            return held.run(common);
        }
        let mut context = Context::load(common)?;
        context.config.settings.brake.released |= self.allow_mass_removal;
        context.warn();
        if !self.matcher.is_empty() {
            let (report, detailed) = (&self.report, self.detailed_exitcode);
            return trial::run(&context, common, report, &self.matcher, detailed);
        }
        // Nobody else has to wait for the clouds: a plan writes nothing.
        let (state, store) = context.state()?;
        let service = store.as_ref().and_then(Opened::service).cloned();
        drop(store);
        let scanned = context.scan_through(service.as_ref(), &[]).await?;
        scanned.something()?;
        let run = scanned.plan(&state, &context.config.settings);
        if let Some(path) = &self.out {
            let config = context.basis()?;
            let basis = Basis {
                store: &context.config.store,
                revision: state.revision,
                config: &config,
            };
            let bytes = saved::to_json(
                &run.plan,
                run.writes.clone(),
                basis,
                &common.report(&self.report),
            )
            .map_err(|error| Failure::new("cannot write the plan as JSON").cause(&error))?;
            write_file(path, &bytes).map_err(|error| {
                Failure::new(format!("cannot save the plan as {}", path.display())).cause(&error)
            })?;
        }
        unread_is_fine(print(|out| {
            report::render(
                &run.plan,
                self.report.format,
                &common.report(&self.report),
                out,
            )
        }))?;
        Ok(exit(&scanned, &run, self.detailed_exitcode))
    }
}

/// The code of a plan.
pub(super) fn exit(scanned: &Scanned, run: &Run, detailed: bool) -> Exit {
    let summary = run.plan.summary;
    match detailed {
        true if !scanned.is_complete() => Exit::Incomplete,
        true if summary.add + summary.update + summary.remove > 0 => Exit::Changes,
        _ => Exit::Done,
    }
}
