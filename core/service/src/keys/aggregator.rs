//! The aggregator's keys.

use std::net::SocketAddr;
use std::time::Duration;

use super::keys;
use crate::grammar::LogUrl;
use crate::value::SourceTable;

keys! {
    /// the centre's own log
    AGGREGATOR_LOG: LogUrl = "aggregator.log", default "embedded", example "kafka://host:9092";
    /// before every topic name in Kafka
    AGGREGATOR_LOG_PREFIX: String = "aggregator.log_prefix", default "wardline-centre.", example "centre.";
    /// where the query API listens
    AGGREGATOR_API_LISTEN: SocketAddr = "aggregator.api.listen", default "127.0.0.1:7070", example "127.0.0.1:0";
    /// one table per site whose topics are replicated
    AGGREGATOR_SOURCE: Vec<SourceTable> = "aggregator.source", example "[[aggregator.source]] site = \"st-mary\", log = \"kafka://host:9092\"";
    /// how long ended visits are kept for late events and past moments
    AGGREGATOR_HISTORY: Duration = "aggregator.history", default "35d", example "90d";
    /// allow the API beyond loopback without TLS
    AGGREGATOR_INSECURE: bool = "aggregator.insecure", default "false", example "true";
}
