//! From a DB cluster (Aurora, Multi-AZ DB cluster, and what muster does not serve) to its endpoints.

use aws_sdk_rds::types::DbCluster;
use muster_model::{EndpointRole, Kind, Protocol, Scan, Unread, Unsupported, fact};

use super::{CLUSTERS, members::Members};
use crate::{
    aws::{
        listener::Listener,
        record::{Checked, Record, excerpt},
        version::aurora_release,
    },
    states,
};

/// Releases of Aurora MySQL whose parallel query was an engine mode of its own, without IAM authentication.
const PARALLEL_QUERY: &[&str] = &["5.6.10a", "1.19.6", "1.20.1", "1.22.2"];

/// Takes one record. DocumentDB's clusters are in the same listing and are left to the scanner of DocumentDB.
pub(super) fn take(record: DbCluster, members: &Members, scan: &mut Scan) {
    if record.engine.as_deref() == Some("docdb") {
        return;
    }
    if let Err(malformed) = map(record, members, scan) {
        scan.malformed.push(malformed);
    }
}

fn map(record: DbCluster, members: &Members, scan: &mut Scan) -> Checked<()> {
    let engine = record.engine.unwrap_or_default();
    let (kind, product, protocol) = match engine.as_str() {
        "aurora" | "aurora-mysql" => (Kind::Aurora, "Aurora cluster", Some(Protocol::Mysql)),
        "aurora-postgresql" => (Kind::Aurora, "Aurora cluster", Some(Protocol::Postgres)),
        "mysql" => (Kind::Rds, "RDS Multi-AZ cluster", Some(Protocol::Mysql)),
        "postgres" => (Kind::Rds, "RDS Multi-AZ cluster", Some(Protocol::Postgres)),
        _ => (Kind::Rds, "cluster", None),
    };
    let mut seen = Record::new(
        &scan.scope,
        CLUSTERS,
        (kind, product),
        record.db_cluster_arn,
        record.db_cluster_identifier,
    )?;
    let engine = seen.need("engine", Some(engine))?;
    seen.engine(engine, record.engine_version, protocol)?;
    let mode = match kind {
        Kind::Aurora => seen.text("engine mode", record.engine_mode)?,
        _ => protocol.map(|_| "cluster".to_owned()),
    };
    let release = aurora_release(seen.version());
    if let Some(mode) = mode.clone().filter(|mode| {
        mode == "serverless" || (mode == "parallelquery" && PARALLEL_QUERY.contains(&release))
    }) {
        seen.unsupported(Unsupported::Mode { mode });
    }
    seen.fact(fact::MODE, mode)?;
    seen.state(&states::CLUSTER, record.status)?;
    match record.tag_list {
        Some(tags) => seen.tags(tags.into_iter().map(|tag| (tag.key, tag.value)))?,
        // An untagged record has an empty list: without any, its tags are not known.
        None => seen.unread(Unread::Tags),
    }
    seen.flag(fact::IAM_AUTH, record.iam_database_authentication_enabled);
    seen.fact(fact::RESOURCE_ID, record.db_cluster_resource_id)?;
    seen.created(record.cluster_create_time);

    let parts = record.db_cluster_members.unwrap_or_default();
    let (writers, readers): (Vec<_>, Vec<_>) = parts
        .iter()
        .map(|part| {
            (
                part.db_instance_identifier.as_deref().unwrap_or_default(),
                part.is_cluster_writer == Some(true),
            )
        })
        .partition(|(_, writes)| *writes);
    let of = |parts: &[(&str, bool)]| members.common(parts.iter().map(|(name, _)| *name));
    let (writer, reader) = (of(&writers), of(&readers));
    let all = members.common(writers.iter().chain(&readers).map(|(name, _)| *name));
    // One member is enough to know the network, which all share.
    seen.vpc(all.vpc.or(writer.vpc).or(reader.vpc))?;
    // Authority and public address stand with the instances, too.
    let names = writers.iter().chain(&readers).map(|(name, _)| *name);
    if !members.complete && !members.know(names) {
        seen.unread(Unread::Vpc);
    }
    if parts.is_empty() {
        seen.note("the provider lists no instances of this cluster");
    }

    let ca = seen.text(
        "certificate authority",
        record.certificate_details.and_then(|it| it.ca_identifier),
    )?;
    let public = record.publicly_accessible;
    let primary = seen.endpoint(record.endpoint, record.port)?;
    let mut listeners = Vec::with_capacity(2);
    let primary_host = primary.as_ref().map(|endpoint| endpoint.host.clone());
    if !writers.is_empty() || parts.is_empty() {
        listeners.push(Listener {
            public: public.or(writer.public),
            ca: ca.clone().or(writer.ca),
            ..Listener::new(EndpointRole::Primary, primary)
        });
    }
    if !readers.is_empty() {
        let endpoint = seen.endpoint(record.reader_endpoint, record.port)?;
        listeners.push(Listener {
            public: public.or(reader.public),
            ca: ca.clone().or(reader.ca),
            ..Listener::new(EndpointRole::Reader, endpoint)
        });
    }
    for host in record.custom_endpoints.unwrap_or_default() {
        let Some(name) = custom_name(&host) else {
            let message = format!("`{}` is not a custom endpoint's host name", excerpt(&host));
            scan.malformed.push(seen.wrong(message));
            continue;
        };
        match seen.endpoint(Some(host), record.port) {
            Ok(endpoint) => listeners.push(Listener {
                tls_server_name: primary_host.clone(),
                public: public.or(all.public),
                ca: ca.clone().or_else(|| all.ca.clone()),
                ..Listener::new(EndpointRole::Custom(name), endpoint)
            }),
            Err(malformed) => scan.malformed.push(malformed),
        }
    }
    seen.listen(listeners, scan);
    Ok(())
}

/// The name that a person gave a custom endpoint: `analytics` of
/// `analytics.cluster-custom-c0ffee.us-east-1.rds.amazonaws.com`.
fn custom_name(host: &str) -> Option<String> {
    let (name, rest) = host.split_once(".cluster-custom-")?;
    let label = (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (label && !rest.is_empty()).then(|| name.to_owned())
}
