//! A PostgreSQL session up to its relay, as far as sockets are concerned. What the bytes mean is in
//! [`crate::engines::postgres`].

mod cancel;
mod enter;
mod link;

use std::sync::Arc;

use muster_access::{Ask, Permit, Replication};
use muster_audit::{Event, Subject};
use muster_model::Protocol;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tracing::debug;

pub(crate) use self::cancel::Cancelled;
use self::enter::Entered;
use super::{
    Accepted, Context, Kind, Refusal, Wanted, admit, identify, must_write, new_id, permit,
    record_refusal, record_stranger, relay::Relaying, route, serve_http, subject, subject_of,
};
use crate::{
    door::{Begin, Live, with_pen},
    engine::Relay,
    engines::postgres::{
        cancel::ClientKey,
        error::{Fatal, SqlState},
        relay,
        start::{Replication as Wire, Startup},
    },
    tls::Leg,
    trust::Identified,
};

/// How long a client may take to read why it was refused.
const LINGER: std::time::Duration = std::time::Duration::from_secs(2);

/// Serves a connection from its first byte on.
pub(crate) async fn serve(socket: TcpStream, context: Context) {
    let (deadline, peer) = (context.deadline, context.peer);
    match timeout_at(deadline, enter::enter(socket, context)).await {
        Ok(Entered::Client(accepted, startup)) => {
            // Boxed: what follows is larger than what a waiting handshake needs.
            Box::pin(begin(*accepted, startup)).await;
        }
        Ok(Entered::Http(accepted)) => Box::pin(serve_http(*accepted)).await,
        Ok(Entered::Cancel(context, keep, request)) => {
            cancel::cancel(&context, request).await;
            // The client takes the end of the connection for a sign that the request was carried out.
            keep.end().await;
        }
        Ok(Entered::Gone) => {}
        Err(_) => debug!(%peer, "a client was too slow"),
    }
}

/// From identified to linked; the relay is a task of its own then.
async fn begin(accepted: Accepted, startup: Startup) {
    let Accepted {
        mut leg,
        shown,
        arrival: mut context,
    } = accepted;
    match prepare(&mut leg, &shown, &mut context, &startup).await {
        Ok(ready) => {
            let relaying = Box::new(Relaying::new(leg, ready, context));
            tokio::spawn(relaying.run());
        }
        Err(refusal) => refuse(leg, &refusal).await,
    }
}

/// All that a relay needs beside the client's leg.
pub(crate) struct Prepared {
    pub(crate) server: Leg,
    pub(crate) engine: Box<dyn Relay>,
    pub(crate) subject: Subject,
    pub(crate) live: Arc<Live>,
    pub(crate) key: ClientKey,
    pub(crate) way: Cancelled,
}

struct Linked {
    server: Leg,
    engine: Box<dyn Relay>,
    live: Arc<Live>,
    key: ClientKey,
    way: Cancelled,
}

async fn prepare(
    leg: &mut Leg,
    shown: &crate::tls::Shown,
    context: &mut Context,
    startup: &Startup,
) -> Result<Prepared, Refusal> {
    let shared = Arc::clone(&context.shared);
    let wanted = Wanted {
        db_user: &startup.user,
        db_name: &startup.database,
        user_agent: startup.application_name.as_deref(),
    };
    let who = identify(&shared, shown).map_err(|why| {
        let refusal = Refusal::unidentified(&why);
        shared
            .tally
            .not_identified
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        record_stranger(context, "", &refusal, &wanted);
        refusal
    })?;
    let stranger = |refusal: &Refusal| {
        shared
            .tally
            .refused
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        record_stranger(context, &who.identity().user, refusal, &wanted);
    };
    let roles = admit(&shared, &who).inspect_err(stranger)?;
    let target = route(&shared, &who, shown, Protocol::Postgres).inspect_err(stranger)?;
    let sid = new_id(&shared).ok_or_else(no_random)?;
    let ask = Ask {
        db_user: &startup.user,
        db_name: &startup.database,
        replication: match startup.replication {
            Wire::No => Replication::No,
            Wire::Physical => Replication::Physical,
            Wire::Logical => Replication::Logical,
        },
    };
    let permit = permit(&shared, &who, &target, &ask).inspect_err(|refusal| {
        let subject = subject_of(context, &sid, (&who, &roles), &[], &target, &wanted);
        record_refusal(context, subject, refusal, wanted.user_agent);
    })?;
    let mut subject = subject(context, &sid, (&who, &roles), &permit, &wanted);
    match linked(leg, context, startup, &who, permit, sid, &mut subject).await {
        Ok(linked) => Ok(Prepared {
            server: linked.server,
            engine: linked.engine,
            subject,
            live: linked.live,
            key: linked.key,
            way: linked.way,
        }),
        Err(refusal) => {
            record_refusal(context, subject, &refusal, wanted.user_agent);
            Err(refusal)
        }
    }
}

/// Permitted to linked, and the client told that it is in.
async fn linked(
    leg: &mut Leg,
    context: &mut Context,
    startup: &Startup,
    who: &Identified,
    permit: Permit,
    sid: String,
    subject: &mut Subject,
) -> Result<Linked, Refusal> {
    let shared = Arc::clone(&context.shared);
    let options = permit.options().clone();
    let most = shared.parts.settings.connections;
    if !context.ticket.reserve(most) {
        shared
            .tally
            .turned_away
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        return Err(Refusal::new(
            Kind::TooMany,
            format!("this muster has all connections open that it takes, which are {most}"),
        )
        .hint(
            "Try again in a moment; whoever administers muster can raise `proxy.max_connections`.",
        ));
    }
    let place = shared
        .registry
        .reserve(permit.user(), options.max_connections)
        .map_err(|open| {
            Refusal::new(
                Kind::TooMany,
                format!("you have {open} sessions open, which is all that your roles allow"),
            )
            .hint("Close one, or wait until one ends.")
        })?;
    let link = link::link(&shared, &permit, startup).await?;
    subject.reached(link.address);
    let strict = options.audit == muster_access::Audit::Strict;
    let started = shared.now();
    must_write(|| {
        let event = Event::SessionStart {
            backend: link.ready.key.as_ref().map(|key| key.pid),
            user_agent: startup.application_name.as_deref(),
        };
        with_pen(subject, started, &event, strict)
    })
    .await
    .map_err(|error| {
        Refusal::new(
            Kind::Unrecorded,
            "the session cannot be recorded, so it is not opened",
        )
        .hint("Ask whoever administers muster: the audit log cannot be written.")
        .error(error.to_string())
    })?;
    let live = shared.registry.add(
        Begin {
            id: sid,
            who: who.clone(),
            permit,
            client: context.peer,
            upstream: link.address,
            started,
        },
        &shared.parts.policy.load(),
        place,
    );
    let key = cancel::mint(&shared, startup.version, context.peer.ip(), &link, &live);
    let Some((key, way)) = key else {
        shared.registry.remove(&live);
        return Err(no_random());
    };
    // Changed in the meantime: judged again now that a change would find it.
    crate::door::Registry::look_again(&shared, &live);
    let mut welcome = Vec::with_capacity(link.ready.greeting.len() + 64);
    link.ready.put_welcome(startup, &key, &mut welcome);
    context.ticket.arrived();
    // Sealed here, written by the relay: a client that does not read must not hold this stage up.
    let sent = leg.send(&welcome).unwrap_or(0);
    if sent < welcome.len() {
        let _ = timeout(
            LINGER,
            leg.write_all(welcome.get(sent..).unwrap_or_default()),
        )
        .await;
    }
    let engine = relay::Relay::new(relay::Settings {
        max_statement: shared.parts.audit.settings().max_statement,
        replication: startup.replication != Wire::No,
        transaction: link.ready.transaction,
        encoding: relay::Encoding::at_start(&link.ready.greeting, &startup.parameters),
    });
    Ok(Linked {
        server: link.leg,
        engine: Box::new(engine),
        live,
        key,
        way,
    })
}

fn no_random() -> Refusal {
    Refusal::new(Kind::NotNow, "this machine gives no random numbers")
}

/// Tells the client why it is refused, and closes.
async fn refuse(mut leg: Leg, refusal: &Refusal) {
    let mut packet = Vec::new();
    fatal(refusal).put(&mut packet);
    let tell = async {
        leg.write_all(&packet).await?;
        leg.shutdown().await?;
        // Closing while bytes of the client are unread would reset the connection, and take the message with it.
        let end = Instant::now() + LINGER;
        while Instant::now() < end {
            match std::future::poll_fn(|cx| leg.poll_fill(cx)).await {
                Ok(true) => {
                    let count = leg.plain().len();
                    leg.consume(count);
                }
                _ => break,
            }
        }
        Ok::<_, std::io::Error>(())
    };
    let _ = timeout(LINGER, tell).await;
}

fn fatal(refusal: &Refusal) -> Fatal {
    let own = refusal
        .code
        .as_deref()
        .and_then(|code| SqlState::read(code.as_bytes()));
    let code = own.unwrap_or(match refusal.kind {
        Kind::NotAllowed => SqlState::BAD_AUTHORIZATION,
        Kind::NoDatabase => SqlState::NO_DATABASE,
        Kind::TooMany => SqlState::TOO_MANY_CONNECTIONS,
        Kind::Unreachable => SqlState::CANNOT_CONNECT,
        Kind::NotNow => SqlState::CANNOT_CONNECT_NOW,
        Kind::Unrecorded => SqlState::IO_ERROR,
    });
    let fatal = Fatal::new(code, &*refusal.message);
    match &refusal.hint {
        Some(hint) => fatal.hint(&**hint),
        None => fatal,
    }
}
