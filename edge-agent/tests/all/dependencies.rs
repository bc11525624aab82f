//! The agent cross-compiles to small boards: neither FHIR nor Kafka, and no second TLS stack, may come into its tree.

use std::process::Command;

#[test]
fn no_fhir_and_no_kafka_in_the_agent() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--package",
            "wardline-agent",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(
        tree.contains("redb ") && tree.contains("wardline-mqtt "),
        "{tree}"
    );
    for forbidden in [
        "fhir-sdk ",
        "rdkafka ",
        "rdkafka-sys ",
        "openssl-sys ",
        "native-tls ",
        "axum ",
    ] {
        assert!(
            !tree.contains(forbidden),
            "{forbidden} is in the agent's tree"
        );
    }
}
