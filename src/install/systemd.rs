//! A unit for systemd, made from the configuration: what the service may touch follows from what is configured.
//!
//! It runs as a user that exists only while it runs, sees the file system read-only except for its store, and may
//! call nothing that a service does not need. `MemoryDenyWriteExecute` is left out on purpose.

use std::{
    fmt::Write,
    path::{Component, Path, PathBuf},
};

use crate::config::{Config, SinkKind};

/// What a unit is made for.
#[derive(Clone, Debug)]
pub struct UnitOptions {
    /// The program as it is installed: an absolute path.
    pub program: PathBuf,
    /// The configuration file: an absolute path.
    pub config: PathBuf,
    /// The store's directory, when it is not the configuration's.
    pub store: Option<PathBuf>,
    /// The user to run as; none for one that systemd makes up.
    pub user: Option<String>,
}

/// Why there is no unit for this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUnit {
    /// It would mean another place in the unit.
    #[error("`{0}` is not a plain absolute path")]
    Relative(PathBuf),
    /// It cannot be written into a unit.
    #[error("`{}` has letters that a unit cannot hold", .0.display())]
    Letters(PathBuf),
    /// The service has a `/tmp` of its own.
    #[error("`{0}` is in a directory of temporary files, of which the service has its own")]
    Temporary(PathBuf),
    /// systemd can make a directory for a user that it makes up only in one place.
    #[error("the store `{0}` is not under /var/lib")]
    Store(PathBuf),
    /// The same, for the audit log.
    #[error("the audit log `{0}` is neither in the store nor under /var/log")]
    Log(PathBuf),
    /// It is not the name of a user.
    #[error("`{0}` is not the name of a user")]
    User(String),
}

impl BadUnit {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Relative(_) => "write the whole path, without `..`",
            Self::Letters(_) => "give it a plain name",
            Self::Temporary(_) => {
                "move it: the configuration to /etc/muster, the store to /var/lib/muster"
            }
            Self::Store(_) | Self::Log(_) => {
                "move it there, or make a user that owns it and name that one with --user"
            }
            Self::User(_) => {
                "a user has 1 to 31 of `a-z A-Z 0-9 _ -`, and does not begin with a digit"
            }
        }
    }
}

/// The unit `muster.service`.
///
/// # Errors
/// When a path cannot be used by a service, or a user that is made up cannot own the store.
pub fn unit(config: &Config, options: &UnitOptions) -> Result<String, BadUnit> {
    let store = options.store.as_ref().unwrap_or(&config.store);
    let file = &options.config;
    for path in [&options.program, file, store] {
        usable(path)?;
    }
    let reads = read_paths(config);
    let starts = programs(config);
    for path in &reads {
        usable(path)?;
    }
    for path in &starts {
        usable(path)?;
    }
    let state = state_directory(store);
    if state.is_none() && options.user.is_none() {
        return Err(BadUnit::Store(store.clone()));
    }
    if let Some(user) = &options.user
        && !is_user(user)
    {
        return Err(BadUnit::User(user.clone()));
    }

    let mut common = format!(" --config {}", setting(text(file)?));
    if let Some(store) = &options.store {
        // Writing to a String does not fail.
        let _ = write!(common, " --store {}", setting(text(store)?));
    }
    let program = setting(text(&options.program)?);
    let parts = Parts {
        owner: owner(options.user.as_deref()),
        home: home(
            [file, store, &options.program]
                .into_iter()
                .chain(reads)
                .map(PathBuf::as_path)
                .chain(starts),
        ),
        place: place(store, state, options.user.as_deref())?
            + &log(config.audit.dir.as_deref(), store, options.user.as_deref())?,
        ports: ports(config),
        secrets: secrets(config)?,
        stop: ending(config).saturating_add(STOP_MARGIN),
        program,
        common,
        file: text(file)?.to_owned(),
    };
    Ok(parts.unit())
}

/// What differs between units.
struct Parts {
    owner: String,
    home: &'static str,
    place: String,
    /// The capability that low ports need, or nothing.
    ports: &'static str,
    secrets: String,
    stop: u64,
    program: String,
    common: String,
    file: String,
}

impl Parts {
    fn unit(self) -> String {
        let Self {
            owner,
            home,
            place,
            ports,
            secrets,
            stop,
            program,
            common,
            file,
        } = self;
        format!(
            "\
# muster.service, for the configuration {file}.
# Printed by `muster install systemd`; print it again when the store, the secrets or `service.shutdown` change.
#
#   muster install systemd | sudo tee /etc/systemd/system/muster.service
#   sudo systemctl daemon-reload
#   sudo systemctl enable --now muster
#
# `systemctl reload muster` puts a changed configuration into force; one that is wrong changes nothing.

[Unit]
Description=muster: keeps the set of enrolled databases true
Wants=network-online.target
After=network-online.target nss-lookup.target

[Service]
Type=notify
ExecStartPre={program} config check{common}
ExecStart={program} run{common}
ExecReload={program} reload{common}
# Where the clouds' credentials come from, when not from the machine: AWS_PROFILE, AWS_CONFIG_FILE, AZURE_CLIENT_ID ...
EnvironmentFile=-/etc/muster/environment

# A failure starts it again; a wrong command line (64) or configuration (78) would only fail again.
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=64 78
# A store of a million databases takes a while to open.
TimeoutStartSec=5min
# It ends within `service.shutdown` by itself.
TimeoutStopSec={stop}
# What it has started for `notify` ends with it; only muster itself is asked to.
KillMode=mixed
# It says that it lives three times in this time; one that hangs is started again.
WatchdogSec=2min
# Connections to the clouds, and the files of the store.
LimitNOFILE=65536

{owner}{place}{secrets}
# Nothing but its own is to be written, and no more is to be seen than it needs.
UMask=0077
ProtectSystem=strict
{home}
PrivateTmp=true
PrivateDevices=true
ProtectProc=invisible
ProcSubset=pid
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
RemoveIPC=true

# No rights beyond those of an ordinary user, and no way to more.
NoNewPrivileges=true
CapabilityBoundingSet={ports}
AmbientCapabilities={ports}
LockPersonality=true
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
# MemoryDenyWriteExecute is not set: matchers in WebAssembly are compiled when they are loaded, into pages that are
# written first and then executed.

[Install]
WantedBy=multi-user.target
"
        )
    }
}

/// How many seconds the service takes to end at the most: for scans, or for the proxy's sessions and the last events of
/// the audit log.
fn ending(config: &Config) -> u64 {
    let drain = config.proxy.as_ref().map(|proxy| proxy.drain.as_secs());
    let shutdown = config.service.shutdown.as_secs();
    drain.map_or(shutdown, |drain| shutdown.max(drain.saturating_add(10)))
}

/// What the service starts.
fn programs(config: &Config) -> Vec<&Path> {
    let sinks = config.notify.iter();
    let programs = sinks.filter_map(|sink| match &sink.how {
        SinkKind::Webhook { .. } => None,
        SinkKind::Command { argv } => argv.first(),
    });
    programs.map(Path::new).collect()
}

/// What the service reads beside the configuration.
fn read_paths(config: &Config) -> Vec<&PathBuf> {
    let sinks = config.notify.iter();
    let files = sinks
        .filter_map(|sink| match &sink.how {
            SinkKind::Webhook {
                authorization_file,
                secret_file,
                ..
            } => Some(authorization_file.iter().chain(secret_file)),
            SinkKind::Command { .. } => None,
        })
        .flatten();
    let proxy = config.proxy.iter();
    let passwords =
        proxy.flat_map(|proxy| proxy.secrets.iter().map(|secret| &secret.password_file));
    let trusted = config.proxy.iter().flat_map(|proxy| &proxy.trust);
    files.chain(passwords).chain(trusted).collect()
}

/// Whether a service can use this path at all.
fn usable(path: &Path) -> Result<(), BadUnit> {
    text(path)?;
    let normal = path.components().all(|part| part != Component::ParentDir);
    if !path.is_absolute() || !normal {
        return Err(BadUnit::Relative(path.to_owned()));
    }
    if is_under(path, &["/tmp", "/var/tmp"]) {
        return Err(BadUnit::Temporary(path.to_owned()));
    }
    Ok(())
}

fn is_under(path: &Path, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

/// A path as text on one line. A `$` would be taken for a variable where systemd does not let it be escaped.
fn text(path: &Path) -> Result<&str, BadUnit> {
    path.to_str()
        .filter(|text| {
            !text
                .chars()
                .any(|letter| letter.is_control() || letter == '$')
        })
        .ok_or_else(|| BadUnit::Letters(path.to_owned()))
}

/// The directory under `/var/lib` that systemd makes and gives to the service's user.
fn state_directory(store: &Path) -> Option<&Path> {
    let under = store.strip_prefix("/var/lib").ok()?;
    let is_own = !under.as_os_str().is_empty() && !under.starts_with("private");
    is_own.then_some(under)
}

fn is_user(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    begins && name.len() <= 31 && name.chars().all(is_letter)
}

fn owner(user: Option<&str>) -> String {
    match user {
        Some(user) => format!("User={user}\n"),
        None => "# A user that exists only while the service runs.\nDynamicUser=true\n".to_owned(),
    }
}

/// How much of people's own directories is seen.
fn home<'p>(mut paths: impl Iterator<Item = &'p Path>) -> &'static str {
    if paths.any(|path| is_under(path, &HOMES)) {
        "# Something of the configuration is there.\nProtectHome=read-only"
    } else {
        "ProtectHome=true"
    }
}

/// Where the store is.
fn place(store: &Path, state: Option<&Path>, user: Option<&str>) -> Result<String, BadUnit> {
    Ok(match (state, user) {
        (Some(state), _) => {
            let state = setting(text(state)?);
            format!(
                "# The store. Only the service's user, and root, may enter it.\nStateDirectory={state}\nStateDirectoryMode=0700\n"
            )
        }
        (None, user) => {
            let user = user.unwrap_or("root");
            let store = text(store)?;
            let path = setting(store);
            format!(
                "# The store. It has to be there: install -d -m 0700 -o {user} '{store}'\nReadWritePaths={path}\n"
            )
        }
    })
}

/// Where the audit log is written, when that is not in the store.
fn log(dir: Option<&Path>, store: &Path, user: Option<&str>) -> Result<String, BadUnit> {
    let Some(dir) = dir.filter(|dir| !dir.starts_with(store)) else {
        return Ok(String::new());
    };
    usable(dir)?;
    if let Ok(name) = dir.strip_prefix("/var/log")
        && !name.as_os_str().is_empty()
    {
        let name = setting(text(name)?);
        return Ok(format!(
            "# The audit log.\nLogsDirectory={name}\nLogsDirectoryMode=0700\n"
        ));
    }
    let Some(user) = user else {
        return Err(BadUnit::Log(dir.to_owned()));
    };
    let dir = text(dir)?;
    let path = setting(dir);
    Ok(format!(
        "# The audit log. It has to be there: install -d -m 0700 -o {user} '{dir}'\nReadWritePaths={path}\n"
    ))
}

/// What listening on a port below 1024 needs.
fn ports(config: &Config) -> &'static str {
    let proxy = config.proxy.as_ref();
    let mut ports = proxy
        .into_iter()
        .flat_map(|proxy| proxy.listen.iter().chain(&proxy.postgres));
    if ports.any(|address| (1..1024).contains(&address.port())) {
        "CAP_NET_BIND_SERVICE"
    } else {
        ""
    }
}

/// What the service reads beside the configuration: credentials that systemd hands over, or files of its user.
fn secrets(config: &Config) -> Result<String, BadUnit> {
    let (mut loaded, mut own) = (Vec::new(), Vec::new());
    for path in read_paths(config) {
        match path.strip_prefix(CREDENTIALS) {
            Ok(name) if name.components().count() == 1 => {
                loaded.push(text(name)?);
            }
            _ => own.push(text(path)?),
        }
    }
    for list in [&mut loaded, &mut own] {
        list.sort_unstable();
        list.dedup();
    }
    let mut out = String::new();
    if !own.is_empty() {
        out += "# The service's user has to be able to read these. A secret that only root may read is handed over when the\n\
                # configuration names it as /run/credentials/muster.service/NAME.\n";
        for path in own {
            let _ = writeln!(out, "#   {path}");
        }
    }
    if !loaded.is_empty() {
        out += "# Secrets that only root may read; the service finds them in /run/credentials/muster.service.\n";
        for name in loaded {
            let value = setting(&format!("{name}:/etc/muster/{name}"));
            let _ = writeln!(out, "LoadCredential={value}");
        }
    }
    Ok(out)
}

/// A word of a command line, or of a setting that takes a list: quoted when it has to be, and `%` doubled.
fn setting(value: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/_.:@=+-%,".contains(letter);
    let value = value.replace('%', "%%");
    if value.chars().all(is_plain) {
        return value;
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Seconds that systemd waits longer than the service says it takes.
const STOP_MARGIN: u64 = 15;
/// People's own directories.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
/// Where systemd puts what it loads for this service.
const CREDENTIALS: &str = "/run/credentials/muster.service";

#[cfg(test)]
mod tests;
