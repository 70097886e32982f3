//! Certificates that the authorities sign: of people, of the proxy, and for databases. None of them can sign others.

use std::{fmt::Write, net::IpAddr};

use muster_access::{IDENTITY_OID, Identity};
use muster_model::Timestamp;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Authority, BEFORE, CaError, ClientKey, date, pem, serial};
use crate::authority::chance::{Chance, as_hex};

/// The most characters of a name in a certificate's subject (`ub-common-name` of RFC 5280). A longer one is cut there;
/// it stands whole in the identity.
pub const MAX_CHAIN_NAME: usize = 64;

/// A certificate.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// It, and nothing else: the authority that signed it is trusted by whoever is shown it.
    pub certificate: CertificateDer<'static>,
    /// Its serial number, in hexadecimal.
    pub serial: String,
}

/// A certificate whose key was made here.
#[derive(Debug)]
pub struct LeafAndKey {
    /// The certificate.
    pub leaf: Leaf,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

impl Leaf {
    /// In PEM.
    pub fn pem(&self) -> String {
        pem(&self.certificate)
    }
}

impl Authority {
    /// A user's certificate. Serial number and times of the identity are the certificate's.
    ///
    /// # Errors
    /// When something of it cannot stand in a certificate.
    pub fn sign_user(
        &self,
        mut identity: Identity,
        key: &ClientKey,
        chance: &Chance,
    ) -> Result<Leaf, CaError> {
        let number = serial(chance)?;
        identity.serial = as_hex(number.as_ref());
        let mut params = client(&identity.user, identity.issued, identity.expires);
        let name = format!(
            "spiffe://{}/user/{}",
            self.cluster(),
            in_url(&identity.user)
        );
        let name = name
            .as_str()
            .try_into()
            .map_err(|_| CaError::Name(identity.user.clone()))?;
        params.subject_alt_names = vec![SanType::URI(name)];
        let extension = CustomExtension::from_oid_content(IDENTITY_OID, identity.encode()?);
        params.custom_extensions = vec![extension];
        params.serial_number = Some(number);
        self.sign(params, key, identity.issued)
    }

    /// A client certificate for a database that trusts this authority: its name is the database user.
    ///
    /// # Errors
    /// When the name cannot stand in a certificate. A database compares it to the letter, so it is never cut.
    pub fn sign_db_user(
        &self,
        db_user: &str,
        now: Timestamp,
        expires: Timestamp,
        chance: &Chance,
    ) -> Result<LeafAndKey, CaError> {
        if db_user.is_empty() || db_user.chars().count() > MAX_CHAIN_NAME {
            return Err(CaError::Name(db_user.to_owned()));
        }
        let mut params = client(db_user, now, expires);
        params.serial_number = Some(serial(chance)?);
        self.sign_new_key(params, now)
    }

    /// The proxy's own certificate, for all the names and addresses that people reach it by. A name also stands for
    /// `*.name`: which database is meant can be said in front of it.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn sign_server<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        now: Timestamp,
        expires: Timestamp,
        chance: &Chance,
    ) -> Result<LeafAndKey, CaError> {
        let mut params = common(ExtendedKeyUsagePurpose::ServerAuth, now, expires);
        let subject = format!("muster proxy of {}", self.cluster());
        params.distinguished_name = named(&subject);
        for name in names {
            if let Ok(address) = name.parse::<IpAddr>() {
                params.subject_alt_names.push(SanType::IpAddress(address));
                continue;
            }
            for name in [name.to_owned(), format!("*.{name}")] {
                let name = name
                    .as_str()
                    .try_into()
                    .map_err(|_| CaError::Name(name.clone()))?;
                params.subject_alt_names.push(SanType::DnsName(name));
            }
        }
        params.serial_number = Some(serial(chance)?);
        self.sign_new_key(params, now)
    }

    fn sign_new_key(
        &self,
        params: CertificateParams,
        now: Timestamp,
    ) -> Result<LeafAndKey, CaError> {
        let key = KeyPair::generate()?;
        let leaf = self.sign(params, &key, now)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok(LeafAndKey {
            leaf,
            key: key.into(),
        })
    }

    fn sign(
        &self,
        params: CertificateParams,
        key: &impl PublicKeyData,
        now: Timestamp,
    ) -> Result<Leaf, CaError> {
        let signer = self.signer(now).ok_or_else(|| CaError::Stored {
            ca: self.ca(),
            why: "it has no key".to_owned(),
        })?;
        let serial = params
            .serial_number
            .as_ref()
            .map(|number| as_hex(number.as_ref()));
        let certificate = params.signed_by(key, &signer.issuer)?;
        Ok(Leaf {
            certificate: certificate.into(),
            serial: serial.unwrap_or_default(),
        })
    }
}

fn client(name: &str, now: Timestamp, expires: Timestamp) -> CertificateParams {
    let mut params = common(ExtendedKeyUsagePurpose::ClientAuth, now, expires);
    params.distinguished_name = named(name);
    params
}

fn common(usage: ExtendedKeyUsagePurpose, now: Timestamp, expires: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.not_before = date(now.plus(-BEFORE));
    params.not_after = date(expires);
    params
}

fn named(name: &str) -> DistinguishedName {
    let name: String = name.chars().take(MAX_CHAIN_NAME).collect();
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, DnValue::Utf8String(name));
    names
}

/// A name as one part of a URL's path (RFC 3986).
fn in_url(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            // Writing to a String does not fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}
