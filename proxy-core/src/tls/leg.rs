//! One TLS connection that carries bytes: the client's leg or the database's leg of a session.
//!
//! The methods that begin with `poll_` are for the relay, which turns the plain text of one leg into records of the
//! other without a copy in between. For all else it is an [`AsyncRead`] and [`AsyncWrite`].
//!
//! Whoever reads must also flush now and then: an answer to a key update may wait in the outbox.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustls::{
    ConnectionTrafficSecrets, ExtractedSecrets, ProtocolVersion, client::ClientConnectionData,
    kernel::KernelConnection, server::ServerConnectionData,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    handshake::Leftover,
    queue::{Inbox, Opened, Outbox},
    record::{BadRecord, Content, Key, MAX_PLAIN},
};

/// So many records in a row without a byte, or with only messages of TLS, and the peer is at fault.
const MAX_EMPTY: u8 = 32;

/// What rustls keeps to change keys (TLS 1.3).
pub enum Kernel {
    /// We are the server.
    Server(Box<KernelConnection<ServerConnectionData>>),
    /// We are the client.
    Client(Box<KernelConnection<ClientConnectionData>>),
}

/// One TLS connection after its handshake.
pub struct Leg {
    socket: TcpStream,
    read_key: Key,
    write_key: Key,
    kernel: Option<Kernel>,
    inbox: Inbox,
    outbox: Outbox,
    /// The peer will send nothing more.
    ended: bool,
    /// The peer said so by TLS, so that nothing was cut off.
    ended_cleanly: bool,
    alerted: Option<u8>,
    close_sent: bool,
    shut: bool,
    empty: u8,
    /// Bytes of a message of the handshake that goes on in the next record.
    skip: u32,
}

// === impl Kernel ===

impl Kernel {
    fn is_v13(&self) -> bool {
        let version = match self {
            Self::Server(kernel) => kernel.protocol_version(),
            Self::Client(kernel) => kernel.protocol_version(),
        };
        version == ProtocolVersion::TLSv1_3
    }

    fn next_read(&mut self) -> Result<(u64, ConnectionTrafficSecrets), rustls::Error> {
        match self {
            Self::Server(kernel) => kernel.update_rx_secret(),
            Self::Client(kernel) => kernel.update_rx_secret(),
        }
    }

    fn next_write(&mut self) -> Result<(u64, ConnectionTrafficSecrets), rustls::Error> {
        match self {
            Self::Server(kernel) => kernel.update_tx_secret(),
            Self::Client(kernel) => kernel.update_tx_secret(),
        }
    }
}

// === impl Leg ===

impl Leg {
    /// `None` when the cipher is not known, or when too much is left over from the handshake.
    pub(super) fn new(
        socket: TcpStream,
        secrets: &ExtractedSecrets,
        kernel: Kernel,
        leftover: &Leftover,
    ) -> Option<Self> {
        let v13 = kernel.is_v13();
        let mut leg = Self {
            socket,
            read_key: Key::new(v13, secrets.rx.0, &secrets.rx.1)?,
            write_key: Key::new(v13, secrets.tx.0, &secrets.tx.1)?,
            // TLS 1.2 has no key update.
            kernel: v13.then_some(kernel),
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            ended: leftover.ended,
            ended_cleanly: leftover.ended,
            alerted: None,
            close_sent: false,
            shut: false,
            empty: 0,
            skip: 0,
        };
        let fits = leg.inbox.preload(&leftover.plain, &leftover.unread)
            && (leftover.out.is_empty() || leg.outbox.append(&leftover.out));
        fits.then_some(leg)
    }

    /// The socket below, to ask it for addresses.
    pub const fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The plain text that has come and is not used yet.
    pub fn plain(&self) -> &[u8] {
        self.inbox.plain()
    }

    /// So many bytes of the plain text were used.
    pub fn consume(&mut self, count: usize) {
        self.inbox.consume(count);
    }

    /// Gives plain text back that was consumed, in front of what was not opened yet. False when there is other plain text
    /// or too much of it.
    pub fn give_back(&mut self, plain: &[u8]) -> bool {
        self.inbox.give_back(plain)
    }

    /// Whether the peer has ended its side.
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Whether the peer said in TLS that it has ended; otherwise the end may have been cut off.
    pub const fn ended_cleanly(&self) -> bool {
        self.ended_cleanly
    }

    /// The alert by which the peer has ended it (RFC 8446 6.2): with TLS 1.3 a server refuses a client's certificate only
    /// when the client has long begun.
    pub const fn alerted(&self) -> Option<u8> {
        self.alerted
    }

    /// Whether everything that was given to [`send`](Self::send) has been written.
    pub const fn flushed(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Waits until there is plain text (`true`), or the peer has ended (`false`). Reads at most once; does nothing
    /// while there is plain text.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if !self.inbox.plain().is_empty() {
                return Poll::Ready(Ok(true));
            }
            if self.ended {
                return Poll::Ready(Ok(false));
            }
            if self.open_all()? {
                continue;
            }
            if self.ended {
                continue;
            }
            let mut room = ReadBuf::new(self.inbox.room());
            match Pin::new(&mut self.socket).poll_read(cx, &mut room) {
                Poll::Pending => {
                    self.inbox.rest();
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => {
                    self.inbox.rest();
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(Ok(())) => {
                    let count = room.filled().len();
                    if count == 0 {
                        self.ended = true;
                    }
                    self.inbox.filled(count);
                    self.inbox.rest();
                }
            }
        }
    }

    /// Opens the whole records that are there, as many as may be handed on in one piece.
    fn open_all(&mut self) -> io::Result<bool> {
        while !self.ended && self.inbox.has_place_for_next(&self.read_key) {
            match self.inbox.open(&mut self.read_key) {
                Ok(None) => break,
                Ok(Some(Opened::Data)) => self.empty = 0,
                Ok(Some(Opened::Empty)) => self.count_empty()?,
                Ok(Some(Opened::Control {
                    content,
                    first,
                    length,
                })) => {
                    if let Err(bad) = self.control(content, first, length) {
                        return Err(self.refuse(bad));
                    }
                }
                Err(bad) => return Err(self.refuse(bad)),
            }
        }
        let some = !self.inbox.plain().is_empty();
        if !some {
            self.inbox.rest();
        }
        Ok(some)
    }

    fn count_empty(&mut self) -> io::Result<()> {
        self.empty += 1;
        if self.empty > MAX_EMPTY {
            return Err(self.refuse(BadRecord::Unexpected));
        }
        Ok(())
    }

    fn control(
        &mut self,
        content: Content,
        first: [u8; 8],
        length: usize,
    ) -> Result<(), BadRecord> {
        self.empty += 1;
        if self.empty > MAX_EMPTY {
            return Err(BadRecord::Unexpected);
        }
        match content {
            Content::Alert => self.alert(first, length),
            Content::Handshake if self.kernel.is_some() => self.handshake(first, length),
            // TLS 1.2: the server may ask for a new handshake, and the client need not answer. A client that asks
            // for one is refused.
            Content::Handshake if first == [0; 8] && length == 4 => Ok(()),
            _ => Err(BadRecord::Unexpected),
        }
    }

    fn alert(&mut self, [_, what, ..]: [u8; 8], length: usize) -> Result<(), BadRecord> {
        const CLOSE_NOTIFY: u8 = 0;
        const USER_CANCELED: u8 = 90;
        const NO_RENEGOTIATION: u8 = 100;
        if length != 2 {
            return Err(BadRecord::Malformed);
        }
        match what {
            CLOSE_NOTIFY => {
                self.ended = true;
                self.ended_cleanly = true;
            }
            USER_CANCELED | NO_RENEGOTIATION => {}
            _ => {
                self.ended = true;
                self.alerted = Some(what);
            }
        }
        Ok(())
    }

    /// A message after the handshake (RFC 8446 4.6): a ticket, which nobody needs here, or a change of keys.
    fn handshake(&mut self, first: [u8; 8], length: usize) -> Result<(), BadRecord> {
        const NEW_SESSION_TICKET: u8 = 4;
        const KEY_UPDATE: u8 = 24;
        let length = u32::try_from(length).map_err(|_| BadRecord::TooLong)?;
        if self.skip > 0 {
            // The middle of a ticket. That another message begins in the same record is not worth understanding.
            return match self.skip.checked_sub(length) {
                Some(left) => {
                    self.skip = left;
                    Ok(())
                }
                None => Err(BadRecord::Unexpected),
            };
        }
        let [kind, high, middle, low, request, ..] = first;
        let body = u32::from_be_bytes([0, high, middle, low]);
        match kind {
            NEW_SESSION_TICKET if matches!(self.kernel, Some(Kernel::Client(_))) => {
                // Several tickets may share a record, so more than one message may be here; all are tickets.
                self.skip = (body + 4).saturating_sub(length);
                if self.skip > 64 * 1024 {
                    Err(BadRecord::TooLong)
                } else {
                    Ok(())
                }
            }
            KEY_UPDATE if length == 5 && body == 1 && request <= 1 => {
                let Some(kernel) = self.kernel.as_mut() else {
                    return Err(BadRecord::Unexpected);
                };
                let (sequence, secrets) = kernel.next_read().map_err(|_| BadRecord::KeyUsedUp)?;
                self.read_key = Key::new(true, sequence, &secrets).ok_or(BadRecord::KeyUsedUp)?;
                if request == 1 {
                    self.change_write_key()
                } else {
                    Ok(())
                }
            }
            _ => Err(BadRecord::Unexpected),
        }
    }

    fn change_write_key(&mut self) -> Result<(), BadRecord> {
        const NOT_REQUESTED: [u8; 5] = [24, 0, 0, 1, 0];
        let Some(kernel) = self.kernel.as_mut() else {
            return Ok(());
        };
        if self
            .outbox
            .seal(&mut self.write_key, Content::Handshake, &NOT_REQUESTED)?
            == 0
        {
            return Err(BadRecord::TooLong);
        }
        let (sequence, secrets) = kernel.next_write().map_err(|_| BadRecord::KeyUsedUp)?;
        self.write_key = Key::new(true, sequence, &secrets).ok_or(BadRecord::KeyUsedUp)?;
        Ok(())
    }

    /// Tells the peer by an alert, and makes the error.
    fn refuse(&mut self, bad: BadRecord) -> io::Error {
        let alert = match bad {
            BadRecord::Unexpected => 10,
            BadRecord::NotSealed => 20,
            BadRecord::TooLong => 22,
            BadRecord::Malformed => 50,
            BadRecord::KeyUsedUp => 80,
        };
        if !self.close_sent {
            self.close_sent = true;
            let _ = self
                .outbox
                .seal(&mut self.write_key, Content::Alert, &[2, alert]);
        }
        self.ended = true;
        io::Error::new(io::ErrorKind::InvalidData, bad)
    }

    /// Seals bytes to be written; answers how many, which is less when the outbox is full. Nothing is written yet.
    ///
    /// # Errors
    ///
    /// When the connection was closed to this side, or its key is used up (TLS 1.2).
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.close_sent {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.write_key.is_worn() && self.kernel.is_some() {
            self.change_write_key().map_err(io::Error::other)?;
        }
        self.outbox
            .seal(&mut self.write_key, Content::Data, bytes)
            .map_err(io::Error::other)
    }

    /// Writes what waits to be written.
    pub fn poll_flush_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbox.is_empty() {
            let count = ready!(Pin::new(&mut self.socket).poll_write(cx, self.outbox.bytes()))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outbox.written(count);
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that nothing more will come, writes it, and closes the sending side of the socket.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.close_sent {
            self.close_sent = true;
            let _ = self
                .outbox
                .seal(&mut self.write_key, Content::Alert, &[1, 0]);
        }
        ready!(self.poll_flush_out(cx))?;
        // Where the peer has ended as well, dropping the socket says the same without a call.
        if !self.shut && !self.ended {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            self.shut = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Leg {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let leg = self.get_mut();
        // What waits to be written may be what the peer waits for.
        if let Poll::Ready(Err(error)) = leg.poll_flush_out(cx) {
            return Poll::Ready(Err(error));
        }
        if ready!(leg.poll_fill(cx))? {
            let plain = leg.plain();
            let count = plain.len().min(into.remaining());
            into.put_slice(plain.get(..count).unwrap_or_default());
            leg.consume(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Leg {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let leg = self.get_mut();
        let bytes = bytes.get(..bytes.len().min(MAX_PLAIN)).unwrap_or_default();
        // Behind what waits already, such as the end of the handshake, so that both go out in one call.
        let mut count = leg.send(bytes)?;
        if count == 0 && !bytes.is_empty() {
            ready!(leg.poll_flush_out(cx))?;
            count = leg.send(bytes)?;
        }
        // Not waited for: what was sealed is ours to write, and the next call goes on with it.
        match leg.poll_flush_out(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush_out(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_close(cx)
    }
}
