//! How people write values: sizes, durations, addresses, MQTT URLs, log targets. One grammar each, for the
//! configuration, for flags and for the parts.
//!
//! A text is read whole or not at all: nothing is guessed, a port least of all, because a value that is half understood
//! would only fail later and elsewhere. A password that stands in a URL is never shown, neither by the value nor by the
//! error about it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text);
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text);
    let milliseconds: u64 = match unit {
        "" if number == "0" => 1,
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
}

pub fn address(text: &str) -> Option<SocketAddr> {
    text.replace("localhost:", "127.0.0.1:").parse().ok()
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    (number, unit.trim())
}

/// `host:port`, `[v6]:port`. The port is never guessed: the parts listen on different ones.
fn host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => text.split_once(':')?,
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let usable = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-_:%".contains(c));
    usable.then(|| (host.to_owned(), port))
}

/// `mqtt://[user:password@]host:port`, and nothing else: an address that is half understood is not connected to.
#[derive(Clone, PartialEq, Eq)]
pub struct MqttUrl {
    pub host: String,
    pub port: u16,
    /// User and password.
    pub credentials: Option<(String, String)>,
}

impl MqttUrl {
    /// The listener at that address, without credentials.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            host: address.ip().to_string(),
            port: address.port(),
            credentials: None,
        }
    }

    /// Reads it, or says why not.
    ///
    /// # Errors
    /// What is wrong with it; nothing of a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = match text.split_once("://") {
            Some(("mqtt", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some(("mqtts", _)) => return Err("asks for TLS, which is not supported yet".to_owned()),
            _ => return Err("does not begin with mqtt://".to_owned()),
        };
        let (credentials, address) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((login, address)) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                (Some((user.to_owned(), password.to_owned())), address)
            }
        };
        let (host, port) = host_port(address).ok_or("needs a host and a port")?;
        Ok(Self {
            host,
            port,
            credentials,
        })
    }
}

impl fmt::Display for MqttUrl {
    // Without the login: this is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = self.credentials.as_ref().map_or("", |_| "***@");
        if self.host.contains(':') {
            write!(f, "mqtt://{secret}[{}]:{}", self.host, self.port)
        } else {
            write!(f, "mqtt://{secret}{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for MqttUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which log: `embedded`, or `kafka://host:port,host2:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogUrl {
    /// The redb engine, in a folder of its own.
    Embedded,
    /// A Kafka cluster: `host:port` of some brokers, comma separated.
    Kafka(String),
}

impl LogUrl {
    /// Reads it, or says why not.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        let brokers = text
            .strip_prefix("kafka://")
            .ok_or("is neither embedded nor kafka://")?;
        let brokers = brokers.strip_suffix('/').unwrap_or(brokers);
        if brokers.split(',').all(|broker| host_port(broker).is_some()) {
            Ok(Self::Kafka(brokers.to_owned()))
        } else {
            Err("needs host:port for every broker".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations() {
        assert_eq!(bytes("1GiB"), Some(1 << 30));
        assert_eq!(bytes("256 KiB"), Some(256 << 10));
        assert_eq!(bytes("12"), Some(12));
        assert_eq!(bytes("1.5GiB"), None);
        assert_eq!(bytes("99999999999TiB"), None);
        assert_eq!(duration("5ms"), Some(Duration::from_millis(5)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        assert_eq!(duration("5"), None);
        assert_eq!(duration("2min"), Some(Duration::from_secs(120)));
        assert_eq!(address("localhost:0").map(|a| a.port()), Some(0));
    }

    #[test]
    fn i26_mqtt_urls_are_read_whole_or_not_at_all_and_shown_without_their_password() {
        let url = MqttUrl::parse("mqtt://user:se:cret@broker.example:1883/").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("broker.example", 1883));
        assert_eq!(url.credentials, Some(("user".into(), "se:cret".into())));
        assert_eq!(format!("{url} {url:?}").matches("cret").count(), 0);
        assert_eq!(url.to_string(), "mqtt://***@broker.example:1883");
        let v6 = MqttUrl::parse("mqtt://[::1]:7").unwrap();
        assert_eq!(
            (v6.host.as_str(), v6.to_string().as_str()),
            ("::1", "mqtt://[::1]:7")
        );
        assert_eq!(
            MqttUrl::at(([127, 0, 0, 1], 9).into()).to_string(),
            "mqtt://127.0.0.1:9"
        );
        for wrong in [
            "",
            "h:1",
            "http://h:1",
            "mqtts://h:8883",
            "mqtt://",
            "mqtt://h",
            "mqtt://:1883",
            "mqtt://h:0",
            "mqtt://h:x",
            "mqtt://h/x",
            "mqtt://h:1/x",
            "mqtt://[::1]x",
            "mqtt://[::1]",
            "mqtt://a b:1",
        ] {
            assert!(MqttUrl::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lg2_log_targets_are_read_or_explained() {
        assert_eq!(LogUrl::parse("embedded"), Ok(LogUrl::Embedded));
        let brokers = LogUrl::Kafka("a:9092,b:9093".to_owned());
        assert_eq!(LogUrl::parse("kafka://a:9092,b:9093"), Ok(brokers.clone()));
        assert_eq!(LogUrl::parse("kafka://a:9092,b:9093/"), Ok(brokers));
        for wrong in [
            "",
            "redis://x",
            "kafka://",
            "kafka://a",
            "kafka://a:0",
            "kafka://a:1,",
        ] {
            assert!(LogUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
