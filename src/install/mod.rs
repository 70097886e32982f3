//! What is to be set up outside muster: the permissions that it needs in the clouds, and who watches over it.

pub mod alerts;
pub mod grafana;
pub mod iam;
#[cfg(test)]
pub(crate) mod oracle;
pub mod systemd;
