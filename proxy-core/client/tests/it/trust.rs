//! Whom to believe: the first meeting, the pin, and everything that speaks against a proxy.

use std::time::Duration;

use muster_client::{
    Address, Api, Credentials, Error, HTTP, Kind, Limits, Pin, Secret, Trust, introduce,
};
use tokio::net::TcpListener;

use crate::server::{Answers, Ca, Proxy, Shown, clock, ping};

const SOON: i64 = 3600;

async fn proxy(shown: Shown, host_ca: &str) -> Proxy {
    let answers = Answers::from([("GET /v1/ping", (200, ping(host_ca)))]);
    Proxy::start(shown, None, answers).await
}

fn pin(ca: &Ca) -> Pin {
    Pin::of(ca.0.der())
}

async fn verified(address: &Address, trust: &Trust) -> Result<String, Error> {
    let tls = trust.tls(None, HTTP, &clock()).unwrap();
    let api = Api::new(address.clone(), tls, clock(), Limits::default());
    api.ping().await.map(|ping| ping.cluster)
}

#[tokio::test]
async fn a_pin_picks_the_one_authority_that_is_believed_from_then_on() {
    let (right, other) = (Ca::new(), Ca::new());
    // In an exchange of authorities there are two.
    let both = other.pem() + &right.pem();
    let proxy = proxy(right.shows("localhost", -SOON, SOON), &both).await;
    let met = introduce(&proxy.address(), &clock(), Limits::default())
        .await
        .unwrap();
    assert_eq!(met.ping.cluster, "test");
    let trust = met.pinned(pin(&right)).unwrap();
    assert_eq!(trust.pins(), [pin(&right)]);
    assert_eq!(verified(&proxy.address(), &trust).await.unwrap(), "test");
    // Who has no pin is shown the fingerprint of the one that signed.
    assert_eq!(met.signer().unwrap().0, pin(&right));
    let error = met.pinned(pin(&Ca::new())).unwrap_err();
    assert_eq!(error.kind(), &Kind::Untrusted);
    // Nothing was sent but the question that anybody may ask.
    let asked = proxy.asked.lock().unwrap();
    assert!(
        asked.iter().all(|asked| asked.starts_with("GET /v1/ping")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn somebody_in_between_who_names_the_right_authority_is_found_out() {
    let (right, theirs) = (Ca::new(), Ca::new());
    let between = proxy(
        theirs.shows("localhost", -SOON, SOON),
        &(right.pem() + &theirs.pem()),
    )
    .await;
    let met = introduce(&between.address(), &clock(), Limits::default())
        .await
        .unwrap();
    // They have what the pin stands for among what they say, and not its key.
    let trust = met.pinned(pin(&right)).unwrap();
    let error = verified(&between.address(), &trust).await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Untrusted);
    assert!(error.next().unwrap().contains("--ca-pin"), "{error:?}");
    // And whoever is asked sees their fingerprint, not the right one.
    assert_eq!(met.signer().unwrap().0, pin(&theirs));
    let liar = proxy(theirs.shows("localhost", -SOON, SOON), &right.pem()).await;
    let met = introduce(&liar.address(), &clock(), Limits::default())
        .await
        .unwrap();
    assert_eq!(met.signer().unwrap_err().kind(), &Kind::Untrusted);
}

#[tokio::test]
async fn what_speaks_against_a_certificate_is_said_in_words() {
    let ca = Ca::new();
    let trust = Trust::from_pem(&ca.pem()).unwrap();
    for (shown, kind, why) in [
        (
            ca.shows("localhost", SOON, 2 * SOON),
            Kind::Clock,
            "is valid from 2027-01-15T09:00:00Z, and the clock of this machine says 2027-01-15T08:00:00Z",
        ),
        (
            ca.shows("localhost", -2 * SOON, -SOON),
            Kind::Clock,
            "was valid until 2027-01-15T07:00:00Z",
        ),
        (
            ca.shows("door.example.com", -SOON, SOON),
            Kind::Untrusted,
            "not for localhost, but for door.example.com",
        ),
        (
            Ca::new().shows("localhost", -SOON, SOON),
            Kind::Untrusted,
            "not signed by the authority",
        ),
    ] {
        let proxy = proxy(shown, &ca.pem()).await;
        let error = verified(&proxy.address(), &trust).await.unwrap_err();
        let said = error.why().join("; ");
        assert_eq!(error.kind(), &kind, "{error:?}");
        assert!(said.contains(why) && error.next().is_some(), "{error:?}");
    }
}

#[tokio::test]
async fn who_is_no_proxy_or_does_not_answer_is_told_apart() {
    let limits = Limits {
        connect: Duration::from_millis(300),
        ..Limits::default()
    };
    let meet = async |address: String| {
        let address: Address = address.parse().unwrap();
        introduce(&address, &clock(), limits).await.unwrap_err()
    };
    // Nobody listens on a port that was just closed.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let error = meet(gone.to_string()).await;
    assert_eq!(error.kind(), &Kind::Unreachable);
    assert!(error.what().contains(&gone.to_string()), "{error}");
    assert!(error.why()[0].contains("nobody listens there"), "{error:?}");
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = meet(silent.local_addr().unwrap().to_string()).await;
    assert_eq!(error.kind(), &Kind::Unreachable);
    assert!(error.why()[0].contains("no answer within"), "{error:?}");
    // It speaks something else.
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = plain.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let bye = b"HTTP/1.0 400 Bad Request\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, bye).await;
        }
    });
    let error = meet(at.to_string()).await;
    assert_eq!(error.kind(), &Kind::Foreign);
    assert!(error.why()[0].contains("not TLS"), "{error:?}");
    // It speaks HTTPS, and is something else.
    let other = Proxy::start(
        Ca::new().shows("localhost", -SOON, SOON),
        None,
        Answers::from([("GET /v1/ping", (200, "<html>".to_owned()))]),
    );
    let error = meet(other.await.address().to_string()).await;
    assert_eq!(error.kind(), &Kind::Foreign);
    // The name does not exist (RFC 6761 says so of all below `invalid`).
    let error = meet("nowhere.invalid".to_owned()).await;
    assert_eq!(error.kind(), &Kind::Unreachable);
}

#[tokio::test]
async fn the_certificate_of_a_login_is_shown() {
    let (ca, people) = (Ca::new(), Ca::new());
    let answers = Answers::from([("GET /v1/ping", (200, ping(&ca.pem())))]);
    let proxy = Proxy::start(ca.shows("localhost", -SOON, SOON), Some(&people), answers).await;
    let trust = Trust::from_pem(&ca.pem()).unwrap();
    let (certificate, key) = people.gives("eva");
    let own = Credentials::from_pem(&certificate, &Secret::new(key)).unwrap();
    let tls = trust.tls(Some(&own), HTTP, &clock()).unwrap();
    let api = Api::new(proxy.address(), tls, clock(), Limits::default());
    assert_eq!(api.ping().await.unwrap().cluster, "test");
    assert!(verified(&proxy.address(), &trust).await.is_err());
    // A key of another certificate is no login.
    let (_, other) = people.gives("eva");
    let mixed = Credentials::from_pem(&certificate, &Secret::new(other)).unwrap();
    let error = trust.tls(Some(&mixed), HTTP, &clock()).unwrap_err();
    assert_eq!(error.kind(), &Kind::Damaged);
}

#[test]
fn fingerprints_are_read_as_they_are_written_anywhere() {
    let hex = "0123456789abcdef".repeat(4);
    let pin: Pin = format!("sha256:{hex}").parse().unwrap();
    assert_eq!(pin.to_string(), format!("sha256:{hex}"));
    let pairs: Vec<String> = hex
        .as_bytes()
        .chunks(2)
        .map(|two| String::from_utf8_lossy(two).into_owned())
        .collect();
    for text in [
        hex.clone(),
        hex.to_uppercase(),
        format!("SHA256:{hex} "),
        pairs.join(":"),
    ] {
        assert_eq!(text.parse::<Pin>().unwrap(), pin, "{text}");
    }
    for text in [
        "",
        "sha256:",
        &hex[1..],
        &format!("{hex}0"),
        "sha256:é",
        &"g".repeat(64),
    ] {
        assert_eq!(
            text.parse::<Pin>().unwrap_err().kind(),
            &Kind::Usage,
            "{text}"
        );
    }
}

#[test]
fn authorities_that_are_none_are_refused() {
    let pem = Ca::new().pem();
    assert_eq!(
        Trust::from_pem(&pem)
            .unwrap()
            .pem()
            .parse::<String>()
            .unwrap()
            .trim(),
        pem.replace('\r', "").trim()
    );
    for text in [
        "",
        "nothing",
        &pem[..pem.len() / 2],
        &pem.repeat(17),
        &pem.replace("CERTIFICATE", "PUBLIC KEY"),
    ] {
        assert_eq!(Trust::from_pem(text).unwrap_err().kind(), &Kind::Damaged);
    }
}
