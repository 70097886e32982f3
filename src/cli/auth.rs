//! `muster auth status|export|sign|rotate`: the authorities for certificates.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueEnum};
use rcgen::KeyPair;

use super::{
    Common, Failure, ListFormat,
    authority::{Life, Reached, nonsense, warn_of},
    context::write_file,
    print,
    targets::is_unknown,
};
use crate::{
    authority::{Answer, Ca, CaStatus, Command, RouteAsked},
    exit::Exit,
    report::{
        escape::shown,
        table::{Column, table},
    },
};

/// Subcommands of `muster auth`.
#[derive(Subcommand, Debug)]
pub enum Auth {
    /// Show the authorities for certificates.
    Status(Status),
    /// Write an authority's certificates, for whoever has to trust it.
    Export(Export),
    /// Sign a user's certificate here, without a login: for whoever runs muster, and for scripts.
    Sign(Sign),
    /// Exchange an authority for a new one, while both are trusted for a time.
    Rotate(Rotate),
}

/// Which authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Signs people's certificates; the proxy trusts it.
    User,
    /// Signs the proxy's certificate; people's clients trust it.
    Host,
    /// Signs what the proxy shows to databases; those trust it.
    Db,
}

/// Arguments of `muster auth status`.
#[derive(Args, Debug)]
pub struct Status {
    /// How the list is written.
    #[arg(short, long, alias = "format", value_enum, default_value_t)]
    output: ListFormat,
}

/// Arguments of `muster auth export`.
#[derive(Args, Debug)]
#[command(after_help = "\
Of an authority that is being exchanged both certificates are written: whoever trusts both goes on through the exchange. \
A PostgreSQL that muster logs in to with certificates takes the file of `--ca db` as `ssl_ca_file`.")]
pub struct Export {
    /// Which authority.
    #[arg(long, value_enum)]
    ca: Which,
    /// The file. Without it, standard output.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Arguments of `muster auth sign`.
#[derive(Args, Debug)]
#[command(after_help = "\
Writes PREFIX.key (readable by its owner alone), PREFIX.crt and PREFIX.ca, as psql takes them for sslkey, sslcert and \
sslrootcert. The key is made here and goes nowhere. The user's roles and locks count as they do at a login.")]
pub struct Sign {
    /// The user.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// Where to: PREFIX.key, PREFIX.crt, PREFIX.ca.
    #[arg(long, value_name = "PREFIX")]
    out: PathBuf,
    /// How long the certificate lives; at most 12h, and what the roles allow.
    #[arg(long)]
    ttl: Option<Life>,
    /// For this enrolled database only.
    #[arg(long, value_name = "NAME")]
    db: Option<String>,
    /// As this database user only.
    #[arg(long, value_name = "NAME", requires = "db")]
    db_user: Option<String>,
    /// On this database name only.
    #[arg(long, value_name = "NAME", requires = "db")]
    db_name: Option<String>,
}

/// Arguments of `muster auth rotate`.
#[derive(Args, Debug)]
#[command(after_help = "\
user: the new one signs at once; certificates of the old one are good until the grace is over.
host: the old one signs until the grace is over; people get both with each login.
db:   the old one signs until the grace is over; databases have to be given both by then: `muster auth export --ca db`.

With `--grace 0` the old one is worthless at once, and with it all that it has signed: for a key that has leaked.")]
pub struct Rotate {
    /// Which authority.
    #[arg(long, value_enum)]
    ca: Which,
    /// How long both are trusted.
    #[arg(long, default_value = "24h", conflicts_with = "rollback")]
    grace: Life,
    /// Go back to the old one while both are trusted. What the new one has signed is worthless then.
    #[arg(long)]
    rollback: bool,
}

/// A certificate of an authority, as `muster auth status` shows it.
#[derive(serde::Serialize)]
struct Line {
    ca: Ca,
    fingerprint: String,
    signs: bool,
    created: String,
    expires: String,
    overlap_ends: Option<String>,
}

impl Auth {
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self {
            Self::Status(args) => {
                let (_, authorities) = ask(&Reached::look(common)?, Command::Authorities)?;
                let lines = lines(&authorities);
                print(|out| write_lines(&lines, args.output, out))?;
                Ok(Exit::Done)
            }
            Self::Export(args) => args.run(common),
            Self::Sign(args) => args.run(common),
            Self::Rotate(args) => args.run(common),
        }
    }
}

impl Export {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let (_, authorities) = ask(&Reached::open(common)?, Command::Authorities)?;
        let wanted = authorities
            .into_iter()
            .find(|status| status.ca == self.ca.into());
        let certificates = wanted.ok_or_else(nonsense)?.certificates;
        let pem: String = certificates
            .into_iter()
            .map(|certificate| certificate.pem)
            .collect();
        match &self.out {
            None => print(|out| out.write_all(pem.as_bytes()))?,
            Some(path) => write_file(path, pem.as_bytes()).map_err(cannot_write(path))?,
        }
        Ok(Exit::Done)
    }
}

impl Sign {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let reached = Reached::look(common)?;
        let pair =
            KeyPair::generate().map_err(|error| Failure::new("cannot make a key").cause(&error))?;
        let Self {
            user,
            out,
            ttl,
            db,
            db_user,
            db_name,
        } = self;
        let path = |end: &str| {
            let mut path = out.clone().into_os_string();
            path.push(end);
            PathBuf::from(path)
        };
        let (key, certificate, ca) = (path(".key"), path(".crt"), path(".ca"));
        // Before anything is signed, and recorded, that could not be kept.
        let new_key = NewKey::write(key.clone(), pair.serialize_pem().as_bytes());
        let new_key = new_key.map_err(cannot_write(&key))?;
        let database = db.clone();
        let route = db.map(|target| RouteAsked {
            target,
            db_user,
            db_name,
        });
        let answer = reached.ask(Command::Sign {
            user,
            key: pair.public_key_pem(),
            seconds: ttl.map(|Life(seconds)| seconds),
            route,
        })?;
        let Answer::Signed(signed) = answer else {
            return Err(nonsense());
        };
        new_key.put().map_err(cannot_write(&key))?;
        let public = [(&certificate, &signed.certificate), (&ca, &signed.host_ca)];
        for (path, pem) in public {
            write_file(path, pem.as_bytes()).map_err(cannot_write(path))?;
        }
        print(|out| {
            let (user, roles) = (shown(&signed.user).into_owned(), signed.roles.join(", "));
            writeln!(
                out,
                "{user} may enter until {}, with the roles {}",
                signed.expires,
                shown(&roles)
            )?;
            if let Some(limited_by) = &signed.limited_by {
                writeln!(out, "no longer, because {}", shown(limited_by))?;
            }
            let shown_path = |path: &Path| shown(&path.display().to_string()).into_owned();
            writeln!(
                out,
                "key {}, certificate {}, authority {}",
                shown_path(&key),
                shown_path(&certificate),
                shown_path(&ca)
            )
        })?;
        drop(reached);
        if let Some(name) = database
            && is_unknown(common, |target| target.name == name) == Some(true)
        {
            let warning = format!(
                "there is no database `{name}`: the certificate opens nothing until there is one; `muster db ls` lists them"
            );
            warn_of(&[warning]);
        }
        Ok(Exit::Done)
    }
}

impl Rotate {
    fn run(self, common: &Common) -> Result<Exit, Failure> {
        let (ca, grace) = (Ca::from(self.ca), self.grace.0);
        let command = match self.rollback {
            true => Command::RollBack { ca },
            false => Command::Rotate { ca, grace },
        };
        let (_, authorities) = ask(&Reached::look(common)?, command)?;
        let lines = lines(&authorities);
        print(|out| write_lines(&lines, ListFormat::Table, out))?;
        Ok(Exit::Done)
    }
}

fn ask(reached: &Reached, command: Command) -> Result<(String, Vec<CaStatus>), Failure> {
    match reached.ask(command)? {
        Answer::Authorities {
            cluster,
            authorities,
        } => Ok((cluster, authorities)),
        _ => Err(nonsense()),
    }
}

fn lines(authorities: &[CaStatus]) -> Vec<Line> {
    let of = |status: &CaStatus| {
        let (ca, ends) = (status.ca, status.overlap_ends.map(|ends| ends.to_string()));
        let certificates = status.certificates.iter().map(move |certificate| Line {
            ca,
            fingerprint: certificate.fingerprint.clone(),
            signs: certificate.signs,
            created: certificate.created.to_string(),
            expires: certificate.expires.to_string(),
            overlap_ends: ends.clone(),
        });
        certificates.collect::<Vec<_>>()
    };
    authorities.iter().flat_map(of).collect()
}

fn write_lines(lines: &[Line], format: ListFormat, out: &mut dyn Write) -> io::Result<()> {
    let columns = [
        Column {
            title: "ca",
            wide: false,
            cell: |line: &Line| line.ca.as_str().into(),
        },
        Column {
            title: "signs",
            wide: false,
            cell: |line| if line.signs { "yes" } else { "no" }.into(),
        },
        Column {
            title: "created",
            wide: false,
            cell: |line| line.created.as_str().into(),
        },
        Column {
            title: "expires",
            wide: true,
            cell: |line| line.expires.as_str().into(),
        },
        Column {
            title: "both until",
            wide: false,
            cell: |line| line.overlap_ends.as_deref().unwrap_or_default().into(),
        },
        Column {
            title: "sha-256",
            wide: false,
            cell: |line| line.fingerprint.as_str().into(),
        },
    ];
    table(&columns, lines, format, out)
}

/// A private key beside the place where it is to be.
struct NewKey {
    partial: PathBuf,
    path: PathBuf,
}

impl NewKey {
    /// Readable by its owner alone from the first moment on.
    fn write(path: PathBuf, bytes: &[u8]) -> io::Result<Self> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        // What somebody else has put there is not written into.
        match std::fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&partial)?;
        let key = Self { partial, path };
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(key)
    }

    fn put(&self) -> io::Result<()> {
        std::fs::rename(&self.partial, &self.path)
    }
}

impl Drop for NewKey {
    fn drop(&mut self) {
        // It is not there any more when it has been put into its place.
        let _ = std::fs::remove_file(&self.partial);
    }
}

fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> Failure + use<'_> {
    move |error| {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let failure = Failure::new(format!("cannot write {}", path.display())).cause(&error);
        match path.parent() {
            Some(dir) if missing => failure.hint(format!("make the directory {}", dir.display())),
            _ => failure,
        }
    }
}

impl From<Which> for Ca {
    fn from(which: Which) -> Self {
        match which {
            Which::User => Self::User,
            Which::Host => Self::Host,
            Which::Db => Self::Db,
        }
    }
}
