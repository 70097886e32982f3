//! The parts of a first configuration about who is served what: databases by name, and the proxy.

use std::collections::BTreeMap;

use super::{CLUSTER, CreateOptions, DRAIN, NewDatabase, line, optional, yaml};

/// `databases`, or the same as comments.
pub(super) fn databases(options: &CreateOptions) -> String {
    let example = NewDatabase {
        name: "orders".to_owned(),
        protocol: "postgres".to_owned(),
        uri: "orders.internal:5432".to_owned(),
        ..NewDatabase::default()
    };
    let database = options.database.as_ref();
    let text = one(database.unwrap_or(&example));
    let head = "
# Databases by name and address, beside those that are found. `muster reload` takes changes at once.
";
    format!("{head}{}", commented(database.is_none(), &text))
}

fn one(database: &NewDatabase) -> String {
    let mut out = String::from("databases:\n");
    line(&mut out, "  - name: ", &yaml::scalar(&database.name));
    let description = database.description.as_deref().map(yaml::scalar);
    optional(
        &mut out,
        4,
        "description",
        description,
        "what it is, for people who look for it",
    );
    out += "    # postgres; mysql, mongodb and redis are known, and not served yet.\n";
    line(
        &mut out,
        "    protocol: ",
        &yaml::scalar(&database.protocol),
    );
    line(&mut out, "    uri: ", &yaml::scalar(&database.uri));
    out += "    # Roles select databases by these.\n";
    let labels: BTreeMap<&str, &str> = database
        .labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    if labels.is_empty() {
        out += "    # labels: { env: prod }\n";
    } else {
        out += "    labels:\n";
        for (key, value) in labels {
            line(
                &mut out,
                &format!("      {}: ", yaml::scalar(key)),
                &yaml::scalar(value),
            );
        }
    }
    out += "    # RDS and Aurora: muster logs in by IAM. The resource id is for the policy that a refusal shows.\n";
    match &database.aws_region {
        Some(region) => {
            out += "    aws:\n";
            line(&mut out, "      region: ", &yaml::scalar(region));
            out += "      # rds: { resource_id: db-ABCDEFGHIJKLMNOPQRSTUVWXYZ }\n";
        }
        None => {
            out += "    # aws: { region: eu-west-1, rds: { resource_id: db-ABCDEFGHIJKLMNOPQRSTUVWXYZ } }\n"
        }
    }
    out += "    # How muster logs in, when not by IAM (RDS), Entra (Azure), a password of `proxy.secrets`, or a certificate.\n";
    out += "    # auth: certificate\n";
    out += "    # A name in the certificate that is not the host's, or authorities for this database alone.\n";
    out += "    # tls: { server_name: orders.example.com }\n";
    out
}

/// `proxy`, or the same as comments.
pub(super) fn proxy(options: &CreateOptions) -> String {
    let mut out = String::from("proxy:\n");
    let listen = options.proxy_listen.as_deref().unwrap_or(LISTEN);
    line(&mut out, "  listen: ", &yaml::scalar(listen));
    out += "  # The names under which people reach it: they stand in its certificate.\n";
    let public = (!options.public.is_empty()).then(|| yaml::list(&options.public));
    let is_served = options.is_served();
    match (public, is_served) {
        (Some(public), _) => line(&mut out, "  public: ", &public),
        // Where all of it is a comment, so is this already.
        (None, false) => out += "  public: [db.example.com]\n",
        (None, true) => out += "  # public: [db.example.com]\n",
    }
    let more = format!(
        "  # In certificates and in the audit log; it stays what it was at the first start.
  cluster_name: {CLUSTER}
  # Further authorities that certificates of databases are trusted by.
  trust: [corporate-ca.pem]
  # How long sessions may go on when the service ends.
  drain: {DRAIN}
  # Passwords of databases that know no IAM or Entra.
  secrets:
    - databases: {{ env: staging }}
      db_users: [reporting]
      password_file: /etc/muster/reporting.password
"
    );
    if is_served {
        // What was not asked for is a comment, comments stay what they are.
        for text in more.lines() {
            let inner = text.strip_prefix("  ").unwrap_or(text);
            match inner.starts_with('#') {
                true => line(&mut out, text, ""),
                false => line(&mut out, "  # ", inner),
            }
        }
    } else {
        out += &more;
    }
    let head = "
# Where people enter: one TLS port for every protocol. Without it nothing is served.
";
    format!("{head}{}", commented(!is_served, &out))
}

/// Where the proxy listens when nobody says so.
const LISTEN: &str = "0.0.0.0:7430";

/// A block, as comments when it is not wanted.
pub(super) fn commented(comment: bool, block: &str) -> String {
    match comment {
        false => block.to_owned(),
        true => block.lines().map(|text| format!("# {text}\n")).collect(),
    }
}
