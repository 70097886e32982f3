//! What is wrong, or soon will be, each with its remedy: what `muster doctor` prints, and what the service says of it in
//! its status and metrics.
//!
//! | part | what it does |
//! |---|---|
//! | [`Finding`] | one thing that is wrong: on what, why, and what to do |
//! | [`Evidence`] | everything that a check may look at, as plain data |
//! | [`examine`] | the table of checks: from evidence to findings. Pure |
//! | [`gather`] | evidence, from files, addresses and clouds. Changes nothing |
//! | [`report`] | how findings are written for people |
//!
//! The service examines what it knows without asking anybody, by the same checks: so nothing is judged in two ways.

mod checks;
pub mod dates;
pub mod evidence;
mod finding;
pub mod gather;
mod notes;
pub mod report;
#[cfg(test)]
mod tests;

pub use self::{
    evidence::Evidence,
    finding::{Check, Finding, Severity},
};

/// Makes findings of evidence.
type Look = fn(&Evidence) -> Vec<Finding>;

/// Every check, in the order in which a person would mend things.
const CHECKS: &[(Check, Look)] = &[
    (Check::Configuration, checks::configuration::look),
    (Check::Store, checks::store::look),
    (Check::Audit, checks::store::look_at_audit),
    (Check::Certificates, checks::certificates::look),
    (Check::Clock, checks::clock::look),
    (Check::Ports, checks::ports::look),
    (Check::Credentials, checks::credentials::look),
    (Check::Permissions, checks::permissions::look),
    (Check::Logins, checks::logins::look),
    (Check::Endpoints, checks::endpoints::look),
    (Check::Login, checks::login::look),
];

/// What the evidence says. What was not looked at says nothing. The worst of a check comes first.
pub fn examine(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, look) in CHECKS {
        let mut found = look(evidence);
        found.sort_by_key(|finding| finding.severity);
        findings.extend(found);
    }
    findings
}
