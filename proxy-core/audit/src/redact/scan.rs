//! The ways in which the rules read bytes.
//!
//! A statement is read on the thread that carries everybody's sessions, and whoever sends it chooses what is in it. So no rule
//! may read the same bytes again for every word that it finds, and what is read is counted where tests can see it.

#[cfg(test)]
thread_local! {
    static SEEN: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Counts bytes or tokens that were read. Nothing outside of tests.
pub(super) fn seen(count: usize) {
    #[cfg(test)]
    SEEN.set(SEEN.get() + count as u64);
    #[cfg(not(test))]
    let _ = count;
}

/// What was read since this was last asked.
#[cfg(test)]
pub(super) fn take_seen() -> u64 {
    SEEN.take()
}

/// How many bytes at the beginning of `text` are such.
pub(super) fn span(text: &[u8], is: impl Fn(u8) -> bool) -> usize {
    let len = text
        .iter()
        .position(|byte| !is(*byte))
        .unwrap_or(text.len());
    seen(len + 1);
    len
}

/// Where `part` is first in `text`.
pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let found = memchr::memmem::find(text, part);
    seen(found.unwrap_or(text.len()) + part.len());
    found
}

/// Where `word`, in lower case, is first in `text`, in any case.
pub(super) fn position(text: &[u8], word: &[u8]) -> Option<usize> {
    // By the letter of the word that texts have least of.
    let rare = word.iter().position(|byte| b"wfk_".contains(byte));
    let offset = rare.unwrap_or(0);
    let letter = *word.get(offset)?;
    let rest = text.get(offset..)?;
    let found = memchr::memchr2_iter(letter, letter.to_ascii_uppercase(), rest).find(|at| {
        let part = text.get(*at..*at + word.len());
        part.is_some_and(|part| part.eq_ignore_ascii_case(word))
    });
    seen(found.unwrap_or(text.len()) + word.len());
    found
}

pub(super) fn contains(text: &[u8], word: &[u8]) -> bool {
    position(text, word).is_some()
}
