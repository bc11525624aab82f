//! What the agent is told: every key is checked before anything starts, and every problem is reported at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use wardline_model::{AgentName, SiteName};
use wardline_service::{Problem, Settings};

use crate::buffer::window::WindowLimits;
use crate::limits::{BLOCK_RAW_BYTES_MAX, QUOTA_BYTES_MIN};
use crate::uplink::url::UplinkUrl;

const LISTEN_ALLOWED: &str =
    "a loopback address; or any address with agent.insecure = true, which is shown";

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
    /// `mqtt://host:port` of the bridge or broker. `None`: nothing is sent, everything is kept.
    pub uplink: Option<String>,
    pub receipt_timeout: Duration,
    pub quota_bytes: u64,
    pub linger: Duration,
    /// Listeners beyond loopback without TLS are wanted.
    pub insecure: bool,
    pub data: PathBuf,
}

impl Config {
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let config = Self::gather(settings, &mut problems);
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }

    fn gather(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Self> {
        let insecure = keep(settings.flag("agent.insecure"), problems);
        let mqtt_listen = keep(listen(settings, "agent.mqtt.listen", insecure), problems);
        let mllp_listen = keep(listen(settings, "agent.mllp.listen", insecure), problems);
        let site = keep(name(settings, "site.name", SiteName::new), problems);
        let agent = keep(name(settings, "agent.name", AgentName::new), problems);
        let packet_bytes_max = keep(packet_max(settings), problems);
        let uplink = keep(uplink(settings), problems);
        let receipt_timeout = keep(settings.duration("agent.uplink.receipt_timeout"), problems);
        let quota_bytes = keep(quota(settings), problems);
        let linger = keep(linger(settings), problems);
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
            data: settings.data_dir().to_owned(),
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

fn keep<T>(value: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    value.map_err(|problem| problems.push(problem)).ok()
}

fn name<T>(
    settings: &Settings,
    key: &str,
    parse: impl Fn(&str) -> Result<T, wardline_model::NameError>,
) -> Result<T, Problem> {
    let text = settings.text(key)?;
    parse(&text)
        .map_err(|e| settings.problem(key, e.to_string(), "1 to 32 characters of a-z, 0-9 and -"))
}

/// Beyond loopback anybody on the network could send, so that has to be said on purpose.
fn listen(settings: &Settings, key: &str, insecure: Option<bool>) -> Result<SocketAddr, Problem> {
    let addr = settings.addr(key)?;
    if addr.ip().is_loopback() || insecure != Some(false) {
        Ok(addr)
    } else {
        Err(settings.problem(
            key,
            format!("{addr} is not on loopback and there is no TLS on it"),
            LISTEN_ALLOWED,
        ))
    }
}

fn packet_max(settings: &Settings) -> Result<usize, Problem> {
    const KEY: &str = "agent.mqtt.max_packet";
    let max = BLOCK_RAW_BYTES_MAX - 4096;
    match usize::try_from(settings.bytes(KEY)?) {
        Ok(bytes) if (128..=max).contains(&bytes) => Ok(bytes),
        _ => Err(settings.problem(
            KEY,
            "does not fit a stored block",
            format!("128 B to {max} B"),
        )),
    }
}

fn uplink(settings: &Settings) -> Result<Option<String>, Problem> {
    const KEY: &str = "agent.uplink.url";
    let Some(text) = settings.opt_text(KEY)? else {
        return Ok(None);
    };
    match UplinkUrl::parse(&text) {
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(settings.problem(KEY, error.to_string(), "mqtt://host:port")),
    }
}

fn quota(settings: &Settings) -> Result<u64, Problem> {
    const KEY: &str = "agent.buffer.quota";
    match settings.bytes(KEY)? {
        bytes if bytes >= QUOTA_BYTES_MIN => Ok(bytes),
        bytes => Err(settings.problem(
            KEY,
            format!("{bytes} B is too small for one large message"),
            format!("at least {QUOTA_BYTES_MIN} B"),
        )),
    }
}

fn linger(settings: &Settings) -> Result<Duration, Problem> {
    const KEY: &str = "agent.buffer.linger";
    let linger = settings.duration(KEY)?;
    if linger <= Duration::from_secs(5) {
        Ok(linger)
    } else {
        Err(settings.problem(
            KEY,
            "devices would wait too long for their answer",
            "0 to 5s",
        ))
    }
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
