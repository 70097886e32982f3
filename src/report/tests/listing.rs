#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::borrow::Cow;

use serde::Serialize;

use super::super::table::{Column, ListFormat, table};

#[derive(Serialize)]
struct Row {
    name: &'static str,
    found: u32,
    note: &'static str,
}

const COLUMNS: [Column<Row>; 3] = [
    Column {
        title: "name",
        wide: false,
        cell: |row| row.name.into(),
    },
    Column {
        title: "note",
        wide: true,
        cell: |row| row.note.into(),
    },
    Column {
        title: "found",
        wide: false,
        cell: |row| Cow::Owned(row.found.to_string()),
    },
];

const ROWS: [Row; 3] = [
    Row {
        name: "orders",
        found: 3,
        note: "",
    },
    Row {
        name: "数据库-long-name",
        found: 12,
        note: "=1+1",
    },
    Row {
        name: "bad\u{1b}[31m\u{202e}",
        found: 0,
        note: "a, \"b\"\nc",
    },
];

fn listed(format: ListFormat) -> String {
    let mut out = Vec::new();
    table(&COLUMNS, &ROWS, format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn columns_are_aligned_by_what_is_seen() {
    assert_eq!(
        listed(ListFormat::Table),
        "NAME                   FOUND\n\
         orders                 3\n\
         数据库-long-name       12\n\
         bad\\u{1b}[31m\\u{202e}  0\n"
    );
    assert_eq!(
        listed(ListFormat::Wide),
        "NAME                   NOTE       FOUND\n\
         orders                            3\n\
         数据库-long-name       =1+1       12\n\
         bad\\u{1b}[31m\\u{202e}  a, \"b\"\\nc  0\n"
    );
}

#[test]
fn machines_get_every_column_or_the_rows_themselves() {
    assert_eq!(
        listed(ListFormat::Csv),
        "name,note,found\r\norders,,3\r\n数据库-long-name,'=1+1,12\r\n\
         bad\\u{1b}[31m\\u{202e},\"a, \"\"b\"\"\\nc\",0\r\n"
    );
    assert_eq!(
        listed(ListFormat::Name),
        "orders\n数据库-long-name\nbad\\u{1b}[31m\\u{202e}\n"
    );
    let json = listed(ListFormat::Json);
    assert!(!json.contains(['\u{1b}', '\u{202e}']));
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows[2]["name"], "bad\u{1b}[31m\u{202e}");
    assert_eq!(rows[1]["found"], 12);
    let yaml = listed(ListFormat::Yaml);
    assert!(!yaml.contains(['\u{1b}', '\u{202e}']));
    let rows: serde_json::Value = serde_yaml::from_str(&yaml).unwrap();
    assert_eq!(rows[0]["name"], "orders");
    assert_eq!(rows[2]["name"], "bad\\u{1b}[31m\\u{202e}");
}

#[test]
fn no_rows_are_an_empty_list() {
    let empty = |format| {
        let mut out = Vec::new();
        table(&COLUMNS, &[] as &[Row], format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(empty(ListFormat::Json), "[]\n");
    assert_eq!(empty(ListFormat::Yaml), "[]\n");
    assert_eq!(empty(ListFormat::Name), "");
    assert_eq!(empty(ListFormat::Table), "NAME  FOUND\n");
}
