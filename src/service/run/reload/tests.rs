#![allow(clippy::unwrap_used)]

use std::{path::PathBuf, sync::mpsc, time::Duration};

use super::reading::read;
use crate::config::ConfigError;

#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_is_refused_and_the_next_one_is_read() {
    let (release, hang) = mpsc::channel::<()>();
    let hanging = move || {
        let _ = hang.recv();
        crate::config::load(&PathBuf::from("/nowhere"))
    };
    let refused = read(Duration::from_millis(20), hanging).await.unwrap_err();
    assert_eq!(refused, ["it took too long to read the file"]);
    let wrong = || -> Result<_, ConfigError> {
        crate::config::load(&PathBuf::from("/nowhere/muster.yaml"))
    };
    let refused = read(Duration::from_secs(600), wrong).await.unwrap_err();
    assert!(
        refused.concat().contains("cannot read the file"),
        "{refused:?}"
    );
    drop(release);
}
