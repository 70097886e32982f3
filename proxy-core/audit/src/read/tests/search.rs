//! What is in a log is found.

use super::*;
use crate::{
    Failure, Order, Parameter, Parameters, Query, Sensitive, follow, play, script, search,
};

fn count(dir: &Path, query: Query) -> usize {
    let mut matches = search(dir, query).unwrap();
    let count = matches.by_ref().map(Result::unwrap).count();
    assert_eq!(matches.damaged(), 0);
    count
}

#[test]
fn events_are_found_by_what_they_have() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path());
    let some = |text: &str| Some(text.to_owned());
    let none = Query::default();
    let cases = [
        (
            Query {
                user: some("alice"),
                ..none.clone()
            },
            20,
        ),
        (
            Query {
                user: some("alice"),
                target: some("orders"),
                ..none.clone()
            },
            10,
        ),
        (
            Query {
                target: some("orders"),
                ..none.clone()
            },
            21,
        ),
        (
            Query {
                user: some("ali"),
                ..none.clone()
            },
            0,
        ),
        (
            Query {
                code: some("TDB02I"),
                ..none.clone()
            },
            30,
        ),
        (
            Query {
                event: some("db.session.query"),
                db_user: some("reader"),
                ..none.clone()
            },
            30,
        ),
        (
            Query {
                code: some("TDB05I"),
                ..none.clone()
            },
            1,
        ),
        (
            Query {
                sid: some(SESSIONS[1].0),
                ..none.clone()
            },
            10,
        ),
        (
            Query {
                text: some("select 7 from"),
                ..none.clone()
            },
            3,
        ),
        (
            Query {
                text: some("\"X\ny"),
                ..none.clone()
            },
            30,
        ),
        // Texts of fields that everybody has are not what anybody looks for.
        (
            Query {
                text: some("reader"),
                ..none.clone()
            },
            0,
        ),
        (
            Query {
                from: Some(Micros(START + 28_000_000)),
                code: some("TDB02I"),
                ..none.clone()
            },
            2,
        ),
        (
            Query {
                to: Some(Micros(START + 3_000_000)),
                code: some("TDB02I"),
                ..none.clone()
            },
            3,
        ),
        (
            Query {
                code: some("TDB02I"),
                limit: Some(4),
                ..none.clone()
            },
            4,
        ),
    ];
    for (query, expected) in cases {
        for order in [Order::Newest, Order::Oldest] {
            let query = Query {
                order,
                ..query.clone()
            };
            assert_eq!(count(&path, query.clone()), expected, "{query:?}");
        }
    }
}

#[test]
fn the_newest_come_first_unless_the_oldest_shall() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path());
    let order = |order| {
        let query = Query {
            code: Some("TDB02I".to_owned()),
            order,
            ..Query::default()
        };
        let all = search(&path, query).unwrap();
        all.map(|found| found.unwrap().event["time"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (mut newest, oldest) = (order(Order::Newest), order(Order::Oldest));
    assert!(oldest.is_sorted());
    newest.reverse();
    assert_eq!(newest, oldest);
}

#[test]
fn a_log_is_followed_into_its_next_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path());
    let query = Query {
        user: Some("alice".to_owned()),
        ..Query::default()
    };
    let mut follow = follow(&path, query).unwrap();
    assert_eq!(follow.poll().unwrap(), []);
    let mut settings = Settings::new(&path, "acme");
    settings.rotate.bytes = 1;
    let log = Log::open(settings).unwrap();
    let mut pen = log.pen();
    let mut subjects = SESSIONS.map(subject);
    let event = Event::Disconnect { reason: "idle" };
    let mut seen = 0;
    for _ in 0..3 {
        for subject in &mut subjects {
            pen.write(subject, Micros(START), &event).unwrap();
        }
        assert!(log.flush(LIMIT));
        seen += follow.poll().unwrap().len();
    }
    assert_eq!(seen, 6);
    log.close(LIMIT);
}

#[test]
fn a_session_is_played_from_its_start_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    let log = Log::open_with(
        Settings::new(&path, "acme"),
        Arc::new(|| Micros(START)),
        [9; 16],
    )
    .unwrap();
    let (mut pen, mut one, mut other) = (log.pen(), subject(SESSIONS[0]), subject(SESSIONS[1]));
    let values = [Parameter::Text(b"7"), Parameter::Null];
    let failed = Outcome {
        duration_us: 1500,
        error: Some(Failure {
            code: b"42703",
            message: b"column \"x\" does not exist",
        }),
        ..Outcome::default()
    };
    let events = [
        Event::SessionStart {
            backend: Some(7),
            user_agent: Some("psql"),
        },
        Event::Query {
            query: "select x".into(),
            parameters: None,
            outcome: Some(failed),
        },
        Event::Execute {
            portal: b"",
            statement: Some(b"s1"),
            query: None,
            parameters: Some(Parameters {
                values: &values,
                sensitive: Sensitive::No,
            }),
            limit: 0,
            outcome: Some(Outcome {
                rows: Some(1),
                tag: b"SELECT 1",
                duration_us: 20,
                error: None,
            }),
        },
        Event::SessionEnd {
            started: Micros(START),
            reason: None,
            statements: 2,
            from_client: 10,
            to_client: 20,
        },
    ];
    for (n, event) in (0..).zip(&events) {
        pen.write(&mut one, Micros(START + n * 1000), event)
            .unwrap();
        pen.write(&mut other, Micros(START + n * 1000), event)
            .unwrap();
    }
    log.close(LIMIT);
    let played = play(&path, SESSIONS[0].0).unwrap();
    let scenes = script(&played);
    let shown: Vec<_> = scenes
        .iter()
        .map(|scene| (scene.at_us, &*scene.what, scene.outcome.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            (0, "the session began", None),
            (
                1000,
                "select x",
                Some("error 42703: column \"x\" does not exist, 1.500 ms")
            ),
            (
                2000,
                "execute `s1`  [$1 = '7', $2 = NULL]",
                Some("SELECT 1, 1 row, 0.020 ms")
            ),
            (
                3000,
                "the session ended after 2 statements, 10 bytes in and 20 bytes out",
                None
            ),
        ]
    );
    assert_eq!(play(&path, "nobody").unwrap(), []);
}
