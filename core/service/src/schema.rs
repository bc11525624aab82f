//! Every configuration key there is: its kind, its default, what it is for. One table for all programs, so that one
//! file can describe a whole site and a key of another part is not an unknown key.

/// What a value must look like; `allowed` says it to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// Site and agent names.
    Name,
    Address,
    Duration,
    Bytes,
    Flag,
    Count,
    Path,
    /// IANA time zone.
    Zone,
    MqttUrl,
    /// `embedded` or `kafka://host:port,...`.
    Log,
    /// List of texts.
    List,
    /// Array of tables; the keys of one table.
    Tables(&'static [&'static str]),
}

impl Kind {
    pub fn allowed(self) -> String {
        match self {
            Kind::Text => "a text".into(),
            Kind::Name => "1 to 32 characters of a-z, 0-9 and -".into(),
            Kind::Address => {
                "an IP address and port such as 127.0.0.1:1883 (port 0: any free one)".into()
            }
            Kind::Duration => "a whole number with a unit: ms, s, min, h, d".into(),
            Kind::Bytes => "a whole number with a unit: B, KiB, MiB, GiB".into(),
            Kind::Flag => "true or false".into(),
            Kind::Count => "a whole number".into(),
            Kind::Path => "a path; a relative one starts at the configuration file".into(),
            Kind::Zone => "an IANA time zone such as Europe/Berlin".into(),
            Kind::MqttUrl => "mqtt://host:port".into(),
            Kind::Log => "embedded, or kafka://host:port,host:port".into(),
            Kind::List => "a list of texts".into(),
            Kind::Tables(keys) => format!("tables with the keys {}", keys.join(", ")),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// `None`: not set unless somebody sets it.
    pub default: Option<&'static str>,
    pub doc: &'static str,
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        doc,
    }
}

/// The value that stands for "the zone of this machine".
pub const ZONE_OF_MACHINE: &str = "system";

pub const KEYS: &[Key] = &[
    key(
        "site.name",
        Kind::Name,
        Some("local"),
        "the site, in topics and headers",
    ),
    key(
        "site.timezone",
        Kind::Zone,
        Some(ZONE_OF_MACHINE),
        "for messages that carry no zone",
    ),
    key(
        "site.beds",
        Kind::Path,
        None,
        "the hospital's own bed list (CSV: bed,department,class,staffed)",
    ),
    key(
        "agent.name",
        Kind::Name,
        Some("gw-1"),
        "this agent, in topics and event ids",
    ),
    key(
        "agent.mqtt.listen",
        Kind::Address,
        Some("127.0.0.1:1883"),
        "where devices connect with MQTT",
    ),
    key(
        "agent.mqtt.max_packet",
        Kind::Bytes,
        Some("256KiB"),
        "largest MQTT packet from a device",
    ),
    key(
        "agent.mllp.listen",
        Kind::Address,
        Some("127.0.0.1:2575"),
        "where HL7 v2 senders connect with MLLP",
    ),
    key(
        "agent.uplink.url",
        Kind::MqttUrl,
        None,
        "the bridge or broker that frames go to",
    ),
    key(
        "agent.uplink.receipt_timeout",
        Kind::Duration,
        Some("10s"),
        "without a receipt for this long, connect anew and send again",
    ),
    key(
        "agent.buffer.quota",
        Kind::Bytes,
        Some("1GiB"),
        "most that the buffer takes on disk; beyond it new events are refused",
    ),
    key(
        "agent.buffer.linger",
        Kind::Duration,
        Some("5ms"),
        "how long a commit waits for company; 0 = none",
    ),
    key(
        "agent.insecure",
        Kind::Flag,
        Some("false"),
        "allow listeners beyond loopback without TLS",
    ),
    key(
        "bridge.mqtt.listen",
        Kind::Address,
        Some("127.0.0.1:1884"),
        "where agents connect",
    ),
    key(
        "bridge.upstream.url",
        Kind::MqttUrl,
        None,
        "a broker that the site already has, instead of listening",
    ),
    key("bridge.log", Kind::Log, Some("embedded"), "the site's log"),
    key(
        "bridge.log_prefix",
        Kind::Text,
        Some("wardline."),
        "before every topic name in Kafka",
    ),
    key(
        "bridge.mappings",
        Kind::List,
        None,
        "mapping files for JSON over MQTT, besides the built-in one",
    ),
    key(
        "bridge.insecure",
        Kind::Flag,
        Some("false"),
        "allow a listener beyond loopback without TLS",
    ),
    key(
        "aggregator.log",
        Kind::Log,
        Some("embedded"),
        "the centre's own log",
    ),
    key(
        "aggregator.log_prefix",
        Kind::Text,
        Some("wardline-centre."),
        "before every topic name in Kafka",
    ),
    key(
        "aggregator.api.listen",
        Kind::Address,
        Some("127.0.0.1:7070"),
        "where the query API listens",
    ),
    key(
        "aggregator.source",
        Kind::Tables(&["site", "log", "log_prefix"]),
        None,
        "one table per site whose topics are replicated",
    ),
    key(
        "aggregator.history",
        Kind::Duration,
        Some("35d"),
        "how long ended visits are kept for late events and past moments",
    ),
    key(
        "aggregator.insecure",
        Kind::Flag,
        Some("false"),
        "allow the API beyond loopback without TLS",
    ),
];

pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known name that is nearest to an unknown one, if any is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|key| (strsim::damerau_levenshtein(name, key.name), key.name))
        .min()
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .map(|(_, known)| known)
}
