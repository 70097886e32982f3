#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn identity() -> impl Strategy<Value = Identity> {
    let route = (
        ".{1,20}",
        prop::option::of(".{0,9}"),
        prop::option::of(".{0,9}"),
    )
        .prop_map(|(target, db_user, db_name)| Route {
            target,
            db_user,
            db_name,
        });
    (
        ".{1,40}",
        prop::collection::vec(".{0,20}", 0..20),
        prop::option::of(route),
        0_i64..10_000_000_000,
        0_i64..1_000_000,
        any::<bool>(),
    )
        .prop_map(|(user, roles, route, issued, ttl, totp)| Identity {
            user,
            roles,
            usage: if route.is_some() {
                Usage::Database
            } else {
                Usage::User
            },
            route,
            cluster: "example".to_owned(),
            issued: Timestamp::from_unix(issued),
            expires: Timestamp::from_unix(issued + ttl),
            serial: "0a1b".to_owned(),
            totp,
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read(identity in identity()) {
        let bytes = identity.encode().unwrap();
        prop_assert!(bytes.len() <= MAX_IDENTITY);
        prop_assert_eq!(Identity::decode(&bytes).unwrap(), identity);
    }

    #[test]
    fn bytes_from_outside_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Identity::decode(&bytes);
    }

    #[test]
    fn damaged_identities_never_panic(identity in identity(), at in any::<prop::sample::Index>(), byte: u8, cut: bool) {
        let mut bytes = identity.encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        let _ = Identity::decode(&bytes);
    }
}

const GOOD: &str = r#"{"v":1,"user":"alice","roles":["dev"],"usage":"user","cluster":"c",
    "issued":"2026-01-01T00:00:00Z","expires":"2026-01-01T12:00:00Z","serial":"01"}"#;

#[test]
fn what_this_version_does_not_know_is_refused() {
    assert_eq!(Identity::decode(GOOD.as_bytes()).unwrap().user, "alice");
    let with = |from: &str, to: &str| {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD);
        Identity::decode(text.as_bytes()).unwrap_err().to_string()
    };
    for (from, to, say) in [
        ("\"v\":1", "\"v\":2", "version 2"),
        ("\"v\":1,", "", "missing field `v`"),
        (
            "\"roles\"",
            "\"only_from\":\"10.0.0.1\",\"roles\"",
            "only_from",
        ),
        ("\"usage\":\"user\"", "\"usage\":\"root\"", "root"),
        ("\"alice\"", "\"\"", "no user"),
        (
            "\"user\":\"alice\"",
            "\"user\":\"alice\",\"user\":\"bob\"",
            "duplicate field",
        ),
        ("2026-01-01T12", "yesterday", "not an identity"),
        (
            "\"usage\":\"user\"",
            "\"usage\":\"service\",\"route\":{\"target\":\"x\"}",
            "service has no route",
        ),
    ] {
        let told = with(from, to);
        assert!(told.contains(say), "{to}: {told}");
    }
}

#[test]
fn it_is_bounded_in_both_directions() {
    let mut identity = Identity::decode(GOOD.as_bytes()).unwrap();
    identity.roles = vec!["r".repeat(100); 200];
    assert!(matches!(identity.encode(), Err(IdentityError::TooLarge(size)) if size > MAX_IDENTITY));
    identity.roles = vec![String::new(); 257];
    assert!(matches!(
        identity.encode(),
        Err(IdentityError::Malformed(_))
    ));
    let long = format!("{GOOD}{}", " ".repeat(MAX_IDENTITY));
    assert!(matches!(
        Identity::decode(long.as_bytes()),
        Err(IdentityError::TooLarge(_))
    ));
}
