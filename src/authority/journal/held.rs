//! What the journal holds in memory, and how much that is.

use std::sync::Arc;

use super::{Id, Op, Payload, Records, Stored, Written};

/// Does what a batch says.
pub(super) fn apply(records: &mut Records, live: &mut u64, Payload { revision, ops }: Payload) {
    for Written { at, op } in ops {
        match op {
            Op::Put { id, value } => {
                *live += weight(&id, &value) as u64;
                let stored = Stored {
                    revision: at.unwrap_or(revision),
                    value: Arc::new(value),
                };
                if let Some(old) = records.insert(id.clone(), stored) {
                    *live = live.saturating_sub(weight(&id, &old.value) as u64);
                }
            }
            Op::Remove { id } => {
                if let Some(old) = records.remove(&id) {
                    *live = live.saturating_sub(weight(&id, &old.value) as u64);
                }
            }
        }
    }
}

/// The bytes of all records in a file, about.
pub(super) fn live(records: &Records) -> u64 {
    let weights = records.iter().map(|(id, stored)| weight(id, &stored.value));
    weights.sum::<usize>() as u64
}

/// The bytes of a record in a file, about.
pub(super) fn weight(id: &Id, value: &serde_json::Value) -> usize {
    fn of(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::String(text) => text.len() + 3,
            serde_json::Value::Array(items) => items.iter().map(of).sum::<usize>() + 2,
            serde_json::Value::Object(fields) => {
                fields
                    .iter()
                    .map(|(key, value)| key.len() + 4 + of(value))
                    .sum::<usize>()
                    + 2
            }
            _ => 6,
        }
    }
    id.table.len() + id.name.len() + 48 + of(value)
}
