//! Whether an answer in XML is whole.
//!
//! The SDK's reader of Query answers takes the end of the bytes for the end of the list, and passes
//! over what is not XML: half a page reads like a short one, and databases would seem to be gone.
//! So every successful answer is looked over before the SDK sees it: each element is closed by its
//! own name, and the root is that of an answer. One pass over the tags, a few microseconds for a
//! database; it does not decode anything.

use std::fmt;

use memchr::{memchr, memmem};

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It ends in the middle.
    Cut(String),
    /// It is no XML, or not an answer.
    Nonsense(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut(how) => write!(f, "the answer ended in the middle: {how}"),
            Self::Nonsense(why) => write!(f, "the answer makes no sense: {why}"),
        }
    }
}

impl std::error::Error for Broken {}

/// Whether `body` is one whole element whose name ends in `Response`.
pub(super) fn check(body: &[u8]) -> Result<(), Broken> {
    let mut open: Vec<&[u8]> = Vec::with_capacity(16);
    let mut rooted = false;
    let mut rest = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    loop {
        let (text, tag) = match memchr(b'<', rest) {
            Some(at) => rest.split_at(at),
            None => (rest, &[][..]),
        };
        if open.is_empty() && !text.iter().all(u8::is_ascii_whitespace) {
            return Err(nonsense("text outside of the root element"));
        }
        if tag.is_empty() {
            return match open.last() {
                Some(name) => Err(cut(format!("`{}` is not closed", show(name)))),
                None if !rooted => Err(cut("it is empty".to_owned())),
                None => Ok(()),
            };
        }
        rest = match tag {
            [b'<', b'?', ..] => after(tag, b"?>")?,
            [b'<', b'!', b'-', b'-', ..] => after(tag, b"-->")?,
            [b'<', b'!', b'[', ..] if !open.is_empty() => after(tag, b"]]>")?,
            [b'<', b'!', b'-'] | [b'<', b'!'] => return Err(in_markup()),
            [b'<', b'!', ..] => return Err(nonsense("a document type or a stray section")),
            [b'<', b'/', inside @ ..] => end(inside, open.pop())?,
            [_, inside @ ..] => {
                let (name, empty, rest) = start(inside)?;
                if open.is_empty() {
                    if rooted || !name.ends_with(b"Response") {
                        return Err(Broken::Nonsense(format!("`{}` is no answer", show(name))));
                    }
                    rooted = true;
                }
                if open.len() == MAX_DEPTH {
                    return Err(nonsense("it is nested too deeply"));
                }
                if !empty {
                    open.push(name);
                }
                rest
            }
            [] => return Err(in_markup()),
        };
    }
}

/// A start tag behind its `<`: its name, whether it is empty, and what follows it.
fn start(tag: &[u8]) -> Result<(&[u8], bool, &[u8]), Broken> {
    let end = tag
        .iter()
        .position(|byte| !is_named(*byte))
        .ok_or_else(in_markup)?;
    let (name, mut rest) = tag.split_at(end);
    if name.is_empty() || !matches!(rest, [b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n', ..]) {
        return Err(Broken::Nonsense(format!(
            "`{}` is no element's name",
            show(tag)
        )));
    }
    loop {
        match rest {
            [b'>', rest @ ..] => return Ok((name, false, rest)),
            [b'/', b'>', rest @ ..] => return Ok((name, true, rest)),
            [b'/'] | [] => return Err(in_markup()),
            [b'/', ..] => return Err(nonsense("a stray slash in a tag")),
            [b'<', ..] => return Err(nonsense("a tag inside a tag")),
            // A `>` in quotes ends nothing.
            [quote @ (b'"' | b'\''), value @ ..] => {
                let end = memchr(*quote, value).ok_or_else(in_markup)?;
                rest = value.get(end + 1..).unwrap_or_default();
            }
            [_, more @ ..] => rest = more,
        }
    }
}

/// An end tag behind its `</`, and what it should close: what follows it.
fn end<'a>(tag: &'a [u8], opened: Option<&[u8]>) -> Result<&'a [u8], Broken> {
    let opened = opened.ok_or_else(|| nonsense("an end without a start"))?;
    if let Some([b'>', rest @ ..]) = tag.strip_prefix(opened) {
        return Ok(rest);
    }
    let end = memchr(b'>', tag).ok_or_else(in_markup)?;
    let (name, rest) = tag.split_at(end);
    if name.trim_ascii_end() == opened {
        return Ok(rest.get(1..).unwrap_or_default());
    }
    let (opened, name) = (show(opened), show(name));
    Err(Broken::Nonsense(format!(
        "`{opened}` is closed as `{name}`"
    )))
}

/// Whether a name may hold this byte. Names beyond ASCII are not looked at more closely.
const fn is_named(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':') || byte >= 0x80
}

fn after<'a>(tag: &'a [u8], end: &[u8]) -> Result<&'a [u8], Broken> {
    let at = memmem::find(tag, end).ok_or_else(in_markup)?;
    Ok(tag.get(at + end.len()..).unwrap_or_default())
}

fn in_markup() -> Broken {
    cut("inside a tag".to_owned())
}

const fn cut(how: String) -> Broken {
    Broken::Cut(how)
}

fn nonsense(why: &str) -> Broken {
    Broken::Nonsense(why.to_owned())
}

/// A name from outside, for a message.
fn show(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..60).unwrap_or(name)).into_owned()
}

const MAX_DEPTH: usize = 200;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;
    use quick_xml::{Reader, events::Event};

    use super::*;

    const WHOLE: &str = "<?xml version=\"1.0\"?>\n<!-- > --><DescribeResponse xmlns='a>b'>\n \
        <List><Item a=\"1\">x &amp; y</Item><Item/><Empty /><![CDATA[<not a tag>]]></List >\n\
        <Größe>1</Größe></DescribeResponse>\n";

    fn cut_at(at: usize) -> Result<(), Broken> {
        check(&WHOLE.as_bytes()[..at])
    }

    #[test]
    fn a_whole_answer_passes() {
        assert_eq!(check(WHOLE.as_bytes()), Ok(()));
        assert_eq!(check(format!("\u{feff}{WHOLE}").as_bytes()), Ok(()));
        assert_eq!(check(b"<XResponse/>"), Ok(()));
    }

    #[test]
    fn an_answer_cut_anywhere_is_cut() {
        let end = WHOLE.trim_end().len();
        for at in 0..end {
            assert!(
                matches!(cut_at(at), Err(Broken::Cut(_))),
                "{at}: {:?}",
                cut_at(at)
            );
        }
        assert_eq!(cut_at(end), Ok(()));
    }

    #[test]
    fn what_is_no_answer_is_nonsense() {
        for body in [
            "Welcome to the hotel",
            "<html><body>Sign in</body></html>",
            "<!DOCTYPE html><html></html>",
            "{\"a\":1}",
            "<AResponse></BResponse>",
            "<AResponse><b></c></AResponse>",
            "<AResponse/><AResponse/>",
            "<AResponse></AResponse>trailing",
            "<AResponse></AResponse></AResponse>",
            "<AResponse><b<c/></AResponse>",
            "<AResponse><1,2></AResponse>",
            "<AResponse>< a/></AResponse>",
            "<AResponse><a/k='v'></a></AResponse>",
        ] {
            assert!(
                matches!(check(body.as_bytes()), Err(Broken::Nonsense(_))),
                "{body}"
            );
        }
        let deep = "<aResponse>".repeat(300);
        assert!(matches!(check(deep.as_bytes()), Err(Broken::Nonsense(_))));
    }

    /// What another reader thinks of it.
    fn quick_xml_accepts(body: &str) -> bool {
        let mut reader = Reader::from_str(body);
        let mut depth = 0_i64;
        loop {
            match reader.read_event() {
                Ok(Event::Start(_)) => depth += 1,
                Ok(Event::End(_)) => depth -= 1,
                Ok(Event::Eof) => return depth == 0,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    fn element() -> impl Strategy<Value = String> {
        let leaf = "[a-zA-Z]{1,8}".prop_flat_map(|name| {
            prop_oneof![
                Just(format!("<{name}/>")),
                "[a-z &&[^&]]{0,10}"
                    .prop_map(move |text| format!("<{name} k=\"v>\">{text}</{name}>")),
            ]
        });
        leaf.prop_recursive(5, 40, 5, |inner| {
            ("[a-zA-Z]{1,8}", proptest::collection::vec(inner, 0..5))
                .prop_map(|(name, inner)| format!("<{name}>{}</{name}>", inner.concat()))
        })
    }

    proptest! {
        #[test]
        fn bytes_from_outside_never_panic(body: Vec<u8>) {
            let _ = check(&body);
        }

        #[test]
        fn accepts_what_is_well_formed(inner in element()) {
            let body = format!("<AResponse>{inner}</AResponse>");
            prop_assert_eq!(check(body.as_bytes()), Ok(()));
        }

        #[test]
        fn accepts_no_more_than_another_reader(inner in element(), at: prop::sample::Index, with in "[<>/a\"]{0,2}") {
            let mut body = format!("<AResponse>{inner}</AResponse>");
            let at = at.index(body.len());
            body.replace_range(at..=at, &with);
            if check(body.as_bytes()).is_ok() {
                prop_assert!(quick_xml_accepts(&body), "{}", body);
            }
        }
    }
}
