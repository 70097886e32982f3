//! Who is trusted, over real handshakes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod clients;

use std::{path::PathBuf, sync::Arc};

use muster_model::{Kind, Selector, Target, hint};
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::{CertificateError, Error};
use rustls_pki_types::PrivateKeyDer;
use time::OffsetDateTime;

use super::{
    Trust, roots,
    testkit::{Authority, Leaf, meet, params},
};
use crate::{
    CredentialError, Settings, TlsMode, TlsRule,
    testkit::{Hand, NOW, found, target},
};

const HOST: &str = "orders.internal.example";

fn trust(settings: &Settings) -> Trust {
    Trust::new(settings, Hand::at(NOW).clock(), None).unwrap()
}

/// A target whose record names its authority, and maybe a mode.
fn with_ca(authority: &Authority, mode: Option<&str>) -> Target {
    let mut target = target(Kind::Rds, HOST);
    target
        .hints
        .insert(hint::TLS_CA.to_owned(), authority.pem.clone());
    if let Some(mode) = mode {
        target
            .hints
            .insert(hint::TLS_MODE.to_owned(), mode.to_owned());
    }
    target
}

fn met(trust: &Trust, target: &Target, leaf: &Leaf) -> Result<(), Error> {
    meet(&trust.tls(target, "alice", false).unwrap(), leaf, None).client
}

fn refused(result: Result<(), Error>) -> CertificateError {
    match result {
        Err(Error::InvalidCertificate(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_roots_that_come_with_muster_can_all_be_used() {
    let rds = roots::read(roots::RDS).unwrap();
    assert_eq!(rds.len(), 81);
    for certificate in &rds {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
        let subject = parsed.subject().to_string();
        assert!(
            subject.contains("O=Amazon Web Services, Inc.") && subject.contains(" Root CA "),
            "{subject}"
        );
        assert!(
            !subject.contains("Beta") && !subject.contains("Preview") && !subject.contains("2019"),
            "{subject}"
        );
        assert!(parsed.is_ca() && parsed.subject() == parsed.issuer());
        assert!(parsed.validity().not_after.timestamp() > 2_800_000_000);
        parsed
            .verify_signature(None)
            .unwrap_or_else(|error| panic!("{subject}: {error}"));
    }
    assert_eq!(roots::read(roots::AMAZON_TRUST_SERVICES).unwrap().len(), 5);
    assert_eq!(roots::rds().len(), 86);
    assert!(roots::public().len() > 100);
}

#[test]
fn each_mode_checks_what_it_says() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let right = ours.server(HOST);
    let wrong_name = ours.server("other.example");
    let wrong_ca = theirs.server(HOST);
    let trust = trust(&Settings::default());
    for (mode, name_matters, ca_matters) in [
        (None, true, true),
        (Some("verify-full"), true, true),
        (Some("verify-ca"), false, true),
        (Some("insecure"), false, false),
    ] {
        let target = with_ca(&ours, mode);
        assert_eq!(met(&trust, &target, &right), Ok(()), "{mode:?}");
        let got = met(&trust, &target, &wrong_name);
        assert_eq!(got.is_err(), name_matters, "{mode:?}");
        if name_matters {
            let error = refused(got);
            assert!(
                matches!(&error, CertificateError::NotValidForNameContext { .. }),
                "{error:?}"
            );
        }
        let got = met(&trust, &target, &wrong_ca);
        assert_eq!(got.is_err(), ca_matters, "{mode:?}");
        if ca_matters {
            assert_eq!(refused(got), CertificateError::UnknownIssuer);
        }
        let tls = trust.tls(&target, "alice", false).unwrap();
        assert_eq!(tls.verified, ca_matters, "{mode:?}");
    }
}

/// As `openssl req -x509` makes one: signed by itself, and an authority's by its own word.
fn self_signed(name: &str, from: i64, until: i64) -> (String, Leaf) {
    let mut params = params(&[name]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages.clear();
    let at = |offset| OffsetDateTime::from_unix_timestamp(NOW.cast_signed() + offset).unwrap();
    (params.not_before, params.not_after) = (at(from), at(until));
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let leaf = Leaf {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    };
    (certificate.pem(), leaf)
}

#[test]
fn a_server_may_show_a_certificate_of_its_own_making_where_that_one_is_named() {
    let named = |pem: &str| {
        let mut target = target(Kind::Rds, HOST);
        target.hints.insert(hint::TLS_CA.to_owned(), pem.to_owned());
        target
    };
    let trust = trust(&Settings::default());
    let (pem, leaf) = self_signed(HOST, -60, 60);
    met(&trust, &named(&pem), &leaf).unwrap();
    // Another one of the same name, by another key.
    let (other, _) = self_signed(HOST, -60, 60);
    let error = refused(met(&trust, &named(&other), &leaf));
    assert!(matches!(error, CertificateError::Other(_)), "{error:?}");
    let (pem, leaf) = self_signed("other.example", -60, 60);
    let error = refused(met(&trust, &named(&pem), &leaf));
    assert!(
        matches!(error, CertificateError::NotValidForNameContext { .. }),
        "{error:?}"
    );
    let (pem, leaf) = self_signed(HOST, -60, -1);
    let error = refused(met(&trust, &named(&pem), &leaf));
    assert!(
        matches!(error, CertificateError::ExpiredContext { .. }),
        "{error:?}"
    );
    let (pem, leaf) = self_signed(HOST, 60, 120);
    let error = refused(met(&trust, &named(&pem), &leaf));
    assert!(
        matches!(error, CertificateError::NotValidYetContext { .. }),
        "{error:?}"
    );
}

#[test]
fn certificates_that_are_not_good_now_or_not_for_servers_are_refused() {
    let ours = Authority::new("ours");
    let trust = trust(&Settings::default());
    let second = time::Duration::SECOND;
    let now = time::OffsetDateTime::from_unix_timestamp(NOW.try_into().unwrap()).unwrap();
    for mode in ["verify-full", "verify-ca"] {
        let target = with_ca(&ours, Some(mode));
        let mut expired = params(&[HOST]);
        expired.not_after = now - second;
        let error = refused(met(&trust, &target, &ours.sign(&expired)));
        assert!(
            matches!(error, CertificateError::ExpiredContext { .. }),
            "{error:?}"
        );
        let mut early = params(&[HOST]);
        early.not_before = now + second;
        let error = refused(met(&trust, &target, &ours.sign(&early)));
        assert!(
            matches!(error, CertificateError::NotValidYetContext { .. }),
            "{error:?}"
        );
        let mut client = params(&[HOST]);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let error = refused(met(&trust, &target, &ours.sign(&client)));
        assert!(
            matches!(error, CertificateError::InvalidPurposeContext { .. }),
            "{error:?}"
        );
        // Signed by nobody but itself.
        let key = KeyPair::generate().unwrap();
        let own = params(&[HOST]).self_signed(&key).unwrap();
        let leaf = Leaf {
            chain: vec![own.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        };
        assert_eq!(
            refused(met(&trust, &target, &leaf)),
            CertificateError::UnknownIssuer
        );
    }
}

#[test]
fn a_certificate_is_worth_nothing_without_its_key() {
    let ours = Authority::new("ours");
    let genuine = ours.server(HOST);
    let other = ours.server("other.example");
    for mode in ["verify-full", "verify-ca", "insecure"] {
        let trust = trust(&Settings::default());
        let target = with_ca(&ours, Some(mode));
        // The chain is known from a good handshake, so that only the signature can tell.
        assert_eq!(met(&trust, &target, &genuine), Ok(()), "{mode}");
        let stolen = Leaf {
            chain: genuine.chain.clone(),
            key: other.key.clone_key(),
        };
        assert_eq!(
            refused(met(&trust, &target, &stolen)),
            CertificateError::BadSignature,
            "{mode}"
        );
    }
}

#[test]
fn a_chain_that_was_checked_counts_until_it_ends() {
    let ours = Authority::new("ours");
    let hand = Hand::at(NOW);
    let trust = Trust::new(&Settings::default(), hand.clock(), None).unwrap();
    let target = with_ca(&ours, None);
    let mut short = params(&[HOST]);
    let end = i64::try_from(NOW).unwrap() + 600;
    short.not_after = time::OffsetDateTime::from_unix_timestamp(end).unwrap();
    let leaf = ours.sign(&short);
    assert_eq!(met(&trust, &target, &leaf), Ok(()));
    assert_eq!(met(&trust, &target, &leaf), Ok(()));
    hand.set(NOW + 599);
    assert_eq!(met(&trust, &target, &leaf), Ok(()));
    hand.set(NOW + 601);
    let error = refused(met(&trust, &target, &leaf));
    assert!(
        matches!(error, CertificateError::ExpiredContext { .. }),
        "{error:?}"
    );
    // Under another name it is another question.
    hand.set(NOW);
    let mut elsewhere = target.clone();
    elsewhere.tls_server_name = Some("other.example".to_owned());
    refused(met(&trust, &elsewhere, &leaf));
}

#[test]
fn the_name_to_check_may_differ_from_the_host() {
    let ours = Authority::new("ours");
    let trust = trust(&Settings::default());
    let mut target = with_ca(&ours, None);
    target.tls_server_name = Some("shop.cluster.example".to_owned());
    assert_eq!(
        met(&trust, &target, &ours.server("shop.cluster.example")),
        Ok(())
    );
    refused(met(&trust, &target, &ours.server(HOST)));
    // An address is a name as well.
    let mut target = with_ca(&ours, None);
    target.endpoint.as_mut().unwrap().host = "10.0.0.7".to_owned();
    assert_eq!(met(&trust, &target, &ours.server("10.0.0.7")), Ok(()));
    refused(met(&trust, &target, &ours.server("10.0.0.8")));
}

#[test]
fn files_of_certificates_are_trusted_as_the_settings_say() {
    let folder = tempfile::tempdir().unwrap();
    let (extra, own) = (Authority::new("extra"), Authority::new("own"));
    let write = |name: &str, authority: &Authority| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("# a comment\n{}", authority.pem)).unwrap();
        path
    };
    let settings = Settings {
        ca_files: vec![write("extra.pem", &extra)],
        tls: vec![TlsRule {
            databases: Selector::of([("env", ["dev"])]).unwrap(),
            mode: TlsMode::VerifyCa,
            ca_file: Some(write("own.pem", &own)),
        }],
        ..Settings::default()
    };
    let trust = trust(&settings);
    // Beside the usual ones, everywhere.
    for kind in [Kind::Rds, Kind::AzurePostgresqlFlexible, Kind::Elasticache] {
        let target = found(kind, HOST);
        assert_eq!(met(&trust, &target, &extra.server(HOST)), Ok(()));
        refused(met(&trust, &target, &own.server(HOST)));
    }
    // The rule selects by labels, also what muster found.
    let mut dev = found(Kind::Rds, HOST);
    assert!(dev.labels.set("env", "dev", "test"));
    assert_eq!(met(&trust, &dev, &own.server("other.example")), Ok(()));
    assert!(trust.tls(&dev, "alice", false).unwrap().verified);
    // A record's own certificates go before both.
    let record = with_ca(&own, None);
    assert_eq!(met(&trust, &record, &own.server(HOST)), Ok(()));

    let missing = Settings {
        ca_files: vec![PathBuf::from("/nonexistent/ca.pem")],
        tls: vec![TlsRule {
            databases: Selector::all(),
            mode: TlsMode::VerifyFull,
            ca_file: Some(folder.path().to_owned()),
        }],
        ..Settings::default()
    };
    let wrong = Trust::new(&missing, Hand::at(NOW).clock(), None).unwrap_err();
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].starts_with("/nonexistent/ca.pem: No such file"));
    assert!(wrong[1].ends_with(": not a file"));
}

#[test]
fn what_muster_found_cannot_be_made_less_careful_by_hints() {
    let ours = Authority::new("ours");
    let trust = trust(&Settings::default());
    for (name, value, sound) in [
        (hint::TLS_MODE, "insecure", false),
        (hint::TLS_MODE, "verify-ca", false),
        (hint::TLS_MODE, "verify-full", true),
        (hint::TLS_MODE, "off", false),
        (hint::TLS_CA, ours.pem.as_str(), false),
    ] {
        let mut target = found(Kind::Rds, HOST);
        target.hints.insert(name.to_owned(), value.to_owned());
        let got = trust.tls(&target, "alice", false);
        assert_eq!(got.is_ok(), sound, "{name}: {value}");
        if let Err(error) = got {
            assert!(matches!(error, CredentialError::Trust(_)), "{error}");
        }
    }
    for (value, want) in [
        ("", "no certificate in it"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate 1 cannot be trusted",
        ),
        (
            "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n",
            "certificate 1: ",
        ),
    ] {
        let mut target = target(Kind::Rds, HOST);
        target
            .hints
            .insert(hint::TLS_CA.to_owned(), value.to_owned());
        let error = trust
            .tls(&target, "alice", false)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn settings_are_shared_by_all_that_are_treated_alike() {
    let trust = trust(&Settings::default());
    let config = |target: &Target| trust.tls(target, "alice", false).unwrap().config;
    let one = config(&found(Kind::Rds, "a.example"));
    assert!(Arc::ptr_eq(
        &one,
        &config(&found(Kind::Aurora, "b.example"))
    ));
    let other = config(&found(Kind::AzureMysql, "a.example"));
    assert!(!Arc::ptr_eq(&one, &other));
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let record = config(&with_ca(&ours, None));
    assert!(Arc::ptr_eq(&record, &config(&with_ca(&ours, None))));
    assert!(!Arc::ptr_eq(&record, &config(&with_ca(&theirs, None))));
    assert!(!Arc::ptr_eq(
        &record,
        &config(&with_ca(&ours, Some("verify-ca")))
    ));
}
