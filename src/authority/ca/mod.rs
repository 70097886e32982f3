//! The authorities for certificates: of users, of the proxy itself, and for databases.
//!
//! Each has a key of its own, on P-256, made at first start and kept in the journal. While one is exchanged there are
//! two, and both are trusted until the overlap ends:
//!
//! | authority | signs during the overlap | why |
//! |---|---|---|
//! | `user` | the new one | the proxy knows both at once; certificates of the old are good until the overlap ends |
//! | `host` | the old one | people have to fetch the new one first; a login gives them both |
//! | `db` | the old one | databases have to be told of the new one first: `muster auth export --ca db` gives both |
//!
//! Nothing has to happen at the moment when an overlap ends: who signs and who is trusted follows from the time.

mod error;
mod key;
mod leaf;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use muster_model::Timestamp;
use muster_proxy::Signer;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, DnValue, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SerialNumber,
};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use zeroize::Zeroizing;

pub use self::{
    error::CaError,
    key::ClientKey,
    leaf::{Leaf, LeafAndKey, MAX_CHAIN_NAME},
};
use super::{
    chance::{Chance, as_hex},
    command::{Ca, CaCertificate, CaStatus},
};

/// How long an authority's certificate is good: ten years. It is exchanged before.
const LIFE: i64 = 10 * 365 * 24 * 3600;

/// For clocks that are behind: certificates are good from a minute before they were made.
const BEFORE: i64 = 60;

/// An authority, with its keys.
#[derive(Clone)]
pub struct Authority {
    ca: Ca,
    cluster: String,
    /// The older first: one, or two while it is exchanged.
    generations: Vec<Arc<Generation>>,
    /// When the exchange ends, and the first of them is forgotten.
    overlap_ends: Option<Timestamp>,
}

/// One key of an authority.
struct Generation {
    number: u32,
    created: Timestamp,
    expires: Timestamp,
    certificate: CertificateDer<'static>,
    /// PKCS #8.
    key: Zeroizing<Vec<u8>>,
    issuer: Issuer<'static, KeyPair>,
}

/// As the journal keeps it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    cluster: String,
    generations: Vec<StoredGeneration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overlap_ends: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredGeneration {
    number: u32,
    created: Timestamp,
    expires: Timestamp,
    certificate: String,
    key: String,
}

// === impl Authority ===

impl Authority {
    /// A new one, with a key of its own.
    ///
    /// # Errors
    /// When there is no randomness, or the cluster's name cannot stand in a certificate.
    pub fn create(ca: Ca, cluster: &str, now: Timestamp, chance: &Chance) -> Result<Self, CaError> {
        Ok(Self {
            ca,
            cluster: cluster.to_owned(),
            generations: vec![Arc::new(Generation::create(ca, cluster, 1, now, chance)?)],
            overlap_ends: None,
        })
    }

    /// As it was kept.
    ///
    /// # Errors
    /// When that makes no sense.
    pub fn restore(ca: Ca, value: &serde_json::Value) -> Result<Self, CaError> {
        let wrong = |why: String| CaError::Stored { ca, why };
        let stored = Stored::deserialize(value).map_err(|error| wrong(error.to_string()))?;
        let generations = stored
            .generations
            .iter()
            .map(|stored| Generation::restore(stored).map(Arc::new).map_err(wrong));
        let generations: Vec<_> = generations.collect::<Result<_, _>>()?;
        let overlaps = stored.overlap_ends.is_some();
        if generations.len() != if overlaps { 2 } else { 1 } {
            return Err(wrong(format!("it has {} keys", generations.len())));
        }
        Ok(Self {
            ca,
            cluster: stored.cluster,
            generations,
            overlap_ends: stored.overlap_ends,
        })
    }

    /// As it is kept.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which does not happen.
    pub fn store(&self) -> Result<serde_json::Value, CaError> {
        let generations = self.generations.iter().map(|generation| StoredGeneration {
            number: generation.number,
            created: generation.created,
            expires: generation.expires,
            certificate: STANDARD.encode(&generation.certificate),
            key: STANDARD.encode(&*generation.key),
        });
        let stored = Stored {
            cluster: self.cluster.clone(),
            generations: generations.collect(),
            overlap_ends: self.overlap_ends,
        };
        serde_json::to_value(&stored).map_err(|error| CaError::Stored {
            ca: self.ca,
            why: error.to_string(),
        })
    }

    /// Which it is.
    pub const fn ca(&self) -> Ca {
        self.ca
    }

    /// The cluster whose it is.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The certificates that are trusted at this time.
    pub fn trusted(&self, now: Timestamp) -> Vec<CertificateDer<'static>> {
        let trusted = self.in_force(now);
        trusted
            .iter()
            .map(|generation| generation.certificate.clone())
            .collect()
    }

    /// Whether what this key signed is good at this time.
    pub fn believes(&self, signer: Signer, now: Timestamp) -> bool {
        self.in_force(now).iter().any(|generation| {
            Signer::of(&generation.certificate).is_ok_and(|trusted| trusted == signer)
        })
    }

    /// The certificate that signs at this time.
    pub fn signing(&self, now: Timestamp) -> Option<CertificateDer<'static>> {
        self.signer(now).map(|signer| signer.certificate.clone())
    }

    /// What is trusted, in PEM.
    pub fn trusted_pem(&self, now: Timestamp) -> String {
        self.in_force(now)
            .iter()
            .map(|generation| pem(&generation.certificate))
            .collect()
    }

    /// How it is, without any key. What signs comes first.
    pub fn status(&self, now: Timestamp) -> CaStatus {
        let signer = self.signer(now).map(|signer| signer.number);
        let mut certificates: Vec<_> = self
            .in_force(now)
            .iter()
            .map(|generation| CaCertificate {
                fingerprint: fingerprint(&generation.certificate),
                signs: Some(generation.number) == signer,
                created: generation.created,
                expires: generation.expires,
                pem: pem(&generation.certificate),
            })
            .collect();
        certificates.sort_by_key(|certificate| !certificate.signs);
        CaStatus {
            ca: self.ca,
            certificates,
            overlap_ends: self.overlap_ends.filter(|ends| now < *ends),
        }
    }

    /// Begins to exchange it: both are trusted for so many seconds. Without any, all that there were are forgotten at once,
    /// also in the middle of an exchange, and whatever they signed is worthless.
    ///
    /// # Errors
    /// With a grace, while it is being exchanged already.
    pub fn rotate(&self, grace: u64, now: Timestamp, chance: &Chance) -> Result<Self, CaError> {
        let overlap = self.overlap_ends.filter(|ends| now < *ends);
        if let Some(until) = overlap.filter(|_| grace > 0) {
            return Err(CaError::Rotating { ca: self.ca, until });
        }
        let old = self.in_force(now);
        let number = old.iter().map(|generation| generation.number).max();
        let number = number.unwrap_or_default() + 1;
        let new = Arc::new(Generation::create(
            self.ca,
            &self.cluster,
            number,
            now,
            chance,
        )?);
        let mut rotated = Self {
            generations: vec![new],
            overlap_ends: None,
            ..self.clone()
        };
        if grace > 0 {
            let grace = i64::try_from(grace).unwrap_or(i64::MAX);
            rotated.generations.splice(..0, old.iter().cloned());
            rotated.overlap_ends = Some(now.plus(grace));
        }
        Ok(rotated)
    }

    /// Goes back to the one that was: the new one is forgotten, and whatever it signed is worthless.
    ///
    /// # Errors
    /// When both are not trusted any more.
    pub fn roll_back(&self, now: Timestamp) -> Result<Self, CaError> {
        if self.overlap_ends.is_none_or(|ends| ends <= now) {
            return Err(CaError::NotRotating(self.ca));
        }
        Ok(Self {
            generations: self.generations.first().cloned().into_iter().collect(),
            overlap_ends: None,
            ..self.clone()
        })
    }

    /// When the overlap is over, without what is no longer trusted; none when nothing is to be forgotten.
    pub fn settled(&self, now: Timestamp) -> Option<Self> {
        let over = self.overlap_ends.is_some_and(|ends| ends <= now);
        over.then(|| Self {
            generations: self.in_force(now).to_vec(),
            overlap_ends: None,
            ..self.clone()
        })
    }

    fn in_force(&self, now: Timestamp) -> &[Arc<Generation>] {
        match (self.overlap_ends, &*self.generations) {
            (Some(ends), [_, new @ ..]) if ends <= now => new,
            (_, all) => all,
        }
    }

    fn signer(&self, now: Timestamp) -> Option<&Generation> {
        let in_force = self.in_force(now);
        let signer = match self.ca {
            Ca::User => in_force.last(),
            Ca::Host | Ca::Db => in_force.first(),
        };
        signer.map(AsRef::as_ref)
    }
}

// === impl Generation ===

impl Generation {
    fn create(
        ca: Ca,
        cluster: &str,
        number: u32,
        now: Timestamp,
        chance: &Chance,
    ) -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        let expires = now.plus(LIFE);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial(chance)?);
        params.not_before = date(now.plus(-BEFORE));
        params.not_after = date(expires);
        // Each generation has a name of its own, so that a chain leads to exactly one.
        let name = format!("muster {ca} authority {number}");
        params.distinguished_name = rcgen::DistinguishedName::new();
        let names = [
            (DnType::OrganizationName, cluster),
            (DnType::CommonName, &name),
        ];
        for (sort, name) in names {
            params
                .distinguished_name
                .push(sort, DnValue::Utf8String(name.to_owned()));
        }
        let certificate = params.self_signed(&key)?;
        let der = Zeroizing::new(key.serialize_der());
        Ok(Self {
            number,
            created: now,
            expires,
            issuer: Issuer::from_ca_cert_der(certificate.der(), key)?,
            certificate: certificate.into(),
            key: der,
        })
    }

    fn restore(stored: &StoredGeneration) -> Result<Self, String> {
        let bytes = |text: &str| STANDARD.decode(text).map_err(|error| error.to_string());
        let certificate = CertificateDer::from(bytes(&stored.certificate)?);
        let der = Zeroizing::new(bytes(&stored.key)?);
        let key = KeyPair::try_from(der.as_slice()).map_err(|error| error.to_string())?;
        let issuer =
            Issuer::from_ca_cert_der(&certificate, key).map_err(|error| error.to_string())?;
        Ok(Self {
            number: stored.number,
            created: stored.created,
            expires: stored.expires,
            certificate,
            key: der,
            issuer,
        })
    }
}

/// A serial number of 127 random bits.
fn serial(chance: &Chance) -> Result<SerialNumber, CaError> {
    let mut bytes = [0; 16];
    chance(&mut bytes)?;
    if let Some(first) = bytes.first_mut() {
        // Positive, and never shorter.
        *first = *first & 0x7f | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

/// A point in time, as certificates are made with it.
fn date(at: Timestamp) -> OffsetDateTime {
    // The calendar of certificates ends with the year 9999.
    let seconds = at.unix().clamp(0, 253_402_300_799);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// SHA-256 of a certificate, in hexadecimal.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    as_hex(&Sha256::digest(certificate))
}

/// A certificate in PEM.
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
