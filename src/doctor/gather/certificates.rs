//! Certificates: of muster's authorities, and of those that databases are trusted by.

use std::path::PathBuf;

use muster_credentials::trust::roots;
use muster_model::Timestamp;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{
    authority::CaStatus,
    doctor::evidence::{Authority, TrustFile},
};

/// The authorities' certificates.
pub fn authorities(status: &[CaStatus]) -> Vec<Authority> {
    let of = |status: &CaStatus| {
        let (ca, overlap_ends) = (status.ca, status.overlap_ends);
        let certificates = status
            .certificates
            .iter()
            .map(move |certificate| Authority {
                ca: ca.as_str().to_owned(),
                signs: certificate.signs,
                expires: certificate.expires,
                overlap_ends,
            });
        certificates.collect::<Vec<_>>()
    };
    status.iter().flat_map(of).collect()
}

/// What is in the files of `proxy.trust`.
pub fn trusted(files: &[PathBuf]) -> Vec<TrustFile> {
    let read = |path: &PathBuf| {
        let path = path.clone();
        match roots::read_file(&path) {
            Err(failure) => TrustFile {
                path,
                failure: Some(failure),
                ..TrustFile::default()
            },
            Ok(certificates) => TrustFile {
                path,
                certificates: certificates.iter().filter_map(|der| ends(der)).collect(),
                ..TrustFile::default()
            },
        }
    };
    files.iter().map(read).collect()
}

/// Whose certificate it is, and when it ends; none for what is no certificate.
pub fn ends(der: &[u8]) -> Option<(String, Timestamp)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let end = certificate.validity().not_after.timestamp();
    Some((certificate.subject().to_string(), Timestamp::from_unix(end)))
}
