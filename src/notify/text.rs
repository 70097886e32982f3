//! What a receiver said, made fit to be shown: its first line, without secrets and control characters.

/// How much of an answer is looked at.
pub(super) const MAX_READ: usize = 4096;
/// How many characters of it are shown.
const MAX_SHOWN: usize = 200;
/// Shorter secrets are not looked for: they would be found everywhere.
const MIN_SECRET: usize = 4;

/// The first line that is not blank; none when there is none. Where a secret is repeated in it, that is left
/// out.
pub(super) fn first_line(bytes: &[u8], secrets: &[String]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let mut line = line.to_owned();
    for secret in secrets {
        if secret.len() >= MIN_SECRET {
            line = line.replace(secret.as_str(), "[secret]");
        }
    }
    let mut shown = String::new();
    for char in line.chars() {
        if shown.chars().count() == MAX_SHOWN {
            shown.push('…');
            break;
        }
        // What changes the direction of text is no control character, and as misleading.
        let misleading = matches!(char, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        if char.is_control() || misleading {
            shown.push('\u{FFFD}');
        } else {
            shown.push(char);
        }
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_one_line_without_what_could_mislead() {
        let shown = |text: &str| first_line(text.as_bytes(), &["hunter22".to_owned()]);
        assert_eq!(shown(""), None);
        assert_eq!(shown(" \r\n\t\n"), None);
        assert_eq!(shown("\n  no\nmore").as_deref(), Some("no"));
        assert_eq!(
            shown("a\u{1b}[31mb\u{202e}c").as_deref(),
            Some("a\u{FFFD}[31mb\u{FFFD}c")
        );
        assert_eq!(
            shown("got hunter22, wanted other").as_deref(),
            Some("got [secret], wanted other")
        );
        let long = shown(&"x".repeat(5000)).unwrap_or_default();
        assert_eq!(long.chars().count(), MAX_SHOWN + 1);
        assert_eq!(
            first_line(b"\xff\xfe", &[]).as_deref(),
            Some("\u{FFFD}\u{FFFD}")
        );
    }
}
