//! `muster run`: the service.

use std::sync::Arc;

use clap::Args;

use super::{Common, Failure, context::Context};
use crate::{
    config::Problem,
    exit::Exit,
    service::{
        handle::Refused,
        run::{self, Options},
    },
};

/// Arguments of `muster run`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Run {}

const AFTER_HELP: &str = "\
While it runs, other commands talk to it through a socket in the store's directory, and `muster status` shows how it \
is. SIGHUP or `muster reload` reads the configuration again; a bad one changes nothing. SIGTERM or SIGINT ends it \
cleanly within `service.shutdown`, a second one at once. It logs to standard error: text on a terminal, JSON otherwise.";

impl Run {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context = Context::load(common)?;
        let plugins = Arc::clone(context.plugins()?);
        let options = Options {
            config: context.config,
            bytes: context.bytes,
            warnings: context.warnings.iter().map(Problem::plain).collect(),
            store: common.store.clone(),
            elsewhere: context.elsewhere,
            plugins,
            loader: context.loader,
        };
        serve(async { run::run(options).await.map_err(failure) })
    }
}

/// Runs until the service has ended; it listens to signals itself.
pub(super) fn serve(service: impl Future<Output = Result<(), Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("cannot start").cause(&error))?;
    let ended = runtime.block_on(service);
    // What still hangs has nothing to write any more.
    runtime.shutdown_background();
    ended.map(|()| Exit::Done)
}

pub(super) fn failure(refused: Refused) -> Failure {
    let Refused {
        what, why, hint, ..
    } = refused;
    let failure = why.into_iter().fold(Failure::new(what), Failure::because);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
