//! The service finds the same by itself, as far as it can without asking anybody.

use muster::service::status::{ServiceState, Status};
use serde_json::Value;

use super::doctor;
use crate::service::world::World;

#[test]
fn the_service_tells_the_same_in_its_status_and_metrics() {
    let world = World::with(
        &["demo"],
        "service: { listen: 127.0.0.1:0 }\nproxy: { listen: \"127.0.0.1:0\", cluster_name: test }",
    );
    let service = world.start();
    let by_service = |status: &Status| -> Vec<Value> {
        let findings = status.findings.iter();
        let ours = findings.filter(|one| ["iam-off", "denied"].contains(&one.code.as_str()));
        ours.map(|one| serde_json::to_value(one).unwrap()).collect()
    };
    // Every scope has been tried then.
    service.shows("both findings", |status| {
        status.state == ServiceState::Degraded && by_service(status).len() == 2
    });

    // The command finds them word by word; the service may have looked before its last scan.
    let found = doctor(world.command(&["doctor", "--offline", "permissions", "logins"]));
    assert_eq!(found.code, 4);
    let by_command = found.report["findings"].as_array().unwrap();
    service.shows("the same", |status| by_service(status) == *by_command);

    let (code, metrics) = service.get("/metrics");
    assert_eq!(code, 200);
    for series in [
        "muster_findings{check=\"logins\",severity=\"failed\"} 1",
        "muster_findings{check=\"permissions\",severity=\"failed\"} 1",
        "muster_findings{check=\"certificates\",severity=\"failed\"} 0",
    ] {
        assert!(metrics.contains(series), "{series}");
    }
    // A cluster that the environment names counts for nothing beside a configuration that is typed.
    let mut status = world.command(&["status", "--config"]);
    status.arg(world.config()).env_remove("MUSTER_CONFIG");
    let output = status.env("MUSTER_CLUSTER", "old").output().unwrap();
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
