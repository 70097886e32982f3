//! Who is let in, and what the others read.

use std::sync::Arc;

use async_trait::async_trait;
use muster_access::Identity;
use muster_model::{Protocol, Target, Timestamp};
use muster_proxy::{Caller, HttpService, Settings, tls::Leg};
use rcgen::{BasicConstraints, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    bed::{Bed, Ca, Certificate, bed, run, target, user},
    server::until,
};

#[test]
fn whoever_cannot_be_identified_reads_why() {
    let bed = bed();
    let name = bed.person(|_| {});
    let good = bed.identity(&name, Some("app"));
    let other = Ca::new("others");
    let signed = |change: &dyn Fn(&mut rcgen::CertificateParams)| -> Certificate {
        let mut params = bed.params(&good);
        change(&mut params);
        bed.certificate(&bed.users, &params)
    };
    let of = |identity: &Identity| bed.certificate(&bed.users, &bed.params(identity));
    let now = bed.now();
    let expired = Identity {
        issued: Timestamp::from_unix(now - 7200),
        expires: Timestamp::from_unix(now - 3600),
        ..good.clone()
    };
    let early = Identity {
        issued: Timestamp::from_unix(now + 3600),
        ..good.clone()
    };
    let elsewhere = Identity {
        cluster: "elsewhere".into(),
        ..good.clone()
    };
    let cases: Vec<(Option<Certificate>, &str)> = vec![
        (None, "no client certificate was shown"),
        (Some(of(&expired)), "the client certificate expired at"),
        (
            Some(of(&early)),
            "the client certificate is not valid before",
        ),
        (
            Some(bed.certificate(&other, &bed.params(&good))),
            "was not made by this cluster's authority for users",
        ),
        (Some(of(&elsewhere)), "belongs to the cluster `elsewhere`"),
        (
            Some(signed(&|params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            })),
            "it is not for authenticating a client",
        ),
        (
            Some(signed(&|params| params.custom_extensions.clear())),
            "it carries no identity of muster",
        ),
        (
            Some(signed(&|params| {
                let again = params.custom_extensions[0].clone();
                params.custom_extensions.push(again);
            })),
            "the client certificate",
        ),
        (
            Some(signed(&|params| {
                params.custom_extensions = vec![CustomExtension::from_oid_content(
                    muster_access::IDENTITY_OID,
                    b"{\"v\":99}".to_vec(),
                )];
            })),
            "the client certificate cannot be read",
        ),
    ];
    for (certificate, expected) in cases {
        let said = bed.complaint(certificate.as_ref(), "");
        assert!(
            said.contains("FATAL") && said.contains(expected),
            "{expected}: {said}"
        );
        assert!(said.contains("HINT"), "{said}");
    }
}

#[test]
fn whoever_has_a_certificate_cannot_make_others() {
    let bed = bed();
    let (name, victim) = (bed.person(|_| {}), bed.person(|_| {}));
    let mine = bed.params(&bed.identity(&name, Some("app")));
    let forged = bed.params(&bed.identity(&victim, Some("app")));
    let named = |mut params: rcgen::CertificateParams| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "in between");
        params
    };
    let mut authority = named(mine.clone());
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    // What the authority signs is none; and if it ever signed one, that one would have no say either.
    for between in [named(mine.clone()), authority] {
        let between = bed.users.below(between);
        for chain in [
            vec![between.pem.as_str()],
            vec![&between.pem, &bed.users.pem],
            vec![&bed.users.pem, &between.pem],
            vec![],
        ] {
            let certificate = bed.with_chain(bed.certificate(&between, &forged), &chain);
            let said = bed.complaint(Some(&certificate), "");
            assert!(
                said.contains("FATAL")
                    && said.contains("was not made by this cluster's authority for users"),
                "{said}"
            );
        }
    }
    assert!(bed.events_of(&victim).is_empty());
    // What stands behind a good one does not matter, however much it is.
    let other = Ca::new("others");
    let many: Vec<&str> = std::iter::once(bed.users.pem.as_str())
        .chain(std::iter::repeat_n(other.pem.as_str(), 12))
        .collect();
    let certificate = bed.with_chain(bed.certificate(&bed.users, &mine), &many);
    assert_eq!(bed.sql(&certificate, &["select 1"]), "1\n");
}

#[test]
fn whoever_may_not_reads_why() {
    let bed = bed();
    let name = bed.person(|_| {});
    let to = |target: &str| bed.login(&name, target);
    for (certificate, more, expected) in [
        (
            to("app"),
            "user=bob",
            "do not allow the database user `bob`",
        ),
        (to("nowhere"), "", "there is no such database"),
        (to("stopped"), "", "the database `stopped` is stopped"),
        (
            to("gone"),
            "",
            "cannot open gone as alice: connection refused",
        ),
        (
            to("app"),
            "dbname=missing",
            "database \"missing\" does not exist",
        ),
        (
            to("app"),
            "user=carl",
            "cannot open app as carl: password authentication failed",
        ),
        (
            to("app"),
            "sslmode=disable",
            "connections without TLS are not served here",
        ),
    ] {
        let said = bed.complaint(Some(&certificate), more);
        assert!(
            said.contains("FATAL") && said.contains(expected),
            "{expected}: {said}"
        );
    }
    // Whoever has logged in without a second factor, where a role of theirs demands one.
    let careful = bed.person(|role| role.options.require_totp = true);
    let said = bed.complaint(Some(&bed.login(&careful, "app")), "");
    assert!(said.contains("a second factor is needed"), "{said}");
    let with = Identity {
        totp: true,
        ..bed.identity(&careful, Some("app"))
    };
    let with = bed.certificate(&bed.users, &bed.params(&with));
    assert_eq!(bed.sql(&with, &["select 1"]), "1\n");
    let stranger = bed.login("nobody", "app");
    let said = bed.complaint(Some(&stranger), "");
    assert!(said.contains("log in again"), "{said}");
}

#[test]
fn whoever_may_open_nothing_finds_out_nothing_about_what_is_there() {
    let bed = Bed::new(Settings::default(), None);
    let other = Target {
        protocol: Protocol::Mysql,
        ..target("other", "other", None)
    };
    bed.catalog
        .rcu(|catalog| catalog.with(Arc::new(other.clone())));
    let lock = muster_access::Lock {
        message: Some("under repair".into()),
        ..muster_access::Lock::new("repair", muster_access::LockTarget::Target("app".into()))
    };
    bed.policy.rcu(|policy| policy.with_lock(lock.clone()));
    let careful = bed.person(|role| role.options.require_totp = true);
    for (user, expected) in [
        (careful.as_str(), "a second factor is needed"),
        ("nobody", "your certificate opens no database here"),
    ] {
        let said = ["nowhere", "app", "other", "stopped"]
            .map(|name| bed.complaint(Some(&bed.login(user, name)), ""));
        assert!(said[0].contains(expected), "{said:?}");
        let is_same = |one: &String| *one == said[0];
        assert!(said.iter().all(is_same), "{said:?}");
    }
    // Whoever may know of them is told.
    let user = bed.person(|_| {});
    for (name, expected) in [("app", "under repair"), ("other", "speaks mysql")] {
        let said = bed.complaint(Some(&bed.login(&user, name)), "");
        assert!(said.contains(expected), "{said}");
    }
    bed.door.stop();
}

#[test]
fn a_server_name_leads_to_a_target_and_its_absence_is_explained() {
    let bed = bed();
    let name = bed.person(|_| {});
    let identity = bed.identity(&name, None);
    let anywhere = bed.certificate(&bed.users, &bed.params(&identity));
    let said = bed.complaint(Some(&anywhere), "");
    assert!(
        said.contains("does not say which database it is for"),
        "{said}"
    );
    for host in ["app.door.test", "app.inner.door.test"] {
        let mut psql = bed.psql(Some(&anywhere), &format!("host={host}"));
        let output = psql.args(["-c", "select 5"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "5\n", "{output:?}");
    }
}

#[test]
fn a_database_that_was_added_is_served_at_once() {
    let bed = bed();
    let name = bed.person(|_| {});
    let late = bed.login(&name, "late");
    bed.complaint(Some(&late), "");
    let endpoint = std::net::SocketAddr::from(([127, 0, 0, 1], crate::server::postgres().port));
    bed.catalog
        .rcu(|catalog| catalog.with(Arc::new(target("late", "late", Some(endpoint)))));
    assert_eq!(bed.sql(&late, &["select 6"]), "6\n");
}

#[test]
fn a_role_bounds_the_sessions_of_a_user() {
    let bed = bed();
    let name = bed.person(|role| role.options.max_connections = Some(1));
    let certificate = bed.login(&name, "app");
    run(async {
        let session = bed.connect(&certificate, "alice").await;
        let said = bed.complaint(Some(&certificate), "");
        assert!(
            said.contains("which is all that your roles allow"),
            "{said}"
        );
        drop(session);
    });
    until("the session is gone", || bed.sessions_of(&name) == 0);
    assert_eq!(bed.sql(&certificate, &["select 1"]), "1\n");
}

pub struct Hello;

#[async_trait]
impl HttpService for Hello {
    async fn serve(&self, mut connection: Leg, caller: Caller) {
        let mut request = [0; 1024];
        let count = connection.read(&mut request).await.unwrap();
        assert!(request[..count].starts_with(b"GET /"));
        let who = caller
            .identity
            .map_or("nobody".to_owned(), |who| who.identity().user.clone());
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{who}",
            who.len()
        );
        connection.write_all(answer.as_bytes()).await.unwrap();
        connection.shutdown().await.unwrap();
    }
}

/// Answers nothing until the client ends.
pub struct Hold;

#[async_trait]
impl HttpService for Hold {
    async fn serve(&self, mut connection: Leg, _: Caller) {
        let _ = connection.read(&mut [0; 16]).await;
    }
}

#[test]
fn http_is_answered_on_the_same_port_also_where_no_place_is_left() {
    let settings = Settings {
        connections: 0,
        ..Settings::default()
    };
    let bed = Bed::new(settings, Some(Arc::new(Hello)));
    bed.policy
        .rcu(|policy| policy.with_user(user("ann", &["dev"])));
    let certificate = bed.login("ann", "app");
    run(async {
        for (alpn, shown, expected) in [(true, false, "nobody"), (false, true, "ann")] {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(bed.doors.der.clone()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots);
            let mut config = if shown {
                let key = PrivateKeyDer::try_from(certificate.key.clone()).unwrap();
                builder
                    .with_client_auth_cert(vec![certificate.der.clone()], key)
                    .unwrap()
            } else {
                builder.with_no_client_auth()
            };
            if alpn {
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
            }
            let socket = tokio::net::TcpStream::connect(bed.door.local_addr())
                .await
                .unwrap();
            let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config))
                .connect(ServerName::try_from("localhost").unwrap(), socket)
                .await
                .unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with(expected), "{answer}");
        }
    });
    bed.door.stop();
}
