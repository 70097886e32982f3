//! What takes the scans in: the service's engine, and for comparison the one-shot commands.

use std::{collections::BTreeMap, sync::Arc};

use muster::{
    pipeline::{
        commit::commit,
        matched::Matched,
        run::{Ask, run},
        state::State,
    },
    service::{
        engine::{Engine, Setup},
        notice::{Notice, NoticeEvent},
    },
};
use muster_matchers::{Chain, Matchers, RuleFile, SourceFilter};
use muster_model::{
    Event, Provider, ResourceId, Scan, Scope, Selector, Service, Target, Timestamp,
};
use muster_plan::{Brake, Grace, Policy, Settings, Unconfigured};
use muster_store::{Changes, Keep, MemoryStore, Revision, Store, tables};

use super::model::{Effect, Enrolled, Model};

/// What is asked of both.
pub fn setup(scopes: Vec<Arc<Scope>>, grace: Grace) -> Setup {
    let rules: Vec<RuleFile> = serde_yaml::from_str(
        "[{ name: by hand, match: { enroll: 'no' }, skip: taken out by hand }, \
          { name: all, match: { '*': '*' }, enroll: true }]",
    )
    .unwrap();
    let source = SourceFilter {
        name: "sources.aws[0]".to_owned(),
        provider: Provider::Aws,
        services: vec![Service::Rds],
        accounts: None,
        regions: None,
        resource_groups: None,
        tags: Selector::all(),
    };
    let (chain, problems) = Chain::build(vec![source], Some(&rules), &Matchers::new()).unwrap();
    assert_eq!(problems, []);
    Setup {
        chain,
        plugins: Arc::default(),
        digest: "test".to_owned(),
        settings: Settings {
            policy: Policy::Sync,
            grace,
            // The brake has tests of its own: here it would hide what is removed wrongly.
            brake: Brake {
                percent: 100,
                at_least: 1,
                window: 0,
                released: false,
            },
            group: "default".to_owned(),
            unconfigured: Unconfigured::Hold,
        },
        scopes,
        scopes_known: true,
        open: Vec::new(),
        tell: false,
        history: Keep {
            age: u64::MAX,
            entries: u64::MAX,
        },
    }
}

/// Takes scans in, one after another.
pub struct Enrolling {
    store: Arc<dyn Store>,
    setup: Setup,
    how: How,
    /// What was enrolled, updated and removed of each database, in order.
    told: BTreeMap<ResourceId, Vec<Event>>,
}

enum How {
    Service(Box<Engine>),
    OneShot,
}

impl Enrolling {
    /// By the service.
    pub fn service(setup: Setup, now: Timestamp) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let engine = Engine::open(Arc::clone(&store), setup.clone(), now).unwrap();
        Self {
            store,
            setup,
            how: How::Service(Box::new(engine)),
            told: BTreeMap::new(),
        }
    }

    /// By `muster apply`, again and again.
    pub fn one_shot(setup: Setup) -> Self {
        Self {
            store: Arc::new(MemoryStore::new()),
            setup,
            how: How::OneShot,
            told: BTreeMap::new(),
        }
    }

    /// As after a restart.
    pub fn restart(&mut self, now: Timestamp) {
        if let How::Service(engine) = &mut self.how {
            let before = self.store.revision().unwrap();
            let again = Engine::open(Arc::clone(&self.store), self.setup.clone(), now).unwrap();
            **engine = again;
            let after = self.store.revision().unwrap();
            assert_eq!(after, before, "a restart is no news");
        }
    }

    /// What time alone brings about: nothing here.
    pub fn sweep(&mut self, now: Timestamp) {
        if let How::Service(engine) = &mut self.how {
            let taken = engine.sweep(now).unwrap();
            assert_eq!((taken.written, taken.notices), (0, Vec::new()));
        }
    }

    /// Takes a scan in and holds what comes of it against the model, to the last key that is written.
    pub fn take(
        &mut self,
        scan: &Scan,
        model: &mut Model,
        now: Timestamp,
        run_name: &str,
    ) -> Effect {
        let before = self.store.revision().unwrap();
        let notices = match &mut self.how {
            How::Service(engine) => {
                let taken = engine.take(scan, now, run_name).unwrap();
                assert_eq!(taken.revision, self.store.revision().unwrap());
                Some(taken.notices)
            }
            How::OneShot => {
                let state = State::load(&*self.store).unwrap();
                let setup = &self.setup;
                let ask = Ask {
                    chain: &setup.chain,
                    settings: &setup.settings,
                    scopes_known: setup.scopes_known,
                    open: &setup.open,
                    now,
                    run: run_name,
                };
                let run = run(&state, std::slice::from_ref(scan), &ask);
                let (by, made) = (Matched::Alike, state.revision);
                commit(&*self.store, &run.writes, made, by, None).unwrap();
                None
            }
        };
        let effect = model.take(scan, now);
        self.check_written(before, scan, &effect, model);
        if let Some(notices) = notices {
            check_notices(&notices, scan, &effect);
        }
        for (id, (event, _)) in &effect.targets {
            self.told.entry(id.clone()).or_default().push(*event);
        }
        effect
    }

    fn check_written(&self, before: Revision, scan: &Scan, effect: &Effect, model: &Model) {
        let Changes::Known { keys, .. } = self.store.changes_since(before).unwrap() else {
            panic!("so much was written that the log does not reach back");
        };
        let id = |key: &str| tables::TARGETS.id(key).map(ResourceId::new);
        let written: Vec<_> = keys.iter().filter_map(|key| id(key.as_str())).collect();
        let wanted: Vec<_> = effect.targets.keys().cloned().collect();
        assert_eq!(
            written, wanted,
            "{} {:?}: targets that were written, and those that had to be: {:#?}",
            scan.scope, scan.coverage, effect.targets
        );
        for (id, (_, wanted)) in &effect.targets {
            let target = self.target(id);
            assert_eq!(target.as_ref().map(Enrolled::of), *wanted, "{id}");
        }
        let record = tables::SCOPES.get(&*self.store, &scan.scope.to_string());
        let record = record.unwrap().map(|record| record.value);
        assert_eq!(record.as_ref(), model.scope(&scan.scope));
        // A whole run also forgets what is gone from other scopes and was never enrolled.
        if !effect.anything && matches!(self.how, How::Service(_)) {
            assert_eq!(
                keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
                [format!("{}{}", tables::SCOPES.prefix(), scan.scope)],
                "nothing changed, and only the scan's own record is written"
            );
        }
    }

    fn target(&self, id: &ResourceId) -> Option<Target> {
        let target = tables::TARGETS.get(&*self.store, id.as_str()).unwrap();
        target.map(|target| target.value)
    }

    /// All that is enrolled.
    pub fn targets(&self) -> BTreeMap<ResourceId, Enrolled> {
        let listing = tables::TARGETS.list(&*self.store).unwrap();
        assert_eq!(listing.damaged, []);
        let target = |(_, target): (String, muster_store::Versioned<Target>)| {
            (target.value.id.clone(), Enrolled::of(&target.value))
        };
        listing.records.into_iter().map(target).collect()
    }

    /// Holds the history against what was done: all of it, in order, and nothing twice.
    pub fn check_history(&self) {
        let ours = [Event::Enrolled, Event::Updated, Event::Removed];
        for (id, told) in &self.told {
            let lines = tables::HISTORY
                .of(&*self.store, id.as_str(), usize::MAX)
                .unwrap();
            let mut events: Vec<_> = lines.entries.iter().map(|entry| entry.event).collect();
            events.reverse();
            events.retain(|event| ours.contains(event));
            assert_eq!(events, *told, "the history of {id}");
        }
    }
}

/// Whoever is told of changes is told of these, and of a scope that is not read, once.
fn check_notices(notices: &[Notice], scan: &Scan, effect: &Effect) {
    let event = |event: Event| match event {
        Event::Enrolled => NoticeEvent::Enrolled,
        Event::Updated => NoticeEvent::Updated,
        _ => NoticeEvent::Removed,
    };
    let wanted: Vec<_> = effect
        .targets
        .iter()
        .map(|(id, (what, _))| (event(*what), id.clone()))
        .collect();
    let mut told: Vec<_> = notices
        .iter()
        .filter_map(|notice| Some((notice.event, notice.id.clone()?)))
        .filter(|(event, _)| *event != NoticeEvent::Held)
        .collect();
    told.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(told, wanted, "{}", scan.scope);
    let failed = notices
        .iter()
        .filter(|notice| notice.event == NoticeEvent::ScopeFailed)
        .count();
    assert_eq!(
        failed,
        usize::from(effect.failed),
        "{}: {notices:#?}",
        scan.scope
    );
}
