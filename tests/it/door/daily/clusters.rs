//! Several clusters side by side, and one whose authority is exchanged.

use std::{fs, thread, time::Instant};

use serde_json::json;

use super::{
    super::town::{Town, complaint, said},
    Invited, PASSWORD, Person, address,
};
use crate::service::world::PATIENCE;

#[test]
fn two_clusters_of_one_name_live_side_by_side() {
    let (here, there) = (Town::new(""), Town::new(""));
    let ((_one, one), (_two, two)) = (here.open(), there.open());
    let eva = Person::new(&here, "eva");
    let take = |town: &Town, more: &[&str]| {
        let invited = Invited::of(town, "eva", "shop");
        let args = [&["login", "--invite", "--password-file", "-"], more].concat();
        eva.types(&args, &[&invited.link, PASSWORD]).0
    };
    said(&take(&here, &[]));
    // Both call themselves `test`: the first login is in nobody's way, and is not lost.
    let text = complaint(&take(&there, &[]));
    assert!(
        text.contains("another cluster called test") && text.contains("--cluster NAME"),
        "{text}"
    );
    assert_eq!(eva.status()["login"]["proxy"], json!(address(&one)));
    there.muster(&["user", "rm", "eva"]);
    said(&take(&there, &["--cluster", "far"]));
    let status = eva.status();
    assert_eq!(status["login"]["name"], "far");
    assert_eq!(status["login"]["proxy"], json!(address(&two)));
    assert_eq!(status["other_logins"][0]["name"], "test");
    // Named, by a flag or the environment, or the last one.
    here.create("kind: db\nversion: v3\nmetadata: { name: books, labels: { team: shop } }\nspec: { protocol: postgres, uri: \"b.example.com:5432\" }\n");
    let names = |args: &[&str]| eva.does(&[&["db", "ls", "-o", "name"], args].concat());
    assert_eq!(names(&[]), "orders");
    assert_eq!(names(&["--cluster", "test"]), "books\norders");
    let by_env = eva
        .command(&["db", "ls", "-o", "name"])
        .env("MUSTER_CLUSTER", "test")
        .output();
    assert_eq!(said(&by_env.unwrap()), "books\norders");
    // Where there is none, a person is told, and a program is not.
    let none = eva.run(&["db", "ls", "team=sea"]);
    let told = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(told.contains("no database that you may open"), "{told}");
    let none = eva.run(&["db", "ls", "team=sea", "-o", "json"]);
    assert_eq!((said(&none), &none.stderr[..]), ("[]".into(), &b""[..]));
    let failed = eva.fails(&["db", "ls", "--cluster", "nowhere"]);
    assert!(failed.contains("far, test"), "{failed}");
    assert!(eva.does(&["logout", "--cluster", "far"]).contains("far"));
    assert_eq!(names(&[]), "books\norders");
    assert!(eva.does(&["logout", "--all"]).contains("test"));
    assert!(!eva.cluster("test").exists());
}

#[test]
fn an_authority_that_was_exchanged_is_followed_and_another_one_is_not_believed() {
    let town = Town::new("");
    let (_service, proxy) = town.open();
    let (at, eva) = (address(&proxy), Person::new(&town, "eva"));
    let invited = Invited::of(&town, "eva", "shop");
    let (took, _) = eva.types(
        &["login", "--invite", "--password-file", "-"],
        &[&invited.link, PASSWORD],
    );
    said(&took);
    let file = eva.file("password", &format!("{PASSWORD}\n"));
    // Both count for a while: a login within it brings the new one along.
    town.muster(&["auth", "rotate", "--ca", "host", "--grace", "1h"]);
    eva.does(&["login", "--password-file", &file]);
    let kept = fs::read_to_string(eva.cluster("test").join("host-ca.pem")).unwrap();
    assert_eq!(kept.matches("BEGIN CERTIFICATE").count(), 2);
    eva.does(&["db", "ls"]);
    // The key has leaked: the old ones count no more, and neither does what eva knows, until she is told.
    town.muster(&["auth", "rotate", "--ca", "host", "--rollback"]);
    town.muster(&["auth", "rotate", "--ca", "host", "--grace", "0"]);
    let other = |what: &str| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = eva.run(&["db", "ls"]);
            let text = complaint(&output);
            if !output.status.success() {
                assert!(text.contains(what), "{text}");
                return text;
            }
            assert!(
                Instant::now() < deadline,
                "the proxy shows the old certificate still"
            );
            thread::yield_now();
        }
    };
    let text = other("was not signed by the authority that this login trusts");
    assert!(text.contains("--ca-pin"), "{text}");
    let text = eva.fails(&["login", "--password-file", &file]);
    assert!(text.contains("does not prove"), "{text}");
    let ca = town.world.dir.path().join("new.pem");
    let ca = ca.to_str().unwrap();
    town.muster(&["auth", "export", "--ca", "host", "--out", ca]);
    eva.does(&[
        "login",
        "--proxy",
        &at,
        "--user",
        "eva",
        "--ca-file",
        ca,
        "--password-file",
        &file,
    ]);
    eva.does(&["db", "ls"]);
}
