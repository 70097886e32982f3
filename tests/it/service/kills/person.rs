//! Somebody who asks the service for things while it lives, and remembers what it said.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use muster::{
    control::{Client, ClientError},
    service::handle::RefusedKind,
};
use muster_model::{HeldPlan, ResourceId, ScopeRecord, Verdict};
use serde_json::Value;

use super::super::World;
use crate::support::draw::Draw;

/// The one thing that somebody wants; without one they want anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A scan now.
    Scan,
    /// To decide about a plan.
    Decide,
    /// To apply what is found now.
    Apply,
}

/// What the service said. It must be true from then on, whatever happens to the service.
#[derive(Debug)]
pub enum Said {
    /// The store is at this revision.
    Status(u64),
    /// These scopes were scanned, and it is remembered how that went.
    Scanned(Vec<ScopeRecord>),
    /// The plan is this one now.
    Decided(Box<HeldPlan>),
    /// These changes were made: by id, what.
    Applied(BTreeMap<ResourceId, String>),
}

impl Said {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Scanned(_) => "scanned",
            Self::Decided(_) => "decided",
            Self::Applied(_) => "applied",
        }
    }
}

/// Somebody.
pub struct Person {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

struct Asking {
    over: Arc<AtomicBool>,
    draw: Draw,
    said: Sender<Said>,
    apply: Command,
    store: std::path::PathBuf,
}

// === impl Person ===

impl Person {
    /// Begins to ask.
    pub fn start(world: &World, act: Option<Act>, draw: Draw, said: Sender<Said>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut apply = world.command(&["apply", "--yes", "--format", "json"]);
        apply.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut asking = Asking {
            over: Arc::clone(&over),
            draw,
            said,
            apply,
            store: world.store(),
        };
        let thread = thread::spawn(move || {
            while !asking.is_over() {
                if let Err(error) = asking.ask(act)
                    && !asking.is_over()
                {
                    asking.excuse(&error);
                }
            }
        });
        Self { over, thread }
    }

    /// What comes from now on proves nothing: it is about to be killed.
    pub fn no_more(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub fn end(self) {
        self.thread.join().expect("no answer was wrong");
    }
}

// === impl Asking ===

impl Asking {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn ask(&mut self, act: Option<Act>) -> Result<(), ClientError> {
        let (client, _) = Client::connect(&self.store)?;
        let act = match act {
            Some(act) => act,
            None => match self.draw.below(8) {
                0 | 1 => {
                    let status = client.wait(client.status())?;
                    return self.tell(Said::Status(status.store.revision));
                }
                2..=6 => Act::Scan,
                _ => Act::Decide,
            },
        };
        match act {
            Act::Scan => {
                let scans = client.wait(client.scan(Vec::new()))?;
                let scopes = scans.into_iter().map(|scan| scan.record).collect();
                self.tell(Said::Scanned(scopes))
            }
            Act::Decide => {
                let plans = client.wait(client.plans())?;
                let waits = |plan: &&HeldPlan| plan.verdict == Verdict::Waiting;
                let Some(plan) = plans.iter().find(waits) else {
                    // Something has to be missing for long enough.
                    let scopes = client.wait(client.scan(Vec::new()))?;
                    drop(scopes);
                    return Ok(());
                };
                let approve = self.draw.below(3) > 0;
                let plan = client.wait(client.decide(plan.number, approve))?;
                self.tell(Said::Decided(Box::new(plan)))
            }
            Act::Apply => self.apply(),
        }
    }

    fn tell(&self, said: Said) -> Result<(), ClientError> {
        // Nobody listens any more when it is over.
        let _ = self.said.send(said);
        Ok(())
    }

    /// By the command: what it says is what a person sees.
    fn apply(&mut self) -> Result<(), ClientError> {
        let output = self.apply.output().expect("muster runs");
        if output.status.success() {
            let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
            let changes = report["changes"].as_array().expect("changes");
            let changes = changes.iter().filter_map(|change| {
                let action = change["action"].as_str().expect("an action");
                let id = ResourceId::new(change["id"].as_str().expect("an id"));
                matches!(action, "add" | "update" | "remove").then(|| (id, action.to_owned()))
            });
            return self.tell(Said::Applied(changes.collect()));
        }
        if !self.is_over() {
            let said = String::from_utf8_lossy(&output.stderr);
            // Something else was written meanwhile: the service scans all the time.
            let fine = ["changed since", "is at revision", "the service is starting"];
            assert!(fine.iter().any(|fine| said.contains(fine)), "{said}");
        }
        Ok(())
    }

    /// What may come before the kill, from a service that starts.
    fn excuse(&self, error: &ClientError) {
        match error {
            ClientError::Absent { .. } | ClientError::Connect { .. } => {
                thread::sleep(Duration::from_millis(2));
            }
            ClientError::Refused(refused) => match refused.kind {
                RefusedKind::Unavailable => thread::sleep(Duration::from_millis(2)),
                // The plan has become another one.
                RefusedKind::Conflict | RefusedKind::NotFound => {}
                RefusedKind::Invalid | RefusedKind::Failed => panic!("{error}"),
            },
            _ => panic!("{error}"),
        }
    }
}
