//! The table of `fixtures/audit/redaction`: a file is a case. `case.sql` holds the statement, a line `-- =>` and what may
//! be read of it; a first line `-- cut` says that the statement is only the beginning of one, `-- bound` that what is
//! bound to it is masked though nothing in it is, `-- value` that it is bound itself. Every secret in the files has `hunter` in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{fs, path::Path};

use proptest::prelude::*;

use super::*;

fn cases() -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/audit/redaction");
    let mut cases = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        cases.push((name, fs::read_to_string(&path).unwrap()));
    }
    cases.sort();
    assert!(cases.len() > 10);
    cases
}

struct Case<'a> {
    text: &'a str,
    expected: &'a str,
    cut: bool,
    bound: bool,
    value: bool,
}

impl Case<'_> {
    /// What may be read of the beginning of it, and whether it is sensitive.
    fn read(&self, text: &str, cut: bool) -> (String, bool) {
        let (shown, sensitive) = if self.value {
            let shown = value(text.as_bytes(), cut);
            let masked = matches!(shown, Cow::Owned(_));
            (shown, masked)
        } else {
            let redacted = statement(text.as_bytes(), cut, false);
            (redacted.text, redacted.sensitive == Sensitive::Yes)
        };
        (String::from_utf8_lossy(&shown).into_owned(), sensitive)
    }
}

fn case(file: &str) -> Case<'_> {
    let (mut text, expected) = file.split_once("\n-- =>\n").expect("a line `-- =>`");
    let mut flag = |name: &str| match text.strip_prefix(name) {
        Some(rest) => {
            text = rest;
            true
        }
        None => false,
    };
    let (cut, bound, value) = (flag("-- cut\n"), flag("-- bound\n"), flag("-- value\n"));
    Case {
        text,
        expected: expected.trim_end_matches('\n'),
        cut,
        bound,
        value,
    }
}

#[test]
fn secrets_are_taken_out_and_nothing_else() {
    let mut wrong = String::new();
    for (name, file) in cases() {
        let case = case(&file);
        let (shown, said) = case.read(case.text, case.cut);
        let sensitive = case.bound || case.text != case.expected;
        if shown != case.expected || said != sensitive {
            wrong += &format!(
                "== {name}\nexpected {} ({sensitive})\ngot      {shown} ({said})\n",
                case.expected
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Cases with a secret whose column is named behind it.
const BEFORE_THEIR_NAME: [&str; 2] = ["expression-joined.sql", "expression-name-after.sql"];

/// Wherever a statement is cut off, and whether or not the reader knows it, no piece of a secret is left.
#[test]
fn a_statement_that_is_cut_anywhere_keeps_its_secret() {
    for (name, file) in cases() {
        let case = case(&file);
        for end in 0..=case.text.len() {
            let Some(part) = case.text.get(..end) else {
                continue;
            };
            // A secret that is put into a variable long before it is used cannot be told from any other text, and one whose
            // column is named behind it neither.
            if name == "postgres-concatenated.sql" && !part.contains("PASSWORD")
                || BEFORE_THEIR_NAME.contains(&&*name) && end < case.text.len()
            {
                continue;
            }
            let (shown, _) = case.read(part, true);
            assert!(!shown.contains("hunter"), "{name}, cut at {end}: {shown}");
        }
    }
}

/// How much longer the long text is of the two whose costs are compared. Odd, so that as many quotes are open at the end.
const LONGER: usize = 31;

/// A text that is so much longer takes so much longer to read, or some times that, and not the square of it: it is read on
/// the thread that carries all sessions.
const LINEAR: u64 = 3 * LONGER as u64;

/// What it costs to read a text of this form when it is long, in what it costs when it is short.
fn growth(start: &str, first: &str, between: &str, second: &str) -> u64 {
    let cost = |times: usize| {
        let many = |unit: &str| unit.repeat(times * 256_usize.div_ceil(unit.len()));
        let text = [start, &many(first), between, &many(second)].concat();
        scan::take_seen();
        statement(text.as_bytes(), true, true);
        value(text.as_bytes(), true);
        scan::take_seen().max(1)
    };
    let short = cost(1);
    cost(LONGER) / short
}

#[test]
fn a_hostile_text_costs_no_more_than_its_length() {
    let hostile = [
        ("select '", "://", "", "://"),
        ("select '", "://u:p", "?", "@://"),
        ("", "password for ", "", "x "),
        ("", "password for ", "= ", "'a' "),
        ("", "password for ", "= ", "= "),
        ("alter user u ", "password=1,", "", "password:$x"),
        ("select 'set ", "password ", "", "as "),
        ("select 'set ", "identified by ", "$", "a"),
        ("select 'set ", "password ", "$", "a"),
        ("insert into t (", "password,", ") values (", "1,"),
        ("insert into t (", "password,", ") values (", "?,"),
        ("select $a$", "password", "''''", "'"),
        ("select 'password=", "'", "x", "password='"),
        ("alter user u ", "password /**/", "'a'", "|"),
        ("select password = ", "(", "'password'", ", $1)"),
        ("select password = ", "('password', ", "$1", ")"),
        ("select ", "f('password', $1, ", "'a'", ")"),
        ("select ", "'password=' || ", "(", "'a',"),
        ("select ", "'a' ", "", "'pass' || "),
        ("select E'", "\\x7", "", "\\x70"),
        ("select U&'password", "\\0070", "", "!+000070"),
        ("select ", "'%77' || ", "://u:%", "'\\x77'\n"),
        ("select ", "' --", "\n", "' "),
        ("select 'password' ", "'|", "\n", "-"),
        ("select ", "case when password = ", "'a'", " end"),
        (
            "insert into t (password) ",
            "select 'a', ",
            "",
            "insert into t (password) select $1 ",
        ),
    ];
    for (start, first, between, second) in hostile {
        let growth = growth(start, first, between, second);
        assert!(
            growth < LINEAR,
            "{growth}: {start}{first}...{between}{second}..."
        );
    }
}

#[test]
fn literals_become_placeholders_and_one_fingerprint() {
    let mask = |text: &str| {
        let redacted = statement(text.as_bytes(), false, true);
        (
            String::from_utf8_lossy(&redacted.text).into_owned(),
            redacted.fingerprint.unwrap(),
        )
    };
    let (text, one) =
        mask("SELECT  * FROM t WHERE a = 'x''y' AND b IN (1, 2.5e-3) AND c = $$z$$ -- bob");
    assert_eq!(
        text,
        "SELECT  * FROM t WHERE a = ? AND b IN (?, ?) AND c = ? ?"
    );
    let (_, two) = mask("select * from T\nwhere a = E'\\'' and b in (7) and c = $1");
    assert_eq!(one, two);
    let (_, three) = mask("select * from t where a = 'x'");
    assert_ne!(one, three);
    let (text, _) = mask(r"select 'a\' or b = 'secret'");
    assert!(!text.contains("secret"), "{text}");
}

/// What a hostile text repeats.
fn hostile_unit() -> impl Strategy<Value = String> {
    let pieces = vec![
        "password",
        "PASSWD",
        "pwd",
        "identified by",
        "secret_key",
        "secret_",
        "session_token",
        "insert",
        "values",
        "user",
        "set",
        "for",
        "to",
        "as",
        "by",
        "null",
        "case",
        "end",
        "and",
        "in",
        "select",
        "'password='",
        "\\x77",
        "\\0070",
        "%70",
        "U&'",
        "U&\"",
        "uescape",
        "'password'",
        "[",
        "]",
        "://",
        "u:p",
        "@",
        "/",
        "?",
        "'",
        "''",
        "\"",
        "`",
        "\\",
        "$",
        "$a$",
        "$$",
        "$1",
        ":x",
        "=",
        ":",
        "(",
        ")",
        ",",
        ";",
        "|",
        "+",
        "--",
        "/*",
        "*/",
        "/*!",
        "\n",
        " ",
        " ",
        " ",
        "1",
        "1e",
        ".",
        "0x1",
        "x",
        "{",
        "}",
        "E'",
        "#",
        "\u{e9}",
    ];
    proptest::collection::vec(proptest::sample::select(pieces), 1..6)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Nothing that anybody sends makes it fall over, and what is left out is all that is left out.
    #[test]
    fn any_bytes_are_read(
        bytes in proptest::collection::vec(
            prop_oneof![
                Just(b"password".to_vec()), Just(b" '".to_vec()), Just(b"\\".to_vec()), Just(b"$a$".to_vec()),
                Just(b"identified by ".to_vec()), Just(b"://u:p@".to_vec()), Just(b"alter role ".to_vec()),
                Just(b"/*".to_vec()), Just(b"*/".to_vec()), Just(b"=".to_vec()), Just(b"''".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..6),
            ],
            0..40,
        ),
        cut: bool,
        mask: bool,
    ) {
        let text = bytes.concat();
        prop_assert!(value(&text, cut).len() <= text.len() * 3 + 3);
        let redacted = statement(&text, cut, mask);
        prop_assert!(redacted.text.len() <= text.len() * 3 + 3);
        if look(&text) == Look::Nothing {
            prop_assert_eq!(redacted.sensitive, Sensitive::No);
        }
    }

    /// Whatever a text is made of, it is not read again and again.
    #[test]
    fn any_text_costs_no_more_than_its_length(
        start in prop_oneof![
            Just(""), Just("alter user u "), Just("select 'set "), Just("select $$set "), Just("insert into t ("),
            Just("select 'password=\""), Just("identified by "), Just("do $$ begin execute 'set "),
        ],
        first in hostile_unit(),
        between in prop_oneof![
            Just(""), Just("="), Just(") values ("), Just(" to "), Just("$"), Just("'"), Just("''"), Just("\""), Just("@"),
            Just("?"), Just("$$"), Just("*/"), Just(";"),
        ],
        second in hostile_unit(),
    ) {
        let growth = growth(start, &first, between, &second);
        prop_assert!(growth < LINEAR, "{growth}");
    }

    /// The quick look passes nothing that the rules would find.
    #[test]
    fn the_quick_look_misses_nothing(
        pieces in proptest::collection::vec("[a-zA-Z '=:/@$_;]{0,8}|PassWord|pwd|IDENTIFIED|secret_access_key|://u:p@h|session_token", 0..12),
    ) {
        let text = pieces.concat();
        let all = rules::find(text.as_bytes(), false, true);
        if all.bound || !all.masks.is_empty() {
            let mut seen = find(text.as_bytes(), false).expect("something to be found").masks;
            let mut all = all.masks;
            seen.sort_by_key(|part| (part.start, part.end));
            all.sort_by_key(|part| (part.start, part.end));
            prop_assert_eq!(seen, all, "{}", text);
        }
    }

    #[test]
    fn a_password_in_any_literal_is_gone(secret in "hunter[a-z0-9'$\\\\]{0,12}", role in "[a-z]{1,8}") {
        let quoted = format!("'{}'", secret.replace('\'', "''"));
        let escaped = format!("E'{}'", secret.replace('\\', "\\\\").replace('\'', "\\'"));
        let dollars = format!("$tag${secret}$tag$");
        for literal in [quoted, escaped, dollars] {
            for text in [
                format!("ALTER ROLE {role} PASSWORD {literal}"),
                format!("create user {role} with login encrypted password/* x */\n{literal} valid until 'infinity'"),
                format!("CREATE USER MAPPING FOR {role} SERVER s OPTIONS (user 'u', password {literal})"),
            ] {
                let redacted = statement(text.as_bytes(), false, false);
                let shown = String::from_utf8_lossy(&redacted.text).into_owned();
                prop_assert!(!shown.contains("hunter"), "{} -> {}", text, shown);
                prop_assert_eq!(redacted.sensitive, Sensitive::Yes);
            }
        }
    }
}
