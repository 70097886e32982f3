//! `muster scan`: reads the clouds once and remembers what is there. Enrolls nothing.
//!
//! Where a service holds the store, it is the service that scans, by its own configuration, and what it then does
//! with what it finds is what it always does.

use clap::Args;
use muster_model::Scope;

use super::{
    Common, Failure, ListFormat,
    context::{Context, load},
    opened::{Opened, Reached},
    scope::Row,
};
use crate::{
    control::{ClientError, NAME},
    exit::Exit,
    pipeline::{
        commit::{commit, trim},
        matched::Matched,
    },
    service::handle::ScopeScan,
};

/// Arguments of `muster scan`.
#[derive(Args, Debug)]
#[command(after_help = "\
While a service runs, it is the service that scans, at once and before all others; the command waits and shows how it \
went, and the service does with what it finds what it always does. Ends with 3 when a scope was not completely read, \
and with 69 when the service does not answer.")]
pub struct Scan {
    /// Only these scopes, as `muster scope ls` prints them.
    scopes: Vec<Scope>,
    /// Only show how it goes, and remember nothing.
    #[arg(long)]
    dry_run: bool,
    /// Have the running service scan now, and fail when there is none. Without this, a service that runs scans,
    /// and else this command does.
    #[arg(long, conflicts_with = "dry_run")]
    now: bool,
    /// How the list of scopes is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
}

impl Scan {
    pub(super) async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        context.warn();
        if self.dry_run {
            let service = match Reached::connect(&context.config.store) {
                Ok(service) => Some(service),
                Err(error) if error.is_absent() => None,
                Err(error) => return Err(error.into()),
            };
            return self.read_only(&context, service.as_ref()).await;
        }
        if self.now {
            let service = Reached::connect(&context.config.store)
                .map_err(|error| self.no_service(&context, error))?;
            return self.by_service(&context, &service).await;
        }
        match context.store()? {
            Opened::Held(service) => self.by_service(&context, &service).await,
            store @ Opened::Own(_) => self.by_itself(&context, &store).await,
        }
    }

    async fn read_only(
        &self,
        context: &Context,
        service: Option<&Reached>,
    ) -> Result<Exit, Failure> {
        let scanned = context.scan_through(service, &self.scopes).await?;
        let rows = scanned
            .scans
            .iter()
            .map(|scan| Row::scanned(scan, scanned.now, None));
        self.show(rows.collect())?;
        Ok(exit(scanned.is_complete()))
    }

    async fn by_itself(&self, context: &Context, store: &Opened) -> Result<Exit, Failure> {
        let scanned = context.scan(&self.scopes).await?;
        let state = load(store)?;
        let run = scanned.plan(&state, &context.config.settings);
        let writes = run.writes.inventory_only();
        commit(store, &writes, state.revision, Matched::Otherwise, None)
            .map_err(|error| Failure::new("cannot remember the scan").cause(&error))?;
        trim(store, context.config.history, scanned.now)
            .map_err(|error| Failure::new("cannot trim the history").cause(&error))?;
        let record = |scope: &Scope| {
            let mut records = writes.scopes.iter();
            records.find(|record| *record.scope == *scope)
        };
        let rows = scanned
            .scans
            .iter()
            .map(|scan| Row::scanned(scan, scanned.now, record(&scan.scope)));
        self.show(rows.collect())?;
        Ok(exit(scanned.is_complete()))
    }

    async fn by_service(&self, context: &Context, service: &Reached) -> Result<Exit, Failure> {
        let Reached { client, .. } = service;
        let loaded = client.config().await?;
        if !context.is_of(&loaded) {
            context.warn_of(&loaded, "it scans what that one asks for");
        }
        let scans = client.scan(self.scopes.clone()).await?;
        let known = client.status().await?.scopes_known;
        self.show(scans.iter().map(Row::by_service).collect())?;
        let complete = |scan: &ScopeScan| scan.record.coverage.is_complete();
        Ok(exit(
            (known || !self.scopes.is_empty()) && scans.iter().all(complete),
        ))
    }

    /// The scopes in the order in which `muster scope ls` has them.
    fn show(&self, mut rows: Vec<Row>) -> Result<(), Failure> {
        rows.sort();
        Row::write(&rows, self.output)
    }

    fn no_service(&self, context: &Context, error: ClientError) -> Failure {
        if !error.is_absent() {
            return error.into();
        }
        Failure::new("cannot have the service scan now")
            .because(format!(
                "no service answers at {}",
                context.config.store.join(NAME).display()
            ))
            .hint(
                "start it with `muster run`; without --now, `muster scan` reads the clouds itself",
            )
            .exits(Exit::Unavailable)
    }
}

fn exit(complete: bool) -> Exit {
    if complete {
        Exit::Done
    } else {
        Exit::Incomplete
    }
}
