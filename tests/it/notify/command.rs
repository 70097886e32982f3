use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use muster::{
    config::{Sink, SinkKind},
    notify::Body,
    service::notice::NoticeEvent,
};

use super::{World, eventually, names, notice, notices, sink, within};

/// A sink that is a shell script; `$1` is a directory for it.
fn script(text: &str, dir: &Path) -> Sink {
    let argv = ["/bin/sh", "-c", text, "sh", dir.to_str().unwrap()];
    sink(
        "a",
        SinkKind::Command {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        },
    )
}

fn lines(path: &Path) -> Vec<Body> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Whether a process runs: one that has ended and that nobody waited for does not.
fn runs(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

#[tokio::test]
async fn each_notice_is_a_line_on_the_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let sink = script("cat >> \"$1/got\"; echo chatter", dir.path());
    let world = World::new(&[sink]).await;
    world.append(&notices(0..50));
    world.told().await;
    let got = lines(&dir.path().join("got"));
    let told: Vec<_> = got.iter().map(|body| body.notice.name.clone()).collect();
    assert_eq!(told, names(0..50));
}

#[tokio::test]
async fn it_sees_little_of_our_environment() {
    let dir = tempfile::tempdir().unwrap();
    let sink = script(
        "env > \"$1/env\"; pwd >> \"$1/env\"; cat > \"$1/got\"",
        dir.path(),
    );
    let world = World::new(&[sink]).await;
    world.append(&[notice(NoticeEvent::Held, "x")]);
    world.told().await;
    let got = lines(&dir.path().join("got"));
    let env = fs::read_to_string(dir.path().join("env")).unwrap();
    let mut seen: Vec<&str> = env
        .lines()
        .map(|line| line.split('=').next().unwrap())
        .collect();
    // What the shell sets by itself.
    seen.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    let kept = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];
    let mut expected: Vec<&str> = kept
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some())
        .chain(["MUSTER_EVENT", "MUSTER_DELIVERY", "/"])
        .collect();
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(seen, expected);
    assert!(env.contains("MUSTER_EVENT=held\n"), "{env}");
    let id = format!("MUSTER_DELIVERY={}\n", got[0].delivery);
    assert!(env.contains(&id), "{env}");
}

#[tokio::test]
async fn words_are_not_taken_apart_by_a_shell() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let argv = ["/usr/bin/env", "cp", "/dev/stdin", out.to_str().unwrap()];
    let mut argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
    let world = World::new(&[sink("a", SinkKind::Command { argv: argv.clone() })]).await;
    world.append(&notices(0..1));
    world.told().await;
    assert_eq!(lines(&out).len(), 1);
    argv[3] = format!(
        "{}; touch {}",
        out.display(),
        dir.path().join("oops").display()
    );
    let world = World::new(&[sink("a", SinkKind::Command { argv })]).await;
    world.append(&notices(0..1));
    world.failure("a").await;
    assert!(!dir.path().join("oops").exists());
}

#[tokio::test]
async fn one_that_fails_is_started_again_and_what_it_said_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let text = "cat >> \"$1/got\"; [ -e \"$1/again\" ] || {
        touch \"$1/again\"; echo 'no space left' >&2; echo second >&2; exit 3; }";
    let world = World::new(&[script(text, dir.path())]).await;
    world.append(&notices(0..2));
    let error = world.failure("a").await;
    assert_eq!(error, "/bin/sh ended with exit status: 3: no space left");
    world.told().await;
    let got = lines(&dir.path().join("got"));
    let told: Vec<_> = got.iter().map(|body| body.notice.name.as_str()).collect();
    assert_eq!(told, ["0", "0", "1"]);
    assert_eq!(got[0], got[1]);
}

#[tokio::test]
async fn one_that_is_not_there_is_said_so() {
    let argv = vec!["/nonexistent/announce".to_owned()];
    let world = World::new(&[sink("a", SinkKind::Command { argv })]).await;
    world.append(&notices(0..1));
    assert_eq!(
        world.failure("a").await,
        "cannot start /nonexistent/announce: No such file or directory (os error 2)"
    );
}

#[tokio::test]
async fn one_that_ends_by_a_signal_has_failed() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(&[script("kill -9 $$", dir.path())]).await;
    world.append(&notices(0..1));
    let error = world.failure("a").await;
    assert!(error.starts_with("/bin/sh ended with signal: 9"), "{error}");
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_all_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let text = "trap '' TERM; sleep 1000 & echo $! > \"$1/child\"; echo $$ > \"$1/self\"; wait";
    let sink = within(script(text, dir.path()), Duration::from_millis(500));
    let world = World::new(&[sink]).await;
    world.append(&notices(0..1));
    let error = world.failure("a").await;
    assert_eq!(error, "/bin/sh did not end within 0.5 s, and was killed");
    let pid = |name: &str| {
        let pid = fs::read_to_string(dir.path().join(name)).unwrap();
        pid.trim().to_owned()
    };
    let (child, own) = (pid("child"), pid("self"));
    eventually(
        || (!runs(&child)).then_some(()),
        || format!("{child} still runs"),
    )
    .await;
    // Waited for, too, so that nothing is left of it.
    let gone = || (!Path::new(&format!("/proc/{own}")).exists()).then_some(());
    eventually(gone, || format!("{own} is still there")).await;
}

#[tokio::test]
async fn one_that_is_broken_off_at_the_end_is_killed_too() {
    let dir = tempfile::tempdir().unwrap();
    let text = "sleep 1000 & echo $! > \"$1/child\"; wait";
    let world = World::new(&[script(text, dir.path())]).await;
    world.append(&notices(0..1));
    let file = dir.path().join("child");
    let written = || {
        let pid = fs::read_to_string(&file).ok()?;
        pid.ends_with('\n').then(|| pid.trim().to_owned())
    };
    let child = eventually(written, || "it was not started".to_owned()).await;
    world.stop.cancel();
    let began = Instant::now();
    world.deliverer.join(Duration::from_millis(200)).await;
    assert!(began.elapsed() < Duration::from_secs(45));
    eventually(
        || (!runs(&child)).then_some(()),
        || format!("{child} still runs"),
    )
    .await;
}

#[tokio::test]
async fn one_that_does_not_read_what_it_is_told_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(&[script("exit 0", dir.path())]).await;
    // More than a pipe holds.
    world.append(&[notice(NoticeEvent::Enrolled, &"x".repeat(1 << 20))]);
    world.told().await;
}

#[tokio::test]
async fn one_that_talks_without_end_is_not_listened_to() {
    let dir = tempfile::tempdir().unwrap();
    let text = "head -c 20000000 /dev/zero | tr '\\0' x | tee /dev/stderr; exit 4";
    let world = World::new(&[script(text, dir.path())]).await;
    world.append(&notices(0..1));
    let error = world.failure("a").await;
    assert!(
        error.starts_with("/bin/sh ended with exit status: 4: xxx"),
        "{error}"
    );
    assert!(error.len() < 400, "{}", error.len());
}

#[tokio::test]
async fn what_it_leaves_running_holds_up_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (status, failed) in [(0, false), (5, true)] {
        // It keeps the standard error open.
        let text = format!("sleep 60 & echo $! > \"$1/child\"; echo said >&2; exit {status}");
        let world = World::new(&[script(&text, dir.path())]).await;
        let began = Instant::now();
        world.append(&notices(0..1));
        if failed {
            let error = world.failure("a").await;
            assert_eq!(error, "/bin/sh ended with exit status: 5: said");
        } else {
            world.told().await;
        }
        assert!(
            began.elapsed() < Duration::from_secs(45),
            "{:?}",
            began.elapsed()
        );
        let child = fs::read_to_string(dir.path().join("child")).unwrap();
        assert!(runs(child.trim()), "it is left alone");
        std::process::Command::new("kill")
            .arg(child.trim())
            .status()
            .unwrap();
    }
}
