//! The bridge's keys.

use std::net::SocketAddr;

use super::keys;
use crate::grammar::{LogUrl, MqttUrl};

keys! {
    /// where agents connect
    BRIDGE_MQTT_LISTEN: SocketAddr = "bridge.mqtt.listen", default "127.0.0.1:1884", example "127.0.0.1:0";
    /// a broker that the site already has, instead of listening
    BRIDGE_UPSTREAM_URL: MqttUrl = "bridge.upstream.url", example "mqtt://broker:1883";
    /// the site's log
    BRIDGE_LOG: LogUrl = "bridge.log", default "embedded", example "kafka://host:9092,host2:9092";
    /// before every topic name in Kafka
    BRIDGE_LOG_PREFIX: String = "bridge.log_prefix", default "wardline.", example "wardline.st-mary.";
    /// mapping files for JSON over MQTT, besides the built-in one
    BRIDGE_MAPPINGS: Vec<String> = "bridge.mappings", example "mappings/*.toml";
    /// allow a listener beyond loopback without TLS
    BRIDGE_INSECURE: bool = "bridge.insecure", default "false", example "true";
}
