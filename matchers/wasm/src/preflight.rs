//! What can be said of a file without compiling it: whether it is a component at all, and whole.
//!
//! The compiler would refuse these files too, in words that may change and that name no remedy.

use wasmtime::Engine;

use crate::{LoadError, limits::Limits};

/// `\0asm`.
const MAGIC: &[u8] = b"\0asm";
/// Version 1, layer 0: a core module.
const CORE: &[u8] = &[1, 0, 0, 0];
/// Version 13, layer 1: a component.
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];

/// Refuses what is no component, and what ends within a section.
pub(crate) fn check(bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
    let size = bytes.len();
    if size > limits.component_bytes {
        return Err(LoadError::TooLarge {
            size,
            limit: limits.component_bytes,
        });
    }
    if Engine::detect_precompiled(bytes).is_some() {
        return Err(LoadError::Precompiled);
    }
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(LoadError::NotWasm);
    };
    if rest.starts_with(CORE) {
        return Err(LoadError::CoreModule);
    }
    let Some(sections) = rest.strip_prefix(COMPONENT) else {
        let detail = match rest.get(..4) {
            Some(version) => format!("version {version:02x?} is not that of a component"),
            None => "it ends before its version".to_owned(),
        };
        return Err(LoadError::Invalid { detail });
    };
    whole(sections, size - sections.len(), size)
}

/// Walks over the sections: an id, a length, and so many bytes.
fn whole(mut rest: &[u8], mut at: usize, size: usize) -> Result<(), LoadError> {
    while let Some((_, after)) = rest.split_first() {
        let truncated = |end: u64| LoadError::Truncated {
            size,
            section: at,
            end,
        };
        let (length, digits) = match leb128(after) {
            Ok(found) => found,
            Err(Leb::Ends) => return Err(truncated(size as u64 + 1)),
            Err(Leb::TooLarge) => {
                return Err(LoadError::Invalid {
                    detail: format!("the section at {at} has no valid length"),
                });
            }
        };
        let taken = 1 + digits;
        let end = at as u64 + taken as u64 + u64::from(length);
        let next = usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(taken..)?.get(length..));
        match next {
            Some(next) => {
                at += rest.len() - next.len();
                rest = next;
            }
            None => return Err(truncated(end)),
        }
    }
    Ok(())
}

enum Leb {
    Ends,
    TooLarge,
}

/// An unsigned number of up to 32 bits, seven bits a byte, and how many bytes it takes.
fn leb128(bytes: &[u8]) -> Result<(u32, usize), Leb> {
    let mut value = 0_u64;
    for place in 0..5 {
        let byte = *bytes.get(place).ok_or(Leb::Ends)?;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return u32::try_from(value)
                .map(|value| (value, place + 1))
                .map_err(|_| Leb::TooLarge);
        }
    }
    Err(Leb::TooLarge)
}
