//! [`Client`]: what a command asks the service.

use std::{
    borrow::Cow,
    future::Future,
    io,
    path::Path,
    sync::{Arc, mpsc as blocking},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::{Method, body::Incoming};
use muster_model::{HeldPlan, Scan, Scope};
use muster_proxy::SessionView;
use muster_store::{Changes, Damaged, Key, Order, Revision, Versioned};
use serde::Serialize;
use tokio::{runtime, sync::mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::{
    call::{Caller, body, broken},
    error::ClientError,
    wire::{
        Apply, AskChanges, AskKey, AskPage, AskWait, At, Changed, Checked, EndSession, Health,
        Loaded, Nothing, Page, Plans, ReadLine, Reload, Scanned, Scopes, Service, Sessions, Value,
    },
};
use crate::{
    authority::{Answer, Command},
    pipeline::run::Writes,
    service::{
        handle::{ReadingBasis, Reloaded, ScopeScan},
        status::Status,
    },
};

/// How long a client waits, and how much it takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For an answer that is there at once.
    pub answer: Duration,
    /// How often a service that is working for us is asked whether it lives.
    pub pulse: Duration,
    /// The most bytes of an answer, and of one line of one.
    pub bytes: usize,
}

/// Asks the service that holds a store. Cheap to clone.
///
/// The asynchronous methods run on any executor, and [`Client::wait`] waits for one of them anywhere, also within
/// a runtime: the work is done on a thread of the client's own.
#[derive(Clone, Debug)]
pub struct Client {
    caller: Caller,
    runtime: Arc<Runtime>,
}

/// What `read` says while it goes on.
#[derive(Debug)]
pub enum Reading<'a> {
    /// How many scopes are being read.
    Begun(&'a ReadingBasis),
    /// One has ended.
    Ended(&'a Scan),
}

/// A runtime that may be dropped anywhere.
#[derive(Debug)]
struct Runtime(Option<runtime::Runtime>);

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            pulse: Duration::from_secs(10),
            bytes: 512 << 20,
        }
    }
}

// === impl Client ===

impl Client {
    /// Connects to the service that holds the store in a directory, and looks whether it is of this release.
    ///
    /// # Errors
    /// [`ClientError::Absent`] when there is none, and all others.
    pub fn connect(dir: &Path) -> Result<(Self, Service), ClientError> {
        Self::connect_within(dir, Limits::default())
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn connect_within(dir: &Path, limits: Limits) -> Result<(Self, Service), ClientError> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("muster-client")
            .enable_all()
            .build()
            .map_err(cannot_start)?;
        let client = Self {
            caller: Caller {
                dir: dir.to_owned(),
                limits,
            },
            runtime: Arc::new(Runtime(Some(runtime))),
        };
        let service = client.wait(client.soon("/v1/service".to_owned()))?;
        Ok((client, service))
    }

    /// The directory of the store.
    pub fn dir(&self) -> &Path {
        &self.caller.dir
    }

    /// Waits for one of the methods below, where nothing can be awaited. Blocks the thread.
    ///
    /// # Errors
    /// Those of the method.
    pub fn wait<T: Send + 'static>(
        &self,
        wanted: impl Future<Output = Result<T, ClientError>> + Send + 'static,
    ) -> Result<T, ClientError> {
        let (sender, answer) = blocking::sync_channel(1);
        let _task = AbortOnDropHandle::new(self.runtime.handle()?.spawn(async move {
            // Who asked waits below.
            let _ = sender.send(wanted.await);
        }));
        answer.recv().unwrap_or(Err(ClientError::Cut))
    }

    /// What the service knows of itself.
    pub fn status(&self) -> impl Future<Output = Result<Status, ClientError>> + Send + use<> {
        self.soon("/v1/status".to_owned())
    }

    /// The configuration that it goes by.
    pub fn config(&self) -> impl Future<Output = Result<Loaded, ClientError>> + Send + use<> {
        self.soon("/v1/config".to_owned())
    }

    /// Scans these scopes now, or all, and says how they went when they have ended. The service remembers it.
    pub fn scan(
        &self,
        scopes: Vec<Scope>,
    ) -> impl Future<Output = Result<Vec<ScopeScan>, ClientError>> + Send + use<> {
        let scanned = self.post::<_, Scanned>("/v1/scan", &Scopes { scopes });
        async move { Ok(scanned.await?.scopes) }
    }

    /// Reads the configuration again, or only says what that would change.
    pub fn reload(
        &self,
        dry_run: bool,
    ) -> impl Future<Output = Result<Reloaded, ClientError>> + Send + use<> {
        self.post("/v1/reload", &Reload { dry_run })
    }

    /// Writes what a plan came to, made from a revision, and returns the new one.
    pub fn apply(
        &self,
        writes: &Writes,
        expected: Revision,
    ) -> impl Future<Output = Result<Revision, ClientError>> + Send + use<> {
        let (writes, expected) = (Cow::Borrowed(writes), expected.0);
        let request = body(&Apply { expected, writes });
        let applied = self.ask::<At>(Method::POST, "/v1/apply".to_owned(), request);
        async move { Ok(Revision(applied.await?.revision)) }
    }

    /// Asks the authority that the service has.
    pub fn authority(
        &self,
        command: &Command,
    ) -> impl Future<Output = Result<Answer, ClientError>> + Send + use<> {
        self.post("/v1/authority", command)
    }

    /// The proxy's sessions that are open.
    pub fn sessions(
        &self,
    ) -> impl Future<Output = Result<Vec<SessionView>, ClientError>> + Send + use<> {
        let sessions = self.soon::<Sessions>("/v1/sessions".to_owned());
        async move { Ok(sessions.await?.sessions) }
    }

    /// Ends one of them; its client reads the message.
    pub fn end_session(
        &self,
        id: &str,
        message: &str,
    ) -> impl Future<Output = Result<(), ClientError>> + Send + use<> {
        let (id, message) = (id.to_owned(), message.to_owned());
        let ended = self.post::<_, Nothing>("/v1/sessions/end", &EndSession { id, message });
        async move { ended.await.map(|Nothing {}| ()) }
    }

    /// The plans that the brake held.
    pub fn plans(&self) -> impl Future<Output = Result<Vec<HeldPlan>, ClientError>> + Send + use<> {
        let plans = self.soon::<Plans>("/v1/plans".to_owned());
        async move { Ok(plans.await?.plans) }
    }

    /// One of them.
    pub fn plan(
        &self,
        number: u64,
    ) -> impl Future<Output = Result<HeldPlan, ClientError>> + Send + use<> {
        self.soon(format!("/v1/plans/{number}"))
    }

    /// Approves or rejects one of them, and returns it as it is then. Who does so is the user of this process.
    pub fn decide(
        &self,
        number: u64,
        approve: bool,
    ) -> impl Future<Output = Result<HeldPlan, ClientError>> + Send + use<> {
        let verdict = if approve { "approve" } else { "reject" };
        self.post(&format!("/v1/plans/{number}/{verdict}"), &Nothing {})
    }

    /// Asks the service to end cleanly. It is still ending when this returns.
    pub fn stop(&self) -> impl Future<Output = Result<(), ClientError>> + Send + use<> {
        let stopped = self.post::<_, Nothing>("/v1/stop", &Nothing {});
        async move { stopped.await.map(|Nothing {}| ()) }
    }

    /// Has the service read these scopes, or all, and hand over what it finds. It remembers nothing.
    ///
    /// # Errors
    /// [`ClientError::Cut`] unless all scans are there: what is missing of them would look like a shorter fleet.
    pub async fn read(
        &self,
        scopes: Vec<Scope>,
        mut show: impl FnMut(Reading<'_>),
    ) -> Result<(ReadingBasis, Vec<Scan>), ClientError> {
        let request = body(&Scopes { scopes })?;
        let caller = self.caller.clone();
        let (lines, mut arriving) = mpsc::channel(1);
        let _task = AbortOnDropHandle::new(self.runtime.handle()?.spawn(async move {
            let read = caller.while_alive(read_lines(&caller, request, &lines));
            if let Err(error) = read.await {
                // Who asked may be gone.
                let _ = lines.send(Err(error)).await;
            }
        }));
        let Some(ReadLine::Basis(basis)) = arriving.recv().await.transpose()? else {
            return Err(ClientError::Cut);
        };
        show(Reading::Begun(&basis));
        let mut found = Vec::new();
        loop {
            match arriving.recv().await.transpose()? {
                Some(ReadLine::Scan(scan)) => {
                    show(Reading::Ended(&scan));
                    found.push(*scan);
                }
                Some(ReadLine::End { scans }) if scans == found.len() && scans == basis.scopes => {
                    return Ok((basis, found));
                }
                Some(ReadLine::Failed(problem)) => return Err((*problem).into()),
                Some(ReadLine::End { .. } | ReadLine::Basis(_)) | None => {
                    return Err(ClientError::Cut);
                }
            }
        }
    }

    // The store.

    pub(super) fn revision(
        &self,
    ) -> impl Future<Output = Result<Revision, ClientError>> + Send + use<> {
        let at = self.soon::<At>("/v1/store/revision".to_owned());
        async move { Ok(Revision(at.await?.revision)) }
    }

    pub(super) fn value(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Option<Versioned<Vec<u8>>>, ClientError>> + Send + use<> {
        let key = key.to_string();
        let value = self.soon::<Value>(query("/v1/store/value", &AskKey { key }));
        async move { value.await?.read().ok_or_else(no_value) }
    }

    pub(super) fn page(
        &self,
        prefix: &str,
        after: Option<&Key>,
        order: Order,
        limit: usize,
    ) -> impl Future<Output = Result<Page, ClientError>> + Send + use<> {
        let ask = AskPage {
            prefix: prefix.to_owned(),
            after: after.map(ToString::to_string),
            order: order.into(),
            limit: Some(limit),
        };
        self.soon(query("/v1/store/page", &ask))
    }

    pub(super) fn changes(
        &self,
        since: Revision,
    ) -> impl Future<Output = Result<Changes, ClientError>> + Send + use<> {
        let ask = AskChanges { since: since.0 };
        let changed = self.soon::<Changed>(query("/v1/store/changes", &ask));
        async move { changed.await?.read().ok_or_else(no_value) }
    }

    /// The service waits no longer than half of what this client waits for an answer.
    pub(super) fn changed(
        &self,
        after: Revision,
        limit: Duration,
    ) -> impl Future<Output = Result<Revision, ClientError>> + Send + use<> {
        let limit = limit.min(self.caller.limits.answer / 2);
        let ask = AskWait {
            after: after.0,
            milliseconds: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        };
        let at = self.soon::<At>(query("/v1/store/wait", &ask));
        async move { Ok(Revision(at.await?.revision)) }
    }

    /// Has the service read every record of its store once.
    pub fn check(&self) -> impl Future<Output = Result<Health, ClientError>> + Send + use<> {
        let checked =
            self.ask::<Checked>(Method::GET, "/v1/store/check".to_owned(), Ok(Vec::new()));
        async move {
            let Checked { records, damaged } = checked.await?;
            let damaged = damaged.into_iter().map(Damaged::from).collect();
            Ok(Health { records, damaged })
        }
    }

    fn soon<T: serde::de::DeserializeOwned + Send + 'static>(
        &self,
        path: String,
    ) -> impl Future<Output = Result<T, ClientError>> + Send + use<T> {
        let (caller, runtime) = (self.caller.clone(), Arc::clone(&self.runtime));
        async move {
            let asking = runtime
                .handle()?
                .spawn(async move { caller.soon(&path).await });
            ended(AbortOnDropHandle::new(asking).await)
        }
    }

    fn post<R: Serialize, T: serde::de::DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
        request: &R,
    ) -> impl Future<Output = Result<T, ClientError>> + Send + use<R, T> {
        self.ask(Method::POST, path.to_owned(), body(request))
    }

    fn ask<T: serde::de::DeserializeOwned + Send + 'static>(
        &self,
        method: Method,
        path: String,
        request: Result<Vec<u8>, ClientError>,
    ) -> impl Future<Output = Result<T, ClientError>> + Send + use<T> {
        let (caller, runtime) = (self.caller.clone(), Arc::clone(&self.runtime));
        async move {
            let request = request?;
            let asking = runtime
                .handle()?
                .spawn(async move { caller.patiently(method, &path, request).await });
            ended(AbortOnDropHandle::new(asking).await)
        }
    }
}

async fn read_lines(
    caller: &Caller,
    request: Vec<u8>,
    lines: &mpsc::Sender<Result<ReadLine, ClientError>>,
) -> Result<(), ClientError> {
    let answer = caller.ask(Method::POST, "/v1/read", request).await?;
    let mut body: Incoming = answer.response.into_body();
    let mut line: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        let mut rest: &[u8] = &data;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(end);
            line.extend_from_slice(head);
            rest = tail.get(1..).unwrap_or_default();
            let parsed = serde_json::from_slice(&std::mem::take(&mut line))
                .map_err(|error| ClientError::malformed(error.to_string()))?;
            if lines.send(Ok(parsed)).await.is_err() {
                return Ok(());
            }
        }
        line.extend_from_slice(rest);
        if line.len() > caller.limits.bytes {
            return Err(ClientError::malformed("a line of it is too long"));
        }
    }
    Ok(())
}

fn query<T: Serialize>(path: &str, ask: &T) -> String {
    // What is asked for are texts and numbers: nothing that a query cannot hold.
    let query = serde_json::to_value(ask).unwrap_or_default();
    let mut pairs = url::form_urlencoded::Serializer::new(format!("{path}?"));
    for (name, value) in query.as_object().into_iter().flatten() {
        match value {
            serde_json::Value::Null => {}
            serde_json::Value::String(text) => {
                pairs.append_pair(name, text);
            }
            other => {
                pairs.append_pair(name, &other.to_string());
            }
        }
    }
    pairs.finish()
}

fn ended<T>(
    task: Result<Result<T, ClientError>, tokio::task::JoinError>,
) -> Result<T, ClientError> {
    task.unwrap_or(Err(ClientError::Cut))
}

fn no_value() -> ClientError {
    ClientError::malformed("a value or key of the store cannot be read in it")
}

fn cannot_start(error: io::Error) -> ClientError {
    ClientError::Broken(Arc::new(error))
}

// === impl Runtime ===

impl Runtime {
    fn handle(&self) -> Result<&runtime::Handle, ClientError> {
        let runtime = self.0.as_ref().map(runtime::Runtime::handle);
        runtime.ok_or(ClientError::Cut)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Waiting for it is not allowed within another runtime, and there is nothing to wait for.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
