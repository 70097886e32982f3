//! How muster says at the database who it is when it asks it to cancel.

use muster_proxy::Settings;

use crate::{
    bed::{Bed, Ca},
    server::{papers, postgres, until},
    sessions::interrupt,
};

/// What the session began with may be worthless by then: a certificate lives for some hours, a session for as long as it likes.
#[test]
fn a_request_to_cancel_shows_the_certificate_of_its_own_time_and_is_none_when_that_is_refused() {
    let bed = Bed::new(Settings::default(), None);
    let user = bed.person(|_| {});
    let mark = format!("papers-{}", bed.door.local_addr().port());
    let child = bed.sleeping_as(&bed.login(&user, "app"), "user=papers", &mark);
    let stranger = Ca::new("a stranger");
    bed.papers.store(papers(&stranger).into());
    let status = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    until("a request was made", || {
        let numbers = bed.door.numbers();
        numbers.cancels + numbers.cancels_ignored == 1
    });
    assert_eq!(bed.door.numbers().cancels_ignored, 1);
    until("its failure is recorded", || {
        let events = bed.events_of(&user);
        let cancels = events
            .iter()
            .filter(|event| event["event"] == "db.session.cancel");
        let success: Vec<_> = cancels.map(|event| event["success"].as_bool()).collect();
        success == [Some(true), Some(false)]
    });
    bed.papers.store(papers(&postgres().clients).into());
    interrupt(child);
    until("the other is counted", || bed.door.numbers().cancels == 1);
    bed.door.stop();
}
