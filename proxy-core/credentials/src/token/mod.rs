//! The tokens of clouds, as functions of keys, names and the time. No I/O.
//!
//! | part | what it makes |
//! |---|---|
//! | [`rds`] | the password of RDS and Aurora with IAM authentication, PostgreSQL and MySQL alike |
//! | [`elasticache`] | the password of ElastiCache users in mode IAM |
//! | [`entra`] | whom a token of Entra ID is for, and the name to log in with |
//! | `sigv4` | AWS's signature in a query, which the first two are |

pub mod elasticache;
pub mod entra;
pub mod rds;
mod sigv4;
#[cfg(test)]
mod tests;

/// For how long AWS's tokens are good, in seconds. It is the most that AWS's own SDKs ask for. The database looks at it
/// only while logging in.
pub const LIFE: u64 = 900;
