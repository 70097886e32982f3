//! Whose authority was exchanged.

use super::*;

fn rotate(authority: &Authority, ca: Ca, grace: u64) {
    authority
        .handle(Command::Rotate { ca, grace }, "test")
        .unwrap();
}

fn wanted() -> Vec<u8> {
    let body = json!({"key": key(), "route": {"target": "orders", "db_user": "app"}});
    serde_json::to_vec(&body).unwrap()
}

async fn logged_in(door: &Door) -> Login {
    door.member("alice", &["plain"], false).await;
    let (_, answer) = door.login("alice", &json!({})).await;
    Login {
        identity: identity(&answer),
        signer: door.signer(),
    }
}

#[tokio::test]
async fn what_a_leaked_key_has_signed_is_worthless_on_a_connection_that_was_there_before() {
    let door = Door::new();
    let login = logged_in(&door).await;
    let all = [
        ("POST", "/v1/certificates"),
        ("GET", "/v1/whoami"),
        ("GET", "/v1/databases"),
        ("GET", "/v1/databases/orders"),
        ("GET", "/v1/sessions"),
        ("DELETE", "/v1/sessions/1"),
    ];
    let ask = async |(method, path)| {
        let body = match method {
            "POST" => wanted(),
            _ => Vec::new(),
        };
        let login = Some(login.clone());
        door.call_with(method, "10.0.0.1", login, path, body.into())
            .await
    };
    // Another authority is nobody's business here, and during an overlap both are believed.
    rotate(&door.authority, Ca::Host, 0);
    rotate(&door.authority, Ca::User, 60);
    for request in all {
        let (status, answer) = ask(request).await;
        assert_ne!(status, StatusCode::UNAUTHORIZED, "{request:?}: {answer}");
    }
    door.pass(60);
    for request in all {
        let (status, answer) = ask(request).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{request:?}: {answer}");
        assert!(answer.to_string().contains("no longer trusted"), "{answer}");
    }
}

#[tokio::test]
async fn an_exchange_while_a_request_arrives_leaves_nothing_to_sign() {
    let door = Door::new();
    let login = logged_in(&door).await;
    // The head is there and was found good; the key is exchanged before the body comes.
    let authority = Arc::clone(&door.authority);
    let late = futures::stream::once(async move {
        rotate(&authority, Ca::User, 0);
        Ok::<_, std::io::Error>(wanted())
    });
    let (status, answer) = door
        .call_with(
            "POST",
            "10.0.0.1",
            Some(login),
            "/v1/certificates",
            Body::from_stream(late),
        )
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
    assert!(answer.to_string().contains("no longer trusted"), "{answer}");
}
