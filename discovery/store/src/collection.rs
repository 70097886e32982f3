//! [`Collection`]: a typed view of the keys under one name.

use std::{fmt, marker::PhantomData, ops::ControlFlow};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    batch::{Batch, Expect},
    error::{Damaged, StoreError},
    key::Key,
    record::{Migrate, Schema},
    store::{Order, Revision, Store, Versioned},
};

/// The keys `NAME/ID`, as records of one type. It holds no data: it is a constant, see [`crate::tables`].
pub struct Collection<T> {
    name: &'static str,
    schema: Schema,
    holds: PhantomData<fn() -> T>,
}

/// What a collection holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    /// Id and record, in the order of the ids' bytes.
    pub records: Vec<(String, Versioned<T>)>,
    /// Records that are there and cannot be read. Their ids are taken: whoever acts on what is *absent* has
    /// to look here too.
    pub damaged: Vec<Damaged>,
}

/// What [`Collection::each`] shows its records to: the id, and the record or what is wrong with it.
pub type Each<'a, T> = dyn FnMut(&str, Result<Versioned<T>, Damaged>) -> ControlFlow<()> + 'a;

impl<T> Collection<T> {
    /// A collection under a name (without a slash) with the present version of its schema.
    pub const fn new(name: &'static str, version: u16) -> Self {
        Self {
            name,
            schema: Schema::new(version),
            holds: PhantomData,
        }
    }

    /// The same, with a way to read older records. They are written anew only when somebody puts them.
    #[must_use]
    pub const fn with_migration(mut self, migrate: Migrate) -> Self {
        self.schema.migrate = migrate;
        self
    }

    /// The collection's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The version of the schema that it writes.
    pub const fn schema(&self) -> u16 {
        self.schema.version
    }

    /// What all its keys start with: the name and a slash.
    pub fn prefix(&self) -> String {
        format!("{}/", self.name)
    }

    /// The key of an id.
    ///
    /// # Errors
    /// [`StoreError::Id`] when the id is empty or too long.
    pub fn key(&self, id: &str) -> Result<Key, StoreError> {
        Key::of(self.name, id).map_err(|source| StoreError::Id {
            collection: self.name,
            id: id.chars().take(80).collect(),
            source,
        })
    }

    /// The id in a key of this collection; none for a key of another one.
    pub fn id<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(self.name)?.strip_prefix('/')
    }

    /// Takes a record away in a batch.
    ///
    /// # Errors
    /// [`StoreError::Id`].
    pub fn delete(&self, batch: &mut Batch, id: &str, expect: Expect) -> Result<(), StoreError> {
        batch.delete(self.key(id)?, expect);
        Ok(())
    }
}

impl<T: Serialize> Collection<T> {
    /// Writes a record in a batch.
    ///
    /// # Errors
    /// [`StoreError::Id`]; [`StoreError::Encode`] when the record is nothing that JSON can hold.
    pub fn put(
        &self,
        batch: &mut Batch,
        id: &str,
        record: &T,
        expect: Expect,
    ) -> Result<(), StoreError> {
        self.put_at(batch, self.key(id)?, record, expect)
    }

    /// Writes a record under a key of this collection that was built elsewhere: an index.
    pub(crate) fn put_at(
        &self,
        batch: &mut Batch,
        key: Key,
        record: &T,
        expect: Expect,
    ) -> Result<(), StoreError> {
        let bytes = self.schema.encode(&key, record)?;
        batch.put(key, bytes, expect);
        Ok(())
    }
}

impl<T: DeserializeOwned> Collection<T> {
    /// One record; none when there is none.
    ///
    /// # Errors
    /// [`StoreError::Id`], [`StoreError::Damaged`], [`StoreError::Newer`], and those of [`Store::get`].
    pub fn get(&self, store: &dyn Store, id: &str) -> Result<Option<Versioned<T>>, StoreError> {
        self.get_at(store, &self.key(id)?)
    }

    /// One record by a key of this collection that was built elsewhere.
    pub(crate) fn get_at(
        &self,
        store: &dyn Store,
        key: &Key,
    ) -> Result<Option<Versioned<T>>, StoreError> {
        let Some(Versioned { value, revision }) = store.get(key)? else {
            return Ok(None);
        };
        let value = self.schema.decode(key.as_str(), &value)?;
        Ok(Some(Versioned { value, revision }))
    }

    /// All records. A damaged one is listed as such and does not stop the rest.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a record was written by a newer muster: then nothing is shown, as acting
    /// on a part would be wrong. Those of [`Store::scan`].
    pub fn list(&self, store: &dyn Store) -> Result<Listing<T>, StoreError> {
        let mut listing = Listing {
            records: Vec::new(),
            damaged: Vec::new(),
        };
        self.each(store, "", Order::Ascending, &mut |id, record| {
            match record {
                Ok(record) => listing.records.push((id.to_owned(), record)),
                Err(damaged) => listing.damaged.push(damaged),
            }
            ControlFlow::Continue(())
        })?;
        Ok(listing)
    }

    /// Shows every record whose id starts with `start`, one at a time, until `visit` breaks off. The visitor
    /// must not call the store.
    ///
    /// # Errors
    /// As [`Self::list`]; what was shown before the error was shown.
    pub fn each(
        &self,
        store: &dyn Store,
        start: &str,
        order: Order,
        visit: &mut Each<'_, T>,
    ) -> Result<(), StoreError> {
        self.each_after(store, start, None, order, visit).map(drop)
    }

    /// The same from behind an id on, which need not be there, and the revision of what was shown: for reading
    /// in pages, see [`Store::scan_after`].
    ///
    /// # Errors
    /// As [`Self::each`]; [`StoreError::Id`] when `after` can be no id.
    pub fn each_after(
        &self,
        store: &dyn Store,
        start: &str,
        after: Option<&str>,
        order: Order,
        visit: &mut Each<'_, T>,
    ) -> Result<Revision, StoreError> {
        let key = |id: &str| match id {
            "" => self.key(id),
            // Longer than an id may be: an index adds to its ids.
            id => Key::new(self.prefix() + id).map_err(|source| StoreError::Id {
                collection: self.name,
                id: id.chars().take(80).collect(),
                source,
            }),
        };
        let after = after.map(key).transpose()?;
        let prefix = format!("{}/{start}", self.name);
        let mut refused = None;
        let revision = store.scan_after(&prefix, after.as_ref(), order, &mut |entry| {
            let entry = match entry {
                Ok(entry) => entry,
                Err(damaged) => {
                    let id = self.id(&damaged.key).unwrap_or(&damaged.key).to_owned();
                    return visit(&id, Err(damaged));
                }
            };
            let id = self.id(entry.key).unwrap_or(entry.key);
            match self.schema.decode(entry.key, entry.value) {
                Ok(value) => visit(
                    id,
                    Ok(Versioned {
                        value,
                        revision: entry.revision,
                    }),
                ),
                Err(StoreError::Damaged(damaged)) => visit(id, Err(damaged)),
                Err(other) => {
                    refused = Some(other);
                    ControlFlow::Break(())
                }
            }
        })?;
        refused.map_or(Ok(revision), Err)
    }
}

// A constant that holds nothing of `T`: the derived versions would ask `T` to be `Clone` and `Debug`.
impl<T> Clone for Collection<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Collection<T> {}

impl<T> fmt::Debug for Collection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection")
            .field("name", &self.name)
            .field("schema", &self.schema.version)
            .finish()
    }
}
