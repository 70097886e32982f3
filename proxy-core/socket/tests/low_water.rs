//! What the kernel makes of the mark.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    io::Write as _,
    net::{Shutdown, TcpListener, TcpStream},
};

use muster_socket::{receive_low_water, set_receive_low_water};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn readable(socket: &TcpStream) -> bool {
    let mut asked = [PollFd::new(socket, PollFlags::IN)];
    poll(&mut asked, Some(&Timespec::default())).unwrap() == 1
}

#[test]
fn fewer_bytes_than_the_mark_wake_nobody() {
    let (mut near, far) = pair();
    set_receive_low_water(&far, 1000).unwrap();
    near.write_all(&[0; 999]).unwrap();
    assert_eq!(receive_low_water(&far).unwrap(), 1000);
    assert!(!readable(&far));
    near.write_all(&[0]).unwrap();
    assert!(readable(&far));
}

#[test]
fn the_end_is_heard_whatever_the_mark() {
    let (mut near, far) = pair();
    set_receive_low_water(&far, 1000).unwrap();
    near.write_all(&[0; 10]).unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    assert!(readable(&far));
}

#[test]
fn who_waits_for_edges_hears_that_the_mark_was_lowered() {
    let (mut near, far) = pair();
    set_receive_low_water(&far, 1000).unwrap();
    let waiting = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&waiting, &far, epoll::EventData::new_u64(7), flags).unwrap();
    let heard = || {
        let mut events = Vec::with_capacity(1);
        epoll::wait(
            &waiting,
            rustix::buffer::spare_capacity(&mut events),
            Some(&Timespec::default()),
        )
        .unwrap()
    };
    near.write_all(&[0; 10]).unwrap();
    assert_eq!(heard(), 0);
    set_receive_low_water(&far, 1).unwrap();
    assert_eq!(heard(), 1);
    assert_eq!(heard(), 0);
}

#[test]
fn a_mark_beyond_all_numbers_is_refused() {
    let (_near, far) = pair();
    let refused = set_receive_low_water(&far, u32::MAX).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}
