//! Serves recorded answers from directories until its standard input ends.
//!
//! `cargo run -p muster-cloud --example replay -- fixtures/cloud/demo [fixtures/cloud/demo-2]` prints the address on
//! one line. Any AWS or Azure client can then be pointed at it. When the input ends, it prints what was asked.

use std::io::{Read, Write};

use muster_cloud::replay::{Replayer, Tape};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let replayer = Replayer::start(Tape::from_dirs(std::env::args().skip(1))?)?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", replayer.url())?;
    out.flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    for seen in replayer.log() {
        writeln!(out, "{seen}")?;
    }
    replayer.shutdown().await;
    Ok(())
}
