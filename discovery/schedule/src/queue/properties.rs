//! What holds whatever happens: sequences of events at random, and a simulated day with scopes that hang.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use muster_model::Scope;
use proptest::prelude::*;

use super::{
    Queue, Wanted,
    tests::{pace, queue, s, scope, wanted},
};
use crate::Moment;

const SCOPES: usize = 12;

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Due,
    Take,
    End { which: usize, complete: bool },
    Now(usize),
    Set(BTreeSet<usize>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0_u64..400_000).prop_map(Step::Pass),
        2 => Just(Step::Due),
        6 => Just(Step::Take),
        4 => (0..SCOPES, any::<bool>()).prop_map(|(which, complete)| Step::End { which, complete }),
        2 => (0..SCOPES + 2).prop_map(Step::Now),
        1 => prop::collection::btree_set(0..SCOPES, 0..SCOPES).prop_map(Step::Set),
    ]
}

proptest! {
    #[test]
    fn never_twice_at_once_never_too_many_and_every_request_is_answered(
        slots in 1_usize..6,
        jitter in 0_u64..60,
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let pace = pace(300, jitter, 3600);
        let mut queue = queue(slots);
        queue.set((0..SCOPES).map(|n| wanted(n, &pace)), s(0));
        let mut known: BTreeSet<usize> = (0..SCOPES).collect();
        let mut now = s(0);
        let mut running: Vec<(Arc<Scope>, Moment)> = Vec::new();
        // When somebody asked, and the number that answers.
        let mut asked: HashMap<Arc<Scope>, (u64, usize)> = HashMap::new();
        let mut begun: HashMap<(Arc<Scope>, u64), usize> = HashMap::new();
        for (index, step) in steps.into_iter().enumerate() {
            match step {
                Step::Pass(millis) => now = now.plus(Duration::from_millis(millis)),
                Step::Due => queue.due("aws", now),
                Step::Take => {
                    let expected = queue.next_at().is_some_and(|at| at <= now);
                    let taken = queue.take(now);
                    prop_assert_eq!(taken.is_some(), expected, "next_at says what take does");
                    if let Some(scope) = taken {
                        prop_assert!(running.iter().all(|(one, _)| *one != scope), "twice at once");
                        prop_assert!(running.len() < slots, "too many at once");
                        let run = queue.standing(&scope).unwrap().runs;
                        begun.insert((Arc::clone(&scope), run), index);
                        running.push((scope, now));
                    }
                }
                Step::End { which, complete } => {
                    if !running.is_empty() {
                        let (scope, _) = running.swap_remove(which % running.len());
                        let ended = queue.ended(&scope, complete, now).unwrap();
                        if let Some((answer, since)) = asked.get(&scope).copied() {
                            if ended.run >= answer {
                                let start = begun[&(Arc::clone(&scope), ended.run)];
                                prop_assert!(start >= since, "answered by a scan that began before");
                                asked.remove(&scope);
                            } else if !ended.gone {
                                prop_assert!(queue.standing(&scope).unwrap().asked, "forgotten");
                            }
                        }
                        if ended.gone {
                            asked.remove(&scope);
                            begun.retain(|(one, _), _| *one != scope);
                        }
                    }
                }
                Step::Now(which) => {
                    let answer = queue.now(&scope(which), now);
                    prop_assert_eq!(answer.is_some(), known.contains(&which));
                    if let Some(answer) = answer {
                        asked.entry(scope(which)).or_insert((answer, index));
                    }
                }
                Step::Set(scopes) => {
                    for gone in queue.set(scopes.iter().map(|n| wanted(*n, &pace)), now) {
                        asked.remove(&gone);
                        begun.retain(|(one, _), _| *one != gone);
                    }
                    known = scopes;
                }
            }
            prop_assert_eq!(queue.running(), running.len());
        }
        // Let it run: every request is answered, and then everything that is due has its turn.
        for (scope, _) in running.drain(..) {
            queue.ended(&scope, true, now);
        }
        let mut turns = BTreeMap::new();
        now = now.plus(Duration::from_secs(100_000));
        queue.due("aws", now);
        now = now.plus(Duration::from_secs(100_000));
        while let Some(scope) = queue.take(now) {
            *turns.entry(Arc::clone(&scope)).or_insert(0) += 1;
            queue.ended(&scope, true, now);
        }
        let all: Vec<_> = known.iter().map(|n| scope(*n)).collect();
        for scope in &all {
            prop_assert!(turns.contains_key(scope), "{scope} starves");
        }
        prop_assert_eq!(turns.len(), all.len());
    }

    #[test]
    fn a_failing_majority_does_not_delay_the_others(
        slots in 2_usize..9,
        well in 1_usize..9,
        hang in 60_u64..900,
        backoff_max in 0_u64..3600,
        jitter in 0_u64..60,
    ) {
        // The failing ones hang until a time-out that can be longer than the interval; there are five times as many.
        let (every, quick) = (300, 5);
        let failing = well * 5;
        let pace = pace(every, jitter, backoff_max);
        let mut queue = queue(slots);
        let all = (0..well + failing).map(|n| Wanted {
            // Known to fail, or one round ago: the first round has to find out.
            failures: u32::from(n >= well),
            ..wanted(n, &pace)
        });
        queue.set(all, s(0));
        let mut ends: BTreeSet<(Moment, usize)> = BTreeSet::new();
        let mut last: Vec<Moment> = vec![s(0); well];
        let mut tick = s(0);
        let mut now = s(0);
        let numbers: HashMap<_, _> = (0..well + failing).map(|n| (scope(n), n)).collect();
        // What is due must begin within the jitter and the time that the healthy ones need among themselves.
        let rounds = well.div_ceil(slots - slots / 2) as u64;
        let longest = Duration::from_secs(every + jitter + quick * rounds + 1);
        while now < s(86_400) {
            while let Some(scope) = queue.take(now) {
                let number = numbers[&scope];
                let takes = if number < well {
                    prop_assert!(now.since(last[number]) <= longest, "{number} waited {:?}", now.since(last[number]));
                    last[number] = now;
                    quick
                } else {
                    hang
                };
                ends.insert((now.plus(Duration::from_secs(takes)), number));
            }
            let events = [Some(tick), queue.next_at(), ends.first().map(|(at, _)| *at)];
            now = events.into_iter().flatten().min().unwrap().max(now);
            if tick <= now {
                queue.due("aws", now);
                tick = tick.plus(Duration::from_secs(every));
            }
            while let Some((at, number)) = ends.first().copied().filter(|(at, _)| *at <= now) {
                ends.remove(&(at, number));
                queue.ended(&scope(number), number < well, now).unwrap();
            }
        }
        for (number, last) in last.iter().enumerate() {
            prop_assert!(now.since(*last) <= longest, "{number} was never seen again");
        }
    }

    #[test]
    fn a_failing_scope_has_its_turn_too(slots in 1_usize..6, others in 1_usize..40) {
        // More healthy ones are due all the time than there are slots for.
        let pace = pace(300, 0, 600);
        let mut queue: Queue = queue(slots);
        queue.set((0..=others).map(|n| Wanted { failures: u32::from(n == 0), ..wanted(n, &pace) }), s(0));
        let mut turns = 0;
        let mut now = s(0);
        for _ in 0..others * 20 {
            queue.due("aws", now);
            let mut batch = Vec::new();
            while let Some(scope) = queue.take(now) {
                batch.push(scope);
            }
            now = now.plus(Duration::from_secs(300));
            for one in batch {
                let failing = one == scope(0);
                turns += usize::from(failing);
                queue.ended(&one, !failing, now);
            }
        }
        prop_assert!(turns >= 3, "{turns}");
    }
}
