//! New sessions a second, with all four ends of them on the same processors: clients, the door, and a server.
//!
//! The server is a stub that does what PostgreSQL does on the wire (TLS, a password, one query) and starts no process, so
//! that the door is seen rather than `fork`. The door is `door_bench`, which must lie beside this program; each round is
//! straight to the server, then through a door that knows one database, then through one that knows a million.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    path::Path,
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const ASK_PASSWORD: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 3];
const QUERY: &[u8] = b"Q\0\0\0\x0eselect 1;\0";
const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];
/// `AuthenticationOk`, one `ParameterStatus`, `BackendKeyData`, `ReadyForQuery`.
const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0018.0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I";
/// `RowDescription`, one `DataRow`, `CommandComplete`, `ReadyForQuery`.
const ANSWER: &[u8] = b"T\0\0\0\x1a\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0D\0\0\0\x0b\0\x01\0\0\0\x011C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";

/// Certificates and keys as files, for the server, the door and the load.
fn papers(dir: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca = params.self_signed(&key).unwrap();
    fs::write(dir.join("ca.crt"), ca.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().unwrap();
    let server = params.signed_by(&key, &issuer).unwrap();
    fs::write(dir.join("server.crt"), server.pem()).unwrap();
    fs::write(dir.join("server.key"), key.serialize_pem()).unwrap();
}

fn pair(dir: &Path, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let file = |end: &str| dir.join(format!("{name}.{end}"));
    (
        CertificateDer::from_pem_file(file("crt")).unwrap(),
        PrivateKeyDer::from_pem_file(file("key")).unwrap(),
    )
}

/// Reads one message: its type, and the number that its body begins with.
async fn message(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u8, u32)> {
    let mut head = [0; 5];
    from.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let mut body = [0; 1024];
    from.read_exact(&mut body[..length - 4]).await?;
    Ok((
        head[0],
        u32::from_be_bytes([body[0], body[1], body[2], body[3]]),
    ))
}

async fn serve_one(socket: TcpStream, tls: TlsAcceptor) -> std::io::Result<()> {
    let mut socket = socket;
    socket.set_nodelay(true)?;
    let mut request = [0; 8];
    socket.read_exact(&mut request).await?;
    socket.write_all(b"S").await?;
    let mut stream = tls.accept(socket).await?;
    let length = stream.read_u32().await? as usize;
    let mut startup = [0; 1024];
    stream.read_exact(&mut startup[..length - 4]).await?;
    stream.write_all(&ASK_PASSWORD).await?;
    message(&mut stream).await?;
    stream.write_all(WELCOME).await?;
    while message(&mut stream).await?.0 == b'Q' {
        stream.write_all(ANSWER).await?;
    }
    Ok(())
}

/// The stub, on a thread of its own.
fn server(dir: &Path) -> u16 {
    let (certificate, key) = pair(dir, "server");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                // Whoever breaks off is counted where the load is made.
                tokio::spawn(serve_one(socket, tls.clone()));
            }
        });
    });
    port
}

/// A door as a process of its own.
struct Door {
    child: Child,
    port: u16,
    tls: TlsConnector,
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connector(
    dir: &Path,
    client: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(dir.join("ca.crt")).unwrap())
        .unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match client {
        Some((certificate, key)) => config
            .with_client_auth_cert(vec![certificate], key)
            .unwrap(),
        None => config.with_no_client_auth(),
    };
    // As psql, which never resumes.
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

fn door(papers: &Path, dir: &Path, server: u16, targets: u32) -> Door {
    fs::create_dir_all(dir).unwrap();
    let free = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let program = env::current_exe().unwrap().with_file_name("door_bench");
    let child = Command::new(&program)
        .env("BENCH_DIR", dir)
        .env("BENCH_LISTEN_HOST", "127.0.0.1")
        .env("BENCH_LISTEN_PORT", port.to_string())
        .env("BENCH_UP_HOST", "127.0.0.1")
        .env("BENCH_UP_PORT", server.to_string())
        .env("BENCH_UP_NAME", "localhost")
        .env("BENCH_UP_USER", "bench")
        .env("BENCH_UP_PASSWORD", "secret")
        .env("BENCH_CA", papers.join("ca.crt"))
        .env("BENCH_SERVER_CERT", papers.join("server.crt"))
        .env("BENCH_SERVER_KEY", papers.join("server.key"))
        .env("BENCH_TARGETS", targets.to_string())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        thread::sleep(Duration::from_millis(50));
    }
    let tls = connector(papers, Some(pair(dir, "client")));
    Door { child, port, tls }
}

/// Waits until the server is ready, and gives the password where it is asked for: by the server itself, not by the door.
async fn ready(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<()> {
    loop {
        match message(stream).await? {
            (b'Z', _) => return Ok(()),
            (b'R', 3) => stream.write_all(b"p\0\0\0\x0bsecret\0").await?,
            (b'E', _) => return Err(std::io::Error::other("refused")),
            _ => {}
        }
    }
}

async fn one_session(port: u16, tls: &TlsConnector) -> std::io::Result<()> {
    let mut socket = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    socket.set_nodelay(true)?;
    socket.write_all(&SSL_REQUEST).await?;
    socket.read_u8().await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = tls.connect(name, socket).await?;
    let words = b"\0\x03\0\0user\0bench\0database\0bench\0\0";
    stream.write_u32(4 + words.len() as u32).await?;
    stream.write_all(words).await?;
    stream.flush().await?;
    ready(&mut stream).await?;
    stream.write_all(QUERY).await?;
    ready(&mut stream).await?;
    stream.write_all(&TERMINATE).await?;
    stream.shutdown().await
}

/// Sessions a second: eight at a time, for some seconds.
fn load(port: u16, tls: &TlsConnector, time: Duration) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let start = Instant::now();
    runtime.block_on(async {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let (done, tls) = (Arc::clone(&done), tls.clone());
                tokio::spawn(async move {
                    while start.elapsed() < time {
                        one_session(port, &tls).await.unwrap();
                        done.fetch_add(1, Relaxed);
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
    });
    done.load(Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// Seconds of processor that a process has taken (`proc(5)`: fields 14 and 15, in hundredths).
fn processor(child: &Child) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn main() {
    let seconds: u64 = env::args().nth(1).map_or(5, |text| text.parse().unwrap());
    let rounds: u32 = env::args().nth(2).map_or(3, |text| text.parse().unwrap());
    let time = Duration::from_secs(seconds);
    let dir = tempfile::tempdir().unwrap();
    papers(dir.path());
    let server = server(dir.path());
    let straight = connector(dir.path(), None);
    let doors = [0, 1_000_000].map(|more| {
        let home = dir.path().join(more.to_string());
        (more + 1, door(dir.path(), &home, server, more))
    });
    println!(
        "{:>24} {:>14} {:>22}",
        "", "sessions a second", "processor a session, µs"
    );
    for _ in 0..rounds {
        let rate = load(server, &straight, time);
        println!("{:>24} {rate:>14.0}", "straight to the server");
        for (databases, door) in &doors {
            let before = processor(&door.child);
            let rate = load(door.port, &door.tls, time);
            let cost = (processor(&door.child) - before) / (rate * time.as_secs_f64()) * 1e6;
            println!("{:>14} databases {rate:>14.0} {cost:>22.0}", databases);
        }
    }
}
