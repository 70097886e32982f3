//! Write a matcher for muster in Rust.
//!
//! A matcher looks at one database and says whether it is enrolled, under which name and labels. It is compiled to a
//! WebAssembly component, which muster runs without having to trust it.
//!
//! ```
//! use muster_plugin::{About, Database, Matcher, Problem, Verdict};
//!
//! struct Production;
//!
//! impl Matcher for Production {
//!     const ABOUT: About = muster_plugin::about!();
//!     type Settings = ();
//!
//!     fn new((): ()) -> Result<Self, Vec<Problem>> {
//!         Ok(Self)
//!     }
//!
//!     fn judge<'a>(&'a self, database: Database<'a>) -> Verdict<'a> {
//!         match database.label("env") {
//!             Some("prod") => Verdict::enroll("env is prod").label("tier", "gold"),
//!             Some(env) => Verdict::skip(format!("env is `{env}`")),
//!             None => Verdict::pass(),
//!         }
//!     }
//! }
//!
//! muster_plugin::export!(Production);
//!
//! # fn main() {
//! use muster_plugin::testing::{database, verdict};
//!
//! let verdict = verdict::<Production>("null", database("orders").tag("env", "prod"));
//! assert_eq!(verdict, Verdict::enroll("env is prod").label("tier", "gold"));
//! # }
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `database` | what is known of a database, without copying any of it |
//! | `verdict` | what is said of it |
//! | `settings`, `json` | from JSON to the matcher's own type, with the path of what is wrong |
//! | `version`, `glob`, `text` | helpers |
//! | `log` | lines for whoever operates muster |
//! | `testing` | databases and verdicts in tests, which need no WebAssembly |
//! | `abi` | the component; compiled for `wasm32` only, and the only place of unsafe code |

mod database;
mod glob;
mod json;
pub mod log;
mod settings;
pub mod testing;
pub mod text;
mod verdict;
mod version;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[path = "abi.rs"]
pub mod __abi;

use serde::de::DeserializeOwned;

pub use self::{
    database::{Database, Pairs},
    glob::Glob,
    settings::Problem,
    verdict::{Enroll, Verdict},
    version::Version,
};

/// A matcher: made from settings, asked about databases.
///
/// It is shared and never changed, so what it says of a database cannot depend on what it was asked before. muster
/// checks that, and follows no matcher that gives two verdicts on one database.
pub trait Matcher: Sized + Send + Sync + 'static {
    /// What it is: [`about!`](crate::about).
    const ABOUT: About;

    /// What the operator may set, read with serde. `()` for nothing.
    ///
    /// Where the configuration has no settings this is read from an empty object. Use `#[serde(default)]` for what may
    /// be left out, and `#[serde(deny_unknown_fields)]` so that a misspelt name is an error.
    type Settings: DeserializeOwned;

    /// Takes the settings. All that is wrong with them is reported at once, each problem with its path.
    ///
    /// This runs before every batch, so it should take microseconds to milliseconds, not seconds.
    fn new(settings: Self::Settings) -> Result<Self, Vec<Problem>>;

    /// Judges one database by itself.
    fn judge<'a>(&'a self, database: Database<'a>) -> Verdict<'a>;
}

/// What a matcher is, for lists and for whoever wonders where a label comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Small letters, digits and hyphens: its labels are shown as coming from this.
    pub name: &'static str,
    /// Its own version.
    pub version: &'static str,
    /// Who wrote it.
    pub author: &'static str,
    /// SPDX: `MIT`, `Apache-2.0`.
    pub licence: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// JSON Schema of the settings, or empty.
    pub settings_schema: &'static str,
}

// === impl About ===

impl About {
    /// The same with a JSON Schema of the settings: `about!().with_schema(include_str!("settings.schema.json"))`.
    #[must_use]
    pub const fn with_schema(mut self, schema: &'static str) -> Self {
        self.settings_schema = schema;
        self
    }
}

/// An [`About`] from what `Cargo.toml` says: name, version, authors, license and description.
#[macro_export]
macro_rules! about {
    () => {
        $crate::About {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            author: env!("CARGO_PKG_AUTHORS"),
            licence: env!("CARGO_PKG_LICENSE"),
            summary: env!("CARGO_PKG_DESCRIPTION"),
            settings_schema: "",
        }
    };
}

/// Makes a component of a [`Matcher`]. Once in a crate whose `crate-type` has `cdylib`.
///
/// Anywhere but on `wasm32` it only checks that the type is a matcher, so that tests run natively.
#[macro_export]
macro_rules! export {
    ($matcher:ty) => {
        const _: () = {
            const fn is_a_matcher<M: $crate::Matcher>() {}
            is_a_matcher::<$matcher>();
        };
        #[cfg(target_arch = "wasm32")]
        $crate::__export!($matcher);
    };
}

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($matcher:ty) => {};
}
