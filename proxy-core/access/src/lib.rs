//! Who may open which database, as which database user, on which database name: roles, users, locks, and the decision.
//!
//! | word | meaning |
//! |---|---|
//! | [`Identity`] | who holds a certificate, with the roles and the route that were written into it |
//! | [`Role`] | what it allows and what it denies ([`Rules`]), and how sessions under it are ([`Options`]) |
//! | [`User`] | a person, with roles and traits |
//! | [`Lock`] | keeps a user, a role, a target or a node out, at once |
//! | [`Policy`] | an immutable snapshot of all of them |
//! | [`Ask`] | what somebody wants: a database user and a database name |
//! | [`Permit`] | proof that it was allowed; only [`Policy::permit`] makes one |
//! | [`Denial`] | why it was not |
//!
//! The rules, in short. Nothing is allowed by itself. One role has to allow the labels and the database user and the
//! database name; two roles do not add up. Any matching deny wins. What allows is a role that the certificate carries
//! *and* that the user has now; what restricts is any role that the user has now.
//!
//! Pure: no I/O, no clock, no async.

mod choices;
mod denial;
mod identity;
mod lock;
mod permit;
mod policy;
mod records;
mod role;
mod template;
mod token;
mod user;

pub use self::{
    choices::{Choices, Names},
    denial::{Asked, Denial, DeniedBy, Missing},
    identity::{IDENTITY_OID, Identity, IdentityError, MAX_IDENTITY, Route, Usage},
    lock::{Lock, LockTarget},
    permit::{Ask, EndsBy, Permit, Replication, SessionOptions},
    policy::{
        Policy, Terms, Viewer,
        explain::{Check, Checks, Explanation, RoleStep, SessionTerms, Verdict},
    },
    records::{
        Aws, Azure, DbRecord, MAX_FILE, Problem, Record, Severity, TlsMode, Written, export,
        parse_records,
    },
    role::{
        Audit, LabelRules, Options, Role, RoleVersion, Rules, WordError, Words, labels::LabelError,
    },
    template::{Template, TemplateError},
    token::{AllowRule, JoinMethod, Token},
    user::{Meta, Traits, User},
};
