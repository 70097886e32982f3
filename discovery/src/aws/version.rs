//! Engine versions, as far as they have to be compared.

/// Whether `version` is at least `major.minor`. Only the first two numbers count, a missing minor is zero. None when
/// the text does not start with a number.
pub(super) fn at_least(version: &str, major: u32, minor: u32) -> Option<bool> {
    let mut parts = version.splitn(3, '.');
    let have = (
        number(parts.next()?)?,
        parts.next().map_or(Some(0), number)?,
    );
    Some(have >= (major, minor))
}

/// The part of an Aurora MySQL version that counts Aurora's own releases: `1.22.2` of `5.6.mysql_aurora.1.22.2`, and
/// the whole text where there is no such part (`5.6.10a`).
pub(super) fn aurora_release(version: &str) -> &str {
    version
        .split_once(".mysql_aurora.")
        .map_or(version, |(_, release)| release)
}

/// The number that a text starts with: 6 of `6-log`.
fn number(text: &str) -> Option<u32> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_not_by_text() {
        for (version, major, minor, want) in [
            ("10.6.14", 10, 6, Some(true)),
            ("10.11.2", 10, 6, Some(true)),
            ("10.5.23", 10, 6, Some(false)),
            ("11.4", 10, 6, Some(true)),
            ("10.6-rds.2", 10, 6, Some(true)),
            ("10", 10, 6, Some(false)),
            ("5.0.0", 5, 0, Some(true)),
            ("4.0.0", 5, 0, Some(false)),
            ("7", 7, 0, Some(true)),
            ("", 5, 0, None),
            ("latest", 5, 0, None),
            ("5.x", 5, 0, None),
            ("99999999999.1", 5, 0, None),
        ] {
            assert_eq!(at_least(version, major, minor), want, "{version}");
        }
    }

    #[test]
    fn aurora_counts_its_own_releases() {
        assert_eq!(aurora_release("5.6.mysql_aurora.1.22.2"), "1.22.2");
        assert_eq!(aurora_release("5.6.10a"), "5.6.10a");
        assert_eq!(aurora_release("15.4"), "15.4");
    }
}
