//! `mqtt://[user:password@]host[:port]`, and nothing else: an address that is half understood is not connected to.

use std::fmt;

use crate::Error;

const DEFAULT_PORT: u16 = 1883;

#[derive(Clone, PartialEq, Eq)]
pub struct UplinkUrl {
    pub host: String,
    pub port: u16,
    pub credentials: Option<(String, String)>,
}

impl fmt::Display for UplinkUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.credentials.is_some() {
            "***@"
        } else {
            ""
        };
        if self.host.contains(':') {
            write!(f, "mqtt://{secret}[{}]:{}", self.host, self.port)
        } else {
            write!(f, "mqtt://{secret}{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for UplinkUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl UplinkUrl {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = |why: &'static str| Error::UplinkUrl {
            // What stands before the host may be a password.
            url: text
                .rsplit_once('@')
                .map_or(text, |(_, host)| host)
                .to_owned(),
            why,
        };
        let rest = match text.split_once("://") {
            Some(("mqtt", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some(("mqtts", _)) => return Err(bad("TLS towards the bridge is not supported yet")),
            _ => return Err(bad("it does not begin with mqtt://")),
        };
        let (credentials, address) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((user_info, address)) => {
                let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
                (Some((user.to_owned(), password.to_owned())), address)
            }
        };
        let (host, port) =
            split_address(address).ok_or_else(|| bad("host or port is not valid"))?;
        Ok(Self {
            host,
            port,
            credentials,
        })
    }
}

fn split_address(address: &str) -> Option<(String, u16)> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, tail) = rest.split_once(']')?;
        (
            host,
            if tail.is_empty() {
                None
            } else {
                Some(tail.strip_prefix(':')?)
            },
        )
    } else {
        match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        }
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None => DEFAULT_PORT,
    };
    let usable = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-_:%".contains(c));
    usable.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_whole_or_not_at_all() {
        let url = UplinkUrl::parse("mqtt://127.0.0.1:1884").unwrap();
        assert_eq!(
            (url.host.as_str(), url.port, url.credentials.clone()),
            ("127.0.0.1", 1884, None)
        );
        assert_eq!(UplinkUrl::parse("mqtt://bridge/").unwrap().port, 1883);
        assert_eq!(
            UplinkUrl::parse("mqtt://[::1]:7").unwrap().to_string(),
            "mqtt://[::1]:7"
        );
        let secret = UplinkUrl::parse("mqtt://u:p@h:1").unwrap();
        assert_eq!(secret.credentials, Some(("u".into(), "p".into())));
        assert_eq!(format!("{secret:?}"), "mqtt://***@h:1");
        for bad in [
            "",
            "h:1",
            "http://h:1",
            "mqtts://h:1",
            "mqtt://",
            "mqtt://h:0",
            "mqtt://h:x",
            "mqtt://h/x",
            "mqtt://[::1]x",
        ] {
            assert!(UplinkUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
