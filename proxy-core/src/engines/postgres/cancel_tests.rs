#![allow(clippy::unwrap_used)]

use std::net::Ipv6Addr;

use super::*;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

fn request(key: &ClientKey, channel: Channel) -> CancelRequest {
    CancelRequest {
        pid: key.pid,
        key: key.secret().to_vec(),
        channel,
    }
}

fn one(in_clear: InClear) -> (Keys<&'static str>, ClientKey) {
    let mut keys = Keys::new(in_clear);
    let key = ClientKey::mint(Version::V30, &[7; RANDOM]);
    keys.add(&key, HOME, "mine").unwrap();
    (keys, key)
}

#[test]
fn a_request_in_clear_counts_as_it_was_set() {
    for (set, home, away) in [
        (InClear::Refuse, Err(Ignored::Clear), Err(Ignored::Clear)),
        (InClear::SameAddress, Ok("mine"), Err(Ignored::Address)),
        (InClear::Anywhere, Ok("mine"), Ok("mine")),
    ] {
        let (mut keys, key) = one(set);
        assert_eq!(keys.find(&request(&key, Channel::Clear), HOME, 0), home);
        assert_eq!(
            keys.find(
                &request(&key, Channel::Clear),
                "::ffff:192.0.2.1".parse().unwrap(),
                0
            ),
            home
        );
        assert_eq!(keys.find(&request(&key, Channel::Clear), AWAY, 0), away);
        assert_eq!(keys.find(&request(&key, Channel::Tls), AWAY, 0), Ok("mine"));
    }
}

#[test]
fn another_sessions_key_and_parts_of_the_key_do_nothing() {
    let (mut keys, key) = one(InClear::Anywhere);
    let other = ClientKey::mint(Version::V32, &[8; RANDOM]);
    keys.add(&other, HOME, "other").unwrap();
    let right = request(&key, Channel::Tls);
    for wrong in [
        CancelRequest {
            pid: other.pid,
            ..right.clone()
        },
        CancelRequest {
            key: other.secret().to_vec(),
            ..right.clone()
        },
        CancelRequest {
            key: key.secret[..3].to_vec(),
            ..right.clone()
        },
        CancelRequest {
            key: vec![],
            ..right.clone()
        },
        CancelRequest {
            key: key.secret.to_vec(),
            ..right.clone()
        },
        CancelRequest {
            pid: 0,
            key: vec![0; 4],
            channel: Channel::Tls,
        },
    ] {
        assert_eq!(keys.find(&wrong, HOME, 0), Err(Ignored::Unknown));
    }
    assert_eq!(
        keys.find(&request(&other, Channel::Tls), HOME, 0),
        Ok("other")
    );
    keys.remove(&key);
    assert_eq!(keys.find(&right, HOME, 0), Err(Ignored::Unknown));
    assert_eq!(keys.len(), 1);
}

#[test]
fn a_number_that_is_taken_is_given_back() {
    let (mut keys, key) = one(InClear::Anywhere);
    assert_eq!(keys.add(&key, AWAY, "second"), Err("second"));
    assert_eq!(keys.find(&request(&key, Channel::Tls), AWAY, 0), Ok("mine"));
}

#[test]
fn who_guesses_is_stopped_and_forgiven_later_and_nobody_else_is() {
    let (mut keys, key) = one(InClear::Anywhere);
    let right = request(&key, Channel::Clear);
    let wrong = CancelRequest {
        key: vec![1; 4],
        ..right.clone()
    };
    for _ in 0..BURST {
        assert_eq!(keys.find(&wrong, AWAY, 0), Err(Ignored::Unknown));
    }
    assert_eq!(keys.find(&wrong, AWAY, 0), Err(Ignored::TooMany));
    assert_eq!(keys.find(&right, AWAY, REFILL - 1), Err(Ignored::TooMany));
    assert_eq!(keys.find(&right, HOME, 0), Ok("mine"));
    assert_eq!(keys.find(&right, AWAY, REFILL), Ok("mine"));
    // Right keys cost nothing.
    for _ in 0..100 {
        assert_eq!(keys.find(&right, AWAY, REFILL), Ok("mine"));
    }
}

#[test]
fn a_network_of_version_6_is_one_guesser_and_memory_is_bounded() {
    let (mut keys, key) = one(InClear::Anywhere);
    let wrong = CancelRequest {
        key: vec![1; 4],
        ..request(&key, Channel::Clear)
    };
    for host in 0..BURST {
        let from = IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | u128::from(host)));
        assert_eq!(keys.find(&wrong, from, 0), Err(Ignored::Unknown));
    }
    assert_eq!(
        keys.find(&wrong, "2001:db8::ffff".parse().unwrap(), 0),
        Err(Ignored::TooMany)
    );
    for network in 0..3 * ADDRESSES as u128 {
        let from = IpAddr::V6(Ipv6Addr::from_bits((0x2002 << 112) | (network << 64)));
        assert_eq!(keys.find(&wrong, from, 5), Err(Ignored::Unknown));
    }
    assert!(keys.tries.forgiven_at.len() <= ADDRESSES);
}

#[test]
fn keys_are_as_long_as_the_version_says_and_their_numbers_positive() {
    for (version, size) in [(Version::V30, 4), (Version::V32, 32)] {
        let mut out = Vec::new();
        ClientKey::mint(version, &[0xff; RANDOM]).put(&mut out);
        assert_eq!(out.len(), 1 + 4 + 4 + size);
        assert_eq!(out.get(5..9), Some(&[0x7f, 0xff, 0xff, 0xff][..]));
    }
    assert_eq!(ClientKey::mint(Version::V30, &[0; RANDOM]).pid(), 1);
    let mut out = Vec::new();
    ServerKey {
        pid: 5,
        secret: vec![1, 2, 3, 4],
    }
    .put_request(&mut out);
    assert_eq!(out, b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x05\x01\x02\x03\x04");
}

/// What the page says of them, counted.
#[test]
fn nobody_guesses_as_many_bits_as_the_page_says() {
    let bits = |version| {
        let key = ClientKey::mint(version, &[0xff; RANDOM]);
        let secret: u32 = key.secret().iter().map(|byte| byte.count_ones()).sum();
        (key.pid().count_ones(), secret)
    };
    let ((number, secret), (_, long)) = (bits(Version::V30), bits(Version::V32));
    let page = include_str!("../../../../docs/proxy.md");
    for said in [
        format!("a key of its own with {} bits", number + secret),
        format!(
            "number, of {number} bits, is as random as the secret of {secret}; with protocol 3.2 that has {long}"
        ),
    ] {
        assert!(page.contains(&said), "{said}");
    }
}
