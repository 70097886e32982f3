//! Text from outside, made fit for a report: one line, bounded, without credentials.
//!
//! Providers echo what they were sent: a signature error quotes the whole signed request with its
//! session token, and a proxy error quotes the proxy's URL with its password. So every text goes
//! through [`one_line`]. It is a net, not a promise: secrets are not put into errors knowingly.

use crate::error::MAX_MESSAGE;

/// `text` on one line, without control characters, without what looks like a credential, and at
/// most [`MAX_MESSAGE`] bytes long (`...` marks a cut).
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(MAX_MESSAGE));
    let mut hide = Hide::No;
    // Words beyond this could not be shown anyway; texts from outside may be megabytes long.
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if line.len() > MAX_MESSAGE {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        if hide.hides(word) {
            line.push_str(HIDDEN);
            hide = Hide::No;
            continue;
        }
        hide = Hide::after(word);
        push_word(&mut line, word);
    }
    if line.len() > MAX_MESSAGE {
        let mut end = MAX_MESSAGE - "...".len();
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push_str("...");
    }
    line
}

/// The error and its sources, `: ` between them, without a source that its parent already quotes.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let own = error.to_string();
        if !own.is_empty() && !text.contains(&own) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&own);
        }
        if text.len() > 4 * MAX_MESSAGE {
            break;
        }
        next = error.source();
    }
    text
}

/// Adds `word`, with the values of secret keys, passwords in URLs and token-like runs hidden.
fn push_word(line: &mut String, word: &str) {
    let mut rest = word;
    while !rest.is_empty() {
        // A word may hold several `key=value`: a query, a header list, a form.
        let (part, separator, tail) = match rest.find(['&', ',', ';', '?']) {
            Some(at) => {
                let (part, tail) = rest.split_at(at);
                let mut tail = tail.chars();
                (part, tail.next(), tail.as_str())
            }
            None => (rest, None, ""),
        };
        push_part(line, part);
        line.extend(separator);
        rest = tail;
    }
}

fn push_part(line: &mut String, part: &str) {
    if let Some((scheme, rest)) = part.split_once("://")
        && let Some((_, host)) = rest
            .split('/')
            .next()
            .and_then(|authority| authority.rsplit_once('@'))
    {
        let path = rest
            .find('/')
            .and_then(|at| rest.get(at..))
            .unwrap_or_default();
        line.push_str(scheme);
        line.push_str("://");
        line.push_str(HIDDEN);
        line.push('@');
        line.push_str(host);
        line.push_str(path);
        return;
    }
    if let Some(at) = part.find(['=', ':'])
        && let (key, value) = part.split_at(at)
        && is_secret_key(key)
        && value.len() > 1
    {
        line.push_str(key);
        line.push_str(value.get(..1).unwrap_or_default());
        line.push_str(HIDDEN);
        return;
    }
    if looks_like_token(part) {
        line.push_str(HIDDEN);
        return;
    }
    line.push_str(part);
}

/// Whether the next word is a credential.
#[derive(Clone, Copy)]
enum Hide {
    No,
    /// Unless it is too short to be one: "expired token: renew it" is prose.
    IfLong,
    /// A password may be short.
    Always,
}

impl Hide {
    fn hides(self, word: &str) -> bool {
        match self {
            Self::No => false,
            Self::IfLong => word.len() >= 16,
            Self::Always => !is_scheme(word),
        }
    }

    fn after(word: &str) -> Self {
        let Some(key) = word.strip_suffix([':', '=']) else {
            return if is_scheme(word) {
                Self::IfLong
            } else {
                Self::No
            };
        };
        let key = normal_key(key);
        if ["authorization", "password", "passwd", "secret"]
            .iter()
            .any(|end| key.ends_with(end))
        {
            Self::Always
        } else if is_secret_key(&key) {
            Self::IfLong
        } else {
            Self::No
        }
    }
}

/// `Bearer`, `Basic`: what follows is a credential.
fn is_scheme(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
}

fn is_secret_key(key: &str) -> bool {
    let key = normal_key(key);
    SECRET_KEYS.iter().any(|secret| key.ends_with(secret))
}

fn normal_key(key: &str) -> String {
    key.trim_matches(|c: char| !c.is_ascii_alphanumeric())
        .to_ascii_lowercase()
        .replace(['-', '_'], "")
}

/// A run of base64 or the like that nobody reads, but a thief: session tokens, JWTs, encoded
/// authorization messages.
fn looks_like_token(part: &str) -> bool {
    let jwt = part.len() > 40 && part.trim_start_matches(['"', '\'']).starts_with("eyJ");
    jwt || (part.len() >= 100
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+/=_-.%\"'".contains(&b)))
}

const HIDDEN: &str = "(hidden)";

/// Ends of keys whose values are secret; lower case, without `-` and `_`.
const SECRET_KEYS: [&str; 11] = [
    "authorization",
    "token",
    "password",
    "passwd",
    "secret",
    "signature",
    "secretaccesskey",
    "secretkey",
    "assertion",
    "apikey",
    "cookie",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hides_credentials_and_keeps_the_rest() {
        let long = "A".repeat(150);
        let table: &[(&str, &str)] = &[
            ("two\r\n  lines\tof \u{7}text ", "two lines of text"),
            (
                "x-amz-security-token:IQoJb3JpZ2luX2VjE",
                "x-amz-security-token:(hidden)",
            ),
            (
                "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830, Signature=5d672d",
                "Authorization: (hidden) Credential=AKIDEXAMPLE/20150830, Signature=(hidden)",
            ),
            (
                "authorization: Bearer abcdefgh.abcdefgh",
                "authorization: Bearer (hidden)",
            ),
            (
                "proxy http://user:pa%40ss@proxy.internal:3128/x refused",
                "proxy http://(hidden)@proxy.internal:3128/x refused",
            ),
            (
                "POST /?a=1&X-Amz-Security-Token=abc&b=2",
                "POST /?a=1&X-Amz-Security-Token=(hidden)&b=2",
            ),
            (
                "{\"client_secret\":\"s3cr3t\"}",
                "{\"client_secret\":(hidden)",
            ),
            (&long, "(hidden)"),
            (
                "User: arn:aws:sts::111111111111:assumed-role/a/b is not authorized to perform: x:Y",
                "User: arn:aws:sts::111111111111:assumed-role/a/b is not authorized to perform: x:Y",
            ),
            (
                "ExpiredToken: The security token included",
                "ExpiredToken: The security token included",
            ),
            (
                "the security token included in the request is invalid",
                "the security token included in the request is invalid",
            ),
        ];
        for (text, want) in table {
            assert_eq!(one_line(text), *want, "{text}");
        }
    }

    #[test]
    fn names_each_source_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot ask: refused")]
        struct Outer(#[source] std::io::Error);
        let inner = std::io::Error::other("refused");
        assert_eq!(chain(&Outer(inner)), "cannot ask: refused");
    }

    proptest! {
        #[test]
        fn is_one_bounded_line(text in "\\PC*|(\\s|.){0,2000}") {
            let line = one_line(&text);
            prop_assert!(line.len() <= MAX_MESSAGE);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert_eq!(one_line(&line), line);
        }

        #[test]
        fn never_shows_the_value_of_a_token(value in "[A-Za-z0-9+/]{16,80}", key in "[Xx]-[Aa]mz-[Ss]ecurity-[Tt]oken|[Pp]assword|client_secret|clientSecret") {
            let line = one_line(&format!("a {key}={value} b {key}: {value}"));
            prop_assert!(!line.contains(&value), "{}", line);
        }
    }
}
