//! `muster audit tail`: events as they are written.

use std::{thread, time::Duration};

use clap::Args;
use muster_audit::follow;

use super::{Place, cannot, filter::Filter, row::line};
use crate::{
    cli::{Common, Failure, print},
    exit::Exit,
};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(200);

/// Arguments of `muster audit tail`.
#[derive(Args, Debug)]
#[command(after_help = "It goes on until it is interrupted.")]
pub struct Tail {
    #[command(flatten)]
    filter: Filter,
    /// Write the lines as they are in the log, a JSON object each.
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    place: Place,
}

impl Tail {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = self.place.find(common)?;
        let bad = |error: std::io::Error| cannot(&dir, &error);
        let mut follow = follow(&dir, self.filter.query()).map_err(bad)?;
        loop {
            let all = follow.poll().map_err(bad)?;
            print(|out| {
                for found in all {
                    line(found, self.raw, out)?;
                }
                out.flush()
            })?;
            thread::sleep(LOOK);
        }
    }
}
