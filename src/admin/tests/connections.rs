//! Connections: heads that are too long, silence, and the end.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::Served;
use crate::admin::accept::{self, CONNECTIONS, LONGEST_PAUSE, PAUSE, Source};

const SOON: Duration = Duration::from_secs(90);

async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(SOON, stream.read_to_end(&mut answer)).await;
    // A reset is an end as well.
    let _ = read.expect("the connection is closed");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let api = Served::of(1).await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let head = format!(
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {}",
        "x".repeat(20_000)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let head = format!(
        "GET /livez HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        "X: x\r\n".repeat(100)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn the_longest_id_fits_into_a_request() {
    let api = Served::of(1).await;
    let path = format!("/api/v1/databases/{}", "%2F".repeat(2048));
    assert_eq!(api.get(&path).await.problem(), "not-found");
}

#[tokio::test]
async fn who_says_nothing_is_cut_off_and_others_are_answered_meanwhile() {
    let api = Served::of(1).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
        silent.push(stream);
    }
    assert_eq!(api.get("/livez").await.status, 200);
    // The time that they are given passes at once.
    tokio::time::pause();
    for stream in &mut silent {
        read(stream).await;
    }
}

#[tokio::test]
async fn it_ends_when_told_to_and_idle_connections_do_not_keep_it() {
    let api = Served::of(1).await;
    let idle = TcpStream::connect(api.address).await.unwrap();
    assert_eq!(api.get("/livez").await.status, 200);
    api.stop.cancel();
    timeout(SOON, api.ended).await.expect("it ends").unwrap();
    assert!(
        TcpStream::connect(api.address).await.is_err(),
        "nobody listens any more"
    );
    drop(idle);
}

/// Fails in these ways, and then waits for ever. Remembers when it was asked.
struct Failing {
    errors: Mutex<VecDeque<io::Error>>,
    asked: Arc<Mutex<Vec<Instant>>>,
    done: CancellationToken,
}

impl Source for Failing {
    fn poll_accept(&self, _: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        self.asked.lock().unwrap().push(Instant::now());
        match self.errors.lock().unwrap().pop_front() {
            Some(error) => Poll::Ready(Err(error)),
            None => {
                self.done.cancel();
                Poll::Pending
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_file_descriptors_it_asks_again_slower_and_slower() {
    const EMFILE: i32 = 24;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let done = CancellationToken::new();
    let full = || io::Error::from_raw_os_error(EMFILE);
    let source = Failing {
        errors: Mutex::new(VecDeque::from([
            io::ErrorKind::ConnectionAborted.into(),
            io::ErrorKind::ConnectionReset.into(),
            full(),
            full(),
            full(),
            full(),
            full(),
            full(),
            full(),
        ])),
        asked: Arc::clone(&asked),
        done: done.clone(),
    };
    accept::run(source, axum::Router::new(), done).await;
    let asked = asked.lock().unwrap();
    let pauses: Vec<_> = asked.windows(2).map(|two| two[1] - two[0]).collect();
    // Who was gone before being let in is no reason to wait.
    let want = [0, 0, 1, 2, 4, 8, 16, 20, 20].map(|n| (PAUSE * n).min(LONGEST_PAUSE));
    assert_eq!(pauses.len(), want.len());
    for (pause, want) in pauses.iter().zip(want) {
        let over = pause.checked_sub(want);
        assert!(
            over.is_some_and(|over| over < Duration::from_millis(5)),
            "{pauses:?}"
        );
    }
}

/// Opens connections that begin to say something, and no more.
async fn silent(api: &Served, many: usize) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..many {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        // It may have made room already.
        let _ = stream.write_all(b"GET /livez HTTP/1.1\r\n").await;
        all.push(stream);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_opens_connections_and_says_nothing_keeps_nobody_out() {
    let api = Served::of(1).await;
    let mut held = silent(&api, 3 * CONNECTIONS).await;
    for _ in 0..20 {
        let answer = timeout(SOON, api.get("/livez")).await.expect("an answer");
        assert_eq!(answer.status, 200);
    }
    // The first have made room for the others, long before their time was over.
    for stream in held.iter_mut().take(CONNECTIONS) {
        read(stream).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_slowly_loses_nothing_and_keeps_nobody_from_reading() {
    let api = Served::of(20_000).await;
    let whole = api.get("/sd/prometheus").await.text;
    assert!(whole.len() > 6 << 20, "more than waits in sockets");
    let ask = b"GET /sd/prometheus HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.write_all(ask).await.unwrap();
        // It is being answered.
        stream.peek(&mut [0]).await.unwrap();
        slow.push(stream);
    }
    // None of them makes room, and what else needs the store gets it.
    let held = silent(&api, 2 * CONNECTIONS).await;
    let page = timeout(SOON, api.json("/api/v1/targets?limit=10")).await;
    assert_eq!(
        page.expect("an answer")["items"].as_array().unwrap().len(),
        10
    );
    // All at once: each has to take something now and then.
    for answer in futures::future::join_all(slow.iter_mut().map(read)).await {
        assert!(answer.ends_with("]\n\r\n0\r\n\r\n"), "it is whole");
        assert!(answer.len() > whole.len());
    }
    drop(held);
}
