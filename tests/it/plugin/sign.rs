//! `muster plugin sign` and `muster plugin verify`, with openssl on the other side.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::kit::Desk;

/// A folder with a plugin and two pairs of keys, made by openssl.
fn desk() -> Desk {
    let desk = Desk::with(&[]);
    for name in ["ours", "theirs"] {
        for line in [
            format!("genpkey -algorithm ed25519 -out {name}.pem"),
            format!("pkey -in {name}.pem -pubout -out {name}.pub"),
        ] {
            openssl(&desk, &line);
        }
    }
    desk
}

fn openssl(desk: &Desk, line: &str) {
    let done = Command::new("openssl")
        .args(line.split(' '))
        .current_dir(desk.path(""))
        .output()
        .expect("openssl runs");
    assert!(
        done.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn a_signed_plugin_is_known_by_its_key() {
    let desk = desk();
    let signed = desk
        .plugin(&["sign", "wat.wasm", "--key", "ours.pem"])
        .ends(0);
    let key = signed
        .out
        .trim()
        .strip_prefix("wat.wasm.sig: by ")
        .expect("a key")
        .to_owned();
    let verify = [
        "verify",
        "wat.wasm",
        "--key",
        "theirs.pub",
        "--key",
        "ours.pub",
    ];
    let verified = desk.plugin(&verify).ends(0).out;
    assert!(
        verified.contains(&format!("  signed by    {key} (ours.pub)\n")),
        "{verified}"
    );
    let shown = desk.json(&[&verify[..], &["-o", "json"]].concat());
    assert_eq!(shown["key"], key);
    assert_eq!(shown["key_file"], "ours.pub");
    // A key as a configuration has it.
    desk.write("inline", &key);
    desk.plugin(&["verify", "wat.wasm", "--key", "inline"])
        .ends(0);
    desk.plugin(&["verify", "wat.wasm", "--key", "theirs.pub"])
        .fails(&[
            "cannot vouch for wat.wasm",
            "the signature is not by the key: the file was changed after it was signed",
        ]);
    // What `inspect` says of each.
    let signature = |key: &[&str]| {
        let args = [&["inspect", "wat.wasm", "-o", "json"], key].concat();
        desk.json(&args)["signature"]["state"].clone()
    };
    assert_eq!(signature(&[]), "unchecked");
    assert_eq!(signature(&["--key", "ours.pub"]), "valid");
    assert_eq!(signature(&["--key", "theirs.pub"]), "invalid");
    // One bit.
    let mut bytes = fs::read(desk.path("wat.wasm")).expect("read");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    desk.write("wat.wasm", bytes);
    desk.plugin(&verify)
        .fails(&["the signature is not by any of the 2 keys"]);
}

/// The lines that the help shows.
#[test]
fn openssl_checks_what_we_sign_and_we_what_it_signs() {
    let desk = desk();
    let written = desk
        .plugin(&["sign", "wat.wasm", "--key", "ours.pem", "-o", "-"])
        .ends(0)
        .out;
    desk.write("base64", written);
    let decoded = Command::new("base64")
        .args(["-d", "base64"])
        .current_dir(desk.path(""))
        .output()
        .expect("base64");
    desk.write("signature", decoded.stdout);
    openssl(
        &desk,
        "pkeyutl -verify -rawin -pubin -inkey ours.pub -sigfile signature -in wat.wasm",
    );
    assert!(!desk.path("wat.wasm.sig").exists());

    openssl(
        &desk,
        "pkeyutl -sign -rawin -inkey theirs.pem -in wat.wasm -out wat.wasm.sig",
    );
    desk.plugin(&["verify", "wat.wasm", "--key", "theirs.pub"])
        .ends(0);
    desk.plugin(&[
        "verify",
        "wat.wasm",
        "--key",
        "ours.pub",
        "--signature",
        "base64",
    ])
    .ends(0);
}

#[test]
fn bad_keys_and_signatures_are_named() {
    let desk = desk();
    desk.plugin(&["verify", "wat.wasm", "--key", "ours.pub"])
        .fails(&[
            "there is no signature: wat.wasm.sig does not exist",
            "`muster plugin sign` makes one",
        ]);
    desk.write("wat.wasm.sig", "rubbish");
    desk.plugin(&["verify", "wat.wasm", "--key", "ours.pub"])
        .fails(&["the signature is none"]);
    desk.plugin(&["verify", "wat.wasm", "--key", "ours.pem"])
        .fails(&["it is a private key, and its public half is needed"]);
    desk.plugin(&["sign", "wat.wasm", "--key", "ours.pub"])
        .fails(&["cannot sign wat.wasm", "others may have read it"]);
    desk.plugin(&["sign", "wat.wasm", "--key", "."])
        .fails(&["it is a directory"]);
    fs::set_permissions(desk.path("ours.pem"), fs::Permissions::from_mode(0o640)).expect("opened");
    desk.plugin(&["sign", "wat.wasm", "--key", "ours.pem"])
        .fails(&["its mode is 0640", "`chmod 600 ours.pem` mends it"]);
    fs::set_permissions(desk.path("theirs.pub"), fs::Permissions::from_mode(0o666))
        .expect("opened");
    desk.plugin(&["verify", "wat.wasm", "--key", "theirs.pub"])
        .fails(&["others can put a key of their own there"]);
    desk.write("core.wasm", wat::parse_str("(module)").expect("a module"));
    desk.plugin(&["sign", "core.wasm", "--key", "theirs.pem"])
        .fails(&["it is no WebAssembly component"]);
    assert!(!desk.path("core.wasm.sig").exists());
    for output in ["wat.wasm", "./theirs.pem"] {
        let ended = desk.plugin(&["sign", "wat.wasm", "--key", "theirs.pem", "-o", output]);
        let said = ended.ends(64).err;
        assert!(
            said.contains("it would take the place of the plugin or of the key"),
            "{said}"
        );
    }
    let ended = desk.plugin(&["verify", "wat.wasm"]).ends(78);
    assert!(
        ended.err.contains("hint:  `--key PUB.pem` names a key"),
        "{}",
        ended.err
    );
}
