//! A session, in stages that consume each other: accepted, identified, routed, permitted, linked, then the relay.

mod host;
pub(crate) mod postgres;
mod relay;

use std::sync::{Arc, atomic::Ordering::Relaxed};

use muster_access::{Ask, Denial, Identity, Permit, Policy};
use muster_audit::{Actor, AdminEvent, Event, NotWritten, Subject, SubjectParts, Value, kinds};
use muster_credentials::Advice;
use muster_model::{Availability, Protocol, Target, Timestamp};
use tokio::time::Instant;
use tracing::{debug, info};

use self::host::named;
use crate::{
    catalog::Catalog,
    door::{Arrival, Caller, Shared, with_pen},
    tls::{Leg, Shown},
    trust::{Identified, NotIdentified},
};

/// Why there is no session, whatever the protocol. The protocol makes its own error of it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    /// What the client is told.
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// What the record says.
    pub(crate) error: String,
    /// The database's own code, where it was the database that refused.
    pub(crate) code: Option<String>,
}

/// What sort of refusal, which becomes the protocol's own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Who it is, or what that one may.
    NotAllowed,
    /// There is no such database, or none was named.
    NoDatabase,
    /// Too many sessions.
    TooMany,
    /// The database cannot be reached, or not logged in at.
    Unreachable,
    /// Stopped, or muster is stopping.
    NotNow,
    /// The record cannot be written.
    Unrecorded,
}

impl Refusal {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            kind,
            error: message.clone(),
            message,
            hint: None,
            code: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        self.hint = (!hint.is_empty()).then_some(hint);
        self
    }

    pub(crate) fn error(mut self, error: impl Into<String>) -> Self {
        self.error = error.into();
        self
    }

    fn unidentified(why: &NotIdentified) -> Self {
        Self::new(Kind::NotAllowed, why.to_string()).hint(why.hint())
    }

    fn denied(denial: &Denial) -> Self {
        Self::new(Kind::NotAllowed, denial.person()).error(denial.to_string())
    }

    pub(crate) fn advised(advice: Advice) -> Self {
        if !advice.log.is_empty() {
            info!(
                message = advice.message,
                detail = advice.log,
                "a database could not be reached"
            );
        }
        Self::new(Kind::Unreachable, advice.message).hint(advice.hint)
    }
}

/// A connection whose TLS is up, and what its client showed.
pub(crate) struct Accepted {
    pub(crate) leg: Leg,
    pub(crate) shown: Shown,
    pub(crate) arrival: Context,
}

/// What a connection keeps through all stages.
pub(crate) struct Context {
    pub(crate) shared: Arc<Shared>,
    pub(crate) peer: std::net::SocketAddr,
    pub(crate) ticket: crate::door::Ticket,
    pub(crate) load: crate::door::Load,
    pub(crate) deadline: Instant,
    /// It came to a port for one protocol alone.
    pub(crate) only: bool,
}

/// Serves one connection: from its first byte to the start of its relay, which is a task of its own.
pub(crate) async fn serve(shared: Arc<Shared>, arrival: Arrival) {
    let deadline = Instant::now() + shared.parts.settings.handshake_timeout;
    let Ok(socket) = tokio::net::TcpStream::from_std(arrival.socket) else {
        return;
    };
    let context = Context {
        shared,
        peer: arrival.peer,
        ticket: arrival.ticket,
        load: arrival.load,
        deadline,
        only: arrival.only,
    };
    postgres::serve(socket, context).await;
}

/// Hands a connection to whoever answers HTTP.
async fn serve_http(accepted: Accepted) {
    let Accepted {
        leg,
        shown,
        arrival: mut context,
    } = accepted;
    let shared = Arc::clone(&context.shared);
    let Some(http) = shared.parts.http.as_ref() else {
        return;
    };
    let identity = identify(&shared, &shown);
    // Strangers go on counting as on their way, of which one address has only so many; and so does who finds the door full.
    if identity.is_ok() && context.ticket.reserve(shared.parts.settings.connections) {
        context.ticket.arrived();
    }
    let caller = Caller {
        address: context.peer,
        identity,
    };
    tokio::select! {
        biased;
        () = shared.stop.cancelled() => {}
        () = http.serve(leg, caller) => {}
    }
}

/// Accepted to identified.
fn identify(shared: &Shared, shown: &Shown) -> Result<Identified, NotIdentified> {
    let trust = shared.parts.trust.load();
    trust.identify(&shown.certificates, shared.timestamp())
}

/// Identified to admitted: the roles that count. Whoever may open nothing at all is told that before anything is looked up, and
/// so the same whether there is such a database or not.
fn admit(shared: &Shared, who: &Identified) -> Result<Vec<String>, Refusal> {
    let policy = shared.parts.policy.load();
    policy
        .admits(who.identity(), shared.timestamp())
        .map_err(|denial| Refusal::denied(&denial))
}

/// Admitted to routed: the certificate's route, else the server name.
fn route(
    shared: &Shared,
    who: &Identified,
    shown: &Shown,
    protocol: Protocol,
) -> Result<Arc<Target>, Refusal> {
    let identity = who.identity();
    let hosts = &shared.parts.settings.hosts;
    let name = match (&identity.route, shown.server_name.as_deref()) {
        (Some(route), _) => route.target.clone(),
        (None, Some(server)) => named(server, hosts)
            .map(str::to_owned)
            .ok_or_else(nowhere)?,
        (None, None) => return Err(nowhere()),
    };
    let catalog = shared.parts.catalog.load();
    let policy = shared.parts.policy.load();
    let now = shared.timestamp();
    let target = pick(&catalog, &policy, identity, &name, now)?;
    if target.protocol != protocol {
        return Err(Refusal::new(
            Kind::NoDatabase,
            format!(
                "the database `{}` speaks {}, not {protocol}",
                target.name, target.protocol
            ),
        )
        .hint(format!("Use a client for {}.", target.protocol)));
    }
    Ok(target)
}

/// The target that somebody means: what they must not know of is not there for them, and leaves its name to others.
fn pick(
    catalog: &Catalog,
    policy: &Policy,
    who: &Identity,
    name: &str,
    now: Timestamp,
) -> Result<Arc<Target>, Refusal> {
    let found = catalog.find(name);
    if let Ok(target) = found
        && !policy.hides(who, target, now)
    {
        return Ok(Arc::clone(target));
    }
    let mut seen = catalog
        .called(name)
        .filter(|target| policy.sees(who, target, now));
    match (seen.next(), seen.next()) {
        (Some(target), None) => Ok(Arc::clone(target)),
        (Some(_), Some(_)) => Err(Refusal::new(
            Kind::NoDatabase,
            format!("the short name `{name}` is not unique"),
        )
        .hint("Use the full name, as `muster db ls` shows it.")),
        (None, _) => {
            let why = match found {
                Ok(target) => format!("`{}` is not for `{}`", target.name, who.user),
                Err(error) => error.to_string(),
            };
            Err(nothing(name).error(why))
        }
    }
}

/// The same to whoever names one that is not there, and to whoever names one that is not theirs to know of.
fn nothing(name: &str) -> Refusal {
    let denial = Denial::UnknownTarget {
        name: name.to_owned(),
    };
    Refusal {
        kind: Kind::NoDatabase,
        ..Refusal::denied(&denial)
    }
}

fn nowhere() -> Refusal {
    Refusal::new(
        Kind::NoDatabase,
        "the connection does not say which database it is for",
    )
    .hint("Get a certificate for one database with `muster db login NAME`, or connect to the host NAME.HOST.")
}

/// Routed to permitted, and what the state of the target has to say.
fn permit(
    shared: &Shared,
    who: &Identified,
    target: &Arc<Target>,
    ask: &Ask<'_>,
) -> Result<Permit, Refusal> {
    if shared.draining.load(Relaxed) {
        return Err(
            Refusal::new(Kind::NotNow, "muster is stopping").hint("Connect again in a moment.")
        );
    }
    let policy = shared.parts.policy.load();
    let permit = policy
        .permit(who.identity(), target, ask, shared.timestamp())
        .map_err(
            |denial| match policy.hides(who.identity(), target, shared.timestamp()) {
                true => nothing(&target.name).error(denial.to_string()),
                false => Refusal::denied(&denial),
            },
        )?;
    let state = &target.state;
    if target.endpoint.is_none() || state.availability == Availability::Stopped {
        let why = if target.endpoint.is_none() {
            " and has no address"
        } else {
            ""
        };
        return Err(Refusal::new(
            Kind::NotNow,
            format!("the database `{}` is {}{why}", target.name, state.name),
        )
        .hint("Start it at its provider; it is served here again as soon as it runs."));
    }
    Ok(permit)
}

/// Whose session it is, for the record.
fn subject(
    context: &Context,
    sid: &str,
    (who, roles): (&Identified, &[String]),
    permit: &Permit,
    wanted: &Wanted<'_>,
) -> Subject {
    let db_roles: Vec<&str> = permit.roles().iter().map(String::as_str).collect();
    subject_of(
        context,
        sid,
        (who, roles),
        &db_roles,
        permit.target(),
        wanted,
    )
}

/// What a client asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) db_user: &'a str,
    pub(crate) db_name: &'a str,
    pub(crate) user_agent: Option<&'a str>,
}

fn subject_of(
    context: &Context,
    sid: &str,
    (who, roles): (&Identified, &[String]),
    db_roles: &[&str],
    target: &Target,
    wanted: &Wanted<'_>,
) -> Subject {
    let uri = target
        .endpoint
        .as_ref()
        .map(|endpoint| format!("{}:{}", endpoint.host, endpoint.port))
        .unwrap_or_default();
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    Subject::new(&SubjectParts {
        cluster_name: context.shared.parts.trust.load().cluster(),
        sid,
        user: &who.identity().user,
        service: who.identity().usage == muster_access::Usage::Service,
        roles: &roles,
        db_service: &target.name,
        db_protocol: target.protocol.as_str(),
        db_type: target.kind.as_str(),
        db_origin: &target.owner.by,
        db_uri: &uri,
        db_name: wanted.db_name,
        db_user: wanted.db_user,
        db_roles,
        client: Some(context.peer),
        upstream: None,
    })
}

/// Records that somebody was not let in at the door: there is no target yet that it could be a session of.
fn record_stranger(context: &Context, user: &str, refusal: &Refusal, wanted: &Wanted<'_>) {
    let by = Actor {
        user,
        remote: Some(context.peer),
    };
    let event = AdminEvent::new(&kinds::AUTH_FAILED, context.shared.now(), by)
        .with("success", Value::Flag(false))
        .with("error", Value::Text(&refusal.error))
        .with("db_user", Value::Text(wanted.db_user))
        .with("db_name", Value::Text(wanted.db_name));
    if let Err(error) = context.shared.parts.audit.emit(&event) {
        debug!(%error, "a refusal at the door was not recorded");
    }
}

/// Records that a session was refused.
fn record_refusal(
    context: &Context,
    mut subject: Subject,
    refusal: &Refusal,
    user_agent: Option<&str>,
) {
    context.shared.tally.refused.fetch_add(1, Relaxed);
    let event = Event::SessionRefused {
        error: &refusal.error,
        message: &refusal.message,
        user_agent,
    };
    // Nothing waits for it: where it is not taken it is counted, and how many there were is recorded.
    if let Err(error) = with_pen(&mut subject, context.shared.now(), &event, false) {
        debug!(%error, "a refused session was not recorded");
    }
}

/// Writes what must be written before anything goes on. Waits while the record's queue is full, for as long as a client may
/// wait.
async fn must_write(mut write: impl FnMut() -> Result<u64, NotWritten>) -> Result<(), NotWritten> {
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);
    for _ in 0..400 {
        match write() {
            Err(NotWritten::Busy) => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error),
            Ok(_) => return Ok(()),
        }
    }
    Err(NotWritten::Busy)
}

/// A session's id: a random UUID.
fn new_id(shared: &Shared) -> Option<String> {
    let bytes = shared.random::<16>()?;
    let number = u128::from_be_bytes(bytes);
    // Version 4, variant 1 (RFC 9562 5.4).
    let number = number & !(0xf << 76) | (0x4 << 76);
    let number = number & !(0x3 << 62) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Some(format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    ))
}
