//! `proxy` and `audit`, as they are in force.

use serde_yaml::Value;

use super::{
    super::{AuditSettings, AuditSink, ProxySettings, Secret},
    map, number, plain, span,
};

pub(super) fn proxy(proxy: &ProxySettings) -> Value {
    let ProxySettings {
        listen,
        postgres,
        public,
        cluster_name,
        node_name,
        workers,
        max_connections,
        handshakes_per_address,
        handshake_timeout,
        connect_timeout,
        drain,
        trust,
        hosts,
        secrets,
    } = proxy;
    let list = |texts: Vec<String>| Value::Sequence(texts.into_iter().map(Value::from).collect());
    let mut entries = Vec::new();
    entries.extend(listen.map(|address| ("listen", Value::from(address.to_string()))));
    entries.extend(postgres.map(|address| ("postgres", Value::from(address.to_string()))));
    if !public.is_empty() {
        entries.push(("public", list(public.iter().cloned().collect())));
    }
    entries.push(("cluster_name", cluster_name.as_str().into()));
    entries.extend(
        node_name
            .as_ref()
            .map(|name| ("node_name", Value::from(name.as_str()))),
    );
    entries.extend(workers.map(|workers| ("workers", number(workers.get()))));
    entries.extend([
        ("max_connections", number(*max_connections)),
        ("handshakes_per_address", number(*handshakes_per_address)),
        ("handshake_timeout", span(*handshake_timeout)),
        ("connect_timeout", span(*connect_timeout)),
        ("drain", span(*drain)),
    ]);
    if !trust.is_empty() {
        let trust = trust.iter().map(|path| path.display().to_string());
        entries.push(("trust", list(trust.collect())));
    }
    if !hosts.is_empty() {
        let hosts = hosts.iter();
        let hosts = hosts.map(|(host, address)| (host.as_str(), address.to_string().into()));
        entries.push(("hosts", map(hosts)));
    }
    if !secrets.is_empty() {
        let secrets = secrets.iter().map(secret);
        entries.push(("secrets", Value::Sequence(secrets.collect())));
    }
    map(entries)
}

fn secret(secret: &Secret) -> Value {
    let users = match &secret.db_users {
        None => vec![Value::from("*")],
        Some(users) => users.iter().map(|user| user.as_str().into()).collect(),
    };
    map([
        ("databases", plain(&secret.databases)),
        ("db_users", Value::Sequence(users)),
        (
            "password_file",
            secret.password_file.display().to_string().into(),
        ),
    ])
}

pub(super) fn audit(audit: &AuditSettings) -> Value {
    let AuditSettings {
        dir,
        sink,
        rotate_mib,
        rotate_every,
        keep,
        statement_kib,
        mask_literals,
    } = audit;
    let sink = match sink {
        AuditSink::File => "file",
        AuditSink::Stdout => "stdout",
    };
    let mut entries = Vec::new();
    entries.extend(
        dir.as_ref()
            .map(|dir| ("dir", dir.display().to_string().into())),
    );
    entries.extend([
        ("sink", sink.into()),
        ("rotate_mib", (*rotate_mib).into()),
        ("rotate_every", span(*rotate_every)),
        ("keep", span(*keep)),
        ("statement_kib", (*statement_kib).into()),
        ("mask_literals", (*mask_literals).into()),
    ]);
    map(entries)
}
