//! That a code is needed, and that one is good once.

use super::*;

#[tokio::test]
async fn that_a_code_is_needed_is_told_to_whoever_has_the_password_alone() {
    let door = Door::new();
    let totp = door.member("bob", &["careful"], true).await.unwrap();
    for nothing in [json!({}), json!({"totp": ""}), json!({"totp": " "})] {
        let (status, answer) = door.login("bob", &nothing).await;
        assert_eq!(
            (status, &answer["type"]),
            (
                StatusCode::UNAUTHORIZED,
                &json!("urn:muster:denied:second-factor")
            )
        );
    }
    let mut wrong = json!({"password": "wrong horse battery"});
    let (_, of_bob) = door.login("bob", &wrong).await;
    let (_, of_nobody) = door.login("nobody", &wrong).await;
    wrong["totp"] = json!("000000");
    let (_, with_code) = door.login("bob", &wrong).await;
    assert_eq!(of_bob["type"], "urn:muster:denied:login");
    assert_eq!(of_bob, of_nobody);
    assert_eq!(of_bob, with_code);
    // None of that is in the way of who comes with both.
    door.pass(60);
    let fresh = json!({"totp": code(&totp, door.now())});
    let (status, answer) = door.login("bob", &fresh).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test]
async fn whoever_takes_an_invitation_with_a_key_is_logged_in() {
    let door = Door::new();
    let token = door.invite("bob", &["careful"]);
    let (_, offer) = door.post("/v1/invite", &json!({ "token": token })).await;
    let totp = Totp::from_base32(offer["totp_secret"].as_str().unwrap()).unwrap();
    let code = code(&totp, door.now());
    let mut body = json!({"token": token, "password": PASSWORD, "totp": code, "key": "none"});
    let (status, _) = door.post("/v1/invite/accept", &body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    body["key"] = json!(key());
    body["ttl"] = json!("30m");
    let (status, answer) = door.post("/v1/invite/accept", &body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let who = identity(&answer);
    assert_eq!(
        (who.user.as_str(), who.usage, who.totp),
        ("bob", Usage::User, true)
    );
    assert_eq!(who.expires, door.now().plus(1800));
    let (status, _) = door.login("bob", &json!({ "totp": code })).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    // An invitation is good once, with a key as without.
    let (status, _) = door.post("/v1/invite/accept", &body).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_second_factor_is_demanded_and_good_once() {
    let door = Door::new();
    let token = door.invite("alice", &["careful"]);
    let (_, offer) = door.post("/v1/invite", &json!({ "token": token })).await;
    assert_eq!(offer["totp_required"], true);
    let without = json!({"token": token, "password": PASSWORD});
    let (status, _) = door.post("/v1/invite/accept", &without).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let totp = door.member("bob", &["careful"], true).await.unwrap();
    let (wrong, _) = door.login("bob", &json!({"totp": "000000"})).await;
    let used = json!({"totp": code(&totp, door.now())});
    let (again, _) = door.login("bob", &used).await;
    assert_eq!(
        (wrong, again),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    );
    door.pass(30);
    let fresh = json!({"totp": code(&totp, door.now())});
    let (status, answer) = door.login("bob", &fresh).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(identity(&answer).totp);
    let (status, _) = door.login("bob", &fresh).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    // Who has none cannot log in once a role demands it.
    door.member("carol", &["plain"], false).await;
    let (records, how) = (vec![user("carol", &["careful"])], How::Upsert);
    door.ask(Command::Put { records, how });
    let (status, answer) = door.login("carol", &json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        answer["why"][0].as_str().unwrap().contains("careful"),
        "{answer}"
    );
}
