//! Whom muster trusts to be a database.
//!
//! | part | what it is |
//! |---|---|
//! | [`Trust`] | the TLS settings of a target, made once and shared by all that are treated alike |
//! | `plan` | from a target and the settings: which mode, and whose certificates |
//! | [`roots`] | the certificates that come with muster, and those in files |
//! | `verifier` | the check itself, in three modes |
//! | `remembered` | chains that were checked a while ago |
//!
//! Revocation is not checked: neither AWS nor Azure publishes it for these certificates in a way that a client could use
//! without asking somebody else first.

mod plan;
mod remembered;
pub mod roots;
mod shared;
#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;
mod verifier;

pub use self::{plan::Plan, shared::Trust};
