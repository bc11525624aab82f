//! The contract of a `fhir.*` record between the bridge that writes it and whoever reads it: header names and
//! identifier systems. The value is one FHIR R4 resource; what is about the *event* rather than the resource
//! stands in headers, so that readers need no FHIR library. docs/specs/fhir-records.md has the numbered rules.

/// `agent/incarnation/seq[.part]`.
pub const EVENT_ID: &str = "event-id";
/// RFC 3339 with zone: when it happened.
pub const EVENT_TIME: &str = "event-time";
/// Where the event time was taken from: `EVN-6`, `EVN-2`, `MSH-7`, `ts`, `received`.
pub const EVENT_TIME_FROM: &str = "event-time-from";
/// Length in milliseconds of the interval that the event time names: 1, 1000, 60000, 3600000, 86400000.
pub const EVENT_TIME_PRECISION_MS: &str = "event-time-precision-ms";
/// RFC 3339 with zone: when it was written down at the source (EVN-2, else MSH-7); devices: same as the event time.
pub const RECORDED: &str = "recorded";
/// RFC 3339: when the agent took it in.
pub const RECEIVED: &str = "received";
/// `ADT^A02`, or `mqtt`.
pub const EVENT_TYPE: &str = "event-type";
/// `name@version` of the mapping that made the record.
pub const MAPPING: &str = "mapping";
pub const SITE: &str = "site";
/// Always `4.0.1`.
pub const FHIR_VERSION: &str = "fhir-version";
pub const TRACEPARENT: &str = "traceparent";
/// Keyed hash of MSH-3, MSH-4, MSH-10: the sender's identity of a message.
pub const MESSAGE_KEY: &str = "message-key";
/// MSH-10 breaks ties between events of the same event and recorded time; carried as it is (a counter, not a person).
pub const CONTROL_ID: &str = "control-id";
/// Hash of the raw bytes: same key and same hash is a repetition, same key and another hash a conflict.
pub const MESSAGE_HASH: &str = "message-hash";
/// Comma-separated remarks, e.g. `dst-shifted,charset-replaced,prior-location-given`.
pub const FLAGS: &str = "flags";
/// Device sequence number, when the device gives one.
pub const DEVICE_SEQ: &str = "device-seq";
/// Device metric: `state`, `battery`, `location`, `heart_rate`...
pub const METRIC: &str = "metric";
/// On replicated records: site/topic/partition/offset of the original.
pub const ORIGIN: &str = "origin";

/// Headers of an `edge.frames` record.
pub const KIND: &str = "kind";
pub const KIND_FRAME: &str = "frame";
pub const KIND_LOSS: &str = "loss";
pub const AGENT: &str = "agent";
pub const INCARNATION: &str = "incarnation";
pub const FIRST: &str = "first";
pub const LAST: &str = "last";
pub const LANE: &str = "lane";

pub const FHIR_RELEASE: &str = "4.0.1";

/// Identifier and code systems of our own.
pub const SYSTEM_VISIT: &str = "urn:wardline:visit";
pub const SYSTEM_PATIENT: &str = "urn:wardline:patient";
/// A bed or place: `PoC^Room^Bed`, or shorter for a place that is no bed.
pub const SYSTEM_LOCATION: &str = "urn:wardline:location";
pub const SYSTEM_DEVICE: &str = "urn:wardline:device";
pub const SYSTEM_METRIC: &str = "urn:wardline:metric";
/// Bed conditions that HL7 table 0116 has no code for: `cleaning`.
pub const SYSTEM_BED_CONDITION: &str = "urn:wardline:bed-condition";
/// HL7 table 0116 bed status as FHIR names it.
pub const SYSTEM_BED_STATUS: &str = "http://terminology.hl7.org/CodeSystem/v2-0116";
pub const EXTENSION_DEVICE_STATE: &str = "urn:wardline:device-state";
/// What that extension may say.
pub const DEVICE_STATES: [&str; 5] = ["in-use", "ready", "cleaning", "repair", "off"];
pub const EXTENSION_BATTERY: &str = "urn:wardline:battery-percent";
pub const EXTENSION_DEPARTMENT: &str = "urn:wardline:department";
