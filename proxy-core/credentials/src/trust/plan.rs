//! From a target and the settings: how its certificate is checked, and by whose certificates. Pure.
//!
//! The record's own words go before the operator's rules, and those before what is usual. Words that could lead to less
//! care than usual are followed only in records that a person wrote: what muster found gets its hints from rules and
//! plugins, and those from tags.

use muster_model::{Target, hint};

use crate::{
    error::CredentialError,
    method::{is_azure, is_cache, is_rds},
    settings::{TlsMode, TlsRule},
};

/// How the certificate of a target is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<'a> {
    /// How.
    pub mode: TlsMode,
    /// By whose certificates.
    pub by: By<'a>,
}

/// By whose certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// Those of Amazon RDS, and of Amazon Trust Services.
    Rds,
    /// Those that browsers trust.
    Public,
    /// Those that browsers trust, and muster's own database authority.
    Elsewhere,
    /// Those in the record.
    Record(&'a str),
    /// Those in the file of the rule with this number.
    Rule(usize),
}

/// The plan for `target`.
///
/// # Errors
/// [`CredentialError::Trust`]: an unknown mode, or a word that is not followed in what muster found.
pub(super) fn plan<'a>(target: &'a Target, rules: &[TlsRule]) -> Result<Plan<'a>, CredentialError> {
    let hinted = |name: &str| target.hints.get(name).map(String::as_str);
    let found = target.owner.is_discovery();
    let mode = hinted(hint::TLS_MODE)
        .map(str::parse::<TlsMode>)
        .transpose()
        .map_err(CredentialError::Trust)?;
    let ca = hinted(hint::TLS_CA);
    for (name, less) in [
        (
            hint::TLS_MODE,
            mode.is_some_and(|mode| mode != TlsMode::VerifyFull),
        ),
        (hint::TLS_CA, ca.is_some()),
    ] {
        if found && less {
            return Err(CredentialError::Trust(format!(
                "the hint `{name}` is not followed for a database that muster found: only a record that a person wrote can say it"
            )));
        }
    }
    let rule = rules
        .iter()
        .enumerate()
        .find(|(_, rule)| rule.databases.is_match(|key| target.labels.value(key)));
    let mode = mode
        .or_else(|| rule.map(|(_, rule)| rule.mode))
        .unwrap_or_default();
    let by = match (ca, rule) {
        (Some(pem), _) => By::Record(pem),
        (None, Some((number, rule))) if rule.ca_file.is_some() => By::Rule(number),
        _ if is_rds(target.kind) || target.kind == muster_model::Kind::Docdb => By::Rds,
        _ if is_azure(target.kind) || is_cache(target.kind) => By::Public,
        _ => By::Elsewhere,
    };
    Ok(Plan { mode, by })
}
