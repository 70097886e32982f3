//! Client certificates, and the authority that issues them.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicUsize, Ordering},
};

use muster_model::{Kind, Target, Timestamp};
use rcgen::{DnType, ExtendedKeyUsagePurpose};
use rustls::CertificateError;
use rustls_pki_types::CertificateDer;

use super::{HOST, met, refused, with_ca};
use crate::{
    CredentialError, DatabaseCa, Issued, Settings,
    testkit::{Hand, NOW, found, target},
    trust::{
        Trust,
        testkit::{Authority, meet, params},
    },
};

/// Issues certificates that are good for an hour.
struct Issuer {
    authority: Authority,
    issued: AtomicUsize,
    /// How often its key was exchanged.
    exchanged: AtomicU8,
}

impl DatabaseCa for Issuer {
    fn issue(&self, db_user: &str, _: &Target) -> Result<Issued, String> {
        if db_user == "nobody" {
            return Err("no certificates for nobody".to_owned());
        }
        self.issued.fetch_add(1, Ordering::SeqCst);
        let mut params = params(&[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name.push(DnType::CommonName, db_user);
        let leaf = self.authority.sign(&params);
        Ok(Issued {
            chain: leaf.chain,
            key: leaf.key,
            expires: Timestamp::from_unix(i64::try_from(NOW).unwrap() + 3600),
        })
    }

    fn signer(&self) -> [u8; 32] {
        [self.exchanged.load(Ordering::SeqCst); 32]
    }

    fn roots(&self) -> Arc<[CertificateDer<'static>]> {
        Arc::from([self.authority.der.clone()])
    }
}

#[test]
fn client_certificates_name_the_database_user_and_are_used_again() {
    let ca = Arc::new(Issuer {
        authority: Authority::new("databases"),
        issued: AtomicUsize::new(0),
        exchanged: AtomicU8::new(0),
    });
    let server = Authority::new("servers");
    let hand = Hand::at(NOW);
    let trust = Trust::new(&Settings::default(), hand.clock(), Some(ca.clone())).unwrap();
    let target = with_ca(&server, None);
    let cn = |user: &str| {
        let tls = trust.tls(&target, user, true).unwrap();
        let met = meet(&tls, &server.server(HOST), Some(&ca.authority));
        assert_eq!(met.client, Ok(()));
        let (_, shown) = x509_parser::parse_x509_certificate(&met.shown[0]).unwrap();
        let name = shown.subject().iter_common_name().last().unwrap();
        name.as_str().unwrap().to_owned()
    };
    for user in ["alice", "bob", "alice", "bob"] {
        assert_eq!(cn(user), user);
    }
    assert_eq!(ca.issued.load(Ordering::SeqCst), 2);
    hand.set(NOW + 3600 - 300);
    assert_eq!(cn("alice"), "alice");
    assert_eq!(ca.issued.load(Ordering::SeqCst), 3);
    // What another key has signed is not shown any more.
    ca.exchanged.fetch_add(1, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(cn("alice"), "alice");
    }
    assert_eq!(ca.issued.load(Ordering::SeqCst), 4);
    // Who needs none shows none, whatever the server asks for.
    let tls = trust.tls(&target, "alice", false).unwrap();
    let met = meet(&tls, &server.server(HOST), Some(&ca.authority));
    assert!(met.client.is_ok() && met.shown.is_empty());

    let error = trust.tls(&target, "nobody", true).err().unwrap();
    assert_eq!(
        error,
        CredentialError::Certificate("no certificates for nobody".to_owned())
    );
}

#[test]
fn servers_of_ones_own_may_show_certificates_of_the_database_authority() {
    let ca = Arc::new(Issuer {
        authority: Authority::new("databases"),
        issued: AtomicUsize::new(0),
        exchanged: AtomicU8::new(0),
    });
    let trust = Trust::new(
        &Settings::default(),
        Hand::at(NOW).clock(),
        Some(ca.clone()),
    )
    .unwrap();
    let leaf = ca.authority.server(HOST);
    let own = target(Kind::SelfHosted, HOST);
    assert_eq!(met(&trust, &own, &leaf), Ok(()));
    for kind in [Kind::Rds, Kind::AzurePostgresqlFlexible, Kind::Elasticache] {
        let cloud = found(kind, HOST);
        assert_eq!(
            refused(met(&trust, &cloud, &leaf)),
            CertificateError::UnknownIssuer
        );
    }
}
