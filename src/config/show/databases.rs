//! `databases`, as they are in force.

use muster_access::{DbRecord, Record};
use serde_yaml::{Mapping, Value};

use super::plain;

/// A database in one map: what its record has under `metadata`, and then what it has under `spec`.
pub(super) fn database(record: &DbRecord) -> Value {
    let record = plain(&Record::Db(record.clone()).to_value());
    let mut all = Mapping::new();
    for part in ["metadata", "spec"] {
        if let Some(Value::Mapping(entries)) = record.get(part) {
            all.extend(entries.clone());
        }
    }
    Value::Mapping(all)
}
