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
use crate::admin::accept::{self, LONGEST_PAUSE, PAUSE, Source};

const SOON: Duration = Duration::from_secs(20);

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
