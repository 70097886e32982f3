//! Texts that people wrote in many ways.

use std::borrow::Cow;

/// Small letters and digits of any script, with one hyphen for everything between them: `Team Payments (EU)` is
/// `team-payments-eu`. For names and for values that are to be compared.
pub fn slug(text: &str) -> Cow<'_, str> {
    let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut last = b'-';
    let done = !text.is_empty()
        && text.bytes().all(|byte| {
            let good = fit(byte) || (byte == b'-' && last != b'-');
            last = byte;
            good
        })
        && last != b'-';
    if done || text.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut slug = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() {
            slug.extend(c.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    if slug.ends_with('-') {
        slug.pop();
    }
    Cow::Owned(slug)
}

/// Cut to so many bytes, at a character.
pub fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

/// A number that only depends on the text, on every machine and in every version (FNV-1a, 64 bits): for suffixes that
/// tell equal names apart. No secret, and no protection against somebody who looks for two texts with one number.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Whether only muster may write labels with this key. A verdict that does is not followed.
pub fn is_reserved(key: &str) -> bool {
    const DERIVED: &[&str] = &[
        "account-id",
        "endpoint-type",
        "engine",
        "engine-version",
        "region",
        "replication-role",
        "resource-group",
        "source-server",
        "subscription-id",
        "vpc-id",
    ];
    const PREFIXES: &[&str] = &[
        "muster/",
        "teleport.dev/",
        "teleport.internal/",
        "teleport.hidden/",
    ];
    DERIVED.contains(&key)
        || PREFIXES.iter().any(|prefix| {
            key.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_what_names_are_made_of() {
        for (text, wanted) in [
            ("", ""),
            ("prod", "prod"),
            ("Prod", "prod"),
            ("Team Payments (EU)", "team-payments-eu"),
            ("a--b", "a-b"),
            ("-a-", "a"),
            ("__", ""),
            ("Straße 7", "straße-7"),
        ] {
            assert_eq!(slug(text), wanted, "{text}");
        }
        assert!(matches!(slug("orders-prod-2"), Cow::Borrowed(_)));
    }

    #[test]
    fn cuts_are_between_characters() {
        assert_eq!(cut("Straße", 5), "Stra");
        assert_eq!(cut("Straße", 6), "Straß");
        assert_eq!(cut("abc", 9), "abc");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // http://www.isthe.com/chongo/tech/comp/fnv/: FNV-1a, 64 bits.
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
    }
}
