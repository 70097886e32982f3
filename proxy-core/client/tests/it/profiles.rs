//! Logins in files: who can read them, several side by side, and what a damaged one costs.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use muster_client::{About, Kind, Limits, LocalKey, Profile, Profiles, Signed, file_name};
use muster_model::Timestamp;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, PublicKeyData, SubjectPublicKeyInfo};
use rustls_pki_types::pem::PemObject;
use tempfile::TempDir;

use crate::server::{Ca, NOW, clock};

/// A certificate for that key, as the proxy signs it.
fn signed(ca: &Ca, key: &LocalKey, user: &str) -> Signed {
    let request = rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(
        key.request().unwrap().as_bytes(),
    );
    let request = rcgen::CertificateSigningRequestParams::from_der(&request.unwrap()).unwrap();
    let public =
        SubjectPublicKeyInfo::from_der(&request.public_key.subject_public_key_info()).unwrap();
    let mut params = CertificateParams::new([user.to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&public, &ca.0).unwrap();
    serde_json::from_value(serde_json::json!({
        "user": user, "certificate": certificate.pem(), "host_ca": ca.pem(),
        "issued": Timestamp::from_unix(NOW), "expires": Timestamp::from_unix(NOW + 3600),
        "roles": ["shop"], "serial": "0a", "limited_by": null,
    }))
    .unwrap()
}

fn save(profiles: &Profiles, name: &str, user: &str) -> Profile {
    let (ca, key) = (Ca::new(), LocalKey::make().unwrap());
    let signed = signed(&ca, &key, user);
    let about = About::of("test", &"door.example.com".parse().unwrap(), &signed, false);
    profiles.save(name, about, &signed, &key).unwrap()
}

fn home() -> (TempDir, Profiles) {
    let dir = TempDir::new().unwrap();
    let profiles = Profiles::at(dir.path().join("config/muster"));
    (dir, profiles)
}

/// Every file and directory below, with its permissions.
fn modes(dir: &Path, all: &mut Vec<(String, u32)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        all.push((
            path.file_name().unwrap().to_string_lossy().into_owned(),
            mode,
        ));
        if path.is_dir() {
            modes(&path, all);
        }
    }
}

#[test]
fn nobody_else_can_read_a_login_and_nothing_is_left_half() {
    let (_dir, profiles) = home();
    // Somebody made the place before, and left it open.
    let open = profiles.dir().join("clusters/test");
    fs::create_dir_all(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(open.join("user.key"), "old").unwrap();
    let profile = save(&profiles, "test", "eva");
    profile
        .write_db("orders/prod ../x", "key", b"secret")
        .unwrap();
    let mut all = Vec::new();
    modes(profiles.dir(), &mut all);
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    for name in [
        "current",
        "profile.json",
        "user.key",
        "user.crt",
        "host-ca.pem",
        "key",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(
        !names.iter().any(|name| name.contains("partial")),
        "{names:?}"
    );
    for (name, mode) in &all {
        let wanted = if ["clusters", "test", "db"].contains(&name.as_str()) || name.contains('%') {
            0o700
        } else {
            0o600
        };
        assert_eq!(mode, &wanted, "{name}");
    }
    let text = fs::read_to_string(profile.dir().join("profile.json")).unwrap();
    assert!(!text.contains("PRIVATE"), "{text}");
}

#[test]
fn a_login_is_there_again_with_all_that_it_needs() {
    let (_dir, profiles) = home();
    let saved = save(&profiles, "test", "eva");
    let profile = profiles.open(None).unwrap();
    assert_eq!((profile.name(), &profile.about), ("test", &saved.about));
    profile.api(&clock(), Limits::default()).unwrap();
    assert_eq!(
        profile.login_command(),
        "muster login --proxy door.example.com:7430 --user eva"
    );
    // A new one takes the place of the old. What programs use goes on, unless it is somebody else's.
    profile.write_db("orders", "crt", b"old").unwrap();
    let again = save(&profiles, "test", "eva");
    assert_eq!(again.db_dirs().unwrap().len(), 1);
    let again = save(&profiles, "test", "ana b'c");
    assert!(again.db_dirs().unwrap().is_empty());
    assert_eq!(
        profiles.open(None).unwrap().login_command(),
        r"muster login --proxy door.example.com:7430 --user 'ana b'\''c'"
    );
}

#[test]
fn a_login_that_is_over_says_how_to_log_in_again() {
    let (_dir, profiles) = home();
    let profile = save(&profiles, "here", "eva");
    profile.valid(Timestamp::from_unix(NOW + 3599)).unwrap();
    let error = profile.valid(Timestamp::from_unix(NOW + 3600)).unwrap_err();
    assert_eq!(error.kind(), &Kind::Expired);
    let command = "`muster login --proxy door.example.com:7430 --user eva --cluster here`";
    assert!(error.next().unwrap().contains(command), "{error:?}");
    // A clock may be a little behind, and not a day.
    profile.valid(Timestamp::from_unix(NOW - 300)).unwrap();
    let error = profile
        .valid(Timestamp::from_unix(NOW - 86_400))
        .unwrap_err();
    assert_eq!(error.kind(), &Kind::Clock);
}

#[test]
fn several_clusters_live_side_by_side() {
    let (_dir, profiles) = home();
    assert_eq!(profiles.open(None).unwrap_err().kind(), &Kind::NoLogin);
    save(&profiles, "one", "eva");
    save(&profiles, "two", "ana");
    assert_eq!(profiles.names().unwrap(), ["one", "two"]);
    assert_eq!(profiles.open(None).unwrap().name(), "two");
    assert_eq!(profiles.open(Some("one")).unwrap().about.user, "eva");
    profiles.choose("one").unwrap();
    assert_eq!(profiles.open(None).unwrap().name(), "one");
    save(&profiles, "three", "eva");
    assert!(profiles.forget("three").unwrap());
    // None of the two that are left was chosen: that is a question.
    let error = profiles.open(None).unwrap_err();
    assert!(error.why()[0].contains("one, two"), "{error:?}");
    assert!(profiles.forget("two").unwrap() && !profiles.forget("two").unwrap());
    assert_eq!(profiles.open(None).unwrap().name(), "one");
    for name in ["", "..", ".", "a/b", "-x", &"x".repeat(65)] {
        assert_eq!(
            profiles.open(Some(name)).unwrap_err().kind(),
            &Kind::Usage,
            "{name}"
        );
    }
}

#[test]
fn damage_is_told_and_loses_nothing() {
    let (_dir, profiles) = home();
    for (file, bytes) in [
        ("profile.json", &b"{"[..]),
        ("profile.json", b"\xff\xfe"),
        ("profile.json", b"{\"version\": 2}"),
        ("user.key", b""),
        (
            "user.crt",
            b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ),
        ("host-ca.pem", b"nothing"),
    ] {
        let profile = save(&profiles, "test", "eva");
        let path = profile.dir().join(file);
        fs::write(&path, bytes).unwrap();
        let opened = profiles.open(None);
        let error = opened
            .and_then(|profile| profile.api(&clock(), Limits::default()).map(drop))
            .unwrap_err();
        assert_eq!(error.kind(), &Kind::Damaged, "{file}: {error:?}");
        assert!(error.next().unwrap().contains("muster login "), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{file} stays as it is");
    }
    // The key of another login: both files are whole, and do not fit.
    let (one, two) = (save(&profiles, "one", "eva"), save(&profiles, "two", "eva"));
    fs::copy(two.key_file(), one.key_file()).unwrap();
    let error = one.api(&clock(), Limits::default()).map(drop).unwrap_err();
    assert_eq!(error.kind(), &Kind::Damaged);
    // Whatever is no certificate takes no login's place.
    let key = LocalKey::make().unwrap();
    let mut bad = signed(&Ca::new(), &key, "eva");
    bad.certificate = "nothing".to_owned();
    assert!(profiles.save("two", two.about.clone(), &bad, &key).is_err());
    two.api(&clock(), Limits::default()).unwrap();
}

#[test]
fn a_login_that_cannot_be_kept_leaves_the_old_one_whole() {
    let (_dir, profiles) = home();
    let before = save(&profiles, "test", "eva");
    let (ca, key) = (Ca::new(), LocalKey::make().unwrap());
    let signed = signed(&ca, &key, "eva");
    // A directory stands where a file has to go, and a name is none.
    let about = About::of("test", &"door.example.com".parse().unwrap(), &signed, false);
    let kept = fs::read(before.certificate_file()).unwrap();
    let taken = profiles.dir().join("current");
    fs::remove_file(&taken).unwrap();
    fs::create_dir(&taken).unwrap();
    let error = profiles.save("a/b", about, &signed, &key).unwrap_err();
    assert_eq!(error.kind(), &Kind::Usage);
    assert_eq!(fs::read(before.certificate_file()).unwrap(), kept);
    before.api(&clock(), Limits::default()).unwrap();
    let error = profiles.choose("test").unwrap_err();
    assert_eq!(error.kind(), &Kind::Files);
    assert!(error.next().is_some());
    let mut all = Vec::new();
    modes(profiles.dir(), &mut all);
    assert!(
        !all.iter().any(|(name, _)| name.contains("partial")),
        "{all:?}"
    );
}

#[test]
fn a_name_of_a_database_becomes_a_name_of_its_own_in_a_directory() {
    let long = "x".repeat(300);
    let names = [
        "orders",
        "orders.prod",
        "a/b",
        "a%2Fb",
        "..",
        ".hidden",
        "",
        "é",
        &long,
        &format!("{long}y"),
        "A",
        "a",
    ];
    let mut seen: Vec<String> = names.iter().map(|name| file_name(name)).collect();
    for name in &seen {
        assert!(
            !name.is_empty() && !name.starts_with('.') && !name.contains('/') && name.len() < 255,
            "{name}"
        );
    }
    assert_eq!(seen[0], "orders");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), names.len());
}
