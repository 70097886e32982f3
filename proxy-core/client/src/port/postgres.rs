//! PostgreSQL before a session: what a client says first, and what it is told when there is no way on.
//!
//! Source of fact: PostgreSQL's documentation, "Message Formats" (SSLRequest, GSSENCRequest, CancelRequest, StartupMessage,
//! ErrorResponse).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Error, Kind};

const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;

/// The most bytes of a packet before a session, as the server has it.
const MAX_STARTUP: usize = 10_000;

/// How often a client may ask for encryption: once each way, and once more for good measure.
const ASKED: usize = 3;

/// The first packet that is for the server.
pub(crate) struct Begun {
    /// All of it.
    pub bytes: Vec<u8>,
}

impl Begun {
    /// Whether it begins a session, so that there is somebody who reads an answer.
    pub(crate) fn is_startup(&self) -> bool {
        self.bytes.get(4..8) != Some(&CANCEL.to_be_bytes())
    }
}

/// Reads what a client says first. That nothing is encrypted here is what it is told as often as it asks.
pub(crate) async fn begin<S: AsyncRead + AsyncWrite + Unpin>(client: &mut S) -> io::Result<Begun> {
    for _ in 0..=ASKED {
        let mut head = [0_u8; 8];
        client.read_exact(&mut head).await?;
        let [a, b, c, d, rest @ ..] = head;
        let (length, code) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes(rest));
        if length == 8 && (code == SSL || code == GSS) {
            client.write_all(b"N").await?;
            client.flush().await?;
            continue;
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(body) = length.checked_sub(8).filter(|_| length <= MAX_STARTUP) else {
            return Err(io::Error::other("it is no packet of PostgreSQL"));
        };
        let mut bytes = head.to_vec();
        bytes.resize(8 + body, 0);
        if let Some(body) = bytes.get_mut(8..) {
            client.read_exact(body).await?;
        }
        return Ok(Begun { bytes });
    }
    Err(io::Error::other("it asks for encryption again and again"))
}

/// A packet that begins a session.
pub(crate) fn startup(db_user: &str, db_name: &str) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in [
        ("user", db_user),
        ("database", db_name),
        ("application_name", "muster db wait"),
    ] {
        for text in [name, value] {
            // What ends a text cannot stand in it.
            body.extend(text.bytes().filter(|byte| *byte != 0));
            body.push(0);
        }
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &body].concat()
}

/// The error that ends a connection which has not begun, for whoever connects to a local port.
pub(crate) fn fatal(error: &Error) -> Vec<u8> {
    let code = match error.kind() {
        Kind::Refused(_) | Kind::Expired | Kind::NoLogin => "28000",
        _ => "08001",
    };
    let message = match error.why() {
        [] => error.what().to_owned(),
        why => format!("{}: {}", error.what(), why.join(": ")),
    };
    let mut body = Vec::new();
    let mut field = |sort: u8, text: &str| {
        body.push(sort);
        body.extend(text.bytes().filter(|byte| *byte != 0));
        body.push(0);
    };
    field(b'S', "FATAL");
    field(b'V', "FATAL");
    field(b'C', code);
    field(b'M', &message);
    if let Some(hint) = error.next() {
        field(b'H', hint);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&b"E"[..], &length.to_be_bytes(), &body].concat()
}

/// What a server answers to the beginning of a session: that it goes on, or why not.
pub(crate) async fn accepted<S: AsyncRead + AsyncWrite + Unpin>(
    server: &mut S,
) -> io::Result<Result<(), String>> {
    let mut head = [0_u8; 5];
    server.read_exact(&mut head).await?;
    let [sort, a, b, c, d] = head;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let length = length.checked_sub(4).filter(|length| *length <= 1 << 16);
    let Some(length) = length else {
        return Err(io::Error::other("it is no answer of PostgreSQL"));
    };
    let mut body = vec![0_u8; length];
    server.read_exact(&mut body).await?;
    match sort {
        b'R' if body == [0; 4] => {
            // Terminate: nobody is left behind.
            let _ = server.write_all(b"X\0\0\0\x04").await;
            Ok(Ok(()))
        }
        b'R' => Ok(Err(
            "it asks for a password, which muster should have given".to_owned(),
        )),
        b'E' => Ok(Err(message(&body))),
        _ => Err(io::Error::other("it is no answer of PostgreSQL")),
    }
}

/// The text of an error, with its hint.
fn message(body: &[u8]) -> String {
    let mut texts = Vec::new();
    for field in body.split(|byte| *byte == 0) {
        if let Some((b'M' | b'D' | b'H', text)) = field.split_first() {
            let text: String = String::from_utf8_lossy(text).chars().take(1000).collect();
            texts.push(text);
        }
    }
    texts.join(": ")
}
