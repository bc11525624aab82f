//! The Kafka engine against the contract, with a real broker.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicU32, Ordering};

use wardline_log::contract::{self, kafka_server::KafkaServer};
use wardline_log::{Target, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l1_to_l50_the_kafka_engine_passes_the_contract() {
    let Some(server) = tokio::task::spawn_blocking(KafkaServer::start)
        .await
        .unwrap()
        .unwrap()
    else {
        return;
    };
    let count = AtomicU32::new(0);
    let make = async || {
        let target = Target::Kafka {
            brokers: server.brokers(),
            prefix: format!("case{}.", count.fetch_add(1, Ordering::SeqCst)),
        };
        open(&target).await
    };
    contract::suite(make).await.unwrap();
}
