//! [`Retries`]: when plugins are asked again about what they did not decide: after a minute, then after twice as long
//! each time that something stays undecided, up to an hour.

use std::{collections::BTreeMap, time::Duration};

use muster_schedule::Moment;

/// The first pause, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// Those who left something undecided.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<String, Retry>);

#[derive(Clone, Copy, Debug)]
struct Retry {
    pause: Duration,
    next: Moment,
    /// Whether it is being asked.
    asked: bool,
}

impl Retries {
    /// These have left something undecided, and nobody else has.
    pub(super) fn know<'a>(&mut self, undecided: impl Iterator<Item = &'a String>, now: Moment) {
        let mut known = std::mem::take(&mut self.0);
        for who in undecided {
            let retry = known.remove(who).unwrap_or(Retry {
                pause: PAUSES.0,
                next: now.plus(PAUSES.0),
                asked: false,
            });
            self.0.insert(who.clone(), retry);
        }
    }

    /// Whose time has come. They count as being asked from now on.
    pub(super) fn due(&mut self, now: Moment) -> Vec<String> {
        let due = self
            .0
            .iter_mut()
            .filter(|(_, it)| !it.asked && now >= it.next);
        let due = due.map(|(who, retry)| {
            retry.asked = true;
            who.clone()
        });
        due.collect()
    }

    /// They have been asked. Who is still known by then has not decided everything.
    pub(super) fn asked(&mut self, now: Moment) {
        for retry in self.0.values_mut().filter(|retry| retry.asked) {
            retry.asked = false;
            retry.pause = retry.pause.saturating_mul(2).min(PAUSES.1);
            retry.next = now.plus(retry.pause);
        }
    }

    /// Others are asked from now on: their time begins anew.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// When one is asked again; none while it is, or when it has left nothing undecided.
    pub(super) fn next(&self, who: &str) -> Option<Moment> {
        let retry = self.0.get(who)?;
        (!retry.asked).then_some(retry.next)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use muster_schedule::Uptime;

    use super::*;

    #[test]
    fn one_that_goes_on_failing_is_asked_after_a_minute_then_ever_later_up_to_an_hour() {
        let start = Uptime::start().now();
        let at = |seconds: u64| start.plus(Duration::from_secs(seconds));
        let who = "plugin \"a\"".to_owned();
        let mut retries = Retries::default();
        retries.know([&who].into_iter(), start);
        assert!(retries.due(at(59)).is_empty());
        let (mut now, mut pauses) = (start, Vec::new());
        for _ in 0..8 {
            let next = retries.next(&who).unwrap();
            pauses.push(next.since(now).as_secs());
            assert_eq!(retries.due(next), [&*who]);
            // While it is asked it is not asked once more, however long that takes.
            assert!(
                retries
                    .due(next.plus(Duration::from_secs(9_999)))
                    .is_empty()
            );
            assert_eq!(retries.next(&who), None);
            retries.know([&who].into_iter(), next);
            retries.asked(next);
            now = next;
        }
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    }

    #[test]
    fn one_that_has_decided_everything_begins_anew_the_next_time() {
        let start = Uptime::start().now();
        let at = |seconds: u64| start.plus(Duration::from_secs(seconds));
        let [a, b] = ["a", "b"].map(str::to_owned);
        let mut retries = Retries::default();
        retries.know([&a].into_iter(), start);
        retries.know([&a, &b].into_iter(), at(50));
        assert_eq!(retries.due(at(60)), [&*a]);
        retries.know([&b].into_iter(), at(61));
        retries.asked(at(61));
        assert_eq!(retries.next(&a), None);
        // The other one was not asked, and its pause is as it was.
        assert_eq!(retries.next(&b), Some(at(110)));
        retries.know([&a, &b].into_iter(), at(70));
        assert_eq!(retries.next(&a), Some(at(130)));
        retries.clear();
        assert!(retries.due(at(9_999)).is_empty());
    }
}
