//! [`Token`]: with what a node may join.

use std::{fmt, time::Duration};

use muster_model::Timestamp;

use crate::user::Meta;

/// A join token.
///
/// With [`JoinMethod::Token`] its name is the secret itself; so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Its unique name.
    pub name: String,
    /// How the node proves that it may use it.
    pub method: JoinMethod,
    /// What the node may be, in small letters: `db`, `discovery`, `proxy`.
    pub roles: Vec<String>,
    /// The first second in which it can no longer be used; none: it can be until it is removed.
    pub expires: Option<Timestamp>,
    /// Who may use it ([`JoinMethod::Ec2`]): any of these.
    pub allow: Vec<AllowRule>,
    /// How old an instance's identity document may be.
    pub iid_ttl: Option<Duration>,
    /// What else the record says.
    pub meta: Meta,
}

/// How a node proves that it may use a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinMethod {
    /// By knowing its name.
    Token,
    /// By the signed identity document of an EC2 instance.
    Ec2,
}

/// Which instances may use a token. What is empty is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowRule {
    /// The AWS account.
    pub aws_account: String,
    /// Any of these regions; empty: any.
    pub aws_regions: Vec<String>,
    /// The role to assume for looking at the instance.
    pub aws_role: Option<String>,
}

impl Token {
    /// Whether it can be used at this time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// Its name where the name is no secret, else a few letters of it.
    pub fn shown(&self) -> String {
        match self.method {
            JoinMethod::Token => {
                let letters = if self.name.len() < 16 { 0 } else { 4 };
                let start: String = self.name.chars().take(letters).collect();
                format!("{start}…")
            }
            JoinMethod::Ec2 => self.name.clone(),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("name", &self.shown())
            .field("method", &self.method)
            .field("roles", &self.roles)
            .field("expires", &self.expires)
            .field("allow", &self.allow)
            .finish_non_exhaustive()
    }
}

impl JoinMethod {
    /// The word that stands for it in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Ec2 => "ec2",
        }
    }
}
