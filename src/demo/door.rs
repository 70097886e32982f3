//! The demo's door: the configuration of the example with a proxy and a database of this machine, and somebody who may
//! enter.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use muster_model::Timestamp;
use serde_json::json;

use super::postgres::{DB_NAME, DB_USER, HOST, Postgres};
use crate::{
    authority::{Answer, Authority, Ca, CaStatus, Command, How, Settings, chance},
    service::handle::Refused,
};

/// Who may enter.
pub const USER: &str = "ana";
/// With what role.
pub const ROLE: &str = "analyst";
/// The database of this machine.
pub const DATABASE: &str = "shop-orders";
/// One that is found in the example, in every scan of its account.
pub const FOUND: &str = "orders-prod-rds-eu-west-1-111111111111";
/// The cluster's name.
pub const CLUSTER: &str = "demo";

/// How long somebody may take to accept an invitation, in seconds. It is accepted at once.
const INVITED: u64 = 3600;

/// What somebody needs who wants to enter.
pub struct Entrance {
    /// The fingerprint of the authority that signs the proxy's certificate, in hexadecimal.
    pub pin: String,
    /// The authority whose certificates databases are shown, in PEM.
    pub clients: String,
    /// The password, in a file that only its owner can read.
    pub password_file: PathBuf,
}

/// The configuration: the example's, with a door on a port that the system chooses, so that nothing is in its way.
pub fn config(postgres: Option<&Postgres>) -> String {
    let mut text = super::service_config();
    let mut proxy = vec![format!(
        "  listen: 127.0.0.1:0\n  public: [{HOST}]\n  cluster_name: {CLUSTER}\n"
    )];
    if let Some(postgres) = postgres {
        text += &format!(
            "\n# Beside what is found: a database of this machine.\ndatabases:\n  - name: {DATABASE}\n    \
             description: the orders of a shop, in a PostgreSQL on this machine\n    protocol: postgres\n    \
             uri: \"{HOST}:{}\"\n    labels: {{ env: demo, team: shop }}\n",
            postgres.port
        );
        // A text in JSON is one in YAML.
        let ca = json!(postgres.ca.display().to_string());
        proxy.push(format!(
            "  trust: [{ca}]\n  hosts: {{ {HOST}: 127.0.0.1 }}\n"
        ));
    }
    text + "\n# Where people enter.\nproxy:\n" + &proxy.concat()
}

/// Writes a role and a user who has it, in the authority of the store that the service will have.
///
/// # Errors
/// When the authority cannot be made, or the file cannot be written.
pub fn people(store: &Path, password_file: &Path) -> Result<Entrance, Refused> {
    let settings = Settings {
        cluster_name: CLUSTER.to_owned(),
        node_name: None,
        public: [HOST.to_owned()].into(),
    };
    let clock = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.map_or(0, |since| since.as_secs());
        Timestamp::from_unix(i64::try_from(seconds).unwrap_or(i64::MAX))
    };
    let authority = Authority::open(store, settings, Arc::new(clock))?;
    let by = "muster demo";
    let role = json!({
        "kind": "role", "version": "v7", "metadata": { "name": ROLE },
        "spec": { "allow": { "db_labels": { "*": "*" }, "db_users": [DB_USER], "db_names": [DB_NAME] } },
    });
    let (records, how) = (vec![role], How::Create);
    authority.handle(Command::Put { records, how }, by)?;
    let record = json!({
        "kind": "user", "version": "v2", "metadata": { "name": USER }, "spec": { "roles": [ROLE] },
    });
    let seconds = INVITED;
    let answer = authority.handle(Command::AddUser { record, seconds }, by)?;
    let Answer::Invited(invited) = answer else {
        return Err(odd());
    };
    let password = chance::hex(12).map_err(|error| cannot("choose a password", &error))?;
    authority.accept_here(&invited.token.0, &password)?;
    write_private(password_file, &format!("{password}\n"))
        .map_err(|error| cannot(&format!("write {}", password_file.display()), &error))?;
    let Answer::Authorities { authorities, .. } = authority.handle(Command::Authorities, by)?
    else {
        return Err(odd());
    };
    let signing = |ca: Ca| {
        let status = authorities
            .iter()
            .find(|status: &&CaStatus| status.ca == ca);
        let mut all = status.into_iter().flat_map(|status| &status.certificates);
        all.find(|certificate| certificate.signs).ok_or_else(odd)
    };
    Ok(Entrance {
        pin: signing(Ca::Host)?.fingerprint.clone(),
        clients: signing(Ca::Db)?.pem.clone(),
        password_file: password_file.to_owned(),
    })
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

fn odd() -> Refused {
    cannot(
        "set up the demo",
        &io::Error::other("the authority's answer makes no sense"),
    )
}

fn cannot(what: &str, error: &dyn std::error::Error) -> Refused {
    Refused {
        kind: crate::service::handle::RefusedKind::Failed,
        what: format!("cannot {what}"),
        why: vec![error.to_string()],
        hint: None,
    }
}
