//! How often may be tried.

use super::*;

#[tokio::test]
async fn a_restart_does_not_forget_who_is_not_heard() {
    let wrong = async |door: &Door, who: &str| {
        let body = json!({"user": who, "password": "wrong password", "key": key()});
        let body = serde_json::to_vec(&body).unwrap();
        door.pass(10);
        let from = format!("10.1.{}.1", door.now().unix() % 200);
        door.send(&from, None, "/v1/login", body).await.0
    };
    let door = Door::new();
    door.member("alice", &["plain"], false).await;
    // Whether there is somebody of that name or not.
    for who in ["nobody", "alice"] {
        for _ in 0..10 {
            assert_eq!(wrong(&door, who).await, StatusCode::UNAUTHORIZED);
        }
    }
    let door = door.again();
    door.time.fetch_sub(100, Ordering::SeqCst);
    for who in ["nobody", "alice"] {
        assert_eq!(wrong(&door, who).await, StatusCode::TOO_MANY_REQUESTS);
    }
    door.pass(3600);
    let (status, _) = door.login("alice", &json!({})).await;
    assert_eq!(status, StatusCode::OK);
    // A right one is not forgotten either.
    let door = door.again();
    assert_eq!(wrong(&door, "alice").await, StatusCode::UNAUTHORIZED);
    // Who is invited anew is heard, also after a restart.
    for _ in 0..9 {
        wrong(&door, "alice").await;
    }
    assert_eq!(wrong(&door, "alice").await, StatusCode::TOO_MANY_REQUESTS);
    let (user, seconds) = ("alice".to_owned(), 3600);
    door.ask(Command::Reset { user, seconds });
    assert_eq!(wrong(&door, "alice").await, StatusCode::UNAUTHORIZED);
    let door = door.again();
    assert_eq!(wrong(&door, "alice").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn one_address_cannot_try_for_ever() {
    let door = Door::new();
    let mut refused = 0;
    for n in 0..60 {
        let body = json!({"token": format!("guess {n}")});
        let (status, _) = door.post("/v1/invite", &body).await;
        refused += u32::from(status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(refused, 30);
    let body = serde_json::to_vec(&json!({"token": "guess"})).unwrap();
    let (status, _) = door.send("10.0.0.2", None, "/v1/invite", body).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
