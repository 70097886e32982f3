//! What `docs/notify.md` shows is what is sent. `MUSTER_BLESS=1` writes its examples anew.

use std::{fs, path::PathBuf};

use muster::{
    notify::Body,
    service::notice::{Notice, NoticeEvent},
};
use muster_model::{FieldChange, ResourceId, Timestamp};

use super::notice;

/// A piece of the page that a reader copies.
pub enum Snippet {
    Python,
}

/// A snippet's text.
pub fn snippet(snippet: Snippet) -> String {
    let fence = match snippet {
        Snippet::Python => "```python\n",
    };
    let page = fs::read_to_string(path()).unwrap();
    let text = page.split_once(fence).expect("the page has the snippet").1;
    text.split_once("```").unwrap().0.to_owned()
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/notify.md")
}

fn example(event: NoticeEvent) -> Body {
    let at = Timestamp::from_unix(1_767_225_600);
    let run = format!("{at}-4711");
    let gone =
        "gone: not found by 3 complete scans since 2025-12-31T23:50:00Z (grace: 2 scans and 30m)";
    let database = |reason: &str| Notice {
        at,
        run: run.clone(),
        id: Some(ResourceId::of(
            "arn:aws:rds:eu-central-1:111122223333:db:orders",
            "instance",
        )),
        reason: reason.to_owned(),
        ..notice(event, "orders")
    };
    let notice = match event {
        NoticeEvent::Enrolled => database("rule \"prod\" (env in [prod])"),
        NoticeEvent::Updated => Notice {
            fields: vec![FieldChange {
                field: "engine_version".to_owned(),
                from: Some("16.4".to_owned()),
                to: Some("16.8".to_owned()),
            }],
            ..database("rule \"prod\" (env in [prod])")
        },
        NoticeEvent::Removed => database(gone),
        NoticeEvent::Held => Notice {
            would: Some("remove".to_owned()),
            safety: Some("brake".to_owned()),
            ..database(&format!(
                "{gone}; 9 removals are more than the 3 that one plan may make (20% of 14)"
            ))
        },
        NoticeEvent::ScopeFailed => Notice {
            at,
            run,
            reason: "rds:DescribeDBInstances: denied: not authorized to perform: \
                     rds:DescribeDBInstances (missing permission: rds:DescribeDBInstances)"
                .to_owned(),
            ..notice(event, "aws/111122223333/eu-central-1/rds")
        },
    };
    Body {
        delivery: format!("1767139200-{}", 41 + event as u64),
        dropped: 0,
        notice,
    }
}

#[test]
fn the_page_shows_each_event_as_it_is_sent() {
    let page = fs::read_to_string(path()).unwrap();
    let mut now = page.clone();
    for event in NoticeEvent::ALL {
        let heading = format!("### `{}`\n", event.as_str());
        let json = serde_json::to_string_pretty(&example(*event)).unwrap();
        let (before, section) = now.split_once(&heading).expect("the page has the event");
        let (text, rest) = section.split_once("```json\n").expect("and an example");
        assert!(!text.contains("\n#"), "{event:?} has an example of its own");
        let (_, after) = rest.split_once("\n```").unwrap();
        now = format!("{before}{heading}{text}```json\n{json}\n```{after}");
    }
    if std::env::var_os("MUSTER_BLESS").is_some() {
        fs::write(path(), &now).unwrap();
    }
    assert!(
        page == now || std::env::var_os("MUSTER_BLESS").is_some(),
        "docs/notify.md is stale: run `MUSTER_BLESS=1 cargo test`, and look at the difference"
    );
}
