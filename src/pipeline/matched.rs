//! [`Matched`]: which matchers judged what a store holds, so that what others judged is judged again by a service that starts;
//! and whether targets were held as they were, so that it plans them again.
//!
//! The store has a digest of the matchers that judged everything. It is taken away before anything is judged otherwise, and
//! comes back when everything is: what broke off in between is judged again as well.

use muster_matchers::SourceFilter;
use muster_store::{Batch, Expect, Store, StoreError, tables};

use super::saved::sha256;
use crate::{config::Config, plugins::Plugins};

/// Under which name the digest is in [`tables::META`].
const NAME: &str = "matching";

/// Under which name it is in [`tables::META`] that targets may differ from what they should be, which nothing but a plan of
/// them tells.
const BEHIND: &str = "behind";

/// Which matchers judged what is written.
#[derive(Clone, Copy, Debug)]
pub enum Matched<'a> {
    /// Those that judged everything else.
    Alike,
    /// Those with this digest, which judged everything else by now too.
    All(&'a str),
    /// Perhaps others, or none.
    Otherwise,
}

/// What tells the judgements of one set of filters and rules from those of another, and of another muster.
pub fn digest(filters: &[SourceFilter], config: &Config, plugins: &Plugins) -> String {
    let mut basis = config.matching_digest();
    basis.push_str(&plugins.digest());
    // The accounts that the configuration does not name are in there.
    for filter in filters {
        basis.push('\0');
        for account in filter.accounts.iter().flatten() {
            basis.push_str(account.as_str());
            basis.push('\0');
        }
    }
    sha256(basis.as_bytes())
}

/// The digest of the matchers that judged everything; none when that did not come to an end.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn known(store: &dyn Store) -> Result<Option<String>, StoreError> {
    match tables::META.get(store, NAME) {
        Ok(found) => Ok(found.and_then(|found| found.value.as_str().map(str::to_owned))),
        Err(StoreError::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// From now on these have judged everything.
pub(crate) fn put(batch: &mut Batch, digest: &str) -> Result<(), StoreError> {
    tables::META.put(batch, NAME, &digest.into(), Expect::Any)
}

/// From now on no matchers have judged everything.
pub(crate) fn forget(batch: &mut Batch) -> Result<(), StoreError> {
    tables::META.delete(batch, NAME, Expect::Any)
}

/// Whether targets may differ from what they should be.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn is_behind(store: &dyn Store) -> Result<bool, StoreError> {
    match tables::META.get(store, BEHIND) {
        Ok(found) => Ok(found.is_some()),
        Err(StoreError::Damaged(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

/// From now on targets may differ from what they should be.
pub(crate) fn fall_behind(batch: &mut Batch) -> Result<(), StoreError> {
    tables::META.put(batch, BEHIND, &true.into(), Expect::Any)
}

/// From now on they are as they should be.
pub(crate) fn catch_up(batch: &mut Batch) -> Result<(), StoreError> {
    tables::META.delete(batch, BEHIND, Expect::Any)
}
