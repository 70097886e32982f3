//! A database's record as a file says it.

use serde_json::{Map, Value, json};

use super::{super::meta, DbRecord, TlsMode};

/// As a file says it.
pub(in crate::records) fn write(db: &DbRecord) -> Value {
    let text = |value: &Option<String>| value.as_deref().map(Value::from);
    let mut spec = Map::new();
    spec.insert("protocol".to_owned(), db.protocol.as_str().into());
    spec.insert("uri".to_owned(), db.endpoint.to_string().into());
    let mode = (db.tls_mode != TlsMode::VerifyFull).then(|| db.tls_mode.as_str().into());
    let tls = [
        ("mode", mode),
        ("ca_cert", text(&db.tls_ca)),
        ("server_name", text(&db.tls_server_name)),
    ];
    put(&mut spec, "tls", given(tls));
    put(&mut spec, "auth", text(&db.auth));
    let aws = &db.aws;
    let (rds, docdb) = if aws.docdb {
        let docdb = [
            ("cluster_id", text(&aws.cluster_id)),
            ("instance_id", text(&aws.instance_id)),
        ];
        (None, given(docdb))
    } else {
        let rds = [
            ("instance_id", text(&aws.instance_id)),
            ("cluster_id", text(&aws.cluster_id)),
        ];
        (Some(rds), None)
    };
    let more = [
        ("resource_id", text(&aws.resource_id)),
        ("iam_auth", aws.iam_auth.map(Value::Bool)),
        ("vpc_id", text(&aws.vpc_id)),
    ];
    let rds = given(rds.into_iter().flatten().chain(more));
    let aws = [
        ("region", text(&aws.region)),
        ("account_id", text(&aws.account_id)),
        ("assume_role_arn", text(&aws.assume_role_arn)),
        ("external_id", text(&aws.external_id)),
        ("rds", rds),
        ("docdb", docdb),
        (
            "elasticache",
            given([("replication_group_id", text(&aws.replication_group_id))]),
        ),
    ];
    put(&mut spec, "aws", given(aws));
    let azure = [
        ("name", text(&db.azure.name)),
        ("resource_id", text(&db.azure.resource_id)),
        ("is_flexi_server", db.azure.is_flexi_server.map(Value::Bool)),
    ];
    put(&mut spec, "azure", given(azure));
    json!({
        "kind": "db",
        "version": "v3",
        "metadata": meta::write(&db.name, &db.meta),
        "spec": spec,
    })
}

/// The entries that have a value, as a map; none when none has.
pub(in crate::records) fn given<'k>(
    entries: impl IntoIterator<Item = (&'k str, Option<Value>)>,
) -> Option<Value> {
    let map: Map<String, Value> = entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect();
    (!map.is_empty()).then_some(Value::Object(map))
}

pub(in crate::records) fn put(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value);
    }
}
