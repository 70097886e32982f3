//! `muster plugin bench`: that it measures what it says, not how fast this machine is.

use super::kit::{CRASHES, Desk};

#[test]
fn measures_the_plugin_beside_the_label_rules() {
    let desk = Desk::with(&[]);
    let args = [
        "bench",
        "wat.wasm",
        "--databases",
        "60",
        "--seconds",
        "0",
        "-o",
        "json",
    ];
    let shown = desk.json(&args);
    assert_eq!(shown["databases"], 60);
    assert_eq!(shown["plugin"], "wat 0.1.0");
    assert!(shown["database_bytes"].as_u64() > Some(500));
    assert_eq!(
        shown["verdicts"],
        serde_json::json!({ "enroll": 40, "skip": 20 })
    );
    let rows = shown["rows"].as_array().expect("rows");
    let what: Vec<_> = rows
        .iter()
        .map(|row| row["what"].as_str().expect("a text"))
        .collect();
    assert_eq!(what, ["label rules", "alone", "in batches", "in batches"]);
    for row in rows {
        let (each, ratio) = (&row["seconds_per_database"], row["ratio"].as_f64());
        assert!(each.as_f64() > Some(0.0), "{row}");
        assert!(ratio > Some(0.0), "{row}");
    }
    assert_eq!(rows[0]["ratio"], 1.0);
    assert!(shown["memory_bytes"].as_u64() >= Some(65536));
    assert!(shown["longest_seconds"].as_f64() < shown["time_limit_seconds"].as_f64());
    let text = desk
        .plugin(&["bench", "wat.wasm", "--databases", "60", "--seconds", "0"])
        .ends(0)
        .out;
    for word in [
        "label rules",
        "alone",
        "in batches, 1 thread",
        "verdicts     enroll 40, skip 20",
    ] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn says_how_many_it_fails_over() {
    let desk = Desk::with(CRASHES);
    let args = [
        "bench",
        "wat.wasm",
        "--databases",
        "12",
        "--seconds",
        "0",
        "-o",
        "json",
    ];
    assert_eq!(
        desk.json(&args)["verdicts"],
        serde_json::json!({ "enroll": 8, "panicked": 4 })
    );
}

#[test]
fn bounds_what_it_is_asked() {
    let desk = Desk::with(&[]);
    desk.plugin(&["bench", "wat.wasm", "--databases", "0"])
        .ends(64);
    desk.plugin(&["bench", "wat.wasm", "--databases", "1000001"])
        .ends(64);
    desk.plugin(&["bench", "wat.wasm", "--from-store", "--store", "nowhere"])
        .fails(&["cannot take databases from the store nowhere"]);
}
