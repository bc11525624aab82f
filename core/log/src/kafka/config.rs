//! The settings of librdkafka's clients, each with its reason, and where their complaints go.

use rdkafka::admin::AdminClient;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::FutureProducer;

use crate::limits::{
    KAFKA_FETCH_AHEAD_KBYTES_MAX, KAFKA_FETCH_PAUSE_MS, KAFKA_IN_FLIGHT_KBYTES_MAX,
    KAFKA_IN_FLIGHT_RECORDS_MAX,
};

/// Brings what librdkafka says into the program's log.
#[derive(Clone)]
pub(crate) struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(facility, message, "kafka client");
            }
            // A broker that is away fills the log with these: the caller sees the effect.
            _ => tracing::debug!(facility, message, "kafka client"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client error");
    }
}

impl ConsumerContext for Context {}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("client.id", "wardline")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.keepalive.enable", "true")
        .set_log_level(RDKafkaLogLevel::Warning);
    config
}

pub(super) fn producer(brokers: &str) -> KafkaResult<FutureProducer<Context>> {
    client(brokers)
        // All replicas in sync have it, once and in order, however often librdkafka sends it.
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Waits for the cluster as long as it takes; the caller decides when to give up.
        .set("message.timeout.ms", "0")
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        .set("message.max.bytes", "1000000")
        // Never reached: the engine's own bound makes callers wait before.
        .set(
            "queue.buffering.max.messages",
            KAFKA_IN_FLIGHT_RECORDS_MAX.to_string(),
        )
        .set(
            "queue.buffering.max.kbytes",
            (2 * KAFKA_IN_FLIGHT_KBYTES_MAX).to_string(),
        )
        .create_with_context(Context)
}

pub(super) fn admin(brokers: &str) -> KafkaResult<AdminClient<Context>> {
    client(brokers).create_with_context(Context)
}

/// For questions only: it reads nothing.
pub(super) fn questions(brokers: &str) -> KafkaResult<BaseConsumer<Context>> {
    client(brokers)
        .set("allow.auto.create.topics", "false")
        .create_with_context(Context)
}

pub(super) fn consumer(brokers: &str) -> KafkaResult<StreamConsumer<Context>> {
    client(brokers)
        // librdkafka wants a group for its queue; it is never joined and no offset is committed.
        .set("group.id", "wardline-reader")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A lost position is an error to be shown, never a jump.
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false")
        // How long the cluster holds an answer back when there is nothing. The tail is fresh all the same: one byte
        // (fetch.min.bytes) ends the wait.
        .set("fetch.wait.max.ms", "500")
        .set("fetch.error.backoff.ms", "50")
        // The bytes below are what bounds; a partition whose queue is full is looked at again soon, or a reader would
        // stand still for a second (the default) after every few thousand records.
        .set("queued.min.messages", "100000")
        .set("fetch.queue.backoff.ms", KAFKA_FETCH_PAUSE_MS.to_string())
        .set(
            "queued.max.messages.kbytes",
            KAFKA_FETCH_AHEAD_KBYTES_MAX.to_string(),
        )
        .create_with_context(Context)
}
