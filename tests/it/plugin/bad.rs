//! Bad files: each is refused at once and by name.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
};

use super::kit::{Desk, base};

#[test]
fn what_is_no_plugin_is_refused_by_every_command() {
    let desk = Desk::with(&[]);
    let whole = base(&[]);
    desk.write("cut.wasm", &whole[..whole.len() / 2]);
    desk.write("core.wasm", wat::parse_str("(module)").expect("a module"));
    desk.write("text.wasm", "not WebAssembly");
    desk.write("empty.wasm", "");
    desk.write(
        "tests.yaml",
        "- name: a\n  database: {}\n  expect: enroll\n",
    );
    desk.write("db.json", "{}");
    fs::create_dir(desk.path("folder.wasm")).expect("made");
    symlink("nothing", desk.path("lost.wasm")).expect("linked");
    symlink("loop.wasm", desk.path("loop.wasm")).expect("linked");
    File::create(desk.path("huge.wasm"))
        .and_then(|file| file.set_len(1 << 30))
        .expect("made");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, desk.path("fifo.wasm"), fifo, mode, 0).expect("a pipe");
    for (file, why) in [
        ("cut.wasm", "cannot load the plugin cut.wasm (truncated)"),
        (
            "core.wasm",
            "cannot load the plugin core.wasm (core-module)",
        ),
        ("text.wasm", "cannot load the plugin text.wasm (not-wasm)"),
        ("empty.wasm", "cannot load the plugin empty.wasm (not-wasm)"),
        ("folder.wasm", "it is a directory, and no regular file"),
        ("lost.wasm", "No such file or directory"),
        ("loop.wasm", "Too many levels of symbolic links"),
        (
            "huge.wasm",
            "it has 1073741824 bytes, and 268435456 are allowed",
        ),
        ("fifo.wasm", "it is a pipe, and no regular file"),
        ("none.wasm", "`muster plugin build` writes it"),
    ] {
        desk.plugin(&["inspect", file]).fails(&[why]);
        desk.plugin(&["run", file, "--database", "db.json"])
            .fails(&[why]);
        desk.plugin(&["test", file]).fails(&[why]);
    }
    symlink("wat.wasm", desk.path("link.wasm")).expect("linked");
    desk.plugin(&["inspect", "link.wasm"]).ends(0);
}

#[test]
fn what_is_no_database_is_refused_with_the_place() {
    let desk = Desk::with(&[]);
    for (content, why) in [
        (&b"\xff\xfe"[..], "line 1 is not UTF-8 text"),
        (
            b"name: a\nname: b\n",
            "line 2: name: this key is given twice",
        ),
        (b"{\"name\": ", "not valid JSON: EOF while parsing"),
        (b"a: !tag b", "tags (`!\u{2026}`) have no meaning here"),
        (b"[]", "the list is empty"),
        (b"3", "expected a database, found a number"),
        (b"[{}, {regoin: x}]", "[1].regoin: unknown field `regoin`"),
        (b"kind: oracle", "kind: unknown kind `oracle`"),
        (
            b"tags: { a: 1 }",
            "tags.a: invalid type: integer `1`, expected a string",
        ),
        (b"endpoint: nowhere", "endpoint: `nowhere` is not HOST:PORT"),
        (
            b"{ provider: azure, kind: rds }",
            "provider: `azure` has no rds: that is of aws",
        ),
        (
            b"labels: { region: mars }",
            "labels.region: muster itself writes this label",
        ),
        (b"{ database: { kind: 3 } }", "database.kind: "),
        (b"first_seen: yesterday", "first_seen: "),
    ] {
        desk.write("db.yaml", content);
        let ended = desk.plugin(&["run", "wat.wasm", "--database", "db.yaml"]);
        ended.fails(&["cannot use the databases of db.yaml", why]);
    }
    desk.write("db.json", "name: yaml");
    desk.plugin(&["run", "wat.wasm", "--database", "db.json"])
        .fails(&["not valid JSON"]);
    desk.plugin(&["run", "wat.wasm", "--database", "."])
        .fails(&["it is a directory"]);
    desk.write("big.yaml", vec![b' '; (8 << 20) + 1]);
    desk.plugin(&["run", "wat.wasm", "--database", "big.yaml"])
        .fails(&["8388608 are allowed"]);
    symlink("fifo", desk.path("pipe.yaml")).expect("linked");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, desk.path("fifo"), fifo, mode, 0).expect("a pipe");
    desk.plugin(&["run", "wat.wasm", "--database", "pipe.yaml"])
        .fails(&["it is a pipe", "`--database -`"]);
    // What an alias multiplies.
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (of, to) in ["ab", "bc", "cd", "de", "ef", "fg"].map(|pair| pair.split_at(1)) {
        let ten = vec![format!("*{of}"); 10].join(", ");
        bomb += &format!("{to}: &{to} [{ten}]\n");
    }
    desk.write("bomb.yaml", bomb);
    desk.plugin(&["run", "wat.wasm", "--database", "bomb.yaml"])
        .fails(&["repetition limit"]);
}

#[test]
fn settings_are_yaml_or_json_and_nothing_else() {
    let desk = Desk::with(&[]);
    desk.write("db.json", "{}");
    for (content, why) in [
        (&b"a: .nan"[..], "JSON has no number"),
        (b"a: 1\na: 2", "line 2: a: this key is given twice"),
        (b"\xff", "is not UTF-8 text"),
    ] {
        desk.write("s.yaml", content);
        let args = [
            "run",
            "wat.wasm",
            "--database",
            "db.json",
            "--settings",
            "s.yaml",
        ];
        desk.plugin(&args)
            .fails(&["cannot use the settings s.yaml", why]);
    }
}
