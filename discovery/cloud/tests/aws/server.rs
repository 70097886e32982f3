//! A stand-in for AWS on the loopback: it says what a test tells it to, also what no decent HTTP
//! server would, and remembers what it was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What was asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// What is said.
#[derive(Clone, Debug)]
pub enum Say {
    /// Status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Promises this many bytes more than it sends, then hangs up.
    CutShort(String),
    /// Hangs up without a word.
    HangUp,
    /// Listens, and never answers.
    Silence,
}

pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Request {
    /// The `Action` of a Query call, the operation of a JSON call, or the path.
    pub fn action(&self) -> &str {
        let form = self
            .body
            .split('&')
            .find_map(|pair| pair.strip_prefix("Action="));
        let target = self
            .headers
            .get("x-amz-target")
            .and_then(|t| t.split('.').nth(1));
        form.or(target)
            .unwrap_or_else(|| self.line.split(' ').nth(1).unwrap_or_default())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Server {
    /// `say` is told the request, and how many with the same action came before it.
    pub async fn start(say: impl Fn(&Request, usize) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (say, log) = (Arc::new(say), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&say), Arc::clone(&log)));
            }
        });
        Self { url, asked }
    }

    /// The requests with this action.
    pub fn asked(&self, action: &str) -> Vec<Request> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|request| request.action() == action)
            .cloned()
            .collect()
    }
}

/// An answer of success.
pub fn ok(body: impl Into<String>) -> Say {
    Say::Answer(200, Vec::new(), body.into())
}

/// An answer without headers worth a mention.
pub fn status(status: u16, body: impl Into<String>) -> Say {
    Say::Answer(status, Vec::new(), body.into())
}

async fn serve(
    mut stream: TcpStream,
    say: Arc<impl Fn(&Request, usize) -> Say>,
    log: Arc<Mutex<Vec<Request>>>,
) {
    while let Some(request) = read(&mut stream).await {
        let said = {
            let mut log = log.lock().unwrap();
            let before = log
                .iter()
                .filter(|old| old.action() == request.action())
                .count();
            log.push(request.clone());
            say(&request, before)
        };
        let (bytes, stay) = match said {
            Say::Answer(status, headers, body) => {
                let mut text = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                (format!("{text}\r\n{body}"), true)
            }
            Say::CutShort(body) => {
                let length = body.len() + 100;
                (
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"),
                    false,
                )
            }
            Say::HangUp => return,
            Say::Silence => std::future::pending().await,
        };
        if stream.write_all(bytes.as_bytes()).await.is_err() || !stay {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        // 0x16 begins a TLS handshake, which this server does not speak.
        if stream.read_buf(&mut bytes).await.ok()? == 0 || bytes[0] == 0x16 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |text| text.parse().unwrap());
    while bytes.len() < head + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&bytes[head + 4..head + 4 + length]).into_owned();
    Some(Request {
        line,
        headers,
        body,
    })
}
