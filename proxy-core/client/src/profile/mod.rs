//! Logins, in files: one directory a cluster, several side by side.
//!
//! ```text
//! ~/.config/muster/                 MUSTER_HOME, else XDG_CONFIG_HOME/muster
//!   current                         the name of the cluster in use
//!   clusters/NAME/
//!     profile.json                  where, who, until when: nothing secret
//!     user.key user.crt             the key, which never leaves, and the certificate of the login
//!     host-ca.pem                   whom to believe to be the proxy
//!     db/DATABASE/                  keys and certificates for one database each
//! ```
//!
//! Directories are 0700, files 0600, and each file is written beside its place and renamed: it is there whole, or as it was.

mod about;
mod files;
mod home;

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use muster_model::Timestamp;

use self::files::Staged;
pub(crate) use self::files::read;
pub use self::{about::About, files::file_name};
use crate::{
    Api, Clock, Credentials, Error, HTTP, Kind, Limits, LocalKey, Result, Secret, Signed, Trust,
};

/// The most characters of a cluster's name here.
const MAX_NAME: usize = 64;

/// The directory that all logins are kept in.
#[derive(Clone, Debug)]
pub struct Profiles {
    dir: PathBuf,
}

/// A login that was kept.
#[derive(Clone, Debug)]
pub struct Profile {
    name: String,
    dir: PathBuf,
    /// Where, who, until when.
    pub about: About,
}

impl Profiles {
    /// Finds the directory by the environment: `MUSTER_HOME`, else `XDG_CONFIG_HOME/muster`, else `HOME/.config/muster`. It
    /// need not exist yet.
    ///
    /// # Errors
    /// When none of the three is set.
    pub fn find(env: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        home::find(env).map(Self::at)
    }

    /// The logins of this directory.
    pub const fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The names of the clusters, sorted.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn names(&self) -> Result<Vec<String>> {
        let clusters = self.dir.join("clusters");
        let cannot =
            |error: io::Error| Error::files(format!("cannot read {}", clusters.display()), &error);
        let entries = match fs::read_dir(&clusters) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(cannot(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(cannot)?.file_name();
            if let Some(name) = name.to_str().filter(|name| fits(name)) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Every login, with why it cannot be read where it cannot.
    ///
    /// # Errors
    /// As [`Self::names`].
    pub fn list(&self) -> Result<Vec<(String, Result<Profile>)>> {
        let names = self.names()?.into_iter();
        Ok(names
            .map(|name| (name.clone(), self.named(&name)))
            .collect())
    }

    /// The name of the cluster in use: the one of the last login or choice, if it is still there, else the only one.
    ///
    /// # Errors
    /// As [`Self::names`].
    pub fn current(&self) -> Result<Option<String>> {
        let names = self.names()?;
        let chosen = files::read(&self.dir.join("current")).unwrap_or_default();
        let chosen = chosen.trim();
        if names.iter().any(|name| name == chosen) {
            return Ok(Some(chosen.to_owned()));
        }
        Ok(match names.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        })
    }

    /// The login to a cluster, or to the one in use. Whether it is over is another question: [`Profile::valid`].
    ///
    /// # Errors
    /// When there is none, and when its files are damaged.
    pub fn open(&self, name: Option<&str>) -> Result<Profile> {
        if let Some(name) = name {
            return self.named(name);
        }
        if let Some(name) = self.current()? {
            return self.named(&name);
        }
        let names = self.names()?;
        if names.is_empty() {
            return Err(Error::new(Kind::NoLogin, "you are not logged in")
                .because(format!("there is no login in {}", self.dir.display()))
                .hint("log in with `muster login --proxy HOST --user NAME`, or `muster login --invite LINK` with an invitation"));
        }
        Err(Error::new(Kind::NoLogin, "which cluster is meant?")
            .because(format!(
                "there are logins to several, and none is in use: {}",
                names.join(", ")
            ))
            .hint("name one with `--cluster NAME` or MUSTER_CLUSTER"))
    }

    fn named(&self, name: &str) -> Result<Profile> {
        let dir = self.place(name)?;
        if !dir.is_dir() {
            let names = self.names()?;
            let why = match names.as_slice() {
                [] => "you are not logged in to any".to_owned(),
                names => format!("you are logged in to: {}", names.join(", ")),
            };
            return Err(Error::new(
                Kind::NoLogin,
                format!("there is no login to the cluster `{name}`"),
            )
            .because(why)
            .hint(format!(
                "log in with `muster login --cluster {name} --proxy HOST --user NAME`"
            )));
        }
        let path = dir.join("profile.json");
        let damaged = |why: String| {
            Error::new(Kind::Damaged, format!("cannot read the login in {}", path.display()))
                .because(why)
                .hint(format!(
                    "log in anew with `muster login --cluster {name} --proxy HOST --user NAME`; `muster logout --cluster {name}` \
                     takes the files away"
                ))
        };
        let text = files::read(&path).map_err(|error| damaged(error.to_string()))?;
        let about: About =
            serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if about.is_newer() {
            return Err(damaged("a newer muster wrote it".to_owned()));
        }
        Ok(Profile {
            name: name.to_owned(),
            dir,
            about,
        })
    }

    /// Keeps a login, and makes its cluster the one in use. What was there of an older login to it is replaced. The
    /// certificates for databases stay until they end, for programs that use them, unless they were somebody else's.
    ///
    /// # Errors
    /// When the name cannot be a directory's, and those of the file system.
    pub fn save(
        &self,
        name: &str,
        about: About,
        signed: &Signed,
        key: &LocalKey,
    ) -> Result<Profile> {
        let dir = self.place(name)?;
        let profile = Profile {
            name: name.to_owned(),
            dir,
            about,
        };
        // Whatever is no certificate is not kept in place of one that is.
        Credentials::from_pem(&signed.certificate, &key.pem())?;
        Trust::from_pem(&signed.host_ca)?;
        let before = self.named(name).ok();
        self.make_dirs(&profile.dir)?;
        let json = serde_json::to_string_pretty(&profile.about).unwrap_or_default() + "\n";
        // All of them are on the disk before the first takes its place: a full one costs nothing.
        let files = [
            ("host-ca.pem", signed.host_ca.as_bytes()),
            ("user.key", key.pem().reveal().as_bytes()),
            ("user.crt", signed.certificate.as_bytes()),
            ("profile.json", json.as_bytes()),
        ]
        .map(|(file, bytes)| Staged::write(&profile.dir.join(file), bytes));
        let files: Vec<Staged> = files.into_iter().collect::<Result<_>>()?;
        files.into_iter().try_for_each(Staged::commit)?;
        if before.is_none_or(|before| before.about.user != profile.about.user) {
            profile.forget_databases()?;
        }
        self.choose(name)?;
        Ok(profile)
    }

    /// Makes a cluster the one in use.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn choose(&self, name: &str) -> Result<()> {
        let path = self.dir.join("current");
        files::write(&path, format!("{name}\n").as_bytes())
    }

    /// Takes all files of a login away, readable or not. Says whether there was one.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn forget(&self, name: &str) -> Result<bool> {
        let dir = self.place(name)?;
        match fs::remove_dir_all(&dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                return Err(Error::files(
                    format!("cannot remove {}", dir.display()),
                    &error,
                ));
            }
        }
        let current = self.dir.join("current");
        if files::read(&current).is_ok_and(|chosen| chosen.trim() == name) {
            // An old choice of a cluster that is not there is passed over: that it stays does no harm.
            let _ = fs::remove_file(&current);
        }
        Ok(true)
    }

    /// Where the files of a cluster are.
    fn place(&self, name: &str) -> Result<PathBuf> {
        if fits(name) {
            return Ok(self.dir.join("clusters").join(name));
        }
        let short: String = name.chars().take(100).collect();
        Err(Error::new(Kind::Usage, format!("`{short}` cannot be the name of a cluster here"))
            .because(format!("it has to be letters, digits, `.`, `-` and `_`, {MAX_NAME} at most, and not begin with `.` or `-`"))
            .hint("give it another name with `--cluster NAME`: it is only a directory's"))
    }

    fn make_dirs(&self, dir: &Path) -> Result<()> {
        files::make_dir(&self.dir)?;
        files::make_private(&self.dir.join("clusters"))?;
        files::make_private(dir)
    }
}

impl Profile {
    /// What the cluster is called here: its own name, unless `--cluster` gave it another at login.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory of its files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of the key of the login.
    pub fn key_file(&self) -> PathBuf {
        self.dir.join("user.key")
    }

    /// The file of the certificate of the login.
    pub fn certificate_file(&self) -> PathBuf {
        self.dir.join("user.crt")
    }

    /// The file of the authorities by which the proxy is verified.
    pub fn host_ca_file(&self) -> PathBuf {
        self.dir.join("host-ca.pem")
    }

    /// The directory for the key and certificate of one database: made by [`Self::write_db`].
    pub fn db_dir(&self, target: &str) -> PathBuf {
        self.dir.join("db").join(file_name(target))
    }

    /// Makes the directory for one database.
    pub(crate) fn make_db_dir(&self, target: &str) -> Result<PathBuf> {
        let dir = self.db_dir(target);
        files::make_private(&self.dir.join("db"))?;
        files::make_private(&dir)?;
        Ok(dir)
    }

    /// Writes a file of one database, 0600 and whole, and returns its place.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_db(&self, target: &str, file: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.make_db_dir(target)?.join(file);
        files::write(&path, bytes)?;
        Ok(path)
    }

    /// Writes a file beside the login's own, 0600 and whole, and returns its place.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, file: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.dir.join(file);
        files::write(&path, bytes)?;
        Ok(path)
    }

    /// The names of the directories of databases, as [`file_name`] wrote them.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn db_dirs(&self) -> Result<Vec<PathBuf>> {
        let dir = self.dir.join("db");
        let cannot =
            |error: io::Error| Error::files(format!("cannot read {}", dir.display()), &error);
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(cannot(error)),
        };
        let mut dirs = Vec::new();
        for entry in entries {
            dirs.push(entry.map_err(cannot)?.path());
        }
        dirs.sort();
        Ok(dirs)
    }

    /// Takes away the files of one database. Says whether there were any.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn forget_database(&self, target: &str) -> Result<bool> {
        files::remove_dir(&self.db_dir(target))
    }

    /// Takes away the files of all databases. Says whether there were any.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn forget_databases(&self) -> Result<bool> {
        files::remove_dir(&self.dir.join("db"))
    }

    /// Whether the login counts now.
    ///
    /// # Errors
    /// As [`About::valid`].
    pub fn valid(&self, now: Timestamp) -> Result<()> {
        self.about.valid(now, &self.name)
    }

    /// The command that logs in again.
    pub fn login_command(&self) -> String {
        self.about.login_command(&self.name)
    }

    /// Whom to believe to be the proxy.
    ///
    /// # Errors
    /// When the file is not there or damaged.
    pub fn trust(&self) -> Result<Trust> {
        let path = self.host_ca_file();
        let pem = files::read(&path).map_err(|error| self.damaged(&path, &error.to_string()))?;
        Trust::from_pem(&pem).map_err(|error| self.damaged(&path, &error.why().join(": ")))
    }

    /// The certificate of the login, and its key.
    ///
    /// # Errors
    /// When one of the files is not there or damaged.
    pub fn credentials(&self) -> Result<Credentials> {
        let read = |path: PathBuf| {
            let text = files::read(&path);
            text.map_err(|error| self.damaged(&path, &error.to_string()))
        };
        let certificate = read(self.certificate_file())?;
        let key = Secret::new(read(self.key_file())?);
        Credentials::from_pem(&certificate, &key)
            .map_err(|error| self.damaged(&self.dir, &error.why().join(": ")))
    }

    /// The API with the certificate of the login.
    ///
    /// # Errors
    /// When the login is over or damaged.
    pub fn api(&self, clock: &Clock, limits: Limits) -> Result<Api> {
        self.valid(clock())?;
        let tls = self.trust()?.tls(Some(&self.credentials()?), HTTP, clock);
        let tls = tls.map_err(|error| self.damaged(&self.dir, &error.why().join(": ")))?;
        Ok(Api::new(
            self.about.proxy.clone(),
            tls,
            Arc::clone(clock),
            limits,
        ))
    }

    fn damaged(&self, path: &Path, why: &str) -> Error {
        Error::new(
            Kind::Damaged,
            format!("cannot read the login in {}", path.display()),
        )
        .because(why)
        .hint(format!("log in anew with `{}`", self.login_command()))
    }
}

/// Whether a name can be a directory's, and nothing but one.
fn fits(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name.chars().all(letter)
        && !name.starts_with(['.', '-'])
}
