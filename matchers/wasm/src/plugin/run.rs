//! One evaluation: batches, what is done when one fails, and spot checks.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{Candidate, Configured, Cost, Evaluation, Plugin, host};
use crate::{
    Failure, PluginError,
    contract::{Judged, Scratch},
    failure::caught,
    guest::{Guest, Line, thread_time},
    host::Shared,
    limits::Limits,
    verdict::Verdict,
};

/// Failed batches, less those that were judged, after which the rest is not asked any more, in one evaluation. A plugin
/// that fails over single databases, or over batches that are too large for its memory, is asked to the end.
const PATIENCE: i64 = 32;
/// How many failures one that takes long counts for.
const COSTLY: i64 = 12;

/// One evaluation.
pub(super) struct Run<'a> {
    plugin: &'a Plugin,
    settings: &'a str,
    /// What is left of the patience with failures.
    patience: AtomicI64,
    /// What all batches may compute together; none where fuel bounds each.
    allowance: Option<Duration>,
    /// Lines that are kept.
    lines: AtomicUsize,
    last: Mutex<Option<PluginError>>,
    done: Mutex<Vec<(usize, Done)>>,
    cost: Counters,
    dropped: AtomicU64,
}

/// What became of one chunk.
struct Done {
    verdicts: Vec<Result<Verdict, PluginError>>,
    log: Vec<Line>,
}

#[derive(Default)]
struct Counters {
    instances: AtomicU64,
    failed: AtomicU64,
    memory: AtomicUsize,
    longest: AtomicU64,
    computed: AtomicU64,
}

type Verdicts = Vec<Result<Verdict, PluginError>>;

impl<'a> Run<'a> {
    pub(super) fn new(configured: &'a Configured, databases: usize) -> Self {
        let limits = &configured.plugin.shared.limits;
        Self {
            allowance: limits.fuel.is_none().then(|| limits.allowance(databases)),
            lines: AtomicUsize::new(0),
            plugin: &configured.plugin,
            settings: &configured.settings,
            patience: AtomicI64::new(PATIENCE),
            last: Mutex::new(None),
            done: Mutex::new(Vec::new()),
            cost: Counters::default(),
            dropped: AtomicU64::new(0),
        }
    }

    fn limits(&self) -> &Limits {
        &self.plugin.shared.limits
    }

    /// Judges a chunk and puts it by.
    pub(super) fn chunk(&self, place: usize, candidates: &[Candidate<'_>], scratch: &mut Scratch) {
        let mut log = Vec::new();
        let verdicts = self.checked(candidates, scratch, Some(&mut log));
        lock(&self.done).push((place, Done { verdicts, log }));
    }

    /// Judges a chunk, and some of it in other company as well.
    fn checked(
        &self,
        candidates: &[Candidate<'_>],
        scratch: &mut Scratch,
        mut log: Option<&mut Vec<Line>>,
    ) -> Verdicts {
        let Limits {
            alone, spot_checks, ..
        } = *self.limits();
        if candidates.len() <= alone.max(1) {
            // As cheap as checking some of them, and nothing is left to chance.
            return candidates
                .iter()
                .map(|candidate| self.alone(candidate, scratch, log.as_deref_mut()))
                .collect();
        }
        let verdicts = self.halves(candidates, scratch, log);
        let mut places = spots(candidates, spot_checks);
        let Some(last) = places.pop() else {
            return verdicts;
        };
        let pick = |place: &usize| candidates.get(*place).copied();
        let again: Vec<_> = places.iter().filter_map(pick).collect();
        let mut second = self.halves(&again, scratch, None);
        if let Some(candidate) = pick(&last) {
            second.push(self.alone(&candidate, scratch, None));
            places.push(last);
        }
        let differing = places.iter().zip(&second).find_map(|(place, second)| {
            let first = verdicts.get(*place)?;
            differs(first, second).then_some((pick(place)?, first, second))
        });
        match differing {
            None => verdicts,
            Some((candidate, first, second)) => {
                let error = unstable(&candidate, first, second, candidates.len());
                self.failed(&error);
                vec![Err(error); candidates.len()]
            }
        }
    }

    pub(super) fn alone(
        &self,
        candidate: &Candidate<'_>,
        scratch: &mut Scratch,
        log: Option<&mut Vec<Line>>,
    ) -> Result<Verdict, PluginError> {
        self.instance(std::slice::from_ref(candidate), scratch, log)
            .and_then(|judged| {
                judged
                    .verdicts
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| Err(none()))
            })
    }

    /// Judges in as few batches as will do: what fails is asked again in halves.
    pub(super) fn halves(
        &self,
        candidates: &[Candidate<'_>],
        scratch: &mut Scratch,
        mut log: Option<&mut Vec<Line>>,
    ) -> Verdicts {
        let mut verdicts = Vec::with_capacity(candidates.len());
        // What is still to be asked, the next at the end.
        let mut waiting = vec![candidates];
        while let Some(part) = waiting.pop() {
            if part.is_empty() {
                continue;
            }
            match self.instance(part, scratch, log.as_deref_mut()) {
                Ok(judged) => {
                    let taken = judged.taken;
                    verdicts.extend(judged.verdicts);
                    waiting.push(part.get(taken..).unwrap_or_default());
                }
                Err(error) if part.len() == 1 => verdicts.push(Err(error)),
                Err(_) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    waiting.push(second);
                    waiting.push(first);
                }
            }
        }
        verdicts
    }

    /// Judges one batch, or as much of it as fits one, in a fresh instance.
    fn instance(
        &self,
        candidates: &[Candidate<'_>],
        scratch: &mut Scratch,
        log: Option<&mut Vec<Line>>,
    ) -> Result<Judged, PluginError> {
        if self.patience.load(Ordering::Relaxed) <= 0 {
            return Err(lock(&self.last).clone().unwrap_or_else(none));
        }
        if let Some(allowance) = self.allowance
            && self.cost.computed() >= allowance
        {
            return Err(PluginError::new(
                Failure::Timeout,
                format!("all its batches did not end within {allowance:?} of computing"),
            ));
        }
        let Shared {
            engine,
            limits,
            ticker,
        } = &*self.plugin.shared;
        let _permit = ticker.permit();
        let before = thread_time();
        let mut store = Guest::store(engine, limits, candidates.len()).map_err(|e| host(&e))?;
        let bound = &self.plugin.loaded.bound;
        let judged = caught(|| bound.evaluate(&mut store, self.settings, candidates, scratch))
            .and_then(|judged| judged);
        let guest = store.into_data();
        self.cost
            .count(guest.memory(), thread_time().saturating_sub(before));
        if let Some(log) = log {
            self.keep(log, guest.lines, guest.dropped);
        }
        match &judged {
            Ok(_) => self.succeeded(),
            Err(error) => self.failed(error),
        }
        judged
    }

    /// Keeps lines, as long as there are not too many of them in all.
    fn keep(&self, log: &mut Vec<Line>, lines: Vec<Line>, dropped: u64) {
        let count = lines.len();
        let before = self.lines.fetch_add(count, Ordering::Relaxed);
        let most = self.limits().log_lines.saturating_mul(Limits::LOG);
        let room = most.saturating_sub(before).min(count);
        log.extend(lines.into_iter().take(room));
        let dropped = dropped.saturating_add((count - room) as u64);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    fn succeeded(&self) {
        let more = |left: i64| (left > 0 && left < PATIENCE).then_some(left + 1);
        // None is what it is when there is all of it, or none.
        let _unchanged = self
            .patience
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    fn failed(&self, error: &PluginError) {
        let cost = match error.code {
            Failure::Timeout | Failure::Unstable | Failure::Settings => COSTLY,
            _ => 1,
        };
        self.cost.failed.fetch_add(1, Ordering::Relaxed);
        *lock(&self.last) = Some(error.clone());
        self.patience.fetch_sub(cost, Ordering::Relaxed);
    }

    pub(super) fn finish(self) -> Evaluation {
        let mut done = self
            .done
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(place, _)| *place);
        let mut verdicts = Vec::new();
        let mut log = Vec::new();
        for (_, chunk) in done {
            verdicts.extend(chunk.verdicts);
            log.extend(chunk.log);
        }
        Evaluation {
            verdicts,
            log,
            dropped_lines: self.dropped.into_inner(),
            cost: self.cost.finish(),
        }
    }
}

impl Counters {
    fn count(&self, memory: usize, computed: Duration) {
        let nanos = u64::try_from(computed.as_nanos()).unwrap_or(u64::MAX);
        self.instances.fetch_add(1, Ordering::Relaxed);
        self.memory.fetch_max(memory, Ordering::Relaxed);
        self.longest.fetch_max(nanos, Ordering::Relaxed);
        self.computed.fetch_add(nanos, Ordering::Relaxed);
    }

    fn computed(&self) -> Duration {
        Duration::from_nanos(self.computed.load(Ordering::Relaxed))
    }

    fn finish(self) -> Cost {
        Cost {
            instances: self.instances.into_inner(),
            failed: self.failed.into_inner(),
            peak_memory_bytes: self.memory.into_inner(),
            longest: Duration::from_nanos(self.longest.into_inner()),
            computed: Duration::from_nanos(self.computed.into_inner()),
        }
    }
}

fn unstable(
    candidate: &Candidate<'_>,
    first: &Result<Verdict, PluginError>,
    second: &Result<Verdict, PluginError>,
    batch: usize,
) -> PluginError {
    let word = |verdict: &Result<Verdict, PluginError>| match verdict {
        Ok(verdict) => verdict.as_str(),
        Err(error) => error.code.as_str(),
    };
    let (first, second) = (word(first), word(second));
    let how = if first == second {
        format!("{first} in two ways")
    } else {
        format!("{first} at first, then {second}")
    };
    let id = &candidate.database.id;
    PluginError::new(
        Failure::Unstable,
        format!(
            "its verdict on `{id}` depends on the {} databases beside it: {how}",
            batch - 1
        ),
    )
}

/// Which of a batch are judged again: the last at the end, and before it others, one of each part of the batch, in a
/// shuffled order. Chance is taken from what is in the batch: another batch has others, the same batch the same.
fn spots(candidates: &[Candidate<'_>], checks: usize) -> Vec<usize> {
    let (count, Some(last)) = (candidates.len(), candidates.len().checked_sub(1)) else {
        return Vec::new();
    };
    let mut state = count as u64;
    for candidate in candidates.iter().take(1).chain(candidates.last()) {
        for byte in candidate.database.id.as_str().bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    let mut below = |limit: usize| {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        usize::try_from(state >> 33).unwrap_or(0) % limit.max(1)
    };
    let Some(parts) = checks.min(count).checked_sub(1) else {
        return Vec::new();
    };
    let start = |part: usize| part * last / parts.max(1);
    let mut spots: Vec<_> = (0..parts)
        .map(|part| start(part) + below(start(part + 1) - start(part)))
        .collect();
    for place in (1..spots.len()).rev() {
        spots.swap(place, below(place + 1));
    }
    spots.push(last);
    spots
}

/// Whether two say different things. That one of them failed for want of patience, or time, says nothing.
pub(super) fn differs(
    one: &Result<Verdict, PluginError>,
    other: &Result<Verdict, PluginError>,
) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one != other,
        (Err(one), Err(other)) => one.code != other.code && !(is_chance(one) || is_chance(other)),
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => !is_chance(error),
    }
}

/// Whether a failure can be the machine's, and not come again.
const fn is_chance(error: &PluginError) -> bool {
    matches!(error.code, Failure::Timeout | Failure::Host)
}

fn none() -> PluginError {
    PluginError::new(Failure::Count, "it gave no verdict")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
