#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// As openssl writes the private key with these 32 bytes: the first version of PKCS#8, without the public key.
fn pkcs8(seed: &[u8]) -> String {
    let head = unhex("302e020100300506032b657004220420");
    pem::write("PRIVATE KEY", &[head.as_slice(), seed].concat())
}

/// RFC 8032, 7.1, tests 1 to 3: secret key, public key, message, signature.
const KNOWN: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

#[test]
fn signs_and_verifies_what_rfc_8032_knows() {
    for [secret, public, message, signature] in KNOWN {
        let key = PrivateKey::parse(&pkcs8(&unhex(secret))).unwrap();
        let raw = STANDARD.encode(unhex(public));
        assert_eq!(key.public().to_string(), raw);
        assert_eq!(
            key.sign(&unhex(message)).trim(),
            STANDARD.encode(unhex(signature))
        );
        let keys = [PublicKey::parse(&raw).unwrap()];
        assert_eq!(keys[0], key.public());
        assert_eq!(PublicKey::parse(&keys[0].to_pem()).unwrap(), keys[0]);
        // In base64, with and without the end of the line, and as it is.
        for written in [
            key.sign(&unhex(message)).into_bytes(),
            key.sign(&unhex(message)).trim().as_bytes().to_vec(),
            unhex(signature),
        ] {
            assert_eq!(verify(&unhex(message), &written, &keys).unwrap(), &keys[0]);
        }
    }
}

#[test]
fn nothing_else_is_by_the_key() {
    let keys: Vec<PrivateKey> = KNOWN
        .iter()
        .map(|[secret, ..]| PrivateKey::parse(&pkcs8(&unhex(secret))).unwrap())
        .collect();
    let public: Vec<PublicKey> = keys.iter().map(PrivateKey::public).collect();
    let signature = keys[1].sign(b"a component");
    let code = |file: &[u8], signature: &[u8], keys: &[PublicKey]| {
        verify(file, signature, keys)
            .map(ToString::to_string)
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        code(b"a component", signature.as_bytes(), &public),
        Ok(public[1].to_string())
    );
    let by_none = "the signature is not by any of the 3 keys: the file was changed after it was signed, or somebody \
                   else signed it";
    assert_eq!(
        code(b"a component.", signature.as_bytes(), &public),
        Err(by_none.to_owned())
    );
    let raw = STANDARD.decode(signature.trim()).unwrap();
    for bit in 0..SIGNATURE * 8 {
        let mut forged = raw.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            code(b"a component", &forged, &public),
            Err(by_none.to_owned()),
            "{bit}"
        );
    }
    let by_one = "the signature is not by the key: the file was changed after it was signed, or somebody else signed it";
    assert_eq!(
        code(b"a component", signature.as_bytes(), &public[..1]),
        Err(by_one.to_owned())
    );
    assert!(matches!(
        verify(b"", signature.as_bytes(), &[]),
        Err(SignatureError::NoKeys)
    ));
    for (signature, why) in [
        ("", "there are 0"),
        ("c2hvcnQ=", "there are 5"),
        ("no base64", "there is no base64"),
        ("\u{e9}", "there is no base64"),
    ] {
        let error = code(b"", signature.as_bytes(), &public).unwrap_err();
        assert!(error.ends_with(why), "{error}");
    }
    let error = code(b"", b"\xff\xfe", &public).unwrap_err();
    assert!(error.ends_with("there are other bytes"), "{error}");
}

/// openssl's own words on each side: what we sign it verifies, and what it signs we verify.
#[test]
fn openssl_and_muster_believe_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let openssl = |line: &str| {
        let done = Command::new("openssl")
            .args(line.split(' '))
            .current_dir(dir.path())
            .output()
            .expect("openssl runs");
        (
            done.status.success(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )
    };
    let at = |name: &str| dir.path().join(name);
    for line in [
        "genpkey -algorithm ed25519 -out key.pem",
        "pkey -in key.pem -pubout -out pub.pem",
    ] {
        assert!(openssl(line).0, "{line}");
    }
    let file = b"\0asm and so on";
    fs::write(at("file"), file).unwrap();
    let key = PrivateKey::read(&at("key.pem")).unwrap();
    let public = PublicKey::read(&at("pub.pem")).unwrap();
    assert_eq!(key.public().to_string(), public.to_string());
    assert_eq!(public.origin(), Some(at("pub.pem").as_path()));
    assert_eq!(public.to_pem(), fs::read_to_string(at("pub.pem")).unwrap());

    assert!(openssl("pkeyutl -sign -rawin -inkey key.pem -in file -out theirs").0);
    let theirs = fs::read(at("theirs")).unwrap();
    assert_eq!(
        verify(file, &theirs, std::slice::from_ref(&public)).unwrap(),
        &public
    );

    fs::write(at("ours"), STANDARD.decode(key.sign(file).trim()).unwrap()).unwrap();
    let check = "pkeyutl -verify -rawin -pubin -inkey pub.pem -sigfile ours -in file";
    assert!(openssl(check).0);
    fs::write(at("file"), b"something else").unwrap();
    assert!(!openssl(check).0);
}

/// The first test of RFC 8032, as openssl has it.
fn public() -> String {
    PrivateKey::parse(&pkcs8(&unhex(KNOWN[0][0])))
        .unwrap()
        .public()
        .to_pem()
}

fn file(dir: &Path, text: &[u8], mode: u32) -> PathBuf {
    let path = dir.join("key.pem");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn what_is_no_key_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let private = pkcs8(&unhex(KNOWN[0][0]));
    // X25519 is as long, and one number off.
    let x25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEA6gVxxWsXKEVy6M8EoDjrQt3R/ThQHJ0faeT75/pM1m8=\n-----END PUBLIC KEY-----\n";
    for (text, why) in [
        (
            private.as_bytes(),
            "it is a private key, and its public half is needed: `openssl pkey -pubout`",
        ),
        (
            x25519.as_bytes(),
            "it is a public key of another kind, and Ed25519 is needed",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\n",
            "it is something else in PEM, and `PUBLIC KEY` is needed, as `openssl genpkey -algorithm ed25519` makes it",
        ),
        (
            b"-----BEGIN PUBLIC KEY-----\nMCow",
            "it is cut short: there is no line `-----END PUBLIC KEY-----`",
        ),
        (
            b"-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----",
            "what is between its lines is no base64",
        ),
        (
            b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----",
            "it has 0 bytes, and a public Ed25519 key has 32",
        ),
        (b"", "it has 0 bytes, and a public Ed25519 key has 32"),
        (
            b"c2hvcnQ=",
            "it has 5 bytes, and a public Ed25519 key has 32",
        ),
        (b"ssh-ed25519 AAAA", "it is neither PEM nor base64"),
        (
            b"\xff\xfe",
            "it is no text; PEM is needed (`openssl pkey -inform DER` turns DER into it)",
        ),
    ] {
        let path = file(dir.path(), text, 0o644);
        let error = PublicKey::read(&path).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("the key {} cannot be used: {why}", path.display())
        );
    }
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n";
    let x25519 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIDCxQrviRNvzlYm/et4q/eNuHTHsfU2pZMXHD/AbYmZk\n-----END PRIVATE KEY-----\n";
    for (text, why) in [
        (
            public().as_bytes(),
            "it is a public key, and the private one signs",
        ),
        (
            encrypted,
            "it is encrypted: `openssl pkey` takes the password away",
        ),
        (
            x25519.as_bytes(),
            "it is a private key of another kind, and Ed25519 is needed",
        ),
        (
            b"AAAA",
            "it is no PEM file: there is no line `-----BEGIN PRIVATE KEY-----`",
        ),
    ] {
        let path = file(dir.path(), text, 0o600);
        let error = PrivateKey::read(&path).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("the key {} cannot be used: {why}", path.display())
        );
    }
}

#[test]
fn whose_file_a_key_is_counts() {
    let dir = tempfile::tempdir().unwrap();
    let private = pkcs8(&unhex(KNOWN[0][0]));
    for (mode, fine) in [
        (0o600, true),
        (0o400, true),
        (0o640, false),
        (0o604, false),
        (0o620, false),
    ] {
        let path = file(dir.path(), private.as_bytes(), mode);
        match PrivateKey::read(&path) {
            Ok(_) => assert!(fine, "{mode:o}"),
            Err(error) => {
                assert!(!fine, "{mode:o}: {error}");
                assert_eq!(
                    error.to_string(),
                    format!(
                        "the key {0} is not safe: its mode is {mode:04o}, so others may have read it; `chmod 600 {0}` mends it",
                        path.display()
                    )
                );
            }
        }
    }
    for (mode, fine) in [
        (0o644, true),
        (0o444, true),
        (0o600, true),
        (0o664, false),
        (0o646, false),
    ] {
        let path = file(dir.path(), public().as_bytes(), mode);
        assert_eq!(PublicKey::read(&path).is_ok(), fine, "{mode:o}");
    }
    let missing = PublicKey::read(&dir.path().join("missing")).unwrap_err();
    assert!(matches!(
        missing,
        KeyError::Read {
            source: ReadError::Io(_),
            ..
        }
    ));
}

#[test]
fn a_signature_is_beside_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = beside(&dir.path().join("a.wasm"));
    assert_eq!(path, dir.path().join("a.wasm.sig"));
    assert!(matches!(read(&path), Err(SignatureError::Absent { .. })));
    fs::write(&path, [b'A'; 4097]).unwrap();
    let error = read(&path).unwrap_err();
    assert!(matches!(
        error,
        SignatureError::Read {
            source: ReadError::TooLarge { .. },
            ..
        }
    ));
    fs::write(&path, "AAAA\n").unwrap();
    assert_eq!(read(&path).unwrap(), b"AAAA\n");
}

#[test]
fn no_private_key_is_shown() {
    let key = PrivateKey::parse(&pkcs8(&unhex(KNOWN[0][0]))).unwrap();
    assert_eq!(
        format!("{key:?}"),
        format!("PrivateKey(of {})", key.public())
    );
}
