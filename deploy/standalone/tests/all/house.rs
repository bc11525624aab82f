//! Arrows run one way: the FHIR model is the bridge's alone, the Kafka client the log's, and parts do not know each other.

use std::collections::BTreeSet;
use std::process::Command;

fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--depth",
            "1",
        ])
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .map(ToOwned::to_owned)
        .collect()
}

fn direct_users_of(package: &str) -> BTreeSet<String> {
    let mut users = tree(&["--workspace", "--invert", package]);
    users.remove(package);
    users
}

#[test]
fn fhir_is_the_bridges_kafka_the_logs_and_faults_the_tests() {
    assert_eq!(
        direct_users_of("fhir-sdk"),
        BTreeSet::from(["wardline-bridge".to_owned()])
    );
    assert_eq!(
        direct_users_of("rdkafka"),
        BTreeSet::from(["wardline-log".to_owned()])
    );
    // Brokers and faults are for tests and the bench.
    let bench = BTreeSet::from(["wardline-hil".to_owned()]);
    for faults in ["wardline-log-contract", "wardline-disk-sim"] {
        let users = direct_users_of(faults);
        assert!(users.is_subset(&bench), "{users:?} would ship {faults}");
    }
}

#[test]
fn parts_know_the_core_and_not_each_other() {
    let parts = [
        "wardline-agent",
        "wardline-bridge",
        "wardline-aggregator",
        "wardline-tui",
        "wardline-demo",
    ];
    let core = [
        "wardline-limits",
        "wardline-disk",
        "wardline-model",
        "wardline-api",
        "wardline-service",
        "wardline-log",
        "wardline-mqtt",
    ];
    for part in parts.iter().chain(&core) {
        let known = tree(&["--package", part]);
        let allowed = |name: &&String| core.contains(&name.as_str()) || name.as_str() == *part;
        let strangers: Vec<_> = known
            .iter()
            .filter(|n| n.starts_with("wardline"))
            .filter(|n| !allowed(n))
            .collect();
        assert!(strangers.is_empty(), "{part} knows {strangers:?}");
    }
    let known = tree(&["--package", "wardline-tui"]);
    for behind in ["wardline-log", "wardline-model", "wardline-mqtt"] {
        assert!(!known.contains(behind), "the dashboard knows the API alone");
    }
    let shared_by = [
        "wardline",
        "wardline-aggregator",
        "wardline-hil",
        "wardline-tui",
    ];
    assert_eq!(
        direct_users_of("wardline-api"),
        shared_by.map(ToOwned::to_owned).into(),
        "what the API says is for those who answer and ask"
    );
}
