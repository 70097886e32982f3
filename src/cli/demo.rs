//! `muster demo`: the whole line on an embedded fleet, twice, so that a newcomer sees what a plan looks like and
//! what happens when a cloud has a bad day; or the service on it, to be watched.

mod serve;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use muster_cloud::replay::Replayer;

use super::{
    Common, Failure, ReportArgs, block_on,
    context::{Context, load},
    print, run,
};
use crate::{
    config,
    demo::{self, Day},
    exit::Exit,
    pipeline::{commit::commit, matched::Matched},
    report,
    service::run as service,
};

/// When the second day begins for whoever watches the service.
const NIGHT: Duration = Duration::from_secs(30);

/// Arguments of `muster demo`.
#[derive(Args, Debug)]
pub struct Demo {
    #[command(flatten)]
    report: ReportArgs,
    /// Keep the store and the configuration here, to look around with `--config DIR/muster.yaml`.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Only the first plan: nothing is applied.
    #[arg(long)]
    plan_only: bool,
    /// Run the service on the example until SIGINT, to be watched and asked from another terminal. It scans every few
    /// seconds, and after half a minute the second day begins.
    #[arg(long, conflicts_with_all = ["plan_only", "format"])]
    run: bool,
    /// Run the service with a door, and a PostgreSQL of this machine behind one of its databases where one is installed:
    /// what is printed leads from a login to a query and its record. Ctrl-C ends and removes all of it.
    #[arg(long, conflicts_with_all = ["plan_only", "format", "run"])]
    serve: bool,
}

impl Demo {
    pub(super) const fn is_service(&self) -> bool {
        // Of `--serve` the lines to follow are to be read, and no log under them.
        self.run
    }

    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let scratch = match &self.keep {
            None if !self.serve => Some(Scratch::new()?),
            _ => None,
        };
        let dir: &Path = match (&self.keep, &scratch) {
            (Some(dir), _) => dir,
            (None, Some(scratch)) => &scratch.0,
            (None, None) => Path::new("."),
        };
        std::fs::create_dir_all(dir).map_err(|error| {
            Failure::new(format!("cannot make {}", dir.display())).cause(&error)
        })?;
        let path = dir.join("muster.yaml");
        if self.keep.is_some() && path.exists() {
            return Err(
                Failure::new(format!("cannot keep the demo in {}", dir.display()))
                    .because(format!("{} is there already", path.display()))
                    .hint("name an empty directory"),
            );
        }
        if self.serve {
            return serve::serve(self.keep.as_deref(), common);
        }
        let text = if self.run {
            demo::service_config()
        } else {
            demo::CONFIG.to_owned()
        };
        std::fs::write(&path, text).map_err(|error| {
            Failure::new(format!("cannot write {}", path.display())).cause(&error)
        })?;
        if self.run {
            return self.serve(&path);
        }
        block_on(self.days(&path, common))
    }

    /// The service, as `muster run` is.
    fn serve(&self, path: &Path) -> Result<Exit, Failure> {
        let loaded =
            config::check::load(path).map_err(|error| super::context::bad_config(&error))?;
        let shown = path.display();
        self.say(&format!(
            "The service runs on the example until Ctrl-C. In {} seconds the second day begins. From another terminal:\n\n  \
             muster --config {shown} status\n  muster --config {shown} db ls\n  muster --config {shown} plan\n  \
             muster --config {shown} history\n",
            NIGHT.as_secs()
        ))?;
        run::serve(async {
            let cannot = |error: demo::DemoError| Failure::new("cannot run the demo").cause(&error);
            let replayer = demo::serve(Day::First).map_err(cannot)?;
            let service = service::run(options(loaded, &replayer));
            tokio::pin!(service);
            let first = tokio::time::timeout(NIGHT, &mut service).await;
            let ended = match first {
                Ok(ended) => ended,
                Err(_) => {
                    demo::turn(&replayer, Day::Second).map_err(cannot)?;
                    service.await
                }
            };
            ended.map_err(run::failure)
        })
    }

    async fn days(self, path: &Path, common: &Common) -> Result<Exit, Failure> {
        let mut config = config::check::load(path)
            .map_err(|error| super::context::bad_config(&error))?
            .config;
        // The recorded clouds are on this machine: nobody has to be spared.
        config.requests.per_second = 1_000;

        self.say("muster demo: recorded answers of two AWS accounts and two Azure subscriptions, read by the real scanners.")?;
        self.say(if self.plan_only {
            "\n$ muster plan\n"
        } else {
            "\n$ muster apply\n"
        })?;
        self.day(Day::First, config.clone(), common).await?;
        if self.plan_only {
            return Ok(Exit::Done);
        }
        self.say(
            "\nThe next day a region is denied, a database is gone, one has moved and one is new.",
        )?;
        self.say("\n$ muster apply\n")?;
        self.day(Day::Second, config, common).await?;
        self.say("\nWhat could not be read stays enrolled; what is gone waits for its grace. That is the whole idea.")?;
        match &self.keep {
            Some(dir) => self.say(&format!(
                "\nLook around:\n  muster --config {0}/muster.yaml db ls\n  muster --config {0}/muster.yaml explain legacy-crm\n  muster --config {0}/muster.yaml history",
                dir.display()
            ))?,
            None => self.say("\nNext: `muster demo --serve` to log in and connect, `muster demo --keep DIR` to look around, `muster config create -o muster.yaml` for your own clouds.")?,
        }
        Ok(Exit::Done)
    }

    async fn day(&self, day: Day, config: config::Config, common: &Common) -> Result<(), Failure> {
        let replayer = demo::serve(day)
            .map_err(|error| Failure::new("cannot start the demo").cause(&error))?;
        let context = Context::of(
            config,
            demo::CONFIG.into(),
            demo::elsewhere(&replayer),
            common.quiet,
        );
        let store = context.store()?;
        let state = load(&store)?;
        let scanned = context.scan(&[]).await?;
        let run = scanned.plan(&state, &context.config.settings);
        print(|out| {
            report::render(
                &run.plan,
                self.report.format,
                &common.report(&self.report),
                out,
            )
        })?;
        if !self.plan_only {
            commit(
                &store,
                &run.writes,
                state.revision,
                Matched::All(&scanned.digest),
                None,
            )
            .map_err(|error| Failure::new("cannot apply the plan").cause(&error))?;
        }
        Ok(())
    }

    /// Words between the reports: only where the report is words as well.
    fn say(&self, text: &str) -> Result<(), Failure> {
        if self.report.format == report::Format::Text {
            print(|out| writeln!(out, "{text}"))?;
        }
        Ok(())
    }
}

/// How the service runs on the recorded clouds.
fn options(loaded: config::Loaded, replayer: &Replayer) -> service::Options {
    service::Options {
        config: loaded.config,
        bytes: loaded.bytes,
        warnings: Vec::new(),
        store: None,
        elsewhere: demo::elsewhere(replayer),
        plugins: Arc::default(),
        loader: Arc::default(),
    }
}

/// A directory that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let dir = std::env::temp_dir();
        let cannot = |error: &std::io::Error| {
            Failure::new(format!("cannot make a directory in {}", dir.display())).cause(error)
        };
        let mut number = u64::from(std::process::id());
        for _ in 0..100 {
            let path = dir.join(format!("muster-demo-{number}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    number = number.wrapping_add(7919)
                }
                Err(error) => return Err(cannot(&error)),
            }
        }
        Err(cannot(&std::io::ErrorKind::AlreadyExists.into()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is only litter in the temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
