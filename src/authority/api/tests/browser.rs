//! The page of an invitation, as a browser has it.

use super::*;

#[tokio::test]
async fn whoever_has_only_a_browser_chooses_a_password_there() {
    let door = Door::new();
    let token = door.invite("<b>alice", &["plain"]);
    let ask = async |method: &str, token: &str, body: &str| {
        let caller = Caller {
            address: "10.0.0.1:4711".parse().unwrap(),
            login: Err(muster_proxy::NotIdentified::Missing),
        };
        let router = Arc::clone(&door.authority)
            .router(door.behind.clone())
            .layer(Extension(caller));
        let request = Request::builder()
            .method(method)
            .uri(format!("/invite/{token}"))
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = TowerToHyperService::new(router)
            .call(request)
            .await
            .unwrap();
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    };
    let (status, page) = ask("GET", &token, "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("Welcome, &lt;b&gt;alice") && !page.contains("<b>"),
        "{page}"
    );
    let (status, page) = ask("POST", &token, "password=twelve+letters&again=other").await;
    assert!(
        status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("have to be the same"),
        "{page}"
    );
    let (status, page) = ask("POST", &token, "password=short&again=short").await;
    assert!(
        status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("at least 12"),
        "{page}"
    );
    let (status, page) = ask(
        "POST",
        &token,
        "password=twelve+letters&again=twelve+letters&code=",
    )
    .await;
    assert!(
        status == StatusCode::OK && page.contains("is set"),
        "{page}"
    );
    let (status, page) = ask("GET", &token, "").await;
    assert!(
        status == StatusCode::UNAUTHORIZED && page.contains("used already"),
        "{page}"
    );
    let (status, _) = door
        .login("<b>alice", &json!({"password": "twelve letters"}))
        .await;
    assert_eq!(status, StatusCode::OK);
}
