//! The service finds the same by itself, as far as it can without asking anybody.

use super::doctor;
use crate::service::world::World;

#[test]
fn the_service_tells_the_same_in_its_status_and_metrics() {
    let world = World::with(
        &["demo"],
        "service: { listen: 127.0.0.1:0 }\nproxy: { listen: \"127.0.0.1:0\", cluster_name: test }",
    );
    let service = world.start();
    let has = |status: &muster::service::status::Status, code: &str| {
        status.findings.iter().any(|finding| finding.code == code)
    };
    let status = service.shows("both findings", |status| {
        has(status, "iam-off") && has(status, "denied")
    });
    let by_service: Vec<_> = status
        .findings
        .iter()
        .filter(|finding| ["iam-off", "denied"].contains(&finding.code.as_str()))
        .map(|finding| serde_json::to_value(finding).unwrap())
        .collect();

    // The command finds them word by word.
    let found = doctor(world.command(&["doctor", "--offline", "permissions", "logins"]));
    assert_eq!(found.code, 4);
    let by_command = found.report["findings"].as_array().unwrap();
    assert_eq!(by_command, &by_service);

    let (code, metrics) = service.get("/metrics");
    assert_eq!(code, 200);
    for series in [
        "muster_findings{check=\"logins\",severity=\"failed\"} 1",
        "muster_findings{check=\"permissions\",severity=\"failed\"} 1",
        "muster_findings{check=\"certificates\",severity=\"failed\"} 0",
    ] {
        assert!(metrics.contains(series), "{series}");
    }
    let output = world.command(&["status"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("! logins/iam-off  aws/111111111111/us-east-1"),
        "{text}"
    );
    assert!(
        text.contains("--enable-iam-database-authentication"),
        "{text}"
    );
    service.stop();
}
