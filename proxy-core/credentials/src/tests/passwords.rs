//! Logins with stored passwords.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use muster_model::{Kind, Selector, Target, selector::Pattern};

use super::clouds::{Cloud, keyring};
use crate::{
    Credentials as _, Login, Proof, SecretRule, Settings,
    testkit::{found, target},
};

const HOST: &str = "orders.abc.eu-west-1.rds.amazonaws.com";

fn rule(databases: Selector, users: &[&str], file: &Path) -> SecretRule {
    SecretRule {
        databases,
        db_users: users
            .iter()
            .map(|user| Pattern::parse(user).unwrap())
            .collect(),
        password_file: file.to_owned(),
    }
}

fn write(file: &Path, bytes: &[u8], mode: u32) {
    std::fs::write(file, bytes).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn stored_passwords_are_read_at_each_login() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let dev = Selector::of([("env", ["dev"])]).unwrap();
    let settings = Settings {
        secrets: vec![
            rule(dev, &["app_*"], &first),
            rule(Selector::all(), &["app_orders"], &second),
        ],
        ..Settings::default()
    };
    let keyring = keyring(settings, &Arc::new(Cloud::default()));
    let mut dev = found(Kind::Rds, HOST);
    assert!(dev.labels.set("env", "dev", "test"));
    let prod = found(Kind::Rds, HOST);
    write(&first, b"one\n", 0o600);
    write(&second, " two \u{fc} \r\n".as_bytes(), 0o400);
    let password = async |target: &Target, user: &str| match keyring.login(target, user).await {
        Ok(Login {
            proof: Proof::Password(password),
            ..
        }) => password.expose().to_owned(),
        Ok(login) => login.proof.as_str().to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(password(&dev, "app_orders").await, "one");
    assert_eq!(password(&dev, "app_carts").await, "one");
    assert_eq!(password(&prod, "app_orders").await, " two \u{fc} ");
    assert_eq!(password(&prod, "app_carts").await, "token");
    assert_eq!(password(&dev, "alice").await, "token");
    write(&first, b"rotated", 0o600);
    assert_eq!(password(&dev, "app_orders").await, "rotated");
    // The name at Azure's single servers is the same for a password.
    let mut single = target(Kind::AzurePostgresql, "orders.postgres.database.azure.com");
    assert!(single.labels.set("env", "dev", "test"));
    let login = keyring.login(&single, "app_orders").await.ok().unwrap();
    assert_eq!(login.user, "app_orders@orders");
}

#[tokio::test]
async fn a_password_file_that_is_not_in_order_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let settings = Settings {
        secrets: vec![rule(Selector::all(), &["*"], &file)],
        ..Settings::default()
    };
    let keyring = keyring(settings, &Arc::new(Cloud::default()));
    let target = found(Kind::Rds, HOST);
    let long = vec![b'x'; 9000];
    for (bytes, mode, want) in [
        (b"top-secret".as_slice(), 0o644, "its mode is 0644"),
        (b"top-secret", 0o606, "its mode is 0606"),
        (b"top-secret", 0o620, "its mode is 0620"),
        (b"", 0o600, "it is empty"),
        (b"\n", 0o600, "it is empty"),
        (b"top-secret\nmore", 0o600, "more than one line"),
        (b"top-secret\0", 0o600, "more than one line"),
        (b"top-secret\xff", 0o600, "not UTF-8"),
        (&long, 0o600, "longer than 8192 bytes"),
    ] {
        write(&file, bytes, mode);
        let error = keyring.login(&target, "alice").await.err().unwrap();
        let text = error.to_string();
        assert!(text.contains(want), "{text}");
        assert!(
            !format!("{error:?} {text}").contains("top-secret"),
            "{text}"
        );
    }
    // As Kubernetes mounts it for a group.
    write(&file, b"top-secret", 0o440);
    assert!(keyring.login(&target, "alice").await.is_ok());
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let error = keyring.login(&target, "alice").await.err().unwrap();
    assert!(error.to_string().ends_with("it is not a file"), "{error}");
}
