//! What crosses to Extism and back: the same fields as in muster's contract. Included by the host and by the module.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A database; its texts are borrowed where it is written, and owned where it is read.
#[derive(Serialize, Deserialize)]
pub struct Database<T: Ord> {
    pub id: T,
    pub name: T,
    pub provider: T,
    pub kind: T,
    pub protocol: T,
    pub engine: T,
    pub engine_version: T,
    pub state: T,
    pub account: T,
    pub region: T,
    pub role: T,
    pub host: T,
    pub port: u16,
    pub tags: BTreeMap<T, T>,
    pub derived: BTreeMap<T, T>,
    pub labels: BTreeMap<T, T>,
    pub facts: BTreeMap<T, T>,
}

#[derive(Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Enroll {
        name: Option<String>,
        labels: Vec<(String, String)>,
        hints: Vec<(String, String)>,
        reason: String,
    },
    Skip(String),
    Pass(Vec<(String, String)>),
}
