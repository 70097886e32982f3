//! A cloud where calls fail at random, and which remembers how it failed each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use muster_model::FailureReason;
use tokio::sync::Semaphore;

use crate::support::{
    cloud::{Call, Reply, Sky, refusal, sts},
    draw::Draw,
    fleet::{Region, listing, page},
};

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Slow down.
    Throttled,
    /// The server failed.
    Server,
    /// No answer.
    Silence,
    /// The answer ends in the middle.
    Cut,
    /// It may not be asked.
    Denied,
    /// A page without records, and a marker of the next.
    EmptyPage,
    /// A page that comes again as the next one.
    PageTwice,
    /// A page whose marker leads to the page itself, for ever.
    Circle,
}

impl Fault {
    /// Why a call fails by it, whether it may be tried again; none when nothing fails by it.
    pub const fn fails(self) -> Option<(FailureReason, bool)> {
        match self {
            Self::Throttled => Some((FailureReason::Throttled, true)),
            Self::Server => Some((FailureReason::Server, true)),
            Self::Silence => Some((FailureReason::Unreachable, true)),
            Self::Cut => Some((FailureReason::Truncated, true)),
            Self::Denied => Some((FailureReason::Denied, false)),
            Self::Circle => Some((FailureReason::Truncated, false)),
            Self::EmptyPage | Self::PageTwice => None,
        }
    }
}

/// One of these fails a call, each as often as it stands beside it.
const FAULTS: [(Fault, usize); 8] = [
    (Fault::Throttled, 6),
    (Fault::Server, 6),
    (Fault::Cut, 6),
    (Fault::Denied, 6),
    (Fault::EmptyPage, 6),
    (Fault::PageTwice, 6),
    (Fault::Circle, 2),
    // It costs time, and so begins seldom; but then it often lasts.
    (Fault::Silence, 1),
];

/// One call as the cloud saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `DescribeDBInstances`.
    pub action: String,
    /// The page that was asked for.
    pub marker: Option<String>,
    /// What was done to it.
    pub fault: Option<Fault>,
    /// The marker in the answer.
    pub next: Option<String>,
}

/// The cloud.
pub struct Weather {
    regions: HashMap<(String, String), Mutex<Local>>,
    /// Who waits for an answer that never comes uses no processor: others may have its place meanwhile.
    slots: Arc<Semaphore>,
    /// Times in a thousand that a call fails.
    faults: usize,
    /// From this cycle on nothing fails and nothing changes any more.
    calm: usize,
    seed: u64,
}

struct Local {
    region: Region,
    /// For what happens from cycle to cycle.
    draw: Draw,
    /// For what happens to the calls of each listing: which of the two comes first is left to chance. Every scan has
    /// its own, so that nothing carries over from one to the next.
    calls: [Draw; 2],
    /// Whether the last call of each listing stayed without an answer.
    silent: [bool; 2],
    seen: Vec<Seen>,
    /// Every call of a listing meets this, for so many cycles: a day on which a permission is gone.
    storm: Option<(Fault, &'static str, usize)>,
    calm: bool,
    nonce: usize,
}

const ACTIONS: [&str; 2] = ["DescribeDBInstances", "DescribeDBClusters"];
/// Records a page.
const PAGE: usize = 3;

// === impl Weather ===

impl Weather {
    /// A cloud of these regions, where `faults` calls in a thousand fail until the cycle `calm`.
    pub fn new(
        regions: impl IntoIterator<Item = ((String, String), Region)>,
        (faults, calm): (usize, usize),
        slots: Arc<Semaphore>,
        seed: u64,
    ) -> Self {
        let local = |(key, region): ((String, String), Region)| {
            let local = Local {
                region,
                draw: Draw::part(seed, &format!("weather {}/{}", key.0, key.1)),
                calls: ACTIONS.map(|action| Draw::part(seed, action)),
                silent: [false; 2],
                seen: Vec::new(),
                storm: None,
                calm: false,
                nonce: 0,
            };
            (key, Mutex::new(local))
        };
        Self {
            regions: regions.into_iter().map(local).collect(),
            slots,
            faults,
            calm,
            seed,
        }
    }

    /// The next cycle of a region.
    pub fn step(&self, account: &str, region: &str, cycle: usize) {
        let mut local = self.local(account, region);
        if cycle >= self.calm {
            local.calm = true;
            return;
        }
        local.region.step();
        local.storm = match local.storm.take() {
            Some((fault, action, cycles)) if cycles > 0 => Some((fault, action, cycles - 1)),
            // Some ten of them a region in a thousand cycles.
            None if self.faults > 0 && local.draw.in_thousand(10) => {
                let fault = *local
                    .draw
                    .pick(&[Fault::Throttled, Fault::Server, Fault::Denied]);
                let action = *local.draw.pick(&ACTIONS);
                Some((fault, action, local.draw.below(20)))
            }
            _ => None,
        };
    }

    /// A scan begins. What fails in it depends on the seed, the region and the cycle, and on nothing that was before.
    pub fn begin(&self, account: &str, region: &str, cycle: usize) {
        let mut local = self.local(account, region);
        local.calls = ACTIONS
            .map(|action| Draw::part(self.seed, &format!("{action} {account}/{region} {cycle}")));
        local.silent = [false; 2];
        local.nonce = 0;
        local.seen.clear();
    }

    /// The region as it really is.
    pub fn region(&self, account: &str, region: &str) -> Region {
        self.local(account, region).region.clone()
    }

    /// The calls since the scan began.
    pub fn take_seen(&self, account: &str, region: &str) -> Vec<Seen> {
        std::mem::take(&mut self.local(account, region).seen)
    }

    fn local(&self, account: &str, region: &str) -> MutexGuard<'_, Local> {
        self.regions[&(account.to_owned(), region.to_owned())]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sky for Weather {
    fn answer(&self, call: &Call) -> Reply {
        if call.service == "sts" {
            return sts(call);
        }
        let mut local = self.local(&call.account, &call.region);
        let reply = local.answer(call, self.faults);
        if matches!(reply, Reply::Silence) {
            self.slots.add_permits(1);
        }
        reply
    }

    fn given_up(&self, _: &Call) {
        let slots = Arc::clone(&self.slots);
        tokio::spawn(async move {
            if let Ok(slot) = slots.acquire_owned().await {
                slot.forget();
            }
        });
    }
}

impl Local {
    fn answer(&mut self, call: &Call, faults: usize) -> Reply {
        let marker = call.params.get("Marker").cloned();
        let offset = marker
            .as_deref()
            .and_then(|marker| marker.split('.').next())
            .map_or(0, |offset| offset.parse().expect("a marker of ours"));
        let which = ACTIONS.iter().position(|action| *action == call.action);
        let which = which.unwrap_or_else(|| panic!("{} is not made up here", call.action));
        let draw = &mut self.calls[which];
        let fault = match self.storm {
            _ if self.calm => None,
            Some((fault, action, _)) if action == call.action => Some(fault),
            _ if self.silent[which] && draw.below(2) == 0 => Some(Fault::Silence),
            _ if draw.in_thousand(faults) => Some(any_fault(draw)),
            _ => None,
        };
        self.silent[which] = fault == Some(Fault::Silence);
        // Nothing leads back to the first page, which has no marker.
        let fault = match fault {
            Some(Fault::Circle) if marker.is_none() => Some(Fault::PageTwice),
            fault => fault,
        };
        let records = if which == 0 {
            self.region.instances()
        } else {
            self.region.clusters()
        };
        let (records, next) = page(&records, offset, PAGE);
        self.nonce += 1;
        let nonce = self.nonce;
        let (records, next) = match fault {
            Some(Fault::EmptyPage) => (&[][..], Some(format!("{offset}.{nonce}"))),
            Some(Fault::PageTwice) => (records, Some(format!("{offset}.{nonce}"))),
            Some(Fault::Circle) => (records, marker.clone()),
            _ => (records, next.map(|next| format!("{next}.{nonce}"))),
        };
        let body = listing(&call.action, records, next.as_deref());
        self.seen.push(Seen {
            action: call.action.clone(),
            marker,
            fault,
            next,
        });
        reply(fault, body, &mut self.calls[which])
    }
}

fn any_fault(draw: &mut Draw) -> Fault {
    let mut place = draw.below(FAULTS.iter().map(|(_, often)| often).sum());
    for (fault, often) in FAULTS {
        if place < often {
            return fault;
        }
        place -= often;
    }
    unreachable!("the place is below the sum")
}

fn reply(fault: Option<Fault>, body: String, draw: &mut Draw) -> Reply {
    match fault {
        Some(Fault::Throttled) => refusal(400, "Throttling", "Rate exceeded"),
        Some(Fault::Server) if draw.below(2) == 0 => Reply::Whole {
            status: 503,
            body: "<html>upstream connect error</html>".to_owned(),
        },
        Some(Fault::Server) => refusal(500, "InternalFailure", "try again"),
        Some(Fault::Denied) => refusal(
            403,
            "AccessDenied",
            "User: arn:aws:sts::1:assumed-role/muster/muster is not authorized to perform this",
        ),
        Some(Fault::Cut) => Reply::Cut {
            keep: draw.below(body.len()),
            broken: draw.below(2) == 0,
            body,
        },
        Some(Fault::Silence) => Reply::Silence,
        Some(Fault::EmptyPage | Fault::PageTwice | Fault::Circle) | None => {
            Reply::Whole { status: 200, body }
        }
    }
}
