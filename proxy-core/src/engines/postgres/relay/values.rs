//! Values that are bound to a statement or given to a function, decoded when the record asks for them.

use muster_audit::{Parameter, Values};

use super::super::codec::Reader;

/// The formats and values of a message, from the count of formats on.
#[derive(Clone, Copy)]
pub(super) struct Bound<'a> {
    formats: &'a [u8],
    count: u16,
    values: &'a [u8],
    /// Each value has the number of its bytes that were kept between its length and itself.
    cut: bool,
}

impl<'a> Bound<'a> {
    /// Reads what stands behind the names. `None` where it is not laid out as it should be.
    pub(super) fn read(bytes: &'a [u8], cut: bool) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let formats = reader.u16()?;
        let formats = reader.take(usize::from(formats) * 2)?;
        let count = reader.u16()?;
        Some(Self {
            formats,
            count,
            values: reader.rest(),
            cut,
        })
    }

    /// Whether the message is whole and ends where it should: behind the values stand the formats of results.
    pub(super) fn is_well_formed(&self, one_result_format: bool) -> bool {
        let mut reader = Reader::new(self.values);
        for _ in 0..self.count {
            let Some(length) = reader.i32() else {
                return false;
            };
            match usize::try_from(length) {
                Ok(length) => {
                    if reader.take(length).is_none() {
                        return false;
                    }
                }
                // NULL, and nothing else below zero.
                Err(_) if length == -1 => {}
                Err(_) => return false,
            }
        }
        let Some(formats) = reader.u16() else {
            return false;
        };
        one_result_format && reader.rest().is_empty()
            || !one_result_format && reader.rest().len() == usize::from(formats) * 2
    }

    /// Whether there is a format for each value: none for all, one for all, or one each. A server refuses all else.
    pub(super) fn fits(&self) -> bool {
        let formats = self.formats.len() / 2;
        formats <= 1 || formats == usize::from(self.count)
    }

    fn is_binary(&self, index: usize) -> bool {
        let index = if self.formats.len() == 2 { 0 } else { index };
        self.formats
            .get(index * 2 + 1)
            .is_some_and(|format| *format != 0)
    }
}

impl Values for Bound<'_> {
    fn visit(&self, see: &mut dyn FnMut(Parameter<'_>)) {
        let mut reader = Reader::new(self.values);
        for index in 0..usize::from(self.count) {
            let Some(length) = reader.i32() else { return };
            let kept = if self.cut {
                reader.u32()
            } else {
                u32::try_from(length.max(0)).ok()
            };
            let Some(bytes) = kept.and_then(|kept| reader.take(usize::try_from(kept).ok()?)) else {
                return;
            };
            let binary = self.is_binary(index);
            let length = u64::try_from(length);
            see(match length {
                Err(_) => Parameter::Null,
                Ok(length) if length > u64::try_from(bytes.len()).unwrap_or(u64::MAX) => {
                    Parameter::Cut {
                        binary,
                        prefix: bytes,
                        length,
                    }
                }
                Ok(_) if binary => Parameter::Binary(bytes),
                Ok(_) => Parameter::Text(bytes),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn seen(bytes: &[u8]) -> Vec<String> {
        let bound = Bound::read(bytes, false).unwrap();
        assert!(bound.is_well_formed(false));
        let mut seen = Vec::new();
        if bound.fits() {
            bound.visit(&mut |value| seen.push(format!("{value:?}")));
        }
        seen
    }

    #[test]
    fn formats_are_for_none_for_all_or_for_each() {
        const VALUES: &[u8] = b"\0\x03\0\0\0\x011\xff\xff\xff\xff\0\0\0\0\0\0";
        let with = |formats: &[u8]| seen(&[formats, VALUES].concat());
        assert_eq!(with(b"\0\0"), ["Text([49])", "Null", "Text([])"]);
        assert_eq!(
            with(b"\0\x01\0\x01"),
            ["Binary([49])", "Null", "Binary([])"]
        );
        assert_eq!(with(b"\0\x01\0\0"), ["Text([49])", "Null", "Text([])"]);
        assert_eq!(
            with(b"\0\x03\0\x01\0\0\0\0"),
            ["Binary([49])", "Null", "Text([])"]
        );
        assert_eq!(with(b"\0\x02\0\x01\0\0"), [""; 0]);
    }

    #[test]
    fn broken_layouts_are_noticed() {
        for bytes in [&b""[..], b"\0", b"\0\x01\0", b"\0\0\0"] {
            assert!(Bound::read(bytes, false).is_none());
        }
        for bytes in [
            &b"\0\0\0\x01"[..],
            b"\0\0\0\x01\0\0\0\x02a",
            b"\0\0\0\x01\0\0\0\x01a",
            b"\0\0\0\x01\0\0\0\x01a\0\x01\0",
            b"\0\0\0\x01\0\0\0\x01a\0\0x",
            b"\0\0\0\x01\xff\xff\xff\xfe\0\0",
            b"\0\0\0\x01\x7f\xff\xff\xff\0\0",
        ] {
            assert!(
                !Bound::read(bytes, false).unwrap().is_well_formed(false),
                "{bytes:?}"
            );
        }
    }
}
