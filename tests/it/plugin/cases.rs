//! `muster plugin test`.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use super::kit::{COUNTS, CRASHES, Desk, REFUSES, golden, steady};

const FOUR: &str = "\
# What the plugin of component text is to say.
settings: { a: 1 }
cases:
  - name: postgres is enrolled
    database: { name: orders }
    expect:
      enroll:
        labels: { by: wat, env: }
  - name: another label
    database: { name: orders }
    expect:
      enroll:
        labels: { by: hand }   # by whom?
        reason: postgres
  # The reason counts.
  - name: 'mysql <is> \"skipped\" #1'
    settings: { b: 2 }
    database: { protocol: mysql }
    expect: { skip: too old }
  - name: from a file
    file: dbs/redis.json
    expect: skip
";

fn desk(replace: &[(&str, &str)]) -> Desk {
    let desk = Desk::with(replace);
    fs::create_dir(desk.path("dbs")).expect("made");
    desk.write("dbs/redis.json", r#"[{"kind": "elasticache"}]"#);
    desk
}

#[test]
fn says_which_cases_fail_and_how() {
    let desk = desk(&[]);
    desk.write("tests.yaml", FOUR);
    for (format, file) in [
        ("text", "test.txt"),
        ("junit", "test.xml"),
        ("tap", "test.tap"),
    ] {
        let ended = desk.plugin(&["test", "wat.wasm", "-o", format]).ends(1);
        assert_eq!(ended.err, "");
        golden(file, &steady(&ended.out));
    }
}

/// Readers of others: the XML by Python's parser, the YAML in TAP by ours.
#[test]
fn what_others_read_is_well_formed() {
    let desk = desk(&[]);
    desk.write("tests.yaml", FOUR);
    let xml = desk
        .plugin(&["test", "wat.wasm", "-o", "junit"])
        .ends(1)
        .out;
    desk.write("out.xml", xml);
    let program = "import xml.etree.ElementTree as e; r = e.parse('out.xml').getroot()\n\
                   print(r.get('tests'), r.get('failures'), [c.get('name') for c in r.iter('testcase') if c.find('failure') is not None])";
    let read = Command::new("python3")
        .args(["-c", program])
        .current_dir(desk.path(""))
        .output();
    let read = String::from_utf8(read.expect("python3").stdout).expect("UTF-8");
    assert_eq!(read, "5 2 ['another label', 'mysql <is> \"skipped\" #1']\n");
    let tap = desk.plugin(&["test", "wat.wasm", "-o", "tap"]).ends(1).out;
    let blocks: Vec<serde_yaml::Value> = tap
        .split("  ---\n")
        .skip(1)
        .map(|rest| rest.split("  ...\n").next().expect("an end"))
        .map(|block| serde_yaml::from_str(block).expect("YAML"))
        .collect();
    assert_eq!(blocks.len(), 2);
    assert_eq!(blocks[0]["at"], "tests.yaml:9");
    let particulars = blocks[1]["particulars"].as_str().expect("a text");
    assert!(particulars.contains("- skip: too old\n"), "{particulars}");
    assert!(
        particulars.contains("+ skip: not postgres\n"),
        "{particulars}"
    );
}

#[test]
fn update_writes_what_was_found_and_keeps_the_rest() {
    let desk = desk(&[]);
    desk.write(
        "tests.yaml",
        FOUR.replace("expect: { skip: too old }", "expect:\n      skip: too old"),
    );
    let ended = desk.plugin(&["test", "wat.wasm", "--update"]).ends(0);
    assert!(
        ended.out.contains("2 expectations written anew"),
        "{}",
        ended.out
    );
    golden("updated.yaml", &desk.read("tests.yaml"));
    let again = desk.plugin(&["test", "wat.wasm"]).ends(0);
    assert!(again.out.ends_with("5 passed, 0 failed\n"), "{}", again.out);
    let before = desk.read("tests.yaml");
    desk.plugin(&["test", "wat.wasm", "--update"]).ends(0);
    assert_eq!(before, desk.read("tests.yaml"));
}

#[test]
fn update_gives_cases_their_first_expectation() {
    let desk = desk(&[]);
    desk.write(
        "new.yaml",
        "- name: a\n  database: {}\n- name: b\n  database: { protocol: mysql }\n",
    );
    desk.plugin(&["test", "wat.wasm", "new.yaml"]).fails(&[
        "new.yaml:1: [0]: the key `expect` is missing (`--update` writes it)",
        "new.yaml:3: [1]: the key `expect` is missing",
    ]);
    desk.plugin(&["test", "wat.wasm", "new.yaml", "--update"])
        .ends(0);
    assert_eq!(
        desk.read("new.yaml"),
        "- name: a\n  database: {}\n  expect:\n    enroll:\n      labels:\n        by: wat\n      reason: postgres\n\
         - name: b\n  database: { protocol: mysql }\n  expect:\n    skip: not postgres\n"
    );
}

#[test]
fn update_follows_a_link_and_changes_nothing_that_it_cannot() {
    let desk = desk(&[]);
    let one = "[{ name: a, database: {}, expect: skip }]\n";
    desk.write("real.yaml", one);
    symlink("real.yaml", desk.path("tests.yaml")).expect("linked");
    desk.plugin(&["test", "wat.wasm", "--update"]).fails(&[
        "cannot update tests.yaml",
        "the case in line 1: `expect` is not the first key of its line",
        "nothing was changed",
    ]);
    assert_eq!(desk.read("real.yaml"), one);
    desk.write("real.yaml", "- name: a\n  database: {}\n  expect: skip\n");
    desk.plugin(&["test", "wat.wasm", "--update"]).ends(0);
    assert!(desk.read("real.yaml").contains("by: wat"));
    let kind = fs::symlink_metadata(desk.path("tests.yaml"))
        .expect("there")
        .file_type();
    assert!(kind.is_symlink());
}

#[test]
fn a_verdict_that_depends_on_its_neighbours_fails() {
    let desk = desk(COUNTS);
    let cases: String = (0..3)
        .map(|place| {
            format!("- name: case {place}\n  database: {{ name: db{place} }}\n  expect: enroll\n")
        })
        .collect();
    desk.write("tests.yaml", &cases);
    let ended = desk.plugin(&["test", "wat.wasm"]).ends(1);
    golden("unstable.txt", &steady(&ended.out));
    // Neither is it written down as if it were right.
    desk.write("tests.yaml", cases.replace("enroll", "skip"));
    desk.plugin(&["test", "wat.wasm", "--update"]).ends(1);
    assert_eq!(desk.read("tests.yaml"), cases.replace("enroll", "skip"));
}

#[test]
fn errors_can_be_expected_and_say_what_they_are() {
    let crashes = desk(CRASHES);
    let case = |expect: &str| {
        format!("- name: a\n  database: {{ protocol: mysql }}\n  expect: {expect}\n")
    };
    crashes.write("tests.yaml", case("{ error: panicked }"));
    crashes.plugin(&["test", "wat.wasm"]).ends(0);
    crashes.write("tests.yaml", case("skip"));
    let ended = crashes.plugin(&["test", "wat.wasm"]).ends(1);
    assert!(
        ended.out.contains("expected skip, found error\n"),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("\n          panicked: "),
        "{}",
        ended.out
    );
    let refuses = desk(REFUSES);
    refuses.write(
        "tests.yaml",
        case("{ error: settings-refused }") + "  settings: { a: 1 }\n",
    );
    refuses.plugin(&["test", "wat.wasm"]).ends(0);
    refuses.write("tests.yaml", case("skip") + "  settings: { a: 1 }\n");
    let ended = refuses.plugin(&["test", "wat.wasm"]).ends(1);
    assert!(
        ended.out.contains("aliases.env: must be a map"),
        "{}",
        ended.out
    );
}

#[test]
fn a_filter_leaves_cases_out() {
    let desk = desk(&[]);
    desk.write("tests.yaml", FOUR);
    let ended = desk
        .plugin(&["test", "wat.wasm", "--filter", "from a"])
        .ends(0);
    assert!(
        ended.out.ends_with("2 passed, 0 failed, 3 left out\n"),
        "{}",
        ended.out
    );
    desk.plugin(&["test", "wat.wasm", "--filter", "nothing"])
        .fails(&["none of the 4 cases in tests.yaml has `nothing` in its name"]);
}

#[test]
fn all_that_is_wrong_with_the_cases_is_said_at_once_by_line() {
    let desk = desk(&[]);
    desk.write(
        "tests.yaml",
        "\
cases:
  - name: a
    database: { kind: oracle }
    expect: { enrol: true }
  - name: a
    databse: {}
    expect: skip
  - name: c
    database: {}
    file: dbs/redis.json
    expect:
      skip: a
      pass:
  - name: d
    database:
      tags:
        env: 3
    expect: { error: fire }
    settings: { x: .inf }
  - name: 7
    file: nothing.json
    expect: never
sets: 1
",
    );
    let ended = desk.plugin(&["test", "wat.wasm"]).ends(1);
    golden("wrong.txt", &ended.err);
    for (content, why) in [
        (&b"\xff\n"[..], "line 1 is not UTF-8 text"),
        (b"- name: a\n  \xc3\x28", "line 2 is not UTF-8 text"),
        (b"- a\n- [", "not valid YAML"),
        (b"", "there are no cases"),
        (b"[]", "there are no cases"),
        (b"cases: 3", "tests.yaml:1: cases: expected"),
        (
            b"- name: a\n  file: none.json\n  expect: skip",
            "No such file",
        ),
        (b"- name: a\n  file: .\n  expect: skip", "it is a directory"),
        (
            b"- name: ''\n  database: {}\n  expect: skip",
            "[0].name: it is empty",
        ),
    ] {
        desk.write("tests.yaml", content);
        desk.plugin(&["test", "wat.wasm"])
            .fails(&["cannot use the tests tests.yaml", why]);
    }
    fs::remove_file(desk.path("tests.yaml")).expect("gone");
    desk.plugin(&["test", "wat.wasm"])
        .fails(&["No such file", "`muster plugin new` writes one"]);
}

/// `| head -1` in a script must not turn a failure into a success.
#[test]
fn who_does_not_read_to_the_end_is_told_the_same() {
    let desk = desk(&[]);
    desk.write("tests.yaml", FOUR);
    for args in [
        ["plugin", "test", "wat.wasm"],
        ["plugin", "inspect", "tests.yaml"],
    ] {
        let mut child = desk
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("muster runs");
        drop(child.stdout.take());
        assert_eq!(child.wait().expect("ended").code(), Some(1), "{args:?}");
    }
}

#[test]
fn the_example_of_the_manual_is_a_file_of_cases() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plugins.md");
    let manual = fs::read_to_string(manual).expect("the manual");
    let example: String = manual
        .lines()
        .skip_while(|line| !line.starts_with("    settings: "))
        .map_while(|line| line.strip_prefix("    "))
        .map(|line| format!("{line}\n"))
        .collect();
    let desk = desk(&[]);
    fs::create_dir(desk.path("databases")).expect("made");
    desk.write("databases/old.json", "{}");
    desk.write("tests.yaml", &example);
    let ended = desk.plugin(&["test", "wat.wasm"]).ends(1);
    assert_eq!(ended.err, "");
    for name in [
        "FAIL  production is enrolled (tests.yaml:3): expected another enroll",
        "FAIL  old versions stay out (tests.yaml:8): expected skip, found enroll",
        "FAIL  a database whose tags are not known (tests.yaml:12): expected undecided, found enroll",
    ] {
        assert!(ended.out.contains(name), "{}", ended.out);
    }
}
