//! The certificate for one database: made when it is needed, and kept in files while it and the login last.
//!
//! The key stays the same until the person logs out of the database; a renewal replaces the certificate alone. So whoever reads the two files
//! in between reads two that fit each other. The proxy decides as whom one may open the database, each time anew.

use muster_model::Timestamp;
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use std::{
    fs::{File, TryLockError},
    path::PathBuf,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{Api, Credentials, Error, Kind, LocalKey, Profile, Result, Route, Secret};

/// The number of the form of `about.json`.
const VERSION: u32 = 1;

/// With how many seconds left a certificate is renewed, where the login lasts longer.
pub(crate) const MARGIN: i64 = 15 * 60;

/// How long another command that makes the same certificate is waited for, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

const ABOUT: &str = "about.json";
const KEY: &str = "key.pem";
const CERTIFICATE: &str = "cert.pem";
const PKCS8: &str = "key.pk8";

/// A certificate for one database that is kept.
#[derive(Clone, Debug)]
pub struct DbLogin {
    dir: PathBuf,
    /// For which, and until when.
    pub about: DbAbout,
}

/// What `about.json` says. Nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DbAbout {
    /// The number of this form.
    version: u32,
    /// The database's full name.
    pub target: String,
    /// Its short one.
    #[serde(default)]
    pub short_name: String,
    /// What it speaks.
    #[serde(default)]
    pub protocol: String,
    /// Until when the certificate is good.
    pub expires: Timestamp,
    /// The serial number of the login that it was made with.
    #[serde(default)]
    pub login: String,
    /// As which database user one connects unless another is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_user: Option<String>,
    /// To which database name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_name: Option<String>,
}

impl DbLogin {
    /// The file of the key, PKCS#8 in PEM.
    pub fn key_file(&self) -> PathBuf {
        self.dir.join(KEY)
    }

    /// The file of the certificate, in PEM.
    pub fn certificate_file(&self) -> PathBuf {
        self.dir.join(CERTIFICATE)
    }

    /// The directory of both.
    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }
}

impl Profile {
    /// The certificate for this database (its full name): the one that is kept while it lasts, else a new one.
    ///
    /// # Errors
    /// Those of the proxy and of the file system.
    pub async fn db_login(
        &self,
        api: &Api,
        target: &str,
        short_name: &str,
        now: Timestamp,
    ) -> Result<DbLogin> {
        if let Some(kept) = self.usable(target, now) {
            return Ok(kept);
        }
        // Two commands at the same time would leave the key of one beside the certificate of the other.
        let _alone = self.alone(target).await?;
        if let Some(kept) = self.usable(target, now) {
            return Ok(kept);
        }
        let kept = self.kept(target);
        // The key stays, so that a program that reads both files now reads two that fit; the names are of one login.
        let key = match kept.as_ref().and_then(|kept| self.db_key(kept).ok()) {
            Some(key) => key,
            None => LocalKey::make()?,
        };
        let of_login = kept.filter(|kept| kept.about.login == self.about.serial);
        let route = Route {
            target: target.to_owned(),
            db_user: None,
            db_name: None,
        };
        let signed = api.certificate(&key, &route, None).await?;
        Credentials::from_pem(&signed.certificate, &key.pem())?;
        let about = DbAbout {
            version: VERSION,
            target: target.to_owned(),
            short_name: short_name.to_owned(),
            protocol: signed.protocol.unwrap_or_default(),
            expires: signed.expires,
            login: self.about.serial.clone(),
            db_user: of_login
                .as_ref()
                .and_then(|kept| kept.about.db_user.clone()),
            db_name: of_login
                .as_ref()
                .and_then(|kept| kept.about.db_name.clone()),
        };
        self.write_db(target, KEY, key.pem().reveal().as_bytes())?;
        self.write_db(target, CERTIFICATE, signed.certificate.as_bytes())?;
        self.write_about(&about)?;
        Ok(DbLogin {
            dir: self.db_dir(target),
            about,
        })
    }

    /// Remembers as whom and on which name one connects to a database unless others are named.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remember(
        &self,
        login: &mut DbLogin,
        db_user: Option<&str>,
        db_name: Option<&str>,
    ) -> Result<()> {
        let about = DbAbout {
            db_user: db_user.map(str::to_owned).or(login.about.db_user.clone()),
            db_name: db_name.map(str::to_owned).or(login.about.db_name.clone()),
            ..login.about.clone()
        };
        if about != login.about {
            self.write_about(&about)?;
            login.about = about;
        }
        Ok(())
    }

    /// The databases that a certificate is kept for, good or over, by name.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn db_logins(&self) -> Result<Vec<DbLogin>> {
        let dirs = self.db_dirs()?.into_iter();
        let mut all: Vec<DbLogin> = dirs.filter_map(read).collect();
        all.sort_by(|one, two| one.about.target.cmp(&two.about.target));
        Ok(all)
    }

    /// The certificate for a database, with its key.
    ///
    /// # Errors
    /// When one of the files is not there or damaged.
    pub fn db_credentials(&self, login: &DbLogin) -> Result<Credentials> {
        let certificate = text(login.certificate_file())?;
        let key = Secret::new(text(login.key_file())?);
        Credentials::from_pem(&certificate, &key)
    }

    /// Writes the key as PKCS#8 in DER beside the others, for programs that read no PEM (JDBC), and returns its place.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_pkcs8(&self, login: &DbLogin) -> Result<PathBuf> {
        let pem = Secret::new(text(login.key_file())?);
        let key = PrivateKeyDer::from_pem_slice(pem.reveal().as_bytes());
        let Ok(PrivateKeyDer::Pkcs8(key)) = key else {
            return Err(damaged(login.key_file()));
        };
        let der = Zeroizing::new(key.secret_pkcs8_der().to_vec());
        self.write_db(&login.about.target, PKCS8, &der)
    }

    fn usable(&self, target: &str, now: Timestamp) -> Option<DbLogin> {
        let kept = self.kept(target)?;
        let good = self.still_good(&kept.about, now) && self.db_credentials(&kept).is_ok();
        good.then_some(kept)
    }

    /// Waits until no other command makes a certificate for this database. Let go when it is dropped.
    async fn alone(&self, target: &str) -> Result<File> {
        let end = Instant::now() + PATIENCE;
        loop {
            let dir = self.make_db_dir(target)?;
            let cannot = |why: String| {
                Error::new(Kind::Files, format!("cannot use {}", dir.display())).because(why)
            };
            let lock = File::open(&dir).map_err(|error| cannot(error.to_string()))?;
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) if Instant::now() < end => sleep(PAUSE).await,
                Err(TryLockError::WouldBlock) => {
                    return Err(cannot("another muster holds it".to_owned())
                        .hint("end the other one, and try again"));
                }
                Err(TryLockError::Error(error)) => return Err(cannot(error.to_string())),
            }
        }
    }

    fn kept(&self, target: &str) -> Option<DbLogin> {
        read(self.db_dir(target)).filter(|kept| kept.about.target == target)
    }

    /// Whether a certificate is of this login, and lasts: for a while, or as long as the login itself.
    fn still_good(&self, about: &DbAbout, now: Timestamp) -> bool {
        about.login == self.about.serial
            && now < about.expires
            && (now.plus(MARGIN) < about.expires || self.about.expires <= about.expires)
    }

    fn db_key(&self, login: &DbLogin) -> Result<LocalKey> {
        LocalKey::from_pem(&Secret::new(text(login.key_file())?))
    }

    fn write_about(&self, about: &DbAbout) -> Result<()> {
        let json = serde_json::to_string_pretty(about).unwrap_or_default() + "\n";
        self.write_db(&about.target, ABOUT, json.as_bytes())
            .map(drop)
    }
}

fn read(dir: PathBuf) -> Option<DbLogin> {
    let json = text(dir.join(ABOUT)).ok()?;
    let about: DbAbout = serde_json::from_str(&json).ok()?;
    (about.version == VERSION).then_some(DbLogin { dir, about })
}

fn text(path: PathBuf) -> Result<String> {
    crate::profile::read(&path).map_err(|error| damaged(path).because(error.to_string()))
}

fn damaged(path: PathBuf) -> Error {
    Error::new(Kind::Damaged, format!("cannot read {}", path.display()))
        .hint("`muster db logout` takes the files away; the next command makes them anew")
}
