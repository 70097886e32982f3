#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use muster_model::{Event, HeldRemoval, ResourceId, Timestamp};
use muster_store::MemoryStore;

use super::*;

fn plan(number: u64, verdict: Verdict) -> HeldPlan {
    HeldPlan {
        number,
        made: Timestamp::from_unix(1_700_000_000),
        group: "default".to_owned(),
        removals: ["crm", "wiki\u{202e}"]
            .iter()
            .map(|name| HeldRemoval {
                id: ResourceId::of(
                    &format!("arn:aws:rds:us-east-1:111111111111:db:{name}"),
                    "instance",
                ),
                name: (*name).to_owned(),
                reason: "gone for 2 complete scans".to_owned(),
                became: Became::Open,
            })
            .collect(),
        targets: 5,
        allowance: 1,
        verdict,
    }
}

fn store_with(plan: &HeldPlan) -> MemoryStore {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    tables::PLANS
        .put(&mut batch, &plan_id(plan.number), plan, Expect::Absent)
        .unwrap();
    store.commit(batch).unwrap();
    store
}

#[test]
fn a_plan_shows_what_it_would_remove() {
    let mut text = Vec::new();
    show(&plan(7, Verdict::Waiting), &mut text).unwrap();
    assert_eq!(
        String::from_utf8(text).unwrap(),
        "Plan 7 waits for a person\n\
         Held since 2023-11-14T22:13:20Z, of group default. It would remove 2 of 5 targets, and the brake lets 1 through.\n\
         \n  - crm  gone for 2 complete scans\n      \
         arn:aws:rds:us-east-1:111111111111:db:crm#instance\n  \
         - wiki\\u{202e}  gone for 2 complete scans\n      \
         arn:aws:rds:us-east-1:111111111111:db:wiki\\u{202e}#instance\n\
         \n`muster plan approve 7` lets them be removed, `muster plan reject 7` keeps them.\n"
    );
}

#[test]
fn a_plan_that_was_carried_out_shows_what_became_of_everything() {
    let mut approved = plan(
        7,
        Verdict::Approved {
            by: "ann".to_owned(),
            at: Timestamp::from_unix(1_700_000_000),
        },
    );
    approved.removals[0].became = Became::Removed;
    let mut text = Vec::new();
    show(&approved, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains("db:crm#instance\n      was removed\n"),
        "{text}"
    );
    assert!(text.contains("      is not removed yet\n"), "{text}");
    approved.removals[1].became = Became::Stays;
    let line = PlanLine::from(&approved);
    assert_eq!((line.remove, line.removed, line.stay), (2, 1, 1));
}

#[test]
fn why_the_brake_holds_is_said_once() {
    let mut waiting = plan(7, Verdict::Waiting);
    for removal in &mut waiting.removals {
        removal.reason.push_str(
            "; but this plan would remove 2 of 5 targets, and 1 more is missing or was removed lately, and 1 is the most it may",
        );
    }
    let mut text = Vec::new();
    show(&waiting, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains("  - crm  gone for 2 complete scans\n"),
        "{text}"
    );
    let held = "\n\nHeld because this plan would remove 2 of 5 targets, and 1 more is missing or was removed lately, and 1 is the most it may\n\n";
    assert!(text.contains(held), "{text}");
    assert_eq!(text.matches("this plan would remove").count(), 1, "{text}");
}

#[test]
fn what_a_person_says_is_written_with_their_name() {
    for (approve, event) in [(true, Event::Approved), (false, Event::Rejected)] {
        let store = store_with(&plan(7, Verdict::Waiting));
        let decided = decide(&store, 7, approve, "ann (uid 1000)", "cannot").unwrap();
        let kept = tables::PLANS
            .get(&store, &plan_id(7))
            .unwrap()
            .unwrap()
            .value;
        assert_eq!(kept, decided);
        assert!(
            by(&kept.verdict).starts_with("ann (uid 1000), "),
            "{kept:?}"
        );
        let lines = tables::HISTORY.recent(&store, 9).unwrap().entries;
        assert_eq!(lines.len(), 2);
        assert!(
            lines
                .iter()
                .all(|line| line.event == event && line.by == "ann (uid 1000)")
        );
    }
}

#[test]
fn nothing_is_said_of_a_plan_that_does_not_wait_or_is_not_there() {
    let approved = Verdict::Approved {
        by: "ben".to_owned(),
        at: Timestamp::from_unix(1_700_000_000),
    };
    let store = store_with(&plan(7, approved));
    for (number, why) in [
        (
            7,
            "cause: plan 7 was approved by ben at 2023-11-14T22:13:20Z\n",
        ),
        (8, "cause: the brake has held no plan of that number\n"),
    ] {
        let failure = decide(&store, number, true, "ann", "cannot approve").unwrap_err();
        let mut text = Vec::new();
        failure.print(&mut text);
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(why), "{text}");
    }
    assert_eq!(store.revision().unwrap().0, 1);
}

#[test]
fn only_yes_is_a_yes() {
    for (answer, yes) in [
        ("yes\n", true),
        (" yes \r\n", true),
        ("y\n", false),
        ("", false),
        ("YES\n", false),
    ] {
        let mut out = Vec::new();
        assert_eq!(
            confirmed(2, &mut answer.as_bytes(), &mut out).unwrap(),
            yes,
            "{answer:?}"
        );
    }
}
