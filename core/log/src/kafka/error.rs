//! What librdkafka's errors mean to a caller.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::LogError;
use crate::limits::RECORD_BYTES_MAX;

/// What an error that came while doing something means.
pub(super) fn during(doing: &'static str, topic: &str, error: &KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) => of_code(doing, topic, code),
        None => LogError::Unavailable {
            doing,
            why: error.to_string(),
        },
    }
}

pub(super) fn of_code(doing: &'static str, topic: &str, code: Code) -> LogError {
    match code {
        Code::UnknownTopic | Code::UnknownTopicOrPartition => LogError::UnknownTopic {
            topic: topic.to_owned(),
        },
        Code::MessageSizeTooLarge => LogError::RecordTooLarge {
            topic: topic.to_owned(),
            what: "record (by the cluster's settings)",
            size: 0,
            max: RECORD_BYTES_MAX,
        },
        Code::InvalidRecord | Code::InvalidTimestamp => LogError::InvalidRecord {
            topic: topic.to_owned(),
            why: "the cluster refused it",
        },
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::PolicyViolation => LogError::Target {
            text: topic.to_owned(),
            why: format!("the cluster does not allow to {doing}: {code}"),
        },
        other => LogError::Unavailable {
            doing,
            why: other.to_string(),
        },
    }
}

/// Whether a partition is between two leaders, as right after its topic was made.
pub(super) fn leader_moves(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::UnknownTopicOrPartition
                | Code::UnknownPartition
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
                | Code::ReplicaNotAvailable
        )
    )
}

/// An offset as Kafka counts it; negative ones have special meanings that do not occur in answers.
pub(super) fn offset(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}
