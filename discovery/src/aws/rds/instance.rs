//! From an RDS instance to a database, or to a fact about its cluster.

use aws_sdk_rds::types::DbInstance;
use muster_model::{EndpointRole, Kind, Protocol, Scan, Unread, fact};

use super::{
    INSTANCES,
    members::{Member, Members},
};
use crate::{
    aws::{
        listener::Listener,
        record::{Checked, MAX_TEXT, Record},
    },
    states,
};

/// Takes one record: a member of a cluster only serves its cluster.
pub(super) fn take(record: DbInstance, members: &mut Members, scan: &mut Scan) {
    if record
        .db_cluster_identifier
        .as_deref()
        .is_some_and(|cluster| !cluster.is_empty())
    {
        remember(record, members);
    } else if let Err(malformed) = map(record, scan) {
        scan.malformed.push(malformed);
    }
}

fn remember(record: DbInstance, members: &mut Members) {
    let Some(identifier) = record.db_instance_identifier else {
        return;
    };
    let short = |text: &String| !text.is_empty() && text.len() <= MAX_TEXT;
    let vpc = record
        .db_subnet_group
        .and_then(|group| group.vpc_id)
        .filter(short);
    let ca = record.ca_certificate_identifier.filter(short);
    members.insert(
        identifier,
        Member {
            vpc,
            public: record.publicly_accessible,
            ca,
        },
    );
}

fn map(record: DbInstance, scan: &mut Scan) -> Checked<()> {
    let mut seen = Record::new(
        &scan.scope,
        INSTANCES,
        (Kind::Rds, "RDS instance"),
        record.db_instance_arn,
        record.db_instance_identifier,
    )?;
    let engine = seen.need("engine", record.engine)?;
    if engine.starts_with("aurora") || engine == "docdb" || engine == "neptune" {
        return Err(seen.wrong("it is an instance of a cluster and names no cluster"));
    }
    let protocol = match engine.as_str() {
        "postgres" => Some(Protocol::Postgres),
        "mysql" | "mariadb" => Some(Protocol::Mysql),
        _ => None,
    };
    seen.engine(engine, record.engine_version, protocol)?;
    if seen.engine_name() == "mariadb" {
        seen.need_version(10, 6);
    }
    seen.state(&states::RDS_INSTANCE, record.db_instance_status)?;
    match record.tag_list {
        Some(tags) => seen.tags(tags.into_iter().map(|tag| (tag.key, tag.value)))?,
        // An untagged record has an empty list: without any, its tags are not known.
        None => seen.unread(Unread::Tags),
    }
    seen.vpc(record.db_subnet_group.and_then(|group| group.vpc_id))?;
    seen.flag(fact::IAM_AUTH, record.iam_database_authentication_enabled);
    seen.flag(fact::PUBLIC, record.publicly_accessible);
    seen.fact(fact::RESOURCE_ID, record.dbi_resource_id)?;
    seen.fact(fact::CA, record.ca_certificate_identifier)?;
    seen.created(record.instance_create_time);
    let endpoint = match record.endpoint {
        Some(endpoint) => seen.endpoint(endpoint.address, endpoint.port)?,
        None => None,
    };
    seen.listen(vec![Listener::new(EndpointRole::Instance, endpoint)], scan);
    Ok(())
}
