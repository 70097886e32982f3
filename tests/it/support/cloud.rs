//! An AWS on this machine whose answers a test makes up while it runs: a small HTTP server in a thread of its own.
//!
//! It speaks no more of HTTP than the SDK needs, so that it can also speak it badly: cut an answer, or never give one.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread::JoinHandle,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
};

/// What makes the answers up.
pub trait Sky: Send + Sync + 'static {
    /// The answer to a call.
    fn answer(&self, call: &Call) -> Reply;

    /// The client of a call that was not answered has given up.
    fn given_up(&self, _call: &Call) {}
}

/// A call of the Query protocol.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Whose credentials signed it.
    pub account: String,
    /// The region that it was signed for.
    pub region: String,
    /// `rds`, `sts`, ...
    pub service: String,
    /// `DescribeDBInstances`.
    pub action: String,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
}

/// What the client gets.
pub enum Reply {
    /// A whole answer.
    Whole {
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
    /// The beginning of an answer.
    Cut {
        /// The whole body.
        body: String,
        /// How much of it is sent.
        keep: usize,
        /// Whether the head promises the whole body, so that the connection breaks off; else what is sent looks whole.
        broken: bool,
    },
    /// A whole answer, as soon as it may be given.
    When {
        /// Whether it may.
        open: watch::Receiver<bool>,
        /// The body.
        body: String,
    },
    /// The connection stays open, and nothing comes.
    Silence,
}

/// A running server. Dropping it stops it.
pub struct Cloud {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

// === impl Cloud ===

impl Cloud {
    /// Starts serving on a port that the system chose.
    pub fn start(sky: Arc<impl Sky>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = std::sync::mpsc::channel();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let listener = TcpListener::bind(any).await.expect("a port");
                ready
                    .send(listener.local_addr().expect("an address"))
                    .expect("the test waits for it");
                let accept = async {
                    loop {
                        if let Ok((stream, _)) = listener.accept().await {
                            tokio::spawn(converse(stream, Arc::clone(&sky)));
                        }
                    }
                };
                tokio::select! {
                    () = accept => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::spawn(serve);
        let address = address.recv().expect("the server starts");
        Self {
            url: format!("http://{address}"),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has said why on standard error.
            let _ = thread.join();
        }
    }
}

/// Answers one connection's calls until it ends.
async fn converse(mut stream: TcpStream, sky: Arc<impl Sky>) {
    // Small answers in two segments would otherwise wait for each other.
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(4096);
    while let Ok(Some(call)) = read(&mut stream, &mut buffer).await {
        let (bytes, goes_on) = match sky.answer(&call) {
            Reply::Whole { status, body } => (answer(status, body.len(), &body), true),
            Reply::Cut { body, keep, broken } => {
                let part = &body[..keep];
                let promised = if broken { body.len() } else { keep };
                (answer(200, promised, part), !broken)
            }
            Reply::When { mut open, body } => {
                // Who would open it may have gone.
                let _ = open.wait_for(|open| *open).await;
                (answer(200, body.len(), &body), true)
            }
            Reply::Silence => {
                // Until the client goes.
                let _ = stream.read(&mut [0; 64]).await;
                sky.given_up(&call);
                return;
            }
        };
        if stream.write_all(&bytes).await.is_err() || !goes_on {
            return;
        }
    }
}

fn answer(status: u16, length: usize, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The next request; none at the end of the connection.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Call>> {
    loop {
        if let Some((call, used)) = parse(buffer) {
            buffer.drain(..used);
            return Ok(Some(call));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// The request at the beginning of the bytes, and how many they are; none when it is not all there.
fn parse(bytes: &[u8]) -> Option<(Call, usize)> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..head]).expect("a head in UTF-8");
    let header = |wanted: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let length: usize = header("content-length").map_or(0, |text| text.parse().expect("a length"));
    let end = head + 4 + length;
    let body = bytes.get(head + 4..end)?;
    let mut params: BTreeMap<String, String> =
        url::form_urlencoded::parse(body).into_owned().collect();
    // `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, ...`: the account is the key's end.
    let credential = header("authorization")
        .and_then(|text| text.split_once("Credential="))
        .map_or("", |(_, rest)| rest);
    let mut parts = credential.split('/');
    let key = parts.next().unwrap_or_default();
    let call = Call {
        account: key[key.len().saturating_sub(12)..].to_owned(),
        region: parts.nth(1).unwrap_or_default().to_owned(),
        service: parts.next().unwrap_or_default().to_owned(),
        action: params.remove("Action").unwrap_or_default(),
        params,
    };
    Some((call, end))
}

/// What STS answers: the account is always that of the key, and any role can be taken.
pub fn sts(call: &Call) -> Reply {
    let account = &call.account;
    let body = match call.action.as_str() {
        "GetCallerIdentity" => format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <UserId>AROA:muster</UserId><Account>{account}</Account>\
             <Arn>arn:aws:sts::{account}:assumed-role/muster/muster</Arn></GetCallerIdentityResult>\
             </GetCallerIdentityResponse>"
        ),
        "AssumeRole" => {
            let arn = call.params.get("RoleArn").map_or("", String::as_str);
            let other = arn.split(':').nth(4).unwrap_or_default();
            format!(
                "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
                 <AssumedRoleUser><AssumedRoleId>AROA:muster</AssumedRoleId>\
                 <Arn>arn:aws:sts::{other}:assumed-role/muster/muster</Arn></AssumedRoleUser>\
                 <Credentials><AccessKeyId>ASIAEXAMPLE0{other}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
                 <SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
                 </AssumeRoleResult></AssumeRoleResponse>"
            )
        }
        other => panic!("sts:{other} is not made up here"),
    };
    Reply::Whole { status: 200, body }
}

/// A refusal as RDS words it.
pub fn refusal(status: u16, code: &str, message: &str) -> Reply {
    Reply::Whole {
        status,
        body: format!(
            "<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        ),
    }
}
