//! What a failure means, and what to do: texts for people.
//!
//! | part | of what |
//! |---|---|
//! | `refused` | the database's own refusals |
//! | `certificate` | TLS, and certificates that are not trusted |
//! | `reach` | no connection |
//! | `cloud` | no proof to log in with |
//! | `words` | policies, ARNs, quoting |
//!
//! Pure. A text says what failed, on what, why, and what to do next. Names of users and databases come from outside:
//! they are put on one line, and quoted where a text is to be copied into SQL or a policy.

mod certificate;
mod cloud;
mod reach;
mod refused;
#[cfg(test)]
mod tests;
mod words;

use muster_model::Target;

use crate::{
    api::{Advice, Failure},
    method::Method,
};

/// What is known of a failure.
pub(crate) struct Case<'a> {
    pub target: &'a Target,
    pub db_user: &'a str,
    /// How muster logs in there; none when that is the failure.
    pub method: Option<Method>,
    /// The certificate that was refused, when the failure does not bring it.
    pub leaf: Option<&'a [u8]>,
    /// The role that muster's identity assumes for the target.
    pub role: Option<&'a str>,
    pub failure: &'a Failure<'a>,
}

/// What a failure means.
pub(crate) fn advice(case: &Case<'_>) -> Advice {
    match case.failure {
        Failure::Refused {
            severity,
            code,
            message,
        } => refused::refused(case, severity, code, message),
        Failure::Unanswerable { asked } => refused::unanswerable(case, asked),
        Failure::NoTls => certificate::no_tls(case),
        Failure::Tls { error, leaf } => certificate::tls(case, error, leaf.or(case.leaf)),
        Failure::Unreachable {
            host,
            port,
            tried_for,
            why,
        } => reach::unreachable(case, host, *port, *tried_for, why),
        Failure::Closed => reach::closed(case),
        Failure::Credentials(error) => cloud::credentials(case, error),
    }
}
