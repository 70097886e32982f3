#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use proptest::prelude::*;

use super::{super::*, FORMATS, case, cases, everything, rendered};

#[test]
fn no_format_lets_a_hidden_character_through() {
    let plan = case("hostile");
    for (format, name) in FORMATS {
        for options in [
            Options::default(),
            Options {
                width: 40,
                ..everything()
            },
        ] {
            let text = rendered(&plan, format, &options);
            let found: Vec<_> = text
                .chars()
                .filter(|c| escape::is_hidden(*c) && !matches!(c, '\n' | '\r'))
                .collect();
            assert!(found.is_empty(), "{name}: {found:?}");
            assert!(!text.replace("\r\n", "").contains('\r'), "{name}");
            // The one line that sums it up is the report's own.
            if format == Format::Text {
                let sums: Vec<_> = text
                    .lines()
                    .filter(|line| line.starts_with("Plan:"))
                    .collect();
                assert_eq!(sums.len(), 1, "{name}: {sums:?}");
                assert_eq!(text.lines().last(), sums.first().copied());
            }
        }
    }
}

/// The page's own tags and attributes. None of them loads or runs anything.
const TAGS: [&str; 39] = [
    "a", "b", "body", "code", "dd", "del", "details", "div", "dl", "dt", "footer", "form", "h1",
    "h2", "head", "header", "html", "i", "input", "ins", "label", "li", "main", "output", "p",
    "section", "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "time", "tr",
    "ul", "script", "style",
];
const ATTRIBUTES: [&str; 15] = [
    "aria-hidden",
    "aria-label",
    "aria-live",
    "checked",
    "class",
    "data-action",
    "hidden",
    "href",
    "id",
    "open",
    "placeholder",
    "role",
    "title",
    "type",
    "value",
];

#[test]
fn html_holds_no_markup_from_outside() {
    for (folder, plan) in cases() {
        let page = rendered(&plan, Format::Html, &everything());
        assert_eq!(
            page.matches("<script").count(),
            1,
            "{}: only its own",
            folder.display()
        );
        assert_eq!(page.matches("</script").count(), 1);
        assert_eq!(page.matches("<style").count(), 1);
        let (_, body) = page.split_once("</style>").unwrap();
        let (body, _) = body.split_once("<script>").unwrap();
        for tag in body.split('<').skip(1) {
            let (tag, _) = tag
                .split_once('>')
                .unwrap_or_else(|| panic!("a tag that does not end: {tag}"));
            let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            assert!(TAGS.contains(&name.trim_start_matches('/')), "{tag}");
            while let Some((attribute, rest)) = attributes.trim_start().split_once("=\"") {
                // Those without a value stand before one that has one.
                assert!(
                    attribute.split(' ').all(|word| ATTRIBUTES.contains(&word)),
                    "{tag}"
                );
                attributes = rest.split_once('"').unwrap().1;
            }
            assert!(
                attributes
                    .split(' ')
                    .all(|word| word.is_empty() || ATTRIBUTES.contains(&word)),
                "{tag}"
            );
        }
    }
    let page = rendered(&case("hostile"), Format::Html, &everything());
    assert!(
        page.contains("&#60;script&#62;alert(1)&#60;/script&#62;"),
        "the name is there, as text"
    );
    assert!(
        page.contains("default-src 'none'; style-src 'sha256-"),
        "the policy is strict"
    );
    assert!(!page.contains("unsafe-inline"));
}

#[test]
fn html_policy_names_the_script_and_style_that_the_page_has() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let page = rendered(&case("rich"), Format::Html, &Options::default());
    for tag in ["style", "script"] {
        let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
        let (text, _) = rest.split_once(&format!("</{tag}>")).unwrap();
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(text));
        assert!(
            page.contains(&format!("{tag}-src 'sha256-{hash}'")),
            "{tag}"
        );
    }
}

#[test]
fn csv_reads_back_and_has_no_formula() {
    for (folder, plan) in cases() {
        let text = rendered(&plan, Format::Csv, &everything());
        let mut reader = csv_reader(&text);
        let headers: Vec<_> = reader
            .headers()
            .unwrap()
            .iter()
            .map(str::to_owned)
            .collect();
        assert_eq!(headers[..5], ["action", "id", "name", "kind", "protocol"]);
        let rows: Vec<_> = reader.records().map(|row| row.unwrap()).collect();
        assert_eq!(
            rows.len(),
            plan.changes.len() + plan.skipped.len(),
            "{}",
            folder.display()
        );
        for row in &rows {
            for cell in row {
                let first = cell.trim_start().chars().next();
                assert!(
                    !matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r')),
                    "{cell}"
                );
            }
        }
        for (row, change) in rows.iter().zip(&plan.changes) {
            assert_eq!(&row[0], change.action.as_str());
            assert_eq!(
                row[2].trim_start_matches('\''),
                escape::shown(&change.name).trim_start_matches('\'')
            );
            assert_eq!(
                row[7].trim_start_matches('\''),
                escape::shown(&change.reason).trim_start_matches('\'')
            );
        }
    }
}

fn csv_reader(text: &str) -> ::csv::Reader<&[u8]> {
    ::csv::Reader::from_reader(text.as_bytes())
}

proptest! {
    #[test]
    fn any_text_is_one_visible_line(text in "\\PC{0,20}|.{0,40}|[\\x00-\\x1f\\u{200b}-\\u{2069}a ]{0,20}") {
        let shown = escape::shown(&text);
        prop_assert!(!shown.chars().any(escape::is_hidden));
        prop_assert_eq!(shown.to_string(), escape::Shown(&text).to_string());
        if !text.chars().any(escape::is_hidden) {
            prop_assert_eq!(shown.as_ref(), text.as_str());
        }
    }

    #[test]
    fn any_text_is_one_csv_cell(text in ".{0,40}|[=+@\",;' \\-\\n]{0,12}") {
        let mut line = Vec::new();
        csv::row(&mut line, ["a", &text, "b"]).unwrap();
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_slice());
        let rows: Vec<_> = reader.records().map(|row| row.unwrap()).collect();
        prop_assert_eq!(rows.len(), 1);
        prop_assert_eq!(rows[0].len(), 3);
        let cell = rows[0][1].to_owned();
        let shown = escape::shown(&text);
        prop_assert_eq!(cell.strip_prefix('\'').filter(|_| cell != shown).unwrap_or(&cell), shown.as_ref());
        prop_assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']));
    }

    #[test]
    fn any_text_is_no_markdown(text in ".{0,40}|[|`*_<>@#&\\[\\]!~\\\\ :/w.]{0,20}") {
        let escaped = escape::Markdown(&text).to_string();
        let bare = escaped.replace("<!-- -->", "");
        prop_assert!(!bare.contains(['|', '`', '*', '_', '<', '>', '[', ']', '\\', '@', '~', '\n']));
        prop_assert!(!bare.contains("://"));
        prop_assert!(!bare.to_ascii_lowercase().contains("www."));
    }

    #[test]
    fn wrapping_loses_only_spaces(text in "[a-z数 ]{0,60}", limit in 1_usize..30) {
        let lines = wrap::wrap(&text, limit);
        let joined: String = lines.concat();
        let without = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
        prop_assert_eq!(without(&joined), without(&text));
        for line in lines {
            // A character of two columns in one column is all that may stand out.
            prop_assert!(wrap::width(line) <= limit.max(2), "{:?}", line);
        }
    }

    #[test]
    fn shortening_keeps_the_ends(text in "[a-z数]{0,60}", limit in 4_usize..30) {
        let short = wrap::shorten(&text, limit);
        prop_assert!(wrap::width(&short) <= limit);
        prop_assert_eq!(short.contains('…'), wrap::width(&text) > limit);
        prop_assert_eq!(short.chars().next(), text.chars().next());
        prop_assert!(text.is_empty() || short.ends_with(text.chars().next_back().unwrap()) || limit < 6);
    }
}
