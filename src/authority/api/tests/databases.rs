//! What somebody with a certificate sees of databases and sessions, and what not.

use std::sync::Mutex;

use muster_model::Protocol;
use muster_proxy::SessionView;

use super::*;

/// Sessions that are no more than what is told of them.
struct Told(Mutex<Vec<SessionView>>);

impl Sessions for Told {
    fn of(&self, user: &str) -> Vec<SessionView> {
        let all = self.0.lock().unwrap();
        all.iter()
            .filter(|view| view.user == user)
            .cloned()
            .collect()
    }

    fn end(&self, id: &str, _: &str) -> bool {
        let mut all = self.0.lock().unwrap();
        let before = all.len();
        all.retain(|view| view.id != id);
        all.len() < before
    }
}

fn session(id: &str, user: &str) -> SessionView {
    SessionView {
        id: id.to_owned(),
        user: user.to_owned(),
        roles: vec!["shop".to_owned()],
        target: "orders".to_owned(),
        target_id: muster_model::ResourceId::new("x"),
        protocol: Protocol::Postgres,
        db_user: "app".to_owned(),
        db_name: "shop".to_owned(),
        client: "10.0.0.1:1".parse().unwrap(),
        upstream: "10.9.9.9:5432".parse().unwrap(),
        started: 1,
        active: 2,
        ends_at: Timestamp::from_unix(1_800_000_000),
        from_client: 3,
        to_client: 4,
        statements: 5,
    }
}

/// A role for what is labelled with this team.
fn shop(team: &str, users: &[&str], names: &[&str]) -> Value {
    json!({"kind": "role", "version": "v7", "metadata": {"name": team}, "spec": {
        "allow": {"db_labels": {"team": team}, "db_users": users, "db_names": names},
        "deny": {"db_users": ["root"], "db_names": ["secret"]},
    }})
}

impl Door {
    /// A town of three databases of one team and two of another, and Ana who is in the first.
    async fn town() -> (Self, Arc<Identity>) {
        let door = Self::new();
        let records = vec![
            shop("blue", &["app", "reader"], &["*"]),
            shop("red", &["*"], &["shop"]),
        ];
        let how = How::Create;
        door.ask(Command::Put { records, how });
        let (blue, red) = (
            json!({"team": "blue", "env": "prod"}),
            json!({"team": "red"}),
        );
        door.offer(vec![
            database("bills-eu", &blue),
            database("Bills-US", &blue),
            database("carts", &blue),
            database("secrets", &red),
            database("zoo", &red),
        ]);
        door.member("ana", &["blue"], false).await;
        let (_, answer) = door.login("ana", &json!({"ttl": "1h"})).await;
        let who = identity(&answer);
        (door, who)
    }

    async fn get(&self, who: &Arc<Identity>, path: &str) -> (StatusCode, Value) {
        self.send("10.0.0.1", Some(Arc::clone(who)), path, Vec::new())
            .await
    }

    /// Lets both bills have one short name.
    fn same_short_name(&self) {
        let catalog = self.behind.catalog.load();
        let all = catalog.iter().map(|target| {
            let mut target = muster_model::Target::clone(target);
            if target.name.to_lowercase().starts_with("bills") || target.name == "zoo" {
                target.short_name = "bills".to_owned();
            }
            Arc::new(target)
        });
        self.behind.catalog.store(Arc::new(all.collect()));
    }
}

fn names(page: &Value) -> Vec<&str> {
    let databases = page["databases"].as_array().unwrap();
    databases
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn somebody_sees_what_the_roles_show_page_by_page() {
    let (door, ana) = Door::town().await;
    let (status, all) = door.get(&ana, "/v1/databases").await;
    assert_eq!(status, StatusCode::OK, "{all}");
    assert_eq!(names(&all), ["bills-eu", "Bills-US", "carts"]);
    assert_eq!(all["next"], Value::Null);
    let first = &all["databases"][0];
    assert_eq!(
        (
            &first["db_users"],
            &first["db_names"],
            &first["db_names_denied"]
        ),
        (&json!(["app", "reader"]), &json!(["*"]), &json!(["secret"]))
    );
    assert_eq!(first["labels"]["team"], "blue");
    assert_eq!(first["description"], "the bills-eu of all");
    assert_eq!(
        (&first["protocol"], &first["notes"]),
        (&json!("postgres"), &json!([]))
    );

    // One at a time, and each name once.
    let (mut seen, mut path) = (Vec::new(), "/v1/databases?limit=1".to_owned());
    for _ in 0..5 {
        let (_, page) = door.get(&ana, &path).await;
        seen.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/databases?limit=1&after={next}");
    }
    assert_eq!(seen, ["bills-eu", "Bills-US", "carts"]);

    for (query, found) in [
        ("search=CARTS", vec!["carts"]),
        ("search=of+all+eu", vec!["bills-eu"]),
        ("search=zoo", vec![]),
        (
            "label=env%3Dprod&label=team%3Dbl*",
            vec!["bills-eu", "Bills-US", "carts"],
        ),
        ("label=team%3Dred", vec![]),
        ("after=carts", vec![]),
    ] {
        let (_, page) = door.get(&ana, &format!("/v1/databases?{query}")).await;
        assert_eq!(names(&page), found, "{query}");
    }
    for query in ["limit=0", "limit=1001", "limit=x", "label=prod", "serach=x"] {
        let (status, answer) = door.get(&ana, &format!("/v1/databases?{query}")).await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{query}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_name_leads_to_what_one_sees_and_says_nothing_of_the_rest() {
    let (door, ana) = Door::town().await;
    for (name, found) in [("carts", "carts"), ("BILLS-US", "Bills-US")] {
        let (status, one) = door.get(&ana, &format!("/v1/databases/{name}")).await;
        assert_eq!((status, &one["name"]), (StatusCode::OK, &json!(found)));
    }
    let (status, there) = door.get(&ana, "/v1/databases/secrets").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, not_there) = door.get(&ana, "/v1/databases/nothing").await;
    let same = there.to_string().replace("secrets", "nothing");
    assert_eq!(same, not_there.to_string());
    // Neither does what is no text, and it is told in the same form.
    let (status, broken) = door.get(&ana, "/v1/databases/%ff").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(broken["type"], not_there["type"]);

    door.same_short_name();
    let (status, two) = door.get(&ana, "/v1/databases/bills").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(two["type"], "urn:muster:denied:ambiguous");
    assert_eq!(two["candidates"], json!(["Bills-US", "bills-eu"]));
    // `zoo` has that short name as well, and Ana hears of two.
    assert!(two["why"][0].as_str().unwrap().starts_with('2'), "{two}");
    door.member("rob", &["red"], false).await;
    let (_, answer) = door.login("rob", &json!({})).await;
    let (status, one) = door.get(&identity(&answer), "/v1/databases/bills").await;
    assert_eq!((status, &one["name"]), (StatusCode::OK, &json!("zoo")));
}

#[tokio::test]
async fn a_certificate_is_for_what_was_meant_and_a_refusal_says_why() {
    let (door, ana) = Door::town().await;
    door.same_short_name();
    let ask = |route: Value| {
        let body = json!({"key": key(), "route": route});
        serde_json::to_vec(&body).unwrap()
    };
    let path = "/v1/certificates";
    let from = "10.0.0.1";
    let (status, answer) = door
        .send(
            from,
            Some(Arc::clone(&ana)),
            path,
            ask(json!({"target": "CARTS", "db_user": "app"})),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(
        (&answer["target"], &answer["protocol"]),
        (&json!("carts"), &json!("postgres"))
    );
    assert!(!answer["server_name"].as_str().unwrap().is_empty());
    assert_eq!(identity(&answer).route.as_ref().unwrap().target, "carts");

    let cases = [
        (
            json!({"target": "secrets"}),
            404,
            "there is no such database",
        ),
        (json!({"target": "bills"}), 409, "2 databases are called"),
        (
            json!({"target": "carts", "db_user": "boss"}),
            403,
            "database user `boss`",
        ),
        (
            json!({"target": "carts", "db_user": "boss"}),
            403,
            "they allow: app, reader",
        ),
        (
            json!({"target": "carts", "db_user": "root"}),
            403,
            "database user `root`",
        ),
        (
            json!({"target": "carts", "db_user": "app", "db_name": "secret"}),
            403,
            "they allow: any but secret",
        ),
    ];
    for (route, expected, why) in cases {
        let (status, answer) = door
            .send(from, Some(Arc::clone(&ana)), path, ask(route.clone()))
            .await;
        assert_eq!(status.as_u16(), expected, "{route}: {answer}");
        assert!(answer["why"].to_string().contains(why), "{route}: {answer}");
        assert!(answer["hint"].is_string(), "{answer}");
        // Which role it is that denies is the operator's to know.
        assert!(!answer.to_string().contains("blue"), "{answer}");
    }
}

#[tokio::test]
async fn somebody_is_told_who_they_are_while_they_are() {
    let (door, ana) = Door::town().await;
    let (status, answer) = door.get(&ana, "/v1/whoami").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(
        (&answer["user"], &answer["roles"], &answer["second_factor"]),
        (&json!("ana"), &json!(["blue"]), &json!(false))
    );
    assert_eq!(answer["expires"], json!(ana.expires));
    let paths = [
        "/v1/whoami",
        "/v1/databases",
        "/v1/databases/carts",
        "/v1/sessions",
    ];
    for path in paths {
        let (status, _) = door.send("10.0.0.1", None, path, Vec::new()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        let routed = Arc::new(Identity {
            usage: Usage::Database,
            ..Identity::clone(&ana)
        });
        let (status, _) = door.get(&routed, path).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let lock = json!({"kind": "lock", "version": "v2", "metadata": {"name": "l"},
        "spec": {"target": {"user": "ana"}, "message": "call the office"}});
    let (records, how) = (vec![lock], How::Create);
    door.ask(Command::Put { records, how });
    for path in ["/v1/whoami", "/v1/databases", "/v1/databases/carts"] {
        let (status, answer) = door.get(&ana, path).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        assert!(answer.to_string().contains("call the office"), "{answer}");
    }
    door.pass(3600);
    for path in paths {
        let (status, answer) = door.get(&ana, path).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.to_string().contains("expired"), "{answer}");
    }
}

#[tokio::test]
async fn sessions_are_one_s_own() {
    let (door, ana) = Door::town().await;
    let (_, none) = door.get(&ana, "/v1/sessions").await;
    assert_eq!(none, json!({"sessions": []}));
    let told = Told(Mutex::new(vec![session("a", "ana"), session("b", "bob")]));
    assert!(door.behind.sessions.set(Arc::new(told)).is_ok());
    let (_, mine) = door.get(&ana, "/v1/sessions").await;
    let mine = mine["sessions"].as_array().unwrap();
    assert_eq!((mine.len(), &mine[0]["id"]), (1, &json!("a")));
    // Where the database is, is nobody's business out there.
    assert!(!mine[0].to_string().contains("10.9.9.9"));
    for (id, expected) in [("b", 404), ("x", 404), ("a", 200), ("a", 404)] {
        let who = Some(Arc::clone(&ana));
        let path = format!("/v1/sessions/{id}");
        let (status, answer) = door
            .call("DELETE", "10.0.0.1", who, &path, Vec::new())
            .await;
        assert_eq!(status.as_u16(), expected, "{id}: {answer}");
    }
    // Somebody else has the name now: that one's sessions are nothing for the certificate of the first.
    let kind = crate::authority::Kind::User;
    let (name, revision) = ("ana".to_owned(), None);
    door.ask(Command::Remove {
        kind,
        name,
        revision,
    });
    door.pass(60);
    door.member("ana", &["blue"], false).await;
    for (method, path) in [("GET", "/v1/sessions"), ("DELETE", "/v1/sessions/a")] {
        let who = Some(Arc::clone(&ana));
        let (status, answer) = door.call(method, "10.0.0.1", who, path, Vec::new()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}: {answer}");
    }
}

#[tokio::test]
async fn few_of_many_are_found_in_pages_that_tell_nothing_of_the_rest() {
    let (door, ana) = Door::town().await;
    let catalog = door.behind.catalog.load();
    let zoo = catalog.find("zoo").unwrap();
    // Between what Ana sees there are thousands that she does not.
    let hidden = (0..3_000).map(|n| {
        let mut target = muster_model::Target::clone(zoo);
        target.name = format!("both-{n}");
        target.id = muster_model::ResourceId::new(format!("both-{n}"));
        Arc::new(target)
    });
    let all = catalog.iter().cloned().chain(hidden);
    door.behind.catalog.store(Arc::new(all.collect()));

    let (mut seen, mut path, mut places) = (Vec::new(), "/v1/databases".to_owned(), Vec::new());
    for _ in 0..9 {
        let (status, page) = door.get(&ana, &path).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        assert!(!page.to_string().contains("both-"), "{page}");
        seen.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        places.push(next.to_owned());
        path = format!("/v1/databases?after={next}");
    }
    assert_eq!(seen, ["bills-eu", "Bills-US", "carts"]);
    assert_eq!(places.len(), 3, "{places:?}");

    // A place is of the list of whom it was made for, and of no other one.
    door.member("eve", &["red"], false).await;
    let eve = identity(&door.login("eve", &json!({})).await.1);
    let wrong = [
        (&eve, places[0].clone()),
        (&ana, format!("{}x", places[0])),
        (&ana, "~".to_owned()),
    ];
    for (who, place) in wrong {
        let (status, answer) = door.get(who, &format!("/v1/databases?after={place}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    }
}

#[tokio::test]
async fn a_login_for_one_database_takes_names_as_everything_else_does() {
    let (door, _) = Door::town().await;
    door.same_short_name();
    let login = async |target: &str, db_user: &str| {
        let route = json!({"route": {"target": target, "db_user": db_user}});
        door.login("ana", &route).await
    };
    let (status, answer) = login("carts", "app").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let catalog = door.behind.catalog.load();
    let all = catalog.iter().map(|target| {
        let mut target = muster_model::Target::clone(target);
        if target.name == "carts" {
            target.short_name = "c".to_owned();
        }
        Arc::new(target)
    });
    door.behind.catalog.store(Arc::new(all.collect()));
    let (_, answer) = login("c", "app").await;
    let route = identity(&answer).route.clone().unwrap();
    assert_eq!(
        (route.target.as_str(), route.db_user.as_deref()),
        ("carts", Some("app"))
    );
    for (target, db_user, refused) in [
        ("bills", "app", StatusCode::CONFLICT),
        ("zoo", "app", StatusCode::NOT_FOUND),
        ("none", "app", StatusCode::NOT_FOUND),
        ("carts", "root", StatusCode::FORBIDDEN),
    ] {
        let (status, answer) = login(target, db_user).await;
        assert_eq!(status, refused, "{target}: {answer}");
    }
}
