//! What the agent is told: every key is checked before anything starts, and every problem is reported at once.
//!
//! The types and grammars are core/service's. Here stands what only the agent knows: a packet must fit a stored block,
//! the quota must hold the largest message, devices must not wait long for their answer, and listeners beyond loopback
//! must be wanted in so many words. A `Config` that exists keeps all of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use wardline_model::{AgentName, SiteName};
use wardline_service::grammar::MqttUrl;
use wardline_service::settings::Reader;
use wardline_service::value::Bytes;
use wardline_service::{Problem, Settings, keys};

use crate::buffer::window::WindowLimits;
use crate::limits::{BLOCK_RAW_BYTES_MAX, LINGER_MS_MAX, PACKET_BYTES_MIN, QUOTA_BYTES_MIN};

#[derive(Debug, Clone)]
pub struct Config {
    pub site: SiteName,
    pub agent: AgentName,
    /// Where devices connect with MQTT.
    pub mqtt_listen: SocketAddr,
    /// Largest MQTT packet from a device.
    pub packet_bytes_max: usize,
    /// Where HL7 v2 senders connect with MLLP.
    pub mllp_listen: SocketAddr,
    /// The bridge or broker. `None`: nothing is sent, everything is kept.
    pub uplink: Option<MqttUrl>,
    pub receipt_timeout: Duration,
    pub quota_bytes: u64,
    pub linger: Duration,
    /// Listeners beyond loopback without TLS are wanted.
    pub insecure: bool,
    pub data: PathBuf,
}

impl Config {
    /// # Errors
    /// Every problem with the agent's keys.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut read = settings.reader();
        let config = Self::read(&mut read, settings.data_dir().to_owned());
        read.add(settings.shared_ports(&[&keys::AGENT_MQTT_LISTEN, &keys::AGENT_MLLP_LISTEN]));
        read.done(config)
    }

    fn read(read: &mut Reader<'_>, data: PathBuf) -> Option<Self> {
        let insecure = read.get(&keys::AGENT_INSECURE);
        let mqtt_listen = read.listen(&keys::AGENT_MQTT_LISTEN, &keys::AGENT_INSECURE);
        let mllp_listen = read.listen(&keys::AGENT_MLLP_LISTEN, &keys::AGENT_INSECURE);
        let site = read.get(&keys::SITE_NAME);
        let agent = read.get(&keys::AGENT_NAME);
        let packet_bytes_max = read.checked(&keys::AGENT_MQTT_MAX_PACKET, packet_max);
        let uplink = read.find(&keys::AGENT_UPLINK_URL);
        let receipt_timeout = read.get(&keys::AGENT_UPLINK_RECEIPT_TIMEOUT);
        let quota_bytes = read.checked(&keys::AGENT_BUFFER_QUOTA, quota);
        let linger = read.checked(&keys::AGENT_BUFFER_LINGER, linger);
        Some(Self {
            site: site?,
            agent: agent?,
            mqtt_listen: mqtt_listen?,
            packet_bytes_max: packet_bytes_max?,
            mllp_listen: mllp_listen?,
            uplink: uplink?,
            receipt_timeout: receipt_timeout?,
            quota_bytes: quota_bytes?,
            linger: linger?,
            insecure: insecure?,
            data,
        })
    }

    pub fn store_path(&self) -> PathBuf {
        self.data.join("agent").join("store.redb")
    }

    pub(crate) fn window(&self) -> WindowLimits {
        WindowLimits {
            timeout_ms: u64::try_from(self.receipt_timeout.as_millis())
                .unwrap_or(u64::MAX)
                .max(1),
            ..WindowLimits::default()
        }
    }
}

/// Why not, and what is allowed.
type Refused = (String, String);

fn packet_max(Bytes(bytes): Bytes) -> Result<usize, Refused> {
    let max = BLOCK_RAW_BYTES_MAX - 4096;
    match usize::try_from(bytes) {
        Ok(size) if bytes >= PACKET_BYTES_MIN && size <= max => Ok(size),
        _ => Err((
            "does not fit a stored block".to_owned(),
            format!("{PACKET_BYTES_MIN} B to {max} B"),
        )),
    }
}

fn quota(Bytes(bytes): Bytes) -> Result<u64, Refused> {
    if bytes >= QUOTA_BYTES_MIN {
        return Ok(bytes);
    }
    Err((
        format!("{bytes} B is too small for one large message"),
        format!("at least {QUOTA_BYTES_MIN} B"),
    ))
}

fn linger(linger: Duration) -> Result<Duration, Refused> {
    if linger <= Duration::from_millis(LINGER_MS_MAX) {
        return Ok(linger);
    }
    Err((
        "devices would wait too long for their answer".to_owned(),
        format!("0 to {LINGER_MS_MAX}ms"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(values: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
        let settings = Settings::for_tests(std::path::Path::new("/nowhere"), values).unwrap();
        Config::from_settings(&settings)
    }

    #[test]
    fn defaults_are_enough() {
        let config = load(&[]).unwrap();
        assert_eq!(config.quota_bytes, 1 << 30);
        assert_eq!(config.linger, Duration::from_millis(5));
        assert!(config.mqtt_listen.ip().is_loopback() && config.uplink.is_none());
        assert!(config.store_path().ends_with("agent/store.redb"));
    }

    #[test]
    fn a_listener_beyond_loopback_needs_the_word_insecure() {
        let problems = load(&[
            ("agent.mqtt.listen", "0.0.0.0:1883"),
            ("agent.mllp.listen", "[::]:2575"),
        ])
        .unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].to_string().contains("agent.insecure"));
        let open = load(&[
            ("agent.mqtt.listen", "0.0.0.0:1883"),
            ("agent.insecure", "true"),
        ])
        .unwrap();
        assert!(open.insecure);
    }

    #[test]
    fn every_problem_is_reported() {
        let problems = load(&[
            ("agent.buffer.quota", "1KiB"),
            ("agent.buffer.linger", "1min"),
            ("agent.mqtt.max_packet", "1MiB"),
        ])
        .unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
