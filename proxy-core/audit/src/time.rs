//! A point in time to the microsecond, as events carry it. The clock itself is always passed in.

use std::fmt;

/// Microseconds since 1970-01-01T00:00:00Z; written as RFC 3339 in UTC, always with six digits of the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

/// The last second that has four digits of the year: 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

impl Micros {
    /// So many whole seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// The wall clock's time. For the edge of the program; all else gets its time passed in.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    /// Whole seconds since the epoch.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Microseconds from `earlier` to `self`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        let span = self.0.saturating_sub(earlier.0);
        if span > 0 { span.unsigned_abs() } else { 0 }
    }

    /// The text, as [`Display`](fmt::Display) writes it. What no calendar with four digits has is brought to its edge,
    /// so that the text has 27 characters whatever a clock says, and sorts as the times do.
    pub(crate) fn text(self) -> [u8; TIME_LEN] {
        let mut text = [0; TIME_LEN];
        let (start, rest) = text.split_at_mut(SECOND_LEN);
        start.copy_from_slice(&second_text(self.seconds()));
        let mut micros = self.0.rem_euclid(1_000_000);
        if let Some((end, digits)) = rest.split_last_mut() {
            *end = b'Z';
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + u8::try_from(micros % 10).unwrap_or(0);
                micros /= 10;
            }
        }
        text
    }
}

/// How long the text of a time is.
pub(crate) const TIME_LEN: usize = 27;
/// How long the part up to the point is, with the point.
const SECOND_LEN: usize = 20;

/// `2026-11-21T22:34:41.`: what all times of one second begin with.
fn second_text(second: i64) -> [u8; SECOND_LEN] {
    let second = second.clamp(0, LAST_SECOND);
    let days = second.div_euclid(86_400);
    let mut of_day = second.rem_euclid(86_400);
    let (year, month, day) = date(days);
    let hour = of_day / 3600;
    of_day %= 3600;
    let mut text = *b"0000-00-00T00:00:00.";
    let parts = [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, hour),
        (14, 2, of_day / 60),
        (17, 2, of_day % 60),
    ];
    for (at, len, mut number) in parts {
        if let Some(digits) = text.get_mut(at..at + len) {
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
                number /= 10;
            }
        }
    }
    text
}

/// Year, month and day of so many days since the epoch, by the proleptic Gregorian calendar: with years that begin in
/// March the months' lengths follow a formula (H. Hinnant, "chrono-compatible low-level date algorithms").
const fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    /// Another calendar says the same.
    #[test]
    fn times_are_written_as_jiff_writes_them() {
        let mut at = 0_i64;
        while at < LAST_SECOND * 1_000_000 {
            let expected = jiff::Timestamp::from_microsecond(at).expect("in range");
            assert_eq!(Micros(at).to_string(), format!("{expected:.6}"));
            at += 86_400_000_000 * 13 + 12_345_678_901;
        }
    }

    #[test]
    fn times_out_of_the_calendar_keep_the_length() {
        assert_eq!(
            Micros(i64::MAX).to_string().get(..20),
            Some("9999-12-31T23:59:59.")
        );
        assert_eq!(
            Micros(i64::MIN).to_string().get(..20),
            Some("1970-01-01T00:00:00.")
        );
    }
}
