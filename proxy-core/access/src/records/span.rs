//! Spans of time as records write them: `30h0m0s`, `1h30m`, `90s`, `2d`.

use std::time::Duration;

/// The longest span that is understood: ten years.
const MAX: u64 = 10 * 366 * 24 * 3600;

/// Reads a span, to the second. Parts of seconds are cut off, but nothing becomes zero by that.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let (mut seconds, mut parts) = (0_u64, 0_u64);
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, after) = rest.split_at(end);
        let number: u64 = number.parse().ok()?;
        let end = after
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit = match unit {
            "d" => 86_400,
            "h" => 3600,
            "m" => 60,
            "s" => 1,
            "ms" | "us" | "µs" | "ns" => {
                parts = parts.saturating_add(number);
                0
            }
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = after;
    }
    if seconds == 0 && parts > 0 {
        seconds = 1;
    }
    (seconds <= MAX).then(|| Duration::from_secs(seconds))
}

/// Writes a span so that [`parse`] and Teleport read it.
pub(super) fn write(span: Duration) -> String {
    let seconds = span.as_secs();
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let text: String = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_and_teleport_write_them() {
        for (text, want) in [
            ("30h0m0s", Some(108_000)),
            ("1h30m", Some(5400)),
            ("90s", Some(90)),
            ("2d", Some(172_800)),
            ("0s", Some(0)),
            ("0", Some(0)),
            ("500ms", Some(1)),
            ("1s500ms", Some(1)),
            ("", None),
            ("12", None),
            ("h", None),
            ("1.5h", None),
            ("-1h", None),
            ("1 h", None),
            ("99999999999999999999h", None),
            ("99999999h", None),
        ] {
            assert_eq!(parse(text).map(|span| span.as_secs()), want, "{text}");
        }
        for seconds in [0, 1, 59, 60, 3600, 3661, 108_000] {
            let span = Duration::from_secs(seconds);
            assert_eq!(parse(&write(span)), Some(span));
        }
    }
}
