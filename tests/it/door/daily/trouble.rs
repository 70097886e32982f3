//! What somebody reads who is not let in.

use std::fs;

use ring::hmac;
use serde_json::{Value, json};

use super::{
    super::{
        login::Web,
        town::{Town, complaint, said},
    },
    Invited, PASSWORD, Person, address,
};

/// The code of a secret in base32 at a step of thirty seconds, as RFC 6238 says.
pub fn code(secret: &str, step: u64) -> String {
    let (mut bits, mut held, mut key) = (0_u32, 0, Vec::new());
    for letter in secret.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => continue,
        };
        bits = bits << 5 | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            key.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// Which step it is now.
pub fn step() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 30
}

#[test]
fn what_stands_against_a_login_is_said_and_nothing_secret_is_given_away() {
    let town = Town::new("");
    let (_service, proxy) = town.open();
    let invited = Invited::of(&town, "eva", "shop");
    let (at, eva) = (address(&proxy), Person::new(&town, "eva"));
    let before = town.events().len();
    let wrong_pin = format!("sha256:{}", "ab".repeat(32));
    let file = eva.file("password", &format!("{PASSWORD}\n"));
    let login = |more: &[&str]| {
        let args = [
            "login",
            "--proxy",
            &at,
            "--user",
            "eva",
            "--password-file",
            &file,
        ];
        eva.fails(&[&args, more].concat())
    };
    // Nobody is asked for anything before the proxy has proven who it is.
    let text = login(&["--ca-pin", &wrong_pin]);
    assert!(
        text.contains(&wrong_pin) && text.contains(&invited.pin),
        "{text}"
    );
    let text = login(&[]);
    assert!(
        text.contains("not known here yet") && text.contains("--ca-pin"),
        "{text}"
    );
    let link = format!("https://{at}/invite/{}#{wrong_pin}", invited.token);
    let (refused, _) = eva.types(
        &["login", "--invite", "--password-file", "-"],
        &[&link, PASSWORD],
    );
    assert!(!refused.status.success(), "{refused:?}");
    assert_eq!(town.events().len(), before, "nobody has tried to log in");
    assert!(!eva.home.join(".config").exists());
    // The invitation is still good.
    let (took, _) = eva.types(
        &["login", "--invite", &invited.link, "--password-file", "-"],
        &[PASSWORD],
    );
    said(&took);
    let key = fs::read(eva.cluster("test").join("user.key")).unwrap();
    let wrong = eva.file("wrong", "wrong horse battery\n");
    let text = eva.fails(&["login", "--password-file", &wrong]);
    assert!(
        text.contains("cannot log in as eva") && !text.contains("horse"),
        "{text}"
    );
    // A login that failed loses nothing.
    assert_eq!(fs::read(eva.cluster("test").join("user.key")).unwrap(), key);
    assert_eq!(eva.status()["login"]["state"], "valid");
    // A login that is over says by which command there is a new one.
    let profile = eva.cluster("test").join("profile.json");
    let text = fs::read_to_string(&profile).unwrap();
    let expires = serde_json::from_str::<Value>(&text).unwrap()["expires"]
        .as_str()
        .unwrap()
        .to_owned();
    fs::write(&profile, text.replace(&expires, "2026-01-02T03:04:05Z")).unwrap();
    let failed = eva.fails(&["db", "ls"]);
    assert!(failed.contains("2026-01-02T03:04:05Z"), "{failed}");
    assert!(
        failed.contains(&format!("`muster login --proxy {at} --user eva`")),
        "{failed}"
    );
    assert_eq!(eva.run(&["status"]).status.code(), Some(1));
    // A damaged one as well, and it is left as it is.
    fs::write(&profile, "{").unwrap();
    let failed = eva.fails(&["db", "ls"]);
    assert!(
        failed.contains("profile.json") && failed.contains("muster login "),
        "{failed}"
    );
    assert_eq!(fs::read_to_string(&profile).unwrap(), "{");
    let status = eva.run(&["status"]);
    assert!(
        complaint(&status).is_empty()
            && String::from_utf8_lossy(&status.stdout).contains("damaged"),
        "{status:?}"
    );
    // Locked out: the message is for those who show the right password.
    eva.does(&[
        "login",
        "--proxy",
        &at,
        "--user",
        "eva",
        "--ca-pin",
        &invited.pin,
        "--password-file",
        &file,
    ]);
    town.muster(&[
        "lock",
        "add",
        "--user",
        "eva",
        "--message",
        "call the office",
    ]);
    let text = eva.fails(&["login", "--password-file", &file]);
    assert!(text.contains("call the office"), "{text}");
    let text = eva.fails(&["db", "ls"]);
    assert!(text.contains("call the office"), "{text}");
}

#[test]
fn a_code_is_asked_for_where_one_is_needed() {
    let town = Town::new("");
    town.create(
        "kind: role\nversion: v7\nmetadata: { name: careful }\nspec: { options: { require_totp: true } }\n",
    );
    let (_service, proxy) = town.open();
    let invited = Invited::of(&town, "eva", "shop,careful");
    let (at, eva) = (address(&proxy), Person::new(&town, "eva"));
    // Its secret is not for a place without a terminal.
    let (refused, _) = eva.types(
        &["login", "--invite", "--password-file", "-"],
        &[&invited.link, PASSWORD],
    );
    let text = complaint(&refused);
    assert!(text.contains("a second factor has to be set up"), "{text}");
    let web = Web::of(&town, &proxy);
    let (_, offer) = web.post("/v1/invite", &json!({"token": invited.token}), None);
    let secret = offer["totp_secret"].as_str().unwrap();
    let now = step();
    let body = json!({"token": invited.token, "password": PASSWORD, "totp": code(secret, now)});
    let (status, answer) = web.post("/v1/invite/accept", &body, None);
    assert_eq!(status, 200, "{answer}");
    let login = |lines: &str| {
        let file = eva.file("password", lines);
        eva.run(&[
            "login",
            "--proxy",
            &at,
            "--user",
            "eva",
            "--ca-pin",
            &invited.pin,
            "--password-file",
            &file,
        ])
    };
    let text = complaint(&login(&format!("{PASSWORD}\n")));
    assert!(
        text.contains("the code of the second factor") && text.contains("second line"),
        "{text}"
    );
    // Whoever has not the password is not told that there is a code.
    let text = complaint(&login("wrong horse battery\n"));
    assert!(
        text.contains("user name, password or code is wrong"),
        "{text}"
    );
    // The one of the next half minute is good already; the first one is used up.
    let used = login(&format!("{PASSWORD}\n{}\n", code(secret, now)));
    assert!(!used.status.success(), "{used:?}");
    said(&login(&format!(
        "{PASSWORD}\n{}\n",
        code(secret, step().max(now + 1))
    )));
    assert_eq!(eva.status()["login"]["second_factor"], true);
}
