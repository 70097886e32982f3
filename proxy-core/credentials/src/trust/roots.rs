//! The certificates that muster trusts, as data with their source, and those in files and records.

use std::{io::Read as _, path::Path, sync::OnceLock};

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

/// The roots of Amazon RDS, Aurora and DocumentDB. Its head says where they are from, `tests/tools/rds-roots.sh` how
/// they got here and what was left out.
pub const RDS: &str = include_str!("../../data/rds-roots.pem");

/// The roots of Amazon Trust Services, which sign for RDS Proxy and Aurora Serverless v1.
pub const AMAZON_TRUST_SERVICES: &str = include_str!("../../data/amazon-trust-services.pem");

/// The longest text of certificates that is read, in bytes. AWS's own bundle has 165 kB.
const MAX_PEM: usize = 1 << 20;
/// The most certificates that a text may hold.
const MAX_CERTIFICATES: usize = 1000;

/// What RDS's databases are trusted by. Read once.
pub(crate) fn rds() -> &'static RootCertStore {
    static STORE: OnceLock<RootCertStore> = OnceLock::new();
    STORE.get_or_init(|| {
        let mut store = RootCertStore::empty();
        for text in [RDS, AMAZON_TRUST_SERVICES] {
            // The tests say that all of them can be read.
            if let Ok(certificates) = read(text) {
                store.add_parsable_certificates(certificates);
            }
        }
        store
    })
}

/// What Azure's databases and caches are trusted by: the roots that Mozilla's browser trusts, as of the crate's date.
pub(crate) fn public() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

/// Reads certificates from a text (PEM). Whatever else is in it (keys, comments) is passed over.
///
/// # Errors
/// In one line, what is wrong: it is too long, holds no certificate, or one that cannot be a trust root.
pub fn read(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    if text.len() > MAX_PEM {
        return Err(format!("longer than {MAX_PEM} bytes"));
    }
    let mut all = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        if all.len() == MAX_CERTIFICATES {
            return Err(format!("more than {MAX_CERTIFICATES} certificates"));
        }
        let number = all.len() + 1;
        let certificate = certificate.map_err(|error| format!("certificate {number}: {error}"))?;
        webpki::anchor_from_trusted_cert(&certificate)
            .map_err(|error| format!("certificate {number} cannot be trusted: {error}"))?;
        all.push(certificate);
    }
    if all.is_empty() {
        return Err("no certificate in it (expected -----BEGIN CERTIFICATE-----)".to_owned());
    }
    Ok(all)
}

/// Reads certificates from a file (PEM).
///
/// # Errors
/// In one line, with the file's name.
pub fn read_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |why: String| format!("{}: {why}", file.display());
    let about = std::fs::metadata(file).map_err(|error| failed(error.to_string()))?;
    if !about.is_file() {
        return Err(failed("not a file".to_owned()));
    }
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|open| open.take(MAX_PEM as u64 + 1).read_to_string(&mut text))
        .map_err(|error| failed(error.to_string()))?;
    read(&text).map_err(failed)
}
