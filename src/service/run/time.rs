//! [`ServiceTime`]: the time that the service lives by, which nobody can set.
//!
//! How long a database has to be gone is measured between two times of day, some of them in the store. A clock that
//! jumps forward would make what is missing since a minute look missing since a day, and one that jumps back would
//! let time run backwards. So the service counts from its start with the monotonic clock, and follows the clock of
//! the machine only as far as that does no harm:
//!
//! * a difference of up to a minute forward is taken over at once: no grace is that short;
//! * a larger one forward is taken over at once when no database is waiting out its grace, for then there is nothing
//!   that could pass early; until then the service's time runs a tenth faster, so a grace passes at most a tenth
//!   early;
//! * time never runs back: where the machine's clock is behind, the service's time runs at half speed until it has
//!   been met.
//!
//! A machine that slept looks the same as one whose clock was set forward, and is treated the same.
//!
//! Pure: both clocks are passed in.

use std::time::Duration;

use muster_model::Timestamp;
use muster_schedule::Moment;

/// The most that the machine's clock may be ahead to be believed at once, and that it may move against the
/// monotonic clock between two looks without having jumped; in milliseconds.
const SMALL: i64 = 60_000;
/// The time ran so much faster while the machine's clock is ahead: a tenth.
const FASTER: i64 = 10;
/// How long a jump is worth telling.
pub(super) const TELL: Duration = Duration::from_secs(60 * 60);

/// A time of day that passes with the monotonic clock, and follows the machine's clock carefully.
#[derive(Clone, Debug)]
pub(super) struct ServiceTime {
    /// The service's time of day at the last look, in milliseconds since 1970.
    now: i64,
    /// The machine's at the last look.
    wall: i64,
    /// The monotonic clock at the last look.
    last: Moment,
    jump: Option<Jump>,
}

/// A jump of the machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Jump {
    /// By so many seconds: forward, or back when negative.
    pub(super) by: i64,
    /// When it was noticed, in the service's time.
    pub(super) at: Timestamp,
    noticed: Moment,
}

// === impl ServiceTime ===

impl ServiceTime {
    /// Starts with what the machine's clock says, in milliseconds since 1970.
    pub(super) const fn start(wall: i64, now: Moment) -> Self {
        Self {
            now: wall,
            wall,
            last: now,
            jump: None,
        }
    }

    /// Looks at both clocks. `settled` is whether no database is waiting out its grace. Returns a jump that was
    /// noticed by this look.
    pub(super) fn look(&mut self, wall: i64, now: Moment, settled: bool) -> Option<Jump> {
        let passed = i64::try_from(now.since(self.last).as_millis()).unwrap_or(i64::MAX);
        let by = wall.saturating_sub(self.wall).saturating_sub(passed);
        self.wall = wall;
        self.last = now;
        let ahead = wall.saturating_sub(self.now.saturating_add(passed));
        let step = match ahead {
            0..=SMALL => passed.saturating_add(ahead),
            _ if ahead > SMALL && settled => passed.saturating_add(ahead),
            _ if ahead > SMALL => passed.saturating_add((passed / FASTER).min(ahead)),
            _ => passed / 2,
        };
        self.now = self.now.saturating_add(step.max(0));
        let jumped = by.saturating_abs() > SMALL;
        if jumped {
            self.jump = Some(Jump {
                by: by / 1000,
                at: self.now(),
                noticed: now,
            });
        }
        self.jump.filter(|_| jumped)
    }

    /// The service's time at the last look.
    pub(super) const fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.now.div_euclid(1000))
    }

    /// The last jump, while it is worth telling.
    pub(super) fn jump(&self) -> Option<Jump> {
        self.jump
            .filter(|jump| self.last.since(jump.noticed) < TELL)
    }

    /// How far the machine's clock is ahead of the service's time, in seconds; negative when it is behind.
    pub(super) const fn ahead(&self) -> i64 {
        self.wall.saturating_sub(self.now) / 1000
    }
}

/// What the machine's clock says, in milliseconds since 1970.
pub(super) fn wall() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const START: i64 = 1_700_000_000_000;
    const MINUTE: i64 = 60_000;

    /// Both clocks of a machine, and the service's time.
    struct World {
        time: ServiceTime,
        passed: i64,
        set: i64,
    }

    impl World {
        fn new() -> Self {
            Self {
                time: ServiceTime::start(START, Moment::from_millis(0)),
                passed: 0,
                set: 0,
            }
        }

        fn look(&mut self, settled: bool) -> Option<Jump> {
            let moment = Moment::from_millis(self.passed.unsigned_abs());
            self.time
                .look(START + self.passed + self.set, moment, settled)
        }

        /// Lets time pass, looking every second.
        fn pass(&mut self, millis: i64, settled: bool) {
            let end = self.passed + millis;
            while self.passed < end {
                self.passed = end.min(self.passed + 1000);
                assert_eq!(self.look(settled), None, "nothing jumps while time passes");
            }
        }

        /// Seconds of the service's time since the start.
        fn seconds(&self) -> i64 {
            self.time.now().unix() - START / 1000
        }
    }

    #[test]
    fn it_follows_a_clock_that_is_right_and_small_corrections() {
        let mut world = World::new();
        world.pass(10 * MINUTE, false);
        assert_eq!(world.seconds(), 600);
        world.set += 45_000;
        assert_eq!(world.look(false), None);
        assert_eq!(world.seconds(), 645);
        assert_eq!(world.time.jump(), None);
    }

    #[test]
    fn a_clock_that_drifts_is_followed_without_a_jump() {
        let mut world = World::new();
        for _ in 0..3600 {
            world.passed += 1000;
            world.set += 100;
            assert_eq!(world.look(false), None);
        }
        assert_eq!(world.seconds(), 3960);
    }

    #[test]
    fn a_jump_forward_lets_no_grace_pass_early() {
        for hours in [1, 24, 24 * 365] {
            let mut world = World::new();
            world.pass(5 * MINUTE, false);
            world.set += hours * 60 * MINUTE;
            let jump = world.look(false).unwrap();
            assert_eq!(jump.by, hours * 3600);
            assert_eq!(world.seconds(), 300, "nothing has passed");
            // A database is missing from now on: half an hour of grace takes 27 minutes at least.
            world.pass(27 * MINUTE, false);
            assert!(world.seconds() < 300 + 1800, "{}", world.seconds());
            world.pass(MINUTE, false);
            assert!(world.seconds() > 300 + 1800, "{}", world.seconds());
            assert!(world.time.ahead() > 0);
        }
    }

    #[test]
    fn a_jump_forward_is_taken_over_when_nothing_waits_for_its_grace() {
        let mut world = World::new();
        world.set += 24 * 60 * MINUTE;
        assert!(world.look(false).is_some());
        assert_eq!(world.seconds(), 0);
        world.pass(1000, true);
        assert_eq!(world.seconds(), 24 * 3600 + 1);
        assert_eq!(world.time.ahead(), 0);
    }

    #[test]
    fn time_never_runs_back() {
        let mut world = World::new();
        world.pass(10 * MINUTE, true);
        world.set -= 5 * MINUTE;
        assert_eq!(world.look(true).unwrap().by, -300);
        let mut last = world.seconds();
        assert_eq!(last, 600);
        for _ in 0..10 {
            world.pass(MINUTE, true);
            assert!(world.seconds() > last, "it goes on");
            last = world.seconds();
        }
        assert_eq!((last, world.time.ahead()), (900, 0), "the clock was met");
        world.pass(MINUTE, true);
        assert_eq!(world.seconds(), 960);
    }

    #[test]
    fn a_jump_is_told_for_an_hour_of_real_time() {
        let mut world = World::new();
        world.set -= 7 * 24 * 60 * MINUTE;
        assert!(world.look(true).is_some());
        world.pass(59 * MINUTE, true);
        assert!(world.time.jump().is_some());
        world.pass(MINUTE, true);
        assert_eq!(world.time.jump(), None);
    }

    #[test]
    fn no_clock_is_too_wrong() {
        for wall in [i64::MIN, 0, i64::MAX] {
            let mut time = ServiceTime::start(START, Moment::from_millis(0));
            time.look(wall, Moment::from_millis(1), false);
            time.look(START, Moment::from_millis(u64::MAX), false);
            time.look(wall, Moment::from_millis(u64::MAX), true);
            assert!(time.now().unix() >= START / 1000);
        }
    }
}
