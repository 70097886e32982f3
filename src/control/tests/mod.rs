//! The socket from both sides, in one process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod commands;
mod hostile;
mod place;
mod store;

use std::{path::Path, sync::Arc, time::Duration};

use muster_model::Timestamp;
use muster_store::{MemoryStore, Store};
use tempfile::TempDir;
use tokio::{
    runtime::Runtime,
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
};
use tokio_util::sync::CancellationToken;

use super::{Client, Limits, RemoteStore, bind, server::Patience};
use crate::{
    config,
    service::{
        handle::{Active, Command, Handle, Refused},
        status::{ConfigStatus, Counts, ServiceState, Status, StoreStatus},
    },
};

/// A service without a loop: what it is asked for is answered by `commands`.
struct World {
    dir: TempDir,
    runtime: Runtime,
    handle: Handle,
    store: Arc<MemoryStore>,
    stop: CancellationToken,
    served: Option<JoinHandle<()>>,
    answers: Option<AbortHandle>,
    commands: Option<mpsc::Receiver<Command>>,
}

impl World {
    fn new() -> Self {
        Self::with(None)
    }

    /// With a service that waits no longer for others than a test does.
    fn impatient() -> Self {
        Self::with(Patience {
            head: Duration::from_millis(200),
            stall: Duration::from_millis(200),
            look: Duration::from_millis(20),
        })
    }

    fn with(patience: impl Into<Option<Patience>>) -> Self {
        let store = Arc::new(MemoryStore::new());
        let dir = TempDir::new().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (handle, commands) = Handle::new(
            status(dir.path()),
            active(),
            Ok(Arc::clone(&store) as Arc<dyn Store>),
        );
        let stop = CancellationToken::new();
        let mut control = {
            let _entered = runtime.enter();
            bind(dir.path()).unwrap()
        };
        control.patience = patience.into().unwrap_or(control.patience);
        let served = runtime.spawn(control.serve(handle.clone(), stop.clone()));
        Self {
            dir,
            runtime,
            handle,
            store,
            stop,
            served: Some(served),
            answers: None,
            commands: Some(commands),
        }
    }

    /// Answers commands as `answer` does, one after the other.
    fn answering(mut self, mut answer: impl FnMut(Command) + Send + 'static) -> Self {
        let mut commands = self.commands.take().unwrap();
        let task = self.runtime.spawn(async move {
            while let Some(command) = commands.recv().await {
                answer(command);
            }
        });
        self.answers = Some(task.abort_handle());
        self
    }

    fn client(&self) -> Client {
        Client::connect(self.dir.path()).unwrap().0
    }

    fn remote(&self) -> RemoteStore {
        RemoteStore::new(self.client())
    }

    fn end(&mut self) {
        self.stop.cancel();
        if let Some(served) = self.served.take() {
            self.runtime.block_on(served).unwrap();
        }
    }
}

/// Limits that a test can wait for.
fn short() -> Limits {
    Limits {
        answer: Duration::from_millis(300),
        pulse: Duration::from_millis(100),
        ..Limits::default()
    }
}

fn refused(kind: crate::service::handle::RefusedKind) -> Refused {
    Refused {
        kind,
        what: "cannot do that".to_owned(),
        why: vec!["it is late".to_owned(), "it \"rains\"".to_owned()],
        hint: Some("wait".to_owned()),
    }
}

fn active() -> Active {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo/muster.yaml");
    let loaded = config::check::load(&path).unwrap();
    Active {
        config: loaded.config,
        bytes: loaded.bytes,
        loaded: Timestamp::from_unix(1_000),
    }
}

fn status(dir: &Path) -> Status {
    let at = Timestamp::from_unix(1_000);
    Status {
        version: super::VERSION.to_owned(),
        pid: std::process::id(),
        started: at,
        at,
        state: ServiceState::Ready,
        reasons: Vec::new(),
        findings: Vec::new(),
        config: ConfigStatus {
            path: None,
            digest: String::new(),
            loaded: at,
            needs_restart: Vec::new(),
            last_reload: None,
        },
        store: StoreStatus {
            path: dir.to_owned(),
            revision: 0,
            bytes: 0,
            failure: None,
        },
        scopes: Vec::new(),
        scopes_known: true,
        counts: Counts::default(),
        plans_waiting: 0,
        notify: Vec::new(),
        plugins: Vec::new(),
        listen: None,
        proxy: None,
    }
}
