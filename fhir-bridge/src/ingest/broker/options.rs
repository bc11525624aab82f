//! Where the broker is, and how the bridge connects to it. Pure.

use std::fmt;
use std::time::Duration;

use rumqttc::MqttOptions;
use wardline_model::SiteName;
use wardline_model::limits::FRAME_PACKET_BYTES_MAX;

use crate::limits::UPSTREAM_KEEP_ALIVE_S;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    pub host: String,
    pub port: u16,
    login: Option<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not the address of a broker")]
pub struct BrokerError;

impl fmt::Display for Broker {
    // Without the login: this is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mqtt://{}:{}", self.host, self.port)
    }
}

impl Broker {
    /// Reads `mqtt://[user:password@]host:port`.
    pub fn parse(url: &str) -> Result<Self, BrokerError> {
        let rest = url.strip_prefix("mqtt://").ok_or(BrokerError)?;
        let rest = rest.trim_end_matches('/');
        let (login, address) = match rest.rsplit_once('@') {
            Some((login, address)) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                (Some((user.to_owned(), password.to_owned())), address)
            }
            None => (None, rest),
        };
        let (host, port) = address.rsplit_once(':').ok_or(BrokerError)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port: u16 = port.parse().map_err(|_| BrokerError)?;
        if host.is_empty() || port == 0 {
            return Err(BrokerError);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            login,
        })
    }

    /// A session that the broker keeps while the bridge is away, under a name that stays; acknowledged by hand.
    pub(super) fn options(&self, site: &SiteName) -> MqttOptions {
        let id = format!("wardline-bridge.{site}");
        let mut options = MqttOptions::new(id, self.host.clone(), self.port);
        options.set_keep_alive(Duration::from_secs(UPSTREAM_KEEP_ALIVE_S));
        options.set_clean_session(false);
        options.set_manual_acks(true);
        options.set_max_packet_size(FRAME_PACKET_BYTES_MAX, FRAME_PACKET_BYTES_MAX);
        if let Some((user, password)) = &self.login {
            options.set_credentials(user.clone(), password.clone());
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i26_brokers_are_read_and_shown_without_their_password() {
        let broker = Broker::parse("mqtt://user:se:cret@broker.example:1883/").unwrap();
        assert_eq!(
            (broker.host.as_str(), broker.port),
            ("broker.example", 1883)
        );
        assert_eq!(broker.to_string(), "mqtt://broker.example:1883");
        assert_eq!(
            broker.login,
            Some(("user".to_owned(), "se:cret".to_owned()))
        );
        assert_eq!(Broker::parse("mqtt://[::1]:1883").unwrap().host, "::1");
        for wrong in [
            "",
            "broker:1883",
            "mqtts://b:8883",
            "mqtt://b",
            "mqtt://:1883",
            "mqtt://b:0",
            "mqtt://b:x",
        ] {
            assert_eq!(Broker::parse(wrong), Err(BrokerError), "{wrong}");
        }
    }

    #[test]
    fn i27_the_session_is_kept_under_one_name_and_acknowledged_by_hand() {
        let site = SiteName::new("st-mary").unwrap();
        let options = Broker::parse("mqtt://b:1883").unwrap().options(&site);
        assert_eq!(options.client_id(), "wardline-bridge.st-mary");
        assert!(!options.clean_session() && options.manual_acks());
        assert!(options.max_packet_size() >= FRAME_PACKET_BYTES_MAX);
    }
}
