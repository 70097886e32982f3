//! The loop of the service: one task that waits for whatever comes next, and never for one thing alone.
//!
//! ```text
//! clock -> queue -> scans, some at once -> engine, on a thread of its own -> status, metrics, notices
//! ```
//!
//! | part | what it does |
//! |---|---|
//! | here | what the loop knows, and what can come next |
//! | `start` | from nothing to a loop: the store, those who serve, the first questions |
//! | `scans` | hands scopes to tasks, takes in what they found, tells who asked |
//! | `scopes`, `resolve` | which scopes there are, and finding it out again and again |
//! | `commands` | what people and programs ask for |
//! | `reload` | another configuration, tried before it counts |
//! | `plugins`, `retries` | plugins whose files are others now; when those are asked again that failed |
//! | `failure` | a store that cannot be used: wait, open it again, go on |
//! | `ending` | a clean end within its limit |
//! | `keeper`, `measured`, `place` | the thread with the store and the engine |
//! | `board` | what the service knows of itself |
//! | `time` | the time that nobody can set |
//! | `signals`, `systemd` | the world outside |
//!
//! What is slow (a cloud, the disk, somebody who reads an answer) runs beside the loop and comes back as an
//! [`Event`]. Nothing of it decides what is enrolled: that is the engine's.

mod board;
mod commands;
mod ending;
mod failure;
mod findings;
mod keeper;
mod measured;
mod place;
mod plugins;
mod reload;
mod resolve;
mod retries;
mod scans;
mod scopes;
mod signals;
mod start;
mod systemd;
mod time;

use std::{collections::VecDeque, ops::ControlFlow, path::PathBuf, sync::Arc, time::Duration};

use muster_audit::Log;
use muster_model::Timestamp;
use muster_schedule::{Clock, Due, Moment, Queue, Ticks, Uptime};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, Interval, MissedTickBehavior, sleep},
};
use tokio_util::sync::CancellationToken;

use self::{
    board::{Board, View},
    commands::Later,
    ending::Ending,
    failure::Stuck,
    findings::Findings,
    keeper::{Answer, Keeper},
    plugins::Watch,
    reload::{Prepared, Ready, Request},
    resolve::Resolved,
    retries::Retries,
    scans::{Ended, Waiter},
    scopes::Known,
    signals::Asked,
    systemd::Systemd,
    time::ServiceTime,
};
use super::handle::{Command, Handle};
use crate::{
    config::Config,
    metrics::Metrics,
    notify::Deliverer,
    pipeline::sources::{Clouds, Elsewhere},
    plugins::{Loader, Plugins, Stamps},
    proxy::Proxy,
    service::status::ServiceState,
};

pub use self::start::run;

/// What the service is started with.
pub struct Options {
    /// The configuration, with the command line's word on the store.
    pub config: Config,
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// What is odd about it, for the log.
    pub warnings: Vec<String>,
    /// The store's directory, when the command line names it: then no configuration does.
    pub store: Option<PathBuf>,
    /// Where the clouds are.
    pub elsewhere: Elsewhere,
    /// The matchers of one's own that the configuration names.
    pub plugins: Arc<Plugins>,
    /// What loaded them, and loads others.
    pub loader: Arc<Loader>,
}

/// How long one scan may take. Every call has its own limits, far below; this one is there for a scanner that does
/// not end, so that its slot is free again.
pub const SCAN_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How often the loop turns when nothing happens.
const TURN: Duration = Duration::from_secs(1);
/// The shortest time that it waits when it waits at all.
const SHORTEST: Duration = Duration::from_millis(5);
/// How often the status is made anew, at most while things happen and at least while nothing does. What the door counts, which
/// tells nobody, is looked at every [`TURN`].
const STATUS: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(5));
/// How often somebody looks whether the store is still there.
const LOOK: Duration = Duration::from_secs(2);
/// How often what only time brings about is done.
const SWEEP: Duration = Duration::from_secs(60);

/// What the loop knows.
struct Service {
    options: Options,
    /// The configuration in force.
    config: Config,
    /// The matchers of one's own behind its rules.
    plugins: Arc<Plugins>,
    /// Whether their files are others now.
    watch: Watch,
    /// When they are asked again that left something undecided.
    retries: Retries,
    handle: Handle,
    metrics: Arc<Metrics>,
    uptime: Uptime,
    time: ServiceTime,
    board: Board,
    /// When the status was last made.
    shown: Option<Instant>,
    /// Whether it is another one since.
    news: bool,

    clock: Arc<Clock>,
    queue: Queue,
    scans: JoinSet<Ended>,
    waiters: Vec<Waiter>,
    /// Counts those who waited.
    waits: u64,
    readings: JoinSet<()>,

    clouds: Arc<Clouds>,
    known: Known,
    resolving: JoinSet<Resolved>,
    resolve_at: Option<Moment>,
    resolve_pause: Duration,
    /// When everybody who was asked had answered the last time.
    resolved_at: Option<Moment>,
    /// How often they were asked.
    resolutions: u64,
    /// How many configurations were in force before this one.
    configurations: u64,
    /// What was found out while another configuration is being tried.
    found_meanwhile: Option<Resolved>,
    /// Whether a scan was refused since, so that credentials are to be looked for again.
    refused: bool,
    later: Vec<Later>,

    keeper: Keeper<Next>,
    /// Whether the engine is there.
    loaded: bool,
    stuck: Option<Stuck>,
    looking: bool,
    sweeping: bool,
    looked_at: Moment,
    swept_at: Moment,

    reloads: VecDeque<Request>,
    reloading: JoinSet<Prepared>,
    /// Whether one is under way, here or at the keeper.
    reload: bool,

    deliverer: Arc<Deliverer>,
    setting: JoinSet<()>,
    /// Ends the deliverer.
    stop_notify: CancellationToken,
    /// Ends those who serve.
    stop_serving: CancellationToken,
    serving: JoinSet<()>,
    ending: Option<Ending>,
    systemd: Systemd,
    /// Where people enter.
    proxy: Option<Arc<Proxy>>,
    /// Where the authority and the proxy write what is done; none before it is open.
    log: Option<Log>,
    /// Looks for what is wrong or soon will be.
    findings: Findings,
}

/// Where events come from.
struct Inbox {
    commands: mpsc::Receiver<Command>,
    answers: mpsc::UnboundedReceiver<Answer<Next>>,
    signals: mpsc::UnboundedReceiver<Asked>,
    due: Due,
    turns: Interval,
}

/// What the keeper hands back with an answer: the configuration that is being tried.
type Next = Option<Box<Ready>>;

/// What can come next.
enum Event {
    Signal(Asked),
    Command(Command),
    Answer(Box<Answer<Next>>),
    Due(Ticks),
    Scanned(Ended),
    Resolved(Box<Resolved>),
    Prepared(Box<Prepared>),
    /// Somebody has looked at the files of plugins.
    Watched(Stamps),
    /// Somebody has been read to, or the sinks have been set: nothing to do but to forget the task.
    Done,
    /// It is time to look.
    Turn,
}

// === impl Service ===

impl Service {
    /// Turns until the end.
    async fn turn_on(mut self, mut inbox: Inbox) {
        loop {
            self.look_at_clocks();
            self.turn();
            self.start_scans();
            self.start_resolution();
            self.start_reload();
            self.show();
            if let Some(ending) = &self.ending
                && self.may_end(ending)
            {
                break;
            }
            let event = self.next(&mut inbox).await;
            if self.take(event).is_break() {
                break;
            }
        }
        self.end().await;
    }

    /// Waits for whatever comes next.
    async fn next(&mut self, inbox: &mut Inbox) -> Event {
        let wait = self.wait();
        tokio::select! {
            // A signal comes before all else, and what has ended before what is new.
            biased;
            Some(asked) = inbox.signals.recv() => Event::Signal(asked),
            Some(answer) = inbox.answers.recv() => Event::Answer(Box::new(answer)),
            Some(ended) = self.scans.join_next() => match ended {
                Ok(ended) => Event::Scanned(ended),
                // They are broken off only at the end, and catch what a scanner panics with.
                Err(_) => Event::Done,
            },
            Some(resolved) = self.resolving.join_next() => match resolved {
                Ok(resolved) => Event::Resolved(Box::new(resolved)),
                Err(error) => Event::Resolved(Box::new(Resolved::broken(&error))),
            },
            Some(prepared) = self.reloading.join_next() => match prepared {
                Ok(prepared) => Event::Prepared(Box::new(prepared)),
                Err(error) => Event::Prepared(Box::new(Prepared::broken(&error))),
            },
            Some(stamps) = self.watch.looking.join_next() => match stamps {
                Ok(stamps) => Event::Watched(stamps),
                // It is looked at again.
                Err(_) => Event::Done,
            },
            Some(ticks) = inbox.due.next() => Event::Due(ticks),
            Some(command) = inbox.commands.recv() => Event::Command(command),
            Some(_) = self.readings.join_next() => Event::Done,
            Some(_) = self.setting.join_next() => Event::Done,
            Some(_) = self.serving.join_next() => Event::Done,
            _ = inbox.turns.tick() => Event::Turn,
            () = sleep(wait) => Event::Turn,
        }
    }

    /// How long until there is something to do that nobody says.
    fn wait(&self) -> Duration {
        let scan = self.queue.next_at().filter(|_| self.may_scan());
        let scan = scan.map(|at| at.since(self.uptime.now()));
        let status = self.news.then_some(STATUS.0);
        let wait = [scan, status].into_iter().flatten().min();
        wait.unwrap_or(TURN).max(SHORTEST)
    }

    fn take(&mut self, event: Event) -> ControlFlow<()> {
        match event {
            Event::Signal(Asked::Reload) => self.ask_for_reload(Request::by_signal()),
            Event::Signal(Asked::End) => self.begin_to_end("signal"),
            Event::Command(command) => self.command(command),
            Event::Answer(answer) => self.answered(*answer),
            Event::Due(ticks) => {
                let now = self.uptime.now();
                for source in &ticks.due {
                    self.queue.due(source, now);
                }
            }
            Event::Scanned(ended) => self.scanned(ended),
            Event::Resolved(resolved) => self.resolved(*resolved),
            Event::Prepared(prepared) => self.prepared(*prepared),
            Event::Watched(stamps) => self.watched(stamps),
            Event::Done | Event::Turn => {}
        }
        ControlFlow::Continue(())
    }

    /// What is done again and again.
    fn turn(&mut self) {
        self.systemd.alive();
        let now = self.uptime.now();
        if self.stuck.is_some() {
            self.try_again();
        } else if self.loaded && self.ending.is_none() {
            if !self.looking && now.since(self.looked_at) >= LOOK {
                self.looking = true;
                self.looked_at = now;
                self.keeper.send(keeper::Job::Look);
            }
            if !self.sweeping && now.since(self.swept_at) >= SWEEP {
                self.sweeping = true;
                self.swept_at = now;
                let (now, delivered) = (self.time.now(), self.deliverer.trim_to());
                self.keeper.send(keeper::Job::Sweep { now, delivered });
            }
            self.watch_plugins();
            self.ask_plugins_again();
        }
        self.look_for_findings();
    }

    fn look_at_clocks(&mut self) {
        let settled = self.board.is_settled();
        let jump = self.time.look(time::wall(), self.uptime.now(), settled);
        if let Some(jump) = jump {
            self.news = true;
            tracing::warn!(seconds = jump.by, "the machine's clock jumped");
        }
    }

    fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// Makes the status anew when it is time.
    fn show(&mut self) {
        let (least, most) = STATUS;
        let due = self.shown.is_none_or(|shown| {
            let age = shown.elapsed();
            age >= most || (self.news && age >= least) || (age >= TURN && self.door_has_news())
        });
        if due {
            self.show_now();
        }
    }

    /// Whether people have come, gone or been refused since the status was made.
    fn door_has_news(&self) -> bool {
        let shown = self.handle.status();
        self.proxy
            .as_ref()
            .is_some_and(|proxy| shown.proxy.as_ref() != Some(&proxy.status()))
    }

    fn show_now(&mut self) {
        self.shown = Some(Instant::now());
        self.news = false;
        self.board.notify = self.deliverer.status();
        let view = View {
            now: self.time.now(),
            moment: self.uptime.now(),
            queue: &self.queue,
            clock: &self.clock,
            known: &self.known,
            plugins: &self.plugins,
            retries: &self.retries,
            resolve_at: self.resolve_at,
            resolved: self.resolutions > 0,
            jump: self.time.jump(),
            ahead: self.time.ahead(),
            draining: self.ending.is_some(),
            proxy: self.proxy.as_ref().map(|proxy| proxy.status()),
        };
        let status = self.board.status(&view);
        let before = self.handle.status();
        if before.state != status.state {
            let reason = status.reasons.first().map(|reason| reason.message.as_str());
            let (from, to) = (before.state.as_str(), status.state.as_str());
            match status.state {
                ServiceState::Stuck => tracing::error!(from, to, reason, "state"),
                ServiceState::Degraded => tracing::warn!(from, to, reason, "state"),
                ServiceState::Starting | ServiceState::Ready | ServiceState::Draining => {
                    tracing::info!(from, to, reason, "state");
                }
            }
        }
        let targets: u64 = status.counts.targets.values().sum();
        self.systemd.status(format!(
            "{}: {} scopes, {targets} targets",
            status.state.as_str(),
            status.scopes.len()
        ));
        self.handle.set_status(status);
    }
}

fn turns() -> Interval {
    let mut turns = tokio::time::interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}
