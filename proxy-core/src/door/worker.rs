//! The threads that carry sessions. Each has a runtime, a pen for the record and buffers of its own.

use std::{
    cell::RefCell,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use muster_audit::{Event, Micros, NotWritten, Pen, Subject};
use tokio::sync::mpsc;

use super::{Live, Shared, limits::Ticket};
use crate::{session, tls::pool};

thread_local! {
    static PEN: RefCell<Option<Pen>> = const { RefCell::new(None) };
    static SESSIONS: RefCell<Vec<Arc<Live>>> = const { RefCell::new(Vec::new()) };
}

/// A connection that was taken.
pub(crate) struct Arrival {
    pub(crate) socket: std::net::TcpStream,
    pub(crate) peer: std::net::SocketAddr,
    pub(crate) ticket: Ticket,
    /// It came to a port for one protocol alone.
    pub(crate) only: bool,
    /// Counts for its worker as long as it lives.
    pub(crate) load: Load,
}

/// One connection that a worker carries.
pub(crate) struct Load(Arc<AtomicUsize>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// How the acceptor reaches a worker.
pub(crate) struct Hand {
    sender: mpsc::UnboundedSender<Arrival>,
    load: Arc<AtomicUsize>,
}

impl Hand {
    pub(crate) fn load(&self) -> usize {
        self.load.load(Relaxed)
    }

    /// Gives the worker a connection. The number of connections is bounded by their tickets.
    pub(crate) fn give(
        &self,
        socket: std::net::TcpStream,
        peer: std::net::SocketAddr,
        ticket: Ticket,
        only: bool,
    ) {
        self.load.fetch_add(1, Relaxed);
        let _ = self.sender.send(Arrival {
            socket,
            peer,
            ticket,
            only,
            load: Load(Arc::clone(&self.load)),
        });
    }
}

pub(crate) fn start(shared: &Arc<Shared>, number: usize) -> io::Result<(Hand, JoinHandle<()>)> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let hand = Hand {
        sender,
        load: Arc::new(AtomicUsize::new(0)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let shared = Arc::clone(shared);
    let pen = shared.parts.audit.pen();
    let thread = std::thread::Builder::new()
        .name(format!("door-{number}"))
        .spawn(move || {
            PEN.set(Some(pen));
            pool::keep(shared.parts.settings.spare_buffers);
            runtime.block_on(work(&shared, receiver));
            // Tasks end here; a name that is still being looked up is not waited for.
            runtime.shutdown_background();
            SESSIONS.take();
            PEN.take();
        })?;
    Ok((hand, thread))
}

async fn work(shared: &Arc<Shared>, mut arrivals: mpsc::UnboundedReceiver<Arrival>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            arrival = arrivals.recv() => match arrival {
                Some(arrival) => {
                    tokio::spawn(session::serve(Arc::clone(shared), arrival));
                }
                None => return,
            },
            _ = tick.tick() => wake_due(shared.now()),
        }
    }
}

/// Wakes the sessions of this worker that want to be woken by now, and forgets those that have ended.
fn wake_due(now: Micros) {
    SESSIONS.with_borrow_mut(|sessions| {
        sessions.retain(|live| {
            if Arc::strong_count(live) == 1 {
                return false;
            }
            if live.due.load(Relaxed) <= now.0 {
                live.wake();
            }
            true
        });
    });
}

/// Has the worker of this thread wake the session when it is due.
pub(crate) fn carry(live: &Arc<Live>) {
    SESSIONS.with_borrow_mut(|sessions| sessions.push(Arc::clone(live)));
}

/// Writes with the pen of this worker.
pub(crate) fn with_pen(
    subject: &mut Subject,
    at: Micros,
    event: &Event<'_>,
    strict: bool,
) -> Result<u64, NotWritten> {
    PEN.with_borrow_mut(|pen| {
        let number = subject.next();
        let Some(pen) = pen else {
            return Err(NotWritten::Busy);
        };
        match pen.write(subject, at, event) {
            Ok(()) => Ok(number),
            // Kept is as good as written: it is lost only with the process.
            Err(NotWritten::Failing { kept: true, .. }) if !strict => Ok(number),
            Err(_) if !strict => {
                pen.skip(subject);
                Ok(number)
            }
            Err(error) => Err(error),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use muster_audit::{Log, Settings, SubjectParts};

    use super::*;

    #[test]
    fn what_could_not_be_recorded_keeps_its_number_for_itself() {
        let temp = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(temp.path(), "acme");
        settings.max_statement = 256;
        settings.queue = 4096;
        let log = Log::open(settings).unwrap();
        PEN.set(Some(log.pen()));
        log.close(Duration::from_secs(20));
        let mut subject = Subject::new(&SubjectParts::default());
        let event = Event::Disconnect { reason: "idle" };
        let mut write = |strict| with_pen(&mut subject, Micros(0), &event, strict);
        // Nobody takes anything out of the queue any more: it is full soon, once its thread has ended too.
        while !matches!(write(true), Err(NotWritten::Failing { kept: false, .. })) {
            std::thread::yield_now();
        }
        let first = write(false).unwrap();
        assert_eq!((write(false), write(false)), (Ok(first + 1), Ok(first + 2)));
        PEN.take();
    }
}
