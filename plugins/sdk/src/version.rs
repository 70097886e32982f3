//! [`Version`]: an engine's version, to be compared.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// Up to four numbers: `15.4` is 15.4.0.0, and `8.0.mysql_aurora.3.04.0` is 8.0.0.0. What comes after the first part
/// that is no number does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version([u32; 4]);

// === impl Version ===

impl Version {
    /// None for a text that does not begin with a number.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = [0; 4];
        let mut any = false;
        for (number, part) in numbers.iter_mut().zip(text.trim().split('.')) {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            match part.get(..digits).and_then(|digits| digits.parse().ok()) {
                Some(value) => *number = value,
                None => break,
            }
            any = true;
            if digits < part.len() {
                break;
            }
        }
        any.then_some(Self(numbers))
    }

    /// The first number: of `15.4` it is 15.
    pub const fn major(self) -> u32 {
        let [major, ..] = self.0;
        major
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, fourth] = self.0;
        write!(f, "{first}.{second}")?;
        match (third, fourth) {
            (0, 0) => Ok(()),
            (third, 0) => write!(f, ".{third}"),
            (third, fourth) => write!(f, ".{third}.{fourth}"),
        }
    }
}

/// From a text or a whole number. `5.10` without quotes is a number that has lost its last digit, and refused.
impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Version;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a version, in quotes if it has a point: \"8.0\"")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Version, E> {
                u32::try_from(number)
                    .map(|major| Version([major, 0, 0, 0]))
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Version, E> {
                Version::parse(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let version = |text| Version::parse(text).unwrap();
        for (less, more) in [
            ("9.6", "10"),
            ("5.9", "5.10"),
            ("15.4", "15.4.1"),
            ("5.7.mysql_aurora.2.11.2", "8.0.mysql_aurora.3.04.0"),
            ("11.22-rds.20240418", "11.23"),
        ] {
            assert!(version(less) < version(more), "{less} {more}");
        }
        for (one, other) in [
            ("15", "15.0"),
            ("8.0.mysql_aurora.3.04.0", "8"),
            ("15.4-R2", "15.4"),
        ] {
            assert_eq!(version(one), version(other));
        }
        for none in ["", "latest", "-1", ".5", "99999999999"] {
            assert_eq!(Version::parse(none), None, "{none}");
        }
    }

    #[test]
    fn versions_are_shown_shortly() {
        for (text, shown) in [
            ("15", "15.0"),
            ("15.4", "15.4"),
            ("5.0.1", "5.0.1"),
            ("1.2.0.4", "1.2.0.4"),
        ] {
            assert_eq!(Version::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_version_that_lost_a_digit_is_refused() {
        let read = |json| {
            let value = crate::json::parse(json).unwrap();
            Version::deserialize(value).map_err(|error| error.to_string())
        };
        assert_eq!(read("13").unwrap(), Version([13, 0, 0, 0]));
        assert_eq!(read("\"5.10\"").unwrap(), Version([5, 10, 0, 0]));
        assert!(read("5.10").unwrap_err().contains("in quotes"));
        assert!(read("\"new\"").is_err());
    }
}
