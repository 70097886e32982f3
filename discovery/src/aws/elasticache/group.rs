//! From a replication group to its endpoints.

use aws_sdk_elasticache::types::{ClusterMode, Endpoint, ReplicationGroup, TransitEncryptionMode};
use muster_model::{EndpointRole, Kind, Protocol, Scan, Unread, Unsupported, fact};

use super::{Around, GROUPS};
use crate::{
    aws::{
        listener::Listener,
        record::{Checked, Record},
        version::at_least,
    },
    states,
};

/// Takes one record.
pub(super) fn take(record: ReplicationGroup, around: &Around, scan: &mut Scan) {
    if let Err(malformed) = map(record, around, scan) {
        scan.malformed.push(malformed);
    }
}

fn map(record: ReplicationGroup, around: &Around, scan: &mut Scan) -> Checked<()> {
    let mut seen = Record::new(
        &scan.scope,
        GROUPS,
        (Kind::Elasticache, "ElastiCache group"),
        record.arn,
        record.replication_group_id,
    )?;
    let members = record.member_clusters.unwrap_or_default();
    let nodes = || members.iter().filter_map(|name| around.nodes.get(name));
    let engine = match seen.text("engine", record.engine)? {
        Some(engine) => engine,
        None => match seen.text("engine", nodes().find_map(|node| node.engine.clone()))? {
            Some(engine) => engine,
            None => {
                seen.note("the provider reports no engine; taken as redis");
                "redis".to_owned()
            }
        },
    };
    let protocol = cache_protocol(&engine);
    seen.engine(
        engine,
        nodes().find_map(|node| node.version.clone()),
        protocol,
    )?;
    if seen.version().is_empty() && !around.nodes_complete {
        seen.unread(Unread::Version);
    }
    seen.state(&states::ELASTICACHE, record.status)?;
    around.tags.give(&mut seen)?;

    let subnets = nodes().find_map(|node| node.subnets.as_deref());
    seen.vpc(subnets.and_then(|name| around.networks.get(name)).cloned())?;
    let all_read = around.nodes_complete && around.networks_complete;
    if !seen.has_vpc() && !all_read {
        seen.unread(Unread::Vpc);
    }

    let tls = match (
        record.transit_encryption_enabled,
        record.transit_encryption_mode,
    ) {
        (Some(true), Some(TransitEncryptionMode::Preferred)) => "optional",
        (Some(true), _) => "required",
        (Some(false), _) => {
            seen.unsupported(Unsupported::TlsOff);
            "off"
        }
        // AWS always says. What it did not say must not end what was enrolled.
        (None, _) => return Err(seen.wrong("it does not say whether it encrypts in transit")),
    };
    seen.fact(fact::TLS, Some(tls.to_owned()))?;
    let mut user_groups = record.user_group_ids.unwrap_or_default();
    user_groups.sort_unstable();
    login(&mut seen, &user_groups)?;
    seen.created(record.replication_group_create_time);

    let clustered =
        record.cluster_enabled == Some(true) || record.cluster_mode == Some(ClusterMode::Enabled);
    let mut listeners = Vec::with_capacity(2);
    if clustered {
        seen.fact(fact::MODE, Some("cluster".to_owned()))?;
        let endpoint = place(&seen, record.configuration_endpoint)?;
        listeners.push(Listener::new(EndpointRole::Configuration, endpoint));
    } else {
        let shards = record.node_groups.unwrap_or_default();
        let several = shards.len() > 1;
        for shard in shards {
            let part = if several {
                Some(seen.need("node group's id", shard.node_group_id)?)
            } else {
                None
            };
            let primary = place(&seen, shard.primary_endpoint)?;
            listeners.push(Listener {
                part: part.clone(),
                ..Listener::new(EndpointRole::Primary, primary)
            });
            if let Some(endpoint) = place(&seen, shard.reader_endpoint)? {
                listeners.push(Listener {
                    part,
                    ..Listener::new(EndpointRole::Reader, Some(endpoint))
                });
            }
        }
        if listeners.is_empty() {
            listeners.push(Listener::new(EndpointRole::Primary, None));
        }
    }
    seen.listen(listeners, scan);
    Ok(())
}

/// The protocol of a cache's engine.
pub(in crate::aws) fn cache_protocol(engine: &str) -> Option<Protocol> {
    matches!(engine, "redis" | "valkey").then_some(Protocol::Redis)
}

/// Takes the user groups that may log in. IAM authentication has no switch: it works from version 7 on where there
/// are users.
pub(in crate::aws) fn login(seen: &mut Record, user_groups: &[String]) -> Checked<()> {
    if user_groups.is_empty() {
        return Ok(());
    }
    seen.fact(fact::USER_GROUPS, Some(user_groups.join(",")))?;
    if at_least(seen.version(), 7, 0) == Some(true) {
        seen.flag(fact::IAM_AUTH, Some(true));
    }
    Ok(())
}

/// Where an endpoint of the SDK's listens.
pub(in crate::aws) fn place(
    seen: &Record,
    endpoint: Option<Endpoint>,
) -> Checked<Option<muster_model::Endpoint>> {
    match endpoint {
        Some(endpoint) => seen.endpoint(endpoint.address, endpoint.port),
        None => Ok(None),
    }
}
