//! `muster apply`: carries out a plan, a saved one or the one that is made now.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use muster_plan::TargetWrite;
use muster_store::{Revision, Store, StoreError};

use super::{
    Common, Failure, ReportArgs,
    context::{Context, load, now},
    opened::{Opened, Reached},
    print, unread_is_fine,
};
use crate::{
    config::Config,
    control::{ClientError, own_name},
    exit::Exit,
    pipeline::{
        commit::{Tell, commit, still_stands, trim},
        matched::Matched,
        run::Writes,
        saved::{self, Basis, SavedError},
    },
    report,
};

/// Arguments of `muster apply`.
#[derive(Args, Debug)]
pub struct Apply {
    /// A plan saved by `muster plan --out`. Without it, the clouds are read and the plan is made now.
    plan: Option<PathBuf>,
    #[command(flatten)]
    report: ReportArgs,
    /// Do not ask before something is removed. Without a terminal nobody is asked.
    #[arg(short, long)]
    yes: bool,
    /// End with 3 when a scope was not completely read.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Release the brake: this plan may remove any number.
    #[arg(long, conflicts_with = "plan")]
    allow_mass_removal: bool,
    /// The oldest that a saved plan may be, in minutes.
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    max_age: u64,
}

impl Apply {
    pub(super) async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let mut context = Context::load(common)?;
        context.config.settings.brake.released |= self.allow_mass_removal;
        context.warn();
        let store = context.store()?;
        match &self.plan {
            Some(path) => self.saved(path, &context, &store).await,
            None => self.fresh(common, &context, &store).await,
        }
    }

    async fn saved(&self, path: &Path, context: &Context, store: &Opened) -> Result<Exit, Failure> {
        let refused = |error: &SavedError| {
            let failure = Failure::new(format!("cannot apply {}", path.display())).cause(error);
            match error {
                SavedError::Stale { .. } => failure
                    .hint("nothing was changed; look at a new plan: `muster plan --out FILE`"),
                SavedError::Io { .. } | SavedError::NotAPlan { .. } => failure,
            }
        };
        let saved = saved::read(path).map_err(|error| refused(&error))?;
        let unread = |error: &StoreError| Failure::new("cannot read the store").cause(error);
        let mut revision = store.revision().map_err(|error| unread(&error))?;
        // That scopes were read again, and all was as before, is no reason to look again.
        let made = Revision(saved.revision);
        if still_stands(store, made).map_err(|error| unread(&error))? {
            revision = made;
        }
        let config = context.basis()?;
        let basis = Basis {
            store: &context.config.store,
            revision,
            config: &config,
        };
        let writes = saved
            .check(basis, now(), self.max_age.saturating_mul(60))
            .map_err(|error| refused(&error))?;
        // Which accounts there were when it was made is not in it.
        self.write(
            store,
            &writes,
            revision,
            Matched::Otherwise,
            &context.config,
        )
        .await?;
        Ok(Exit::Done)
    }

    async fn fresh(
        &self,
        common: &Common,
        context: &Context,
        store: &Opened,
    ) -> Result<Exit, Failure> {
        // Before the clouds are read: what a service finds meanwhile makes the plan stale, and never looks gone.
        let state = load(store)?;
        let scanned = context.scan_through(store.service(), &[]).await?;
        scanned.something()?;
        let run = scanned.plan(&state, &context.config.settings);
        unread_is_fine(print(|out| {
            report::render(
                &run.plan,
                self.report.format,
                &common.report(&self.report),
                out,
            )
        }))?;
        let by = Matched::All(&scanned.digest);
        self.write(store, &run.writes, state.revision, by, &context.config)
            .await?;
        Ok(if self.detailed_exitcode && !scanned.is_complete() {
            Exit::Incomplete
        } else {
            Exit::Done
        })
    }

    async fn write(
        &self,
        store: &Opened,
        writes: &Writes,
        revision: Revision,
        by: Matched<'_>,
        config: &Config,
    ) -> Result<(), Failure> {
        let removals = writes
            .targets
            .iter()
            .filter(|write| matches!(write, TargetWrite::Delete(_)))
            .count();
        if removals > 0 && !self.yes && io::stdin().is_terminal() && !confirmed(removals).await? {
            return Err(Failure::new("not applied")
                .because("it was not confirmed")
                .hint("nothing was changed"));
        }
        match store {
            Opened::Held(reached) => {
                let Reached { client, .. } = &**reached;
                // The service trims the history itself.
                client.apply(writes, revision).await.map_err(not_applied)?;
            }
            Opened::Own(store) => {
                let mut writes = writes.clone();
                writes.applied_by(&own_name());
                // Delivered by the service, when there is one again.
                let tell = (!config.notify.is_empty()).then_some(Tell {
                    group: &config.settings.group,
                    also: &[],
                });
                commit(&**store, &writes, revision, by, tell).map_err(|error| {
                    Failure::new("cannot apply the plan")
                        .cause(&error)
                        .hint("nothing was changed")
                })?;
                trim(&**store, config.history, now())
                    .map_err(|error| Failure::new("cannot trim the history").cause(&error))?;
            }
        }
        let mut err = anstream::stderr().lock();
        writeln!(
            err,
            "Applied: {} enrolled or updated, {removals} removed.",
            writes.targets.len().saturating_sub(removals)
        )?;
        Ok(())
    }
}

/// What the service did not apply. When it did not answer, nobody knows.
fn not_applied(error: ClientError) -> Failure {
    match error {
        ClientError::Refused(_) => error.into(),
        _ => Failure::from(error).hint("whether it was applied is not known: `muster history`"),
    }
}

async fn confirmed(removals: usize) -> Result<bool, Failure> {
    let mut err = anstream::stderr().lock();
    write!(
        err,
        "This removes {removals} of the enrolled databases. Type `yes` to go on: "
    )?;
    err.flush()?;
    // On a thread of its own, so that SIGINT is an answer as well.
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await.map_err(io::Error::other)??;
    Ok(answer.trim() == "yes")
}
