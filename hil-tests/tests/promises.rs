//! The scenarios of `wardline-hil` with few faults, against the programs as processes: kill -9, a broker that forgets, a link
//! that is cut without a word, broken input, and the same day told in another order. More of each: docs/operations.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use wardline_hil::scenario::{self, Outcome};
use wardline_hil::target::Layout;
use wardline_log_contract::kafka_server::KafkaServer;

fn holds(outcome: anyhow::Result<Outcome>) {
    // The scenario itself holds the promises; its error names the one that broke.
    match outcome {
        Ok(outcome) => assert!(outcome.acked > 0 && outcome.unaccounted == 0, "{outcome:?}"),
        Err(error) => panic!("{error:#}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p3_p4_p5_kill_9_of_all_in_one_process_loses_nothing() {
    holds(scenario::kill(Layout::Together, 11, 3).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_kill_9_of_agent_and_bridge_loses_nothing() {
    holds(scenario::kill(Layout::Edge { broker: None }, 12, 4).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p3_p4_p5_kill_9_of_parts_apart_with_kafka_loses_nothing() {
    let started = tokio::task::spawn_blocking(KafkaServer::start)
        .await
        .unwrap();
    let Some(kafka) = started.unwrap_or_else(|error| panic!("{error}")) else {
        return;
    };
    let layout = Layout::Apart {
        kafka: kafka.brokers(),
        broker: None,
    };
    holds(scenario::kill(layout, 13, 4).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p3_a_broker_that_forgets_everything_loses_nothing() {
    if let Some(outcome) = scenario::lossy_broker(14, 2).await.transpose() {
        holds(outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p3_p7_a_link_cut_without_a_word_loses_nothing() {
    holds(scenario::silent_cut(15, 1, Duration::from_secs(12)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_p8_broken_input_is_set_aside_once_and_blocks_nothing() {
    holds(scenario::broken_input(16).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_p6_the_same_day_shuffled_doubled_and_late_ends_the_same() {
    holds(scenario::shuffle(17).await);
}
