//! The agent's keys.

use std::net::SocketAddr;
use std::time::Duration;

use wardline_model::AgentName;

use super::keys;
use crate::grammar::MqttUrl;
use crate::value::Bytes;

keys! {
    /// this agent, in topics and event ids
    AGENT_NAME: AgentName = "agent.name", default "gw-1", example "gw-2";
    /// where devices connect with MQTT
    AGENT_MQTT_LISTEN: SocketAddr = "agent.mqtt.listen", default "127.0.0.1:1883", example "127.0.0.1:0";
    /// largest MQTT packet from a device
    AGENT_MQTT_MAX_PACKET: Bytes = "agent.mqtt.max_packet", default "256KiB", example "64KiB";
    /// where HL7 v2 senders connect with MLLP
    AGENT_MLLP_LISTEN: SocketAddr = "agent.mllp.listen", default "127.0.0.1:2575", example "127.0.0.1:0";
    /// the bridge or broker that frames go to
    AGENT_UPLINK_URL: MqttUrl = "agent.uplink.url", example "mqtt://127.0.0.1:1884";
    /// without a receipt for this long, connect anew and send again
    AGENT_UPLINK_RECEIPT_TIMEOUT: Duration = "agent.uplink.receipt_timeout", default "10s", example "30s";
    /// most that the buffer takes on disk; beyond it new events are refused
    AGENT_BUFFER_QUOTA: Bytes = "agent.buffer.quota", default "1GiB", example "512MiB";
    /// how long a commit waits for company; 0 = none
    AGENT_BUFFER_LINGER: Duration = "agent.buffer.linger", default "5ms", example "50ms";
    /// allow listeners beyond loopback without TLS
    AGENT_INSECURE: bool = "agent.insecure", default "false", example "true";
}
