//! For how long a sink is left alone after a failure.

use std::time::Duration;

/// After the first failure.
pub(super) const FIRST: Duration = Duration::from_secs(1);
/// After many.
pub(super) const LONGEST: Duration = Duration::from_secs(5 * 60);
/// The longest that a receiver can ask for.
pub(super) const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);

/// The pause after so many failures in a row: twice as long each time, of which the second half is drawn by
/// `random`, so that those who failed together do not come back together. When the receiver asked for a longer
/// one, that, within bounds.
pub(super) fn pause(failures: u32, asked: Option<Duration>, random: u64) -> Duration {
    let doubled = 2_u32.checked_pow(failures.saturating_sub(1));
    let whole = doubled
        .and_then(|factor| FIRST.checked_mul(factor))
        .unwrap_or(LONGEST)
        .min(LONGEST);
    let half = whole / 2;
    let drawn = half.mul_f64(random as f64 / u64::MAX as f64);
    let asked = asked.unwrap_or_default().min(LONGEST_ASKED);
    (half + drawn).max(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_five_minutes_and_draws_the_second_half() {
        let seconds = |failures, random| pause(failures, None, random).as_secs_f64();
        for (failures, whole) in [(0, 1.0), (1, 1.0), (2, 2.0), (3, 4.0), (9, 256.0)] {
            assert_eq!(seconds(failures, u64::MAX), whole, "{failures}");
            assert_eq!(seconds(failures, 0), whole / 2.0, "{failures}");
        }
        for failures in [10, 33, u32::MAX] {
            assert_eq!(seconds(failures, u64::MAX), 300.0);
        }
    }

    #[test]
    fn a_receiver_can_ask_for_more_time_and_not_for_less_nor_for_ever() {
        let asked = |seconds| pause(3, Some(Duration::from_secs(seconds)), u64::MAX).as_secs();
        assert_eq!(asked(0), 4);
        assert_eq!(asked(120), 120);
        assert_eq!(asked(u64::MAX), 3600);
    }
}
