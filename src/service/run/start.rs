//! From nothing to a loop.
//!
//! The store comes first: whoever holds it is the service. Then those who serve, so that it can be seen at once how
//! things are; then the engine, for what the store remembers; then the clouds. A cloud that is down keeps nothing of
//! that from working.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use muster_cloud::Observed;
use muster_model::Timestamp;
use muster_schedule::{Clock, Queue, Uptime};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    Inbox, Next, Options, Service,
    board::Board,
    findings::Findings,
    keeper::{Answer, Did, Job, Keeper, Opened, lines},
    plugins::Watch,
    reload::Request,
    resolve::FIRST_PAUSE,
    retries::Retries,
    scopes::{Known, hex, jobs},
    signals::{self, Asked},
    systemd::Systemd,
    time::{self, ServiceTime},
    turns,
};
use crate::{
    admin,
    authority::{self, Authority},
    config::CLUSTER,
    control,
    metrics::{Delivery, Metrics},
    notify::{self, Deliverer},
    pipeline::sources::{Clouds, unasked},
    proxy::{self, Proxy},
    service::{
        handle::{Active, Handle, Refused, RefusedKind},
        status::{ConfigStatus, ServiceState, Status, StoreStatus},
    },
};

/// How long a command that is at the authority is waited for, and how often it is looked whether it is done.
const COMMAND: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_millis(50);

/// Runs the service until somebody asks it to end. A second signal ends the process from within.
///
/// # Errors
/// What keeps it from starting: the store is in use or cannot be opened, the API's port or the control socket
/// cannot be had.
pub async fn run(options: Options) -> Result<(), Refused> {
    let mut signals = signals::listen().map_err(|e| cannot("listen for signals", &e))?;
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    let dir = options.config.store.clone();
    let (mut keeper, mut answers) = Keeper::start(dir.clone(), Arc::clone(&metrics))
        .map_err(|error| cannot("start a thread", &error))?;
    keeper.send(Job::Open { make: true });
    let mut reload = false;
    let opened = tokio::select! {
        opened = opened(&mut answers) => opened?,
        Some(()) = ended(&mut signals, &mut reload) => return Ok(()),
    };
    keeper.answered();

    let (listener, listen) = match options.config.service.listen {
        None => (None, None),
        Some(address) => {
            let listener = TcpListener::bind(address).await.map_err(|error| Refused {
                hint: Some("choose another port in `service.listen`, or `off`".to_owned()),
                ..cannot(&format!("listen on {address}"), &error)
            })?;
            let bound = listener.local_addr();
            let bound = bound.map_err(|error| cannot(&format!("listen on {address}"), &error))?;
            (Some(listener), Some(bound.to_string()))
        }
    };
    let control = control::bind(&dir).map_err(|error| Refused {
        hint: Some("look whether the directory can be written, and its path is short".to_owned()),
        ..cannot("make the control socket", &error)
    })?;
    let (clock, due) = Clock::start()
        .await
        .map_err(|error| cannot("start the clock", &error))?;

    let (mut service, commands) = assemble(options, keeper, opened, clock, listen, metrics).await;
    service.open_door(&dir).await?;
    if reload {
        // The file may be another one than the one that was read.
        service.ask_for_reload(Request::by_signal());
    }
    let inbox = Inbox {
        commands,
        answers,
        signals,
        due,
        turns: turns(),
    };
    service.go(inbox, listener, control).await;
    Ok(())
}

async fn opened(answers: &mut mpsc::UnboundedReceiver<Answer<Next>>) -> Result<Opened, Refused> {
    match answers.recv().await.map(|answer| answer.did) {
        Some(Did::Opened(opened)) => opened.map_err(|refused| Refused {
            hint: refused.hint.filter(|hint| hint != super::keeper::RESTORE),
            ..refused
        }),
        _ => Err(cannot(
            "open the store",
            &std::io::Error::other("its thread has ended"),
        )),
    }
}

/// Whether somebody wants it to end before it has begun; notes whether the configuration is to be read again.
async fn ended(signals: &mut mpsc::UnboundedReceiver<Asked>, reload: &mut bool) -> Option<()> {
    while let Some(asked) = signals.recv().await {
        match asked {
            Asked::End => return Some(()),
            Asked::Reload => *reload = true,
        }
    }
    None
}

async fn assemble(
    options: Options,
    keeper: Keeper<Next>,
    opened: Opened,
    clock: Clock,
    listen: Option<String>,
    metrics: Arc<Metrics>,
) -> (Service, mpsc::Receiver<crate::service::handle::Command>) {
    let uptime = Uptime::start();
    let time = ServiceTime::start(time::wall(), uptime.now());
    let config = options.config.clone();
    let now = time.now();
    let config_status = ConfigStatus {
        path: config.path.clone(),
        digest: hex(&Sha256::digest(&options.bytes)),
        loaded: now,
        needs_restart: Vec::new(),
        last_reload: None,
    };
    let store = StoreStatus {
        path: config.store.clone(),
        revision: opened.revision.0,
        bytes: 0,
        failure: None,
    };
    let mut board = Board::new(now, config_status.clone(), store.clone(), listen.clone());
    board.remember(opened.scopes);
    let known = Known::settle(unasked(&config), None, board.remembered());
    board.set_scopes(&known);

    let status = Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: now,
        at: now,
        state: ServiceState::Starting,
        reasons: Vec::new(),
        findings: Vec::new(),
        config: config_status,
        store,
        scopes: Vec::new(),
        scopes_known: false,
        counts: Default::default(),
        plans_waiting: 0,
        notify: Vec::new(),
        plugins: Vec::new(),
        proxy: None,
        listen,
    };
    let active = Active {
        config: config.clone(),
        bytes: options.bytes.clone(),
        loaded: now,
    };
    let (handle, commands) = Handle::new(status, active, Ok(opened.store));

    let stop_notify = CancellationToken::new();
    let of_store = handle.clone();
    // Signatures are checked against the clocks of others: they get the machine's.
    let wall = || muster_model::Timestamp::from_unix(time::wall().div_euclid(1000));
    let notify = notify::Options {
        dir: config.store.clone(),
        store: Arc::new(move || of_store.store().ok()),
        now: Arc::new(wall),
        hears: Arc::new({
            let metrics = Arc::clone(&metrics);
            move |attempt: notify::Attempt<'_>| {
                let outcome = if attempt.delivered {
                    Delivery::Delivered
                } else {
                    Delivery::Failed
                };
                metrics.notified(attempt.sink, outcome, attempt.took);
            }
        }),
        stop: stop_notify.clone(),
    };
    let deliverer = Arc::new(Deliverer::start(notify, &config.notify).await);

    let slots = NonZeroUsize::new(config.requests.scopes_at_once).unwrap_or(NonZeroUsize::MIN);
    let seed = u64::from(std::process::id()) ^ time::wall().unsigned_abs();
    let observed = Observed::by(metrics.observer());
    let clouds = Clouds::new(&config, options.elsewhere.clone()).observed(observed);
    let moment = uptime.now();
    let service = Service {
        config,
        plugins: Arc::clone(&options.plugins),
        watch: Watch::new(&options.plugins, moment),
        retries: Retries::default(),
        handle,
        metrics,
        uptime,
        time,
        board,
        shown: None,
        news: true,
        clock: Arc::new(clock),
        queue: Queue::new(slots, seed),
        scans: JoinSet::new(),
        waiters: Vec::new(),
        waits: 0,
        readings: JoinSet::new(),
        clouds: Arc::new(clouds),
        known,
        resolving: JoinSet::new(),
        resolve_at: Some(moment),
        resolve_pause: FIRST_PAUSE,
        resolved_at: None,
        resolutions: 0,
        configurations: 0,
        found_meanwhile: None,
        refused: false,
        later: Vec::new(),
        keeper,
        loaded: false,
        stuck: None,
        looking: false,
        sweeping: false,
        looked_at: moment,
        swept_at: moment,
        reloads: VecDeque::new(),
        reloading: JoinSet::new(),
        reload: false,
        deliverer,
        setting: JoinSet::new(),
        stop_notify,
        stop_serving: CancellationToken::new(),
        serving: JoinSet::new(),
        ending: None,
        systemd: Systemd::new(),
        proxy: None,
        log: None,
        findings: Findings::default(),
        options,
    };
    (service, commands)
}

impl Service {
    /// Starts those who serve, and turns.
    async fn go(mut self, inbox: Inbox, listener: Option<TcpListener>, control: control::Control) {
        if let Some(listener) = listener {
            let (handle, metrics) = (self.handle.clone(), Arc::clone(&self.metrics));
            let stop = self.stop_serving.clone();
            self.serving
                .spawn(admin::serve(listener, handle, metrics, stop));
        }
        let (handle, stop) = (self.handle.clone(), self.stop_serving.clone());
        self.serving.spawn(control.serve(handle, stop));
        for warning in &self.options.warnings {
            tracing::warn!(warning, "the configuration has something odd");
        }
        self.show_now();
        let status = self.handle.status();
        tracing::info!(
            version = status.version,
            pid = status.pid,
            config = %status.config.path.as_deref().unwrap_or("-".as_ref()).display(),
            store = %status.store.path.display(),
            revision = status.store.revision,
            api = status.listen.as_deref().unwrap_or("off"),
            socket = %status.store.path.join(control::NAME).display(),
            scopes = self.known.len(),
            "muster runs"
        );
        self.set_clock();
        self.load();
        self.turn_on(inbox).await;
    }

    /// Opens the authority, the audit log and the door. What is wrong with any of them keeps the service from starting:
    /// one that nobody can enter, though the configuration says so, would be found out too late.
    async fn open_door(&mut self, dir: &Path) -> Result<(), Refused> {
        let settings = self.config.proxy.clone();
        let cluster = settings
            .as_ref()
            .map_or(CLUSTER, |settings| settings.cluster_name.as_str());
        let clock: authority::Clock =
            Arc::new(|| Timestamp::from_unix(time::wall().div_euclid(1000)));
        let public = settings.as_ref().map(|settings| settings.public.clone());
        let wanted = authority::Settings {
            cluster_name: cluster.to_owned(),
            node_name: settings
                .as_ref()
                .and_then(|settings| settings.node_name.clone()),
            public: public.unwrap_or_default(),
        };
        let authority = Arc::new(open_authority(dir, &wanted, &clock).await?);
        let log = proxy::open_log(&self.config.audit, dir, authority.cluster_name())?;
        authority.record(log.clone(), muster_audit::Micros::now);
        if let Some(damage) = log.damage() {
            tracing::error!(
                damage,
                "the audit log is not as it was left: `muster audit verify` says where"
            );
        }
        self.log = Some(log.clone());
        self.handle.set_authority(Arc::clone(&authority));
        let Some(settings) = settings else {
            return Ok(());
        };
        let opened = Proxy::open(proxy::Options {
            config: &self.config,
            settings: &settings,
            clouds: self.clouds.anew(&self.config),
            handle: self.handle.clone(),
            authority,
            log,
        });
        let proxy = Arc::new(opened.await?);
        self.handle.set_proxy(Some(Arc::clone(&proxy)));
        self.proxy = Some(proxy);
        Ok(())
    }

    /// Tells the clock when each source is due.
    pub(super) fn set_clock(&mut self) {
        let clock = Arc::clone(&self.clock);
        let jobs = jobs(&self.config);
        self.setting.spawn(async move {
            if let Err(error) = clock.set(jobs).await {
                tracing::warn!(error = %super::keeper::chain(&error), "the scheduler did not take a schedule");
            }
        });
    }
}

fn cannot(what: &str, error: &(dyn std::error::Error + 'static)) -> Refused {
    Refused {
        kind: RefusedKind::Failed,
        what: format!("cannot {what}"),
        why: lines(error),
        hint: None,
    }
}

/// Opens the authority. A command that is just at it is waited for: the longest writes to an audit log whose disk is full.
async fn open_authority(
    dir: &Path,
    wanted: &authority::Settings,
    clock: &authority::Clock,
) -> Result<Authority, authority::OpenError> {
    let until = Instant::now() + COMMAND;
    let mut told = false;
    loop {
        match Authority::open(dir, wanted.clone(), Arc::clone(clock)) {
            Err(error) if error.is_in_use() && Instant::now() < until => {
                if !std::mem::replace(&mut told, true) {
                    tracing::info!("another process is at the authority: waiting until it is done");
                }
                tokio::time::sleep(AGAIN).await;
            }
            opened => return opened,
        }
    }
}
