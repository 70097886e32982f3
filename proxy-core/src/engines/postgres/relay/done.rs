//! How what was asked ended, as the database says it.

use muster_audit::{Failure, Micros, Outcome};

/// How what is first in the queue ended, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) at: Micros,
    /// Of all statements of a Query together.
    rows: Option<u64>,
    pub(super) last_rows: Option<u64>,
    tag: Vec<u8>,
    pub(super) failed: bool,
    code: Vec<u8>,
    text: Vec<u8>,
}

impl Done {
    pub(super) fn complete(&mut self, tag: &[u8], at: Micros) {
        self.at = at;
        self.tag.clear();
        self.tag.extend_from_slice(tag);
        self.last_rows = rows(tag);
        if let Some(rows) = self.last_rows {
            self.rows = Some(self.rows.unwrap_or(0).saturating_add(rows));
        }
    }

    pub(super) fn fail(&mut self, code: &[u8], text: &[u8], at: Micros) {
        self.at = at;
        self.failed = true;
        self.code.clear();
        self.code.extend_from_slice(code.get(..5).unwrap_or(code));
        self.text.clear();
        self.text.extend_from_slice(text);
    }

    pub(super) fn outcome(&self, since: Micros) -> Outcome<'_> {
        Outcome {
            rows: self.rows,
            tag: &self.tag,
            duration_us: self.at.since(since),
            error: self.failed.then_some(Failure {
                code: &self.code,
                message: &self.text,
            }),
        }
    }

    pub(super) fn clear(&mut self) {
        self.rows = None;
        self.last_rows = None;
        self.failed = false;
        self.tag.clear();
        self.code.clear();
        self.text.clear();
    }
}

/// The number at the end of a command's tag: `INSERT 0 5`, `SELECT 5`.
fn rows(tag: &[u8]) -> Option<u64> {
    let digits = tag
        .rsplit(|byte| *byte == b' ')
        .next()
        .filter(|digits| digits.len() < tag.len())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// How a message ended that the server passed over.
pub(super) const SKIPPED: Outcome<'static> = Outcome {
    rows: None,
    tag: b"",
    duration_us: 0,
    error: Some(Failure {
        code: b"skipped",
        message: b"not executed: an earlier message of the pipeline failed",
    }),
};

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn rows_are_the_number_at_the_end() {
        for (tag, expected) in [
            (&b"SELECT 5"[..], Some(5)),
            (b"INSERT 0 12", Some(12)),
            (b"COPY 0", Some(0)),
            (b"CREATE TABLE", None),
            (b"BEGIN", None),
            (b"5", None),
            (b"SELECT 99999999999999999999999", None),
            (b"", None),
        ] {
            assert_eq!(rows(tag), expected, "{}", tag.escape_ascii());
        }
    }
}
