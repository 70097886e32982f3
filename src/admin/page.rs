//! A page of a collection: bounded in its items, in its bytes, and in what is read for it.

use std::{io, ops::ControlFlow};

use muster_store::{Collection, Damaged, Order, Revision, Store, Versioned, Why};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{problem::Problem, query};

/// Items of a page that says nothing of it.
pub(super) const USUAL_LIMIT: usize = 100;
/// The most items of a page.
pub(super) const MAX_LIMIT: usize = 1000;
/// The most records that are read for a page: a filter that fits few ends early, with where to go on.
pub(super) const MAX_READ: usize = 10_000;
/// When a page is full, whatever its limit. One item more may be on it.
const FULL: usize = 4 << 20;
/// Records that are read in one go. Between two of them the service can write.
pub(super) const AT_ONCE: usize = 500;

/// A part of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub(super) struct Page<T> {
    /// What is on it, in the list's order. A page with a filter may be empty, and `next` still lead to others.
    pub(super) items: Vec<T>,
    /// What to give as `cursor` for the next page; null on the last one.
    pub(super) next: Option<String>,
    /// The store's revision that was read. Pages of one revision are of one state.
    pub(super) revision: u64,
    /// Records in this part of the list that are there and cannot be read. `muster store check` lists all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) damaged: Vec<Unreadable>,
}

/// A record that is there and cannot be read.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Unreadable {
    /// Its key in the store.
    key: String,
    /// What is wrong with it.
    why: String,
}

/// What is asked of a list.
pub(super) struct Ask<'a> {
    /// What the ids have to start with.
    pub(super) prefix: &'a str,
    /// Behind which id.
    pub(super) after: Option<String>,
    /// How many.
    pub(super) limit: usize,
    /// In which order of the ids.
    pub(super) order: Order,
}

/// Reads a page. `make` turns a record into an item, or passes over it.
pub(super) fn read<T: DeserializeOwned, U: Serialize>(
    store: &dyn Store,
    collection: Collection<T>,
    ask: Ask<'_>,
    mut make: impl FnMut(&str, T) -> Result<Option<U>, Problem>,
) -> Result<Page<U>, Problem> {
    let mut page = Page::new(Revision(0));
    let mut after = ask.after;
    let (mut read, mut bytes) = (0, 0);
    // One more than is asked for, to see whether there is more. A filter may need many.
    let at_once = AT_ONCE.min(ask.limit.max(50) + 1);
    loop {
        let chunk = Chunk::read(
            store,
            collection,
            ask.prefix,
            after.as_deref(),
            ask.order,
            at_once,
        )?;
        page.revision = chunk.revision.0;
        read += chunk.damaged.len();
        let mut rest = chunk.found.into_iter().peekable();
        while let Some((id, record)) = rest.next() {
            read += 1;
            if let Some(item) = make(&id, record)? {
                bytes += size(&item);
                page.items.push(item);
            }
            let full = page.items.len() >= ask.limit || bytes >= FULL || read >= MAX_READ;
            if full && (rest.peek().is_some() || chunk.last.is_some()) {
                let shown = chunk.damaged.iter();
                let shown = shown.filter(|damaged| behind(&id, damaged, collection, ask.order));
                page.damaged.extend(shown.map(Into::into));
                page.next = Some(query::cursor(collection.name(), &id));
                return Ok(page);
            }
        }
        page.damaged.extend(chunk.damaged.iter().map(Into::into));
        let Some(last) = chunk.last else {
            return Ok(page);
        };
        if read >= MAX_READ {
            page.next = Some(query::cursor(collection.name(), &last));
            return Ok(page);
        }
        after = Some(last);
    }
}

/// Whether a damaged record lies before where a page ends, and so belongs to it.
fn behind<T>(end: &str, damaged: &Damaged, collection: Collection<T>, order: Order) -> bool {
    let id = collection.id(&damaged.key).unwrap_or(&damaged.key);
    match order {
        Order::Ascending => id < end,
        Order::Descending => id > end,
    }
}

/// Some records in a row.
pub(super) struct Chunk<T> {
    /// Id and record.
    pub(super) found: Vec<(String, T)>,
    damaged: Vec<Damaged>,
    /// Where the next chunk begins; none when there is nothing more.
    pub(super) last: Option<String>,
    revision: Revision,
}

impl<T: DeserializeOwned> Chunk<T> {
    /// Reads the records behind `after` whose ids start with `prefix`.
    pub(super) fn read(
        store: &dyn Store,
        collection: Collection<T>,
        prefix: &str,
        after: Option<&str>,
        order: Order,
        at_once: usize,
    ) -> Result<Self, Problem> {
        let mut chunk = Self {
            found: Vec::new(),
            damaged: Vec::new(),
            last: None,
            revision: Revision(0),
        };
        let mut last = None;
        let mut seen = 0;
        chunk.revision =
            collection.each_after(store, prefix, after, order, &mut |id, record| {
                seen += 1;
                // A page can only end with a key that is a text.
                let mut can_end = true;
                match record {
                    Ok(Versioned { value, .. }) => chunk.found.push((id.to_owned(), value)),
                    Err(damaged) => {
                        can_end = damaged.why != Why::KeyBytes;
                        chunk.damaged.push(damaged);
                    }
                }
                if can_end && seen >= at_once {
                    last = Some(id.to_owned());
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        chunk.last = last;
        Ok(chunk)
    }
}

// === impl Page ===

impl<T> Page<T> {
    /// An empty one.
    pub(super) fn new(revision: Revision) -> Self {
        Self {
            items: Vec::new(),
            next: None,
            revision: revision.0,
            damaged: Vec::new(),
        }
    }

    /// The same with other items.
    pub(super) fn map<U>(
        self,
        change: impl FnMut(T) -> Result<U, Problem>,
    ) -> Result<Page<U>, Problem> {
        Ok(Page {
            items: self
                .items
                .into_iter()
                .map(change)
                .collect::<Result<_, _>>()?,
            next: self.next,
            revision: self.revision,
            damaged: self.damaged,
        })
    }
}

impl From<&Damaged> for Unreadable {
    fn from(damaged: &Damaged) -> Self {
        Self {
            key: damaged.key.clone(),
            why: damaged.why.to_string(),
        }
    }
}

/// How many bytes an item takes.
fn size(item: &impl Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What cannot be written is told when the page is.
    let _ = serde_json::to_writer(&mut count, item);
    count.0
}
