//! Bytes from one leg to the other, past the engine.

use std::{
    future::Future,
    io,
    task::{Context as Cx, Poll},
};

use tokio::time::sleep;

use super::{Phase, RETRY, Relaying, bulk::Way};
use crate::{
    door::EndReason,
    engine::{Micros, Stop},
};

/// Pieces that go one way before the other way is looked at.
const TURNS: usize = 8;

/// How far bytes went one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// All that was there.
    Empty,
    /// Not all: the other side does not take it, or the engine holds it.
    Stuck,
    /// There may be more, after the other way had its turn.
    Full,
}

/// Why bytes go no further.
pub(super) enum Over {
    Client(io::Error),
    Server(io::Error),
    Stop(Stop),
}

impl Relaying {
    pub(super) fn forth(&mut self, cx: &mut Cx<'_>, now: Micros) -> Result<Went, Over> {
        for _ in 0..TURNS {
            match self.server.poll_flush_out(cx) {
                Poll::Pending => return Ok(Went::Stuck),
                Poll::Ready(Err(error)) => return Err(Over::Server(error)),
                Poll::Ready(Ok(())) => {}
            }
            match self.client.poll_fill(cx) {
                Poll::Pending => {
                    self.bulk_dry(Way::Forth, cx);
                    return Ok(Went::Empty);
                }
                Poll::Ready(Err(error)) => return Err(Over::Client(error)),
                Poll::Ready(Ok(false)) => {
                    self.client_ended(now);
                    return Ok(Went::Empty);
                }
                Poll::Ready(Ok(true)) => {}
            }
            let bytes = self.client.plain();
            let pass = self
                .engine
                .from_client(bytes, now, &mut self.record)
                .map_err(Over::Stop)?;
            let bytes = bytes.get(..pass).unwrap_or(bytes);
            if bytes.is_empty() {
                return self.hold(cx);
            }
            let sent = self.server.send(bytes).map_err(Over::Server)?;
            if sent != bytes.len() {
                return Err(Over::Server(io::ErrorKind::WriteZero.into()));
            }
            self.client.consume(sent);
            self.bulk_went(Way::Forth, sent, now);
            self.from_client += sent as u64;
            self.active = now;
            if let Poll::Ready(Err(error)) = self.server.poll_flush_out(cx) {
                return Err(Over::Server(error));
            }
        }
        Ok(Went::Full)
    }

    pub(super) fn back(&mut self, cx: &mut Cx<'_>, now: Micros) -> Result<Went, Over> {
        for _ in 0..TURNS {
            match self.client.poll_flush_out(cx) {
                Poll::Pending => return Ok(Went::Stuck),
                Poll::Ready(Err(error)) => return Err(Over::Client(error)),
                Poll::Ready(Ok(())) => {}
            }
            if self.at_boundary_of_leaving() {
                return Ok(Went::Empty);
            }
            match self.server.poll_fill(cx) {
                Poll::Pending => {
                    self.bulk_dry(Way::Back, cx);
                    return Ok(Went::Empty);
                }
                Poll::Ready(Err(error)) => return Err(Over::Server(error)),
                Poll::Ready(Ok(false)) => {
                    self.close(
                        now,
                        if matches!(self.phase, Phase::Alone { .. }) {
                            EndReason::Client
                        } else {
                            EndReason::Database
                        },
                    );
                    return Ok(Went::Empty);
                }
                Poll::Ready(Ok(true)) => {}
            }
            let bytes = self.server.plain();
            let pass = self
                .engine
                .from_server(bytes, now, &mut self.record)
                .map_err(Over::Stop)?;
            let pass = if matches!(self.phase, Phase::Leaving { .. }) {
                self.engine.up_to_message(pass)
            } else {
                pass
            };
            let bytes = bytes.get(..pass).unwrap_or(bytes);
            if bytes.is_empty() {
                return self.hold(cx);
            }
            let sent = self.client.send(bytes).map_err(Over::Client)?;
            if sent != bytes.len() {
                return Err(Over::Client(io::ErrorKind::WriteZero.into()));
            }
            self.server.consume(sent);
            self.bulk_went(Way::Back, sent, now);
            self.to_client += sent as u64;
            self.active = now;
            if let Poll::Ready(Err(error)) = self.client.poll_flush_out(cx) {
                return Err(Over::Client(error));
            }
        }
        Ok(Went::Full)
    }

    fn at_boundary_of_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving { .. }) && self.engine.between_messages()
    }

    /// The engine lets nothing pass now: try again in some milliseconds.
    fn hold(&mut self, cx: &mut Cx<'_>) -> Result<Went, Over> {
        let retry = self.retry.get_or_insert_with(|| Box::pin(sleep(RETRY)));
        if retry.as_mut().poll(cx).is_ready() {
            let mut again = Box::pin(sleep(RETRY));
            // Registers this task with the new timer.
            let _ = again.as_mut().poll(cx);
            self.retry = Some(again);
            return Ok(Went::Full);
        }
        Ok(Went::Stuck)
    }
}
