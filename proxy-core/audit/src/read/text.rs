//! Finding a text in any case, fast enough for gigabytes.

/// A text that is looked for, in ASCII's lower or upper case.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    text: Vec<u8>,
    /// Where its rarest byte is.
    rare: usize,
}

/// Letters by how often they are in English and in what a log says, the most frequent first.
const OFTEN: &[u8] = b"\"e,_:st0rdacon1i2uml3bp45y-6789h. fgvwT";

impl Needle {
    /// None for an empty text, which is everywhere.
    pub(super) fn new(text: &[u8]) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let rank = |byte: u8| {
            OFTEN
                .iter()
                .position(|often| *often == byte)
                .unwrap_or(OFTEN.len())
        };
        let (rare, _) = text
            .iter()
            .enumerate()
            .max_by_key(|(_, byte)| rank(**byte))?;
        Some(Self { text, rare })
    }

    /// Where it is first in `text`, from `from` on.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let rare = *self.text.get(self.rare)?;
        let upper = rare.to_ascii_uppercase();
        let first = from + self.rare;
        let rest = text.get(first..)?;
        memchr::memchr2_iter(rare, upper, rest).find_map(|at| {
            let start = first + at - self.rare;
            let part = text.get(start..start + self.text.len())?;
            part.eq_ignore_ascii_case(&self.text).then_some(start)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_found_where_a_plain_search_finds_it(
            text in "[aAbBzZ\"]{0,40}",
            needle in "[aAbBzZ\"]{1,3}",
            from in 0_usize..42,
        ) {
            let lower = text.to_ascii_lowercase();
            let plain = lower.get(from..).and_then(|rest| rest.find(&needle.to_ascii_lowercase()));
            let found = Needle::new(needle.as_bytes()).and_then(|it| it.find(text.as_bytes(), from));
            prop_assert_eq!(found, plain.map(|at| at + from));
        }
    }
}
