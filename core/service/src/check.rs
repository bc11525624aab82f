//! Is this text a value of that kind?

use crate::schema::{Kind, ZONE_OF_MACHINE};
use crate::values;

pub(crate) fn problem(kind: Kind, text: &str) -> Option<String> {
    let ok = match kind {
        Kind::Text | Kind::Path => !text.is_empty(),
        Kind::Name => is_name(text),
        Kind::Address => values::address(text).is_some(),
        Kind::Duration => values::duration(text).is_some(),
        Kind::Bytes => values::bytes(text).is_some(),
        Kind::Flag => matches!(text, "true" | "false"),
        Kind::Count => text.parse::<u64>().is_ok(),
        Kind::Zone => text == ZONE_OF_MACHINE || jiff::tz::TimeZone::get(text).is_ok(),
        Kind::MqttUrl => is_mqtt_url(text),
        Kind::Log => is_log(text),
        Kind::List | Kind::Tables(_) => true,
    };
    (!ok).then(|| format!("`{text}` is not valid here"))
}

fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_mqtt_url(text: &str) -> bool {
    text.strip_prefix("mqtt://").is_some_and(is_host_port)
}

fn is_host_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()
    })
}

fn is_log(text: &str) -> bool {
    text == "embedded"
        || text
            .strip_prefix("kafka://")
            .is_some_and(|hosts| hosts.split(',').all(is_host_port))
}
