//! Long transfers one way: a dump, a load, a large result.
//!
//! Who sends one hands it to the kernel in pieces of 8 KiB, and a relay that keeps up is woken for each. So once a transfer
//! is long, the socket that it comes from is told to wait for a buffer's worth of bytes (its receive low-water mark). The
//! end of a transfer seldom fills a buffer, and nobody says that it is the end: so whatever is there when nothing has come for
//! [`PATIENCE`] is taken, and the mark is gone until the next transfer has become long. That delay is the price, once for
//! something that took fifty times as long at least.

use std::{future::Future, io, os::fd::AsFd, pin::Pin, task::Context as Cx, time::Duration};

use tokio::time::{Instant, Sleep, sleep};

use super::Relaying;
use crate::engine::Micros;

/// A transfer is long when it has lasted for so many microseconds, with nothing the other way meanwhile, ...
const LONG: i64 = 100_000;
/// ... and has brought so many bytes: one that trickles has nothing to gain.
const LARGE: u64 = 4 * 1024 * 1024;
/// After so many microseconds without a byte the next one begins another transfer.
const GAP: i64 = 10_000;
/// How long bytes wait for more of them. The timer's step is as long, and is rounded up: two milliseconds at most.
const PATIENCE: Duration = Duration::from_millis(1);
/// What one waking should bring: seven of the pieces that PostgreSQL sends. So much fits into a buffer in which a record of
/// that size has begun.
const PIECE: u32 = 56 * 1024;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the client to the database.
    Forth,
    /// From the database to the client.
    Back,
}

/// The transfer under way, if there is one.
pub(super) struct Bulk {
    way: Way,
    since: Micros,
    last: Micros,
    bytes: u64,
    /// Runs while a mark is set at the socket that the transfer comes from.
    patience: Option<Pin<Box<Sleep>>>,
    /// Bytes have come since `patience` was set.
    came: bool,
    /// The system knows no mark.
    never: bool,
}

/// What is to be done with a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Set(Way),
    Clear(Way),
}

// === impl Bulk ===

impl Bulk {
    pub(super) const fn new() -> Self {
        Self {
            way: Way::Back,
            since: Micros(0),
            last: Micros(0),
            bytes: 0,
            patience: None,
            came: false,
            never: false,
        }
    }

    /// Bytes went this way.
    fn went(&mut self, way: Way, bytes: usize, now: Micros) -> Option<Mark> {
        let mark = if self.way == way { None } else { self.end() };
        if self.bytes == 0 || now.0.saturating_sub(self.last.0) > GAP {
            self.since = now;
            self.bytes = 0;
        }
        self.way = way;
        self.last = now;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.came = true;
        mark
    }

    /// All that was there this way has gone.
    fn dry(&mut self, way: Way, cx: &mut Cx<'_>) -> Option<Mark> {
        if self.way != way {
            return None;
        }
        let came = std::mem::take(&mut self.came);
        if let Some(patience) = &mut self.patience {
            // A mark that is set is looked after whatever the transfer has become.
            if came {
                patience.as_mut().reset(Instant::now() + PATIENCE);
            }
            return match patience.as_mut().poll(cx).is_ready() {
                true => self.end(),
                false => None,
            };
        }
        let lasted = self.last.0.saturating_sub(self.since.0);
        if self.never || lasted < LONG || self.bytes < LARGE {
            return None;
        }
        let mut patience = Box::pin(sleep(PATIENCE));
        if patience.as_mut().poll(cx).is_ready() {
            return None;
        }
        self.patience = Some(patience);
        Some(Mark::Set(way))
    }

    /// The transfer is over, as far as can be told.
    fn end(&mut self) -> Option<Mark> {
        self.bytes = 0;
        self.patience.take().map(|_| Mark::Clear(self.way))
    }
}

// === impl Relaying ===

impl Relaying {
    /// Bytes went this way.
    pub(super) fn bulk_went(&mut self, way: Way, bytes: usize, now: Micros) {
        let mark = self.bulk.went(way, bytes, now);
        self.mark(mark);
    }

    /// All that was there this way has gone, and the task waits for more.
    pub(super) fn bulk_dry(&mut self, way: Way, cx: &mut Cx<'_>) {
        let mark = self.bulk.dry(way, cx);
        self.mark(mark);
    }

    /// Nothing is relayed any more.
    pub(super) fn bulk_end(&mut self) {
        let mark = self.bulk.end();
        self.mark(mark);
    }

    fn mark(&mut self, mark: Option<Mark>) {
        let Some(mark) = mark else { return };
        let (client, server) = (self.client.socket(), self.server.socket());
        if mark.apply(client, server).is_err() {
            self.bulk.patience = None;
            self.bulk.never = true;
        }
    }
}

// === impl Mark ===

impl Mark {
    /// Sets or clears it at the socket that bytes come from.
    fn apply(self, client: &impl AsFd, server: &impl AsFd) -> io::Result<()> {
        let (way, bytes) = match self {
            Self::Set(way) => (way, PIECE),
            Self::Clear(way) => (way, 1),
        };
        let from = match way {
            Way::Forth => client.as_fd(),
            Way::Back => server.as_fd(),
        };
        muster_socket::set_receive_low_water(from, bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    const PART: usize = 1024 * 1024;

    const fn at(milliseconds: i64) -> Micros {
        Micros(milliseconds * 1000)
    }

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    /// A transfer that became long at 100 ms, and waits for a piece.
    fn long(way: Way) -> Bulk {
        let mut bulk = Bulk::new();
        for part in 0..=20 {
            assert_eq!(bulk.dry(way, &mut cx()), None, "after {part} MiB");
            assert_eq!(bulk.went(way, PART, at(part * 5)), None);
        }
        assert_eq!(bulk.dry(way, &mut cx()), Some(Mark::Set(way)));
        bulk
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_mark_stands_where_the_bytes_come_from() {
        use std::net::TcpListener;

        // Whether anybody ever connects to them makes no difference to the mark.
        let [client, server] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let marks = |mark: Mark| {
            mark.apply(&client, &server).unwrap();
            [&client, &server].map(|one| muster_socket::receive_low_water(one).unwrap())
        };
        assert_eq!(marks(Mark::Set(Way::Back)), [1, PIECE]);
        assert_eq!(marks(Mark::Clear(Way::Back)), [1, 1]);
        assert_eq!(marks(Mark::Set(Way::Forth)), [PIECE, 1]);
        assert_eq!(marks(Mark::Clear(Way::Forth)), [1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_transfer_waits_for_a_millisecond_and_no_longer() {
        let mut bulk = long(Way::Back);
        tokio::time::advance(PATIENCE / 2).await;
        assert_eq!(bulk.dry(Way::Back, &mut cx()), None);
        tokio::time::advance(PATIENCE).await;
        assert_eq!(bulk.dry(Way::Back, &mut cx()), Some(Mark::Clear(Way::Back)));
        // The next one has to become long first.
        for part in 0..20 {
            assert_eq!(bulk.went(Way::Back, PART, at(101 + part * 5)), None);
            assert_eq!(bulk.dry(Way::Back, &mut cx()), None);
        }
        assert_eq!(bulk.went(Way::Back, PART, at(201)), None);
        assert_eq!(bulk.dry(Way::Back, &mut cx()), Some(Mark::Set(Way::Back)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_that_goes_on_is_waited_for() {
        let mut bulk = long(Way::Forth);
        for piece in 0..50 {
            tokio::time::advance(PATIENCE * 3 / 4).await;
            assert_eq!(bulk.went(Way::Forth, 64 * 1024, at(101 + piece)), None);
            assert_eq!(bulk.dry(Way::Forth, &mut cx()), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_word_the_other_way_ends_it() {
        let mut bulk = long(Way::Back);
        assert_eq!(bulk.dry(Way::Forth, &mut cx()), None);
        let clear = Some(Mark::Clear(Way::Back));
        assert_eq!(bulk.went(Way::Forth, 1, at(101)), clear);
        assert_eq!(bulk.dry(Way::Forth, &mut cx()), None);
        assert_eq!(bulk.went(Way::Back, 8 * PART, at(102)), None);
        assert_eq!(bulk.dry(Way::Back, &mut cx()), None);
    }

    /// A program that fetches in parts, or asks for the next result when it has the one before.
    #[tokio::test(start_paused = true)]
    async fn many_results_are_no_long_transfer() {
        let mut bulk = Bulk::new();
        for turn in 0..100 {
            assert_eq!(bulk.went(Way::Forth, 30, at(turn * 20)), None);
            for part in 0..16 {
                let now = at(turn * 20 + part);
                assert_eq!(bulk.went(Way::Back, PART, now), None);
                assert_eq!(bulk.dry(Way::Back, &mut cx()), None);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_trickles_never_becomes_long() {
        let mut bulk = Bulk::new();
        for part in 0..64 {
            assert_eq!(bulk.went(Way::Back, PART, at(part * 11)), None);
            assert_eq!(bulk.dry(Way::Back, &mut cx()), None);
        }
        for part in 0..1000 {
            assert_eq!(bulk.went(Way::Back, 100, at(1000 + part)), None);
            assert_eq!(bulk.dry(Way::Back, &mut cx()), None);
        }
    }

    /// A client that took nothing for a while must not leave the mark behind with nobody to clear it.
    #[tokio::test(start_paused = true)]
    async fn a_pause_while_the_mark_is_set_leaves_it_cleared() {
        let mut bulk = long(Way::Back);
        assert_eq!(bulk.went(Way::Back, 1, at(500)), None);
        assert_eq!(bulk.dry(Way::Back, &mut cx()), None);
        tokio::time::advance(PATIENCE * 2).await;
        assert_eq!(bulk.dry(Way::Back, &mut cx()), Some(Mark::Clear(Way::Back)));
    }
}
