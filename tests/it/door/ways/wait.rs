//! `muster db wait`, and `connect --wait`.

use super::*;

#[test]
fn somebody_waits_for_a_database_until_it_is_there() {
    let town = Town::new("");
    let (_service, proxy) = town.open();
    let eva = Person::new(&town, &proxy, "eva", "shop");
    assert_eq!(said(&eva.run(&["db", "wait", "orders"])), "orders");
    let to = ["--connect", "--db-user", "alice", "--db-name", "shop"];
    said(&eva.run(&[&["db", "wait", "orders"], &to[..]].concat()));

    let output = eva.run(&["db", "wait", "later", "--timeout", "1s"]);
    assert_eq!(output.status.code(), Some(69), "{}", complaint(&output));
    assert!(
        complaint(&output).contains("waited 1s for `later`"),
        "{}",
        complaint(&output)
    );

    // Enrolled, and its server does not run yet: seen, and it lets nobody in.
    let record = |name: &str, port: u16| {
        town.create(&format!(
            "kind: db
version: v3
metadata: {{ name: {name}, labels: {{ env: test, team: shop }} }}
spec: {{ protocol: postgres, uri: \"{host}:{port}\" }}
",
            host = super::super::town::POSTGRES.name,
        ));
    };
    let waiting = eva
        .command(&[
            "db",
            "connect",
            "later",
            "--wait",
            "--timeout",
            "60s",
            "--db-user",
            "alice",
            "--db-name",
            "shop",
            "--",
            "-XAtqc",
            SELECT,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    record("later", nobody);
    said(&eva.run(&["db", "wait", "later"]));
    let args = [&["db", "wait", "later", "--timeout", "1s"], &to[..]].concat();
    let output = eva.run(&args);
    assert_eq!(output.status.code(), Some(69), "{}", complaint(&output));
    record("later", super::super::town::POSTGRES.port);
    assert_eq!(said(&waiting.wait_with_output().unwrap()), "alice|shop");
}
