//! What others see of the service that runs: its health, metrics, API, notices and log, read by programs that are not
//! muster's own.

mod api;
mod attack;
mod log;
mod metrics;
mod notices;
mod reader;
mod sky;

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::service::world::{PATIENCE, Service, World};

/// Where the service's API listens.
fn address(service: &Service) -> SocketAddr {
    let started = service.says("muster runs");
    let listen = started["fields"]["api"].as_str().expect("it listens");
    listen.parse().expect("an address")
}

/// What it answers: the status, and the body.
fn get(service: &Service, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let answer = send(address(service), request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let code = head.split(' ').nth(1).expect("a status");
    (code.parse().expect("a number"), body.to_owned())
}

/// Sends bytes, and reads until the other side has said all or breaks off.
fn send(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    // It may have heard enough before the end.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&answer)),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A port that the system chooses.
const LISTEN: &str = "service: { listen: \"127.0.0.1:0\" }";
