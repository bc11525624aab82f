//! One MQTT message of a device -> at most one record.
//!
//! Kept true: only the members that the mapping file names are looked at; a value that is passed on was checked for type,
//! unit and range; what is refused says at which JSON path.

use serde_json::Value;
use wardline_model::EventId;
use wardline_model::record as names;
use wardline_model::topic::{FHIR_DEVICE, FHIR_OBSERVATION};

use super::mapping::{JsonMapping, Metric, Number};
use super::path::JsonPath;
use super::topic::TopicParts;
use crate::limits::{KIND_CHARS_MAX, TOPIC_LEVEL_CHARS_MAX, YEAR_MAX, YEAR_MIN};
use crate::map::context::SiteContext;
use crate::map::fhir::Place;
use crate::map::fhir::device::{self, DeviceFact, DeviceValue};
use crate::map::fhir::observation::{self, ObservationFact};
use crate::map::mapped::{Common, EventTime, Headers, Mapped, OutRecord, common_headers, push};
use wardline_model::sideline::Reason;

/// One message as it came.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub received_ms: i64,
}

/// The mapping that a topic belongs to.
pub fn find<'m, 't>(
    mappings: &'m [JsonMapping],
    topic: &'t str,
) -> Option<(&'m JsonMapping, TopicParts<'t>)> {
    mappings
        .iter()
        .find_map(|mapping| mapping.topic.matches(topic).map(|parts| (mapping, parts)))
}

/// # Errors
/// Why the message goes to the sideline.
pub fn map(
    message: &Message<'_>,
    mapping: &JsonMapping,
    parts: TopicParts<'_>,
    id: &EventId,
    ctx: &SiteContext,
) -> Result<Mapped, Reason> {
    let Some(metric) = mapping.metrics.get(parts.metric) else {
        return Ok(Mapped::Filtered("unknown-metric"));
    };
    check_levels(parts)?;
    let root = parse(message.payload)?;
    let time = time(&root, &mapping.fields.ts)?;
    let seq = seq(&root, mapping.fields.seq.as_ref())?;
    let kind = kind(&root, mapping.fields.kind.as_ref())?;
    let common = Common {
        event_type: "mqtt",
        mapping: mapping.label(),
        time,
        recorded_ms: time.ms,
        received_ms: message.received_ms,
    };
    let mut headers = common_headers(&common, id, ctx);
    if let Some(seq) = seq {
        push(&mut headers, names::DEVICE_SEQ, seq.to_string());
    }
    push(&mut headers, names::METRIC, metric.name(parts.metric));
    let value = Given {
        root: &root,
        mapping,
        parts,
        kind,
    };
    let (topic, bytes) = value.resource(metric, id, &headers, ctx)?;
    Ok(Mapped::Records(vec![OutRecord {
        topic,
        key: parts.device.to_owned().into(),
        headers,
        value: bytes.into(),
    }]))
}

struct Given<'a> {
    root: &'a Value,
    mapping: &'a JsonMapping,
    parts: TopicParts<'a>,
    kind: Option<&'a str>,
}

impl Given<'_> {
    fn resource(
        &self,
        metric: &Metric,
        id: &EventId,
        headers: &Headers,
        ctx: &SiteContext,
    ) -> Result<(&'static str, Vec<u8>), Reason> {
        let fields = &self.mapping.fields;
        let value = fields
            .value
            .find(self.root)
            .ok_or_else(|| wrong("json-value", &fields.value, "J9", "missing"))?;
        let value = match metric {
            Metric::State(words) => {
                let word = value.as_str().and_then(|word| words.get(word));
                let state = word.ok_or_else(|| {
                    wrong(
                        "json-value",
                        &fields.value,
                        "J10",
                        "not a word of this metric",
                    )
                })?;
                DeviceValue::State(state)
            }
            Metric::Battery(number) => DeviceValue::Battery(self.number(value, number)?),
            Metric::Location => DeviceValue::Location(self.bed(value)?),
            Metric::Observation {
                number,
                code,
                display,
                category,
            } => {
                let fact = ObservationFact {
                    event_id: &id.to_string(),
                    device: self.parts.device,
                    department: self.parts.department,
                    category,
                    code,
                    display,
                    time: header(headers, names::EVENT_TIME),
                    value: self.number(value, number)?,
                    unit: &number.unit,
                };
                return Ok((FHIR_OBSERVATION, observation::write(&fact, &ctx.ids)?));
            }
        };
        let fact = DeviceFact {
            device: self.parts.device,
            department: self.parts.department,
            kind: self.kind,
            value,
        };
        Ok((FHIR_DEVICE, device::write(&fact, &ctx.ids)?))
    }

    fn number(&self, value: &Value, number: &Number) -> Result<f64, Reason> {
        let fields = &self.mapping.fields;
        let given = value
            .as_f64()
            .ok_or_else(|| wrong("json-value", &fields.value, "J11", "not a number"))?;
        if let Some(path) = &fields.unit
            && let Some(unit) = path.find(self.root)
        {
            let known = unit.as_str().is_some_and(|unit| {
                unit == number.unit || number.aliases.iter().any(|alias| alias == unit)
            });
            if !known {
                let detail = format!("not the unit of this metric, {}", number.unit);
                return Err(wrong("json-unit", path, "J12", &detail));
            }
        }
        if !(number.min..=number.max).contains(&given) {
            let detail = format!("outside of {} to {}", number.min, number.max);
            return Err(wrong("json-range", &fields.value, "J13", &detail));
        }
        Ok(given)
    }

    fn bed(&self, value: &Value) -> Result<Place, Reason> {
        let path = &self.mapping.fields.value;
        let text = value
            .as_str()
            .ok_or_else(|| wrong("json-value", path, "J14", "not a text PoC^Room^Bed"))?;
        Place::parse_bed(text)
            .map_err(|error| wrong("json-value", path, "J14", &format!("no bed: {error}")))
    }
}

fn header<'a>(headers: &'a Headers, name: &str) -> &'a str {
    headers
        .iter()
        .find(|(have, _)| *have == name)
        .and_then(|(_, value)| std::str::from_utf8(value).ok())
        .unwrap_or_default()
}

fn wrong(cause: &'static str, path: &JsonPath, rule: &'static str, detail: &str) -> Reason {
    Reason::new(cause, path.as_str().to_owned(), rule, detail)
}

fn check_levels(parts: TopicParts<'_>) -> Result<(), Reason> {
    let bad = |text: &str| {
        text.chars().count() > TOPIC_LEVEL_CHARS_MAX || text.contains(char::is_control)
    };
    if bad(parts.device) || parts.department.is_some_and(bad) {
        let detail = format!(
            "device or department has over {TOPIC_LEVEL_CHARS_MAX} characters or a control character"
        );
        return Err(Reason::new("mqtt-topic", "topic", "J5", detail));
    }
    Ok(())
}

fn parse(payload: &[u8]) -> Result<Value, Reason> {
    let root: Value = serde_json::from_slice(payload).map_err(|error| {
        let detail = format!("no JSON at line {} column {}", error.line(), error.column());
        Reason::new("json-syntax", "$", "J7", detail)
    })?;
    if root.is_object() {
        Ok(root)
    } else {
        Err(Reason::new("json-shape", "$", "J7", "not an object"))
    }
}

fn time(root: &Value, path: &JsonPath) -> Result<EventTime, Reason> {
    let refuse = |detail: &str| wrong("json-ts", path, "J8", detail);
    let value = path.find(root).ok_or_else(|| refuse("missing"))?;
    let (stamp, precision_ms) = match value {
        Value::String(text) => {
            let stamp = text
                .parse::<jiff::Timestamp>()
                .map_err(|_| refuse("not RFC 3339 with a zone"))?;
            (stamp, if text.contains('.') { 1 } else { 1000 })
        }
        Value::Number(number) => {
            let stamp = number
                .as_i64()
                .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
                .ok_or_else(|| refuse("not a whole number of milliseconds since 1970"))?;
            (stamp, 1)
        }
        _ => return Err(refuse("neither text nor number")),
    };
    let year = jiff::tz::Offset::UTC.to_datetime(stamp).year();
    if !(YEAR_MIN..=YEAR_MAX).contains(&year) {
        return Err(refuse(&format!("not between {YEAR_MIN} and {YEAR_MAX}")));
    }
    Ok(EventTime {
        ms: stamp.as_millisecond(),
        precision_ms,
        from: "ts",
    })
}

fn seq(root: &Value, path: Option<&JsonPath>) -> Result<Option<u64>, Reason> {
    let Some((path, value)) = path.and_then(|path| path.find(root).map(|value| (path, value)))
    else {
        return Ok(None);
    };
    match value.as_u64() {
        Some(seq) => Ok(Some(seq)),
        None => Err(wrong("json-seq", path, "J15", "not a whole number from 0")),
    }
}

fn kind<'a>(root: &'a Value, path: Option<&JsonPath>) -> Result<Option<&'a str>, Reason> {
    let Some((path, value)) = path.and_then(|path| path.find(root).map(|value| (path, value)))
    else {
        return Ok(None);
    };
    let usable = |text: &&str| {
        !text.trim().is_empty()
            && text.chars().count() <= KIND_CHARS_MAX
            && !text.contains(char::is_control)
    };
    match value.as_str().filter(usable) {
        Some(kind) => Ok(Some(kind.trim())),
        None => {
            let detail = format!("not a text of 1 to {KIND_CHARS_MAX} printable characters");
            Err(wrong("json-kind", path, "J16", &detail))
        }
    }
}
