//! An anchor for the benchmark of the door: bytes from one socket to another, and nothing else. No TLS of its own, no
//! certificate, nobody asked, nothing written down.
//!
//! What this costs is what a hop costs on a machine, by the same runtime and with as many workers; the rest is what the
//! door does. It takes the same variables as `door_bench`, and passes the client's TLS through to the server.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    env, io,
    net::TcpStream as StdStream,
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::{LocalSet, spawn_local},
};

/// One way: what was read and is not written yet.
struct Pipe {
    bytes: Vec<u8>,
    read: usize,
    written: usize,
}

impl Pipe {
    fn new() -> Self {
        Self {
            bytes: vec![0; 64 << 10],
            read: 0,
            written: 0,
        }
    }

    /// Ready when one side has ended.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut TcpStream,
        to: &mut TcpStream,
    ) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.read {
                let rest = self.bytes.get(self.written..self.read).unwrap_or_default();
                self.written += ready!(Pin::new(&mut *to).poll_write(cx, rest))?;
            }
            let mut room = ReadBuf::new(&mut self.bytes);
            ready!(Pin::new(&mut *from).poll_read(cx, &mut room))?;
            (self.read, self.written) = (room.filled().len(), 0);
            if self.read == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

async fn relay(client: StdStream, server: &str) -> io::Result<()> {
    let mut client = TcpStream::from_std(client)?;
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut forth, mut back) = (Pipe::new(), Pipe::new());
    std::future::poll_fn(|cx| {
        if let Poll::Ready(end) = forth.poll(cx, &mut client, &mut server) {
            return Poll::Ready(end);
        }
        back.poll(cx, &mut server, &mut client)
    })
    .await
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A thread that carries the connections it is given.
fn worker(mut connections: UnboundedReceiver<StdStream>, server: String) {
    LocalSet::new().block_on(&runtime(), async move {
        while let Some(client) = connections.recv().await {
            let server = server.clone();
            spawn_local(async move {
                // Whoever breaks off is the load generator, which counts that itself.
                let _ = relay(client, &server).await;
            });
        }
    });
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn main() {
    if env::var("BENCH_SUITE").is_ok_and(|suite| suite != "pg") {
        return;
    }
    let server = format!("{}:{}", var("BENCH_UP_HOST"), var("BENCH_UP_PORT"));
    let listen = format!("{}:{}", var("BENCH_LISTEN_HOST"), var("BENCH_LISTEN_PORT"));
    let workers: usize = env::var("BENCH_THREADS").map_or(2, |count| count.parse().unwrap());
    let workers = (0..workers).map(|_| {
        let (give, take) = unbounded_channel();
        let server = server.clone();
        thread::spawn(move || worker(take, server));
        give
    });
    let workers: Vec<_> = workers.collect();
    runtime().block_on(async {
        let listener = TcpListener::bind(listen).await.unwrap();
        for worker in workers.iter().cycle() {
            let (client, _) = listener.accept().await.unwrap();
            worker.send(client.into_std().unwrap()).unwrap();
        }
    });
}
