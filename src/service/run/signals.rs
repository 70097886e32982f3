//! Signals: SIGHUP reads the configuration again, SIGTERM and SIGINT end the service cleanly, and a second one of
//! these ends it at once, whatever the loop is doing. SIGXFSZ does nothing: a file that may not grow any more is an
//! error of the write, which the store says, and not the end of the process.

use std::{io, process};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

use crate::exit::Exit;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Read the configuration again.
    Reload,
    /// End cleanly.
    End,
}

/// Listens from now on.
///
/// # Errors
/// When the system does not let us.
pub(super) fn listen() -> io::Result<UnboundedReceiver<Asked>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Whoever listens is not ended by it; the write fails as on a full disk.
    let mut too_large = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
    // Signals merge while they wait, so there are never many.
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        let mut ending = false;
        loop {
            let exit = tokio::select! {
                () = next(&mut hangup) => {
                    tracing::info!(signal = "SIGHUP", "asked to read the configuration again");
                    // Without a loop there is nothing to reload.
                    let _ = sender.send(Asked::Reload);
                    continue;
                }
                () = next(&mut too_large) => continue,
                () = next(&mut terminate) => Exit::Terminated,
                () = next(&mut interrupt) => Exit::Interrupted,
            };
            if ending || sender.send(Asked::End).is_err() {
                tracing::warn!("asked a second time to end: ending at once");
                process::exit(i32::from(exit.code()));
            }
            ending = true;
            tracing::info!(
                signal = if exit == Exit::Terminated {
                    "SIGTERM"
                } else {
                    "SIGINT"
                },
                "asked to end"
            );
        }
    });
    Ok(receiver)
}

/// The next signal; never, where none can come any more.
async fn next(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}
