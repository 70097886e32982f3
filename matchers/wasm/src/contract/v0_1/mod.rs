//! Version 0.1 of the contract: `plugins/wit/0.1/matcher.wit`.

mod table;

use wasmtime::{
    Engine, Store,
    component::{Component, HasSelf, Linker},
};

use self::bindings::{
    Matcher, MatcherPre,
    exports::muster::matcher::plugin,
    muster::matcher::{
        host,
        types::{self, Batch},
    },
};
pub(crate) use self::table::Slots;
use self::table::{Made, Table};
use super::{Configured, Judged};
use crate::{
    Candidate, Failure, Level, LoadError, PluginError, Problem,
    failure::failure,
    guest::{Guest, clean},
    verdict::{Description, Enroll, MAX_REASON, Verdict},
};

/// What wasmtime makes of the WIT.
// Its traits are `unsafe` to implement by hand; the macro derives them from the WIT.
#[allow(unsafe_code, missing_docs, clippy::all)]
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../plugins/wit/0.1",
        world: "matcher",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// A component that keeps to 0.1, as far as names go.
pub(crate) struct Bound {
    pre: MatcherPre<Guest>,
}

impl types::Host for Guest {}

impl host::Host for Guest {
    fn log(&mut self, level: host::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            host::Level::Debug => Level::Debug,
            host::Level::Info => Level::Info,
            host::Level::Warn => Level::Warn,
        };
        Self::log(self, level, &message);
        Ok(())
    }
}

impl Bound {
    pub(crate) fn new(engine: &Engine, component: &Component) -> Result<Self, LoadError> {
        let mismatch = |error: wasmtime::Error| LoadError::Mismatch {
            detail: clean(&format!("{error:#}"), 512),
        };
        let mut linker = Linker::<Guest>::new(engine);
        Matcher::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest).map_err(mismatch)?;
        let pre = linker.instantiate_pre(component).map_err(mismatch)?;
        let pre = MatcherPre::new(pre).map_err(mismatch)?;
        Ok(Self { pre })
    }

    pub(crate) fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<()> {
        self.pre.instantiate(store).map(|_| ())
    }

    pub(crate) fn describe(&self, store: &mut Store<Guest>) -> wasmtime::Result<Description> {
        let matcher = self.pre.instantiate(&mut *store)?;
        let said = matcher.muster_matcher_plugin().call_describe(store)?;
        let plugin::Description {
            name,
            version,
            author,
            licence,
            summary,
            settings_schema,
            facts,
        } = said;
        Ok(Description {
            name,
            version,
            author,
            licence,
            summary,
            settings_schema,
            facts,
        })
    }

    pub(crate) fn configure(
        &self,
        store: &mut Store<Guest>,
        settings: &str,
    ) -> wasmtime::Result<Configured> {
        let matcher = self.pre.instantiate(&mut *store)?;
        let said = matcher
            .muster_matcher_plugin()
            .call_configure(store, settings)?;
        Ok(said.map_err(problems))
    }

    pub(crate) fn evaluate(
        &self,
        store: &mut Store<Guest>,
        settings: &str,
        candidates: &[Candidate<'_>],
        slots: &mut Slots,
    ) -> Result<Judged, PluginError> {
        let made = Made::new(candidates);
        let table = Table::new(candidates, &made, slots);
        let taken = table.databases.len();
        let verdicts = self
            .call(store, settings, &table)
            .map_err(|error| failure(&error, store.data()))??;
        let got = verdicts.len();
        if got != taken {
            return Err(PluginError::new(
                Failure::Count,
                format!("it gave {got} verdicts on {taken} databases"),
            ));
        }
        let verdicts = verdicts
            .into_iter()
            .map(|verdict| inner(verdict)?.check())
            .collect();
        Ok(Judged { taken, verdicts })
    }

    fn call(
        &self,
        store: &mut Store<Guest>,
        settings: &str,
        table: &Table<'_>,
    ) -> wasmtime::Result<Result<Vec<types::Verdict>, PluginError>> {
        let matcher = self.pre.instantiate(&mut *store)?;
        let plugin = matcher.muster_matcher_plugin();
        if let Err(refused) = plugin.call_configure(&mut *store, settings)? {
            let refused: Vec<_> = problems(refused).iter().map(ToString::to_string).collect();
            return Ok(Err(PluginError::new(
                Failure::Settings,
                format!("it refuses its settings: {}", refused.join("; ")),
            )));
        }
        let batch = Batch {
            texts: &table.texts,
            pairs: &table.pairs,
            databases: &table.databases,
        };
        plugin.call_evaluate(store, batch).map(Ok)
    }
}

fn problems(said: Vec<plugin::Problem>) -> Vec<Problem> {
    said.into_iter()
        .take(64)
        .map(|problem| Problem {
            path: clean(&problem.path, 256),
            message: clean(&problem.message, 1024),
        })
        .collect()
}

/// The same, in the terms of the crate, where no decision is an error about one database.
fn inner(verdict: types::Verdict) -> Result<Verdict, PluginError> {
    Ok(match verdict {
        types::Verdict::Enroll(types::Enrollment {
            name,
            labels,
            hints,
            reason,
        }) => Verdict::Enroll(Enroll {
            name: name.filter(|name| !name.is_empty()),
            labels,
            hints,
            reason,
        }),
        types::Verdict::Skip(reason) => Verdict::Skip(reason),
        types::Verdict::Pass(labels) => Verdict::Pass(labels),
        types::Verdict::Undecided(why) => {
            let why = match clean(&why, MAX_REASON) {
                why if why.is_empty() => "it gives no reason".to_owned(),
                why => why,
            };
            return Err(PluginError::new(Failure::Undecided, why));
        }
    })
}
