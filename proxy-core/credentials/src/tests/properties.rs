//! What holds for every input.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use muster_model::{Kind, hint};
use proptest::prelude::*;

use crate::{
    Credentials as _, Failure, Keyring, Parts, Settings,
    endpoint::token_endpoint,
    testkit::{Hand, NOW, found, in_region, target},
    token::entra,
    trust::roots,
};

/// Whose names end in these is AWS or Azure, by their registration.
const PROVIDERS: [&str; 10] = [
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
    ".database.azure.com",
    ".database.chinacloudapi.cn",
    ".database.usgovcloudapi.net",
];

fn any_kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(Kind::ALL)
}

/// Hosts that are nearly a provider's, and whatever else.
fn any_host() -> impl Strategy<Value = String> {
    let part = proptest::sample::select(vec![
        "orders",
        "abc",
        "eu-west-1",
        "rds",
        "docdb",
        "cache",
        "euw1",
        "postgres",
        "mysql",
        "database",
        "amazonaws",
        "azure",
        "com",
        "cn",
        "evil",
        "example",
        "",
        "@",
        "a/b",
        "x#",
    ]);
    prop_oneof![
        proptest::collection::vec(part, 1..8).prop_map(|parts| parts.join(".")),
        "(orders\\.abc\\.)?(eu-west-1|us-east-1)\\.rds\\.amazonaws\\.com(\\.cn|\\.evil)?",
        "(orders)?[.@]?(postgres|mysql)\\.database\\.(azure\\.com|evil\\.cn)",
        "\\PC{0,40}",
    ]
}

proptest! {
    #[test]
    fn a_record_gets_no_token_for_a_host_that_is_nobodys(
        kind in any_kind(),
        host in any_host(),
        region in "(eu-west-1|us-east-1|cn-north-1|[a-z.-]{0,12})",
    ) {
        let record = in_region(target(kind, &host), &region);
        if let Ok(endpoint) = token_endpoint(&record) {
            let host = endpoint.host.to_ascii_lowercase();
            prop_assert!(PROVIDERS.iter().any(|end| host.ends_with(end)), "{host}");
            prop_assert!(host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
            prop_assert!(kind.service().is_some());
        }
    }

    #[test]
    fn the_name_at_a_single_server_is_completed_once(
        user in "\\PC{1,40}",
        server in "[a-z][a-z0-9-]{1,20}",
    ) {
        let target = found(Kind::AzurePostgresql, &format!("{server}.postgres.database.azure.com"));
        let once = entra::user(&target, &user);
        prop_assert!(once.starts_with(&user) && once.ends_with(&server));
        prop_assert_eq!(entra::user(&target, &once), once);
    }

    #[test]
    fn no_text_of_certificates_panics(text in "\\PC{0,200}", body in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = roots::read(&text);
        let body: String = body.iter().map(|byte| char::from(b'A' + byte % 26)).collect();
        let _ = roots::read(&format!("{text}-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"));
    }

    /// Whatever a database sends, the text has one line of message, bounded, without control characters.
    #[test]
    fn advice_is_fit_to_be_shown(
        kind in any_kind(),
        user in any::<String>(),
        message in any::<String>(),
        code in proptest::sample::select(vec!["28000", "28P01", "3D000", "", "x\n"]),
        leaf in proptest::collection::vec(any::<u8>(), 0..100),
        auth in proptest::sample::select(vec!["iam", "entra", "password", "certificate", "none", "?"]),
    ) {
        let keyring = Keyring::new(Parts {
            settings: Settings::default(),
            aws: None,
            azure: None,
            database_ca: None,
            clock: Hand::at(NOW).clock(),
        })
        .unwrap();
        let mut target = target(kind, "h.example");
        target.hints.insert(hint::AUTH.to_owned(), auth.to_owned());
        let error = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        for failure in [
            Failure::Refused { severity: "FATAL", code, message: &message },
            Failure::Unanswerable { asked: &message },
            Failure::Tls { error: &error, leaf: Some(&leaf) },
            Failure::Closed,
        ] {
            let advice = keyring.explain(&target, &user, &failure);
            prop_assert!(!advice.message.chars().any(char::is_control), "{:?}", advice.message);
            prop_assert!(advice.message.len() < 2048 && advice.hint.len() < 8192);
            prop_assert!(!advice.hint.chars().any(|c| c.is_control() && c != '\n'), "{:?}", advice.hint);
        }
    }
}
