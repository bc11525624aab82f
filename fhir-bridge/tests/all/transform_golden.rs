//! Golden outputs: what a message became once is what it becomes for ever, byte for byte, unless a mapping's version
//! changes. `tests/golden/NAME.in` is the input, `NAME.json` every record that comes of it. To write new ones after
//! a deliberate change: `WARDLINE_BLESS=1 cargo test -p wardline-bridge golden`.

use std::fs;
use std::path::Path;

use crate::transform_support::*;
use serde_json::{Value, json};
use wardline_bridge::map::{Mapped, map};
use wardline_model::Event;

/// HL7, or for MQTT a first line `topic: ...` and then the payload.
fn event(text: &str) -> Event {
    match text.strip_prefix("topic: ") {
        Some(rest) => {
            let (topic, payload) = rest.split_once('\n').unwrap();
            mqtt(topic, payload.trim_end())
        }
        None => hl7(text.trim_end()),
    }
}

fn outcome(event: &Event) -> Value {
    match map(event, &id(7), &context()) {
        Mapped::Records(records) => {
            json!(
                records
                    .iter()
                    .map(|out| shown(out, event.stamp.wall_ms))
                    .collect::<Vec<_>>()
            )
        }
        Mapped::Filtered(reason) => json!({ "filtered": reason }),
        Mapped::Sidelined(record) => json!([shown(&aside(*record), 0)]),
    }
}

#[test]
fn fr2_the_same_event_gives_the_same_bytes_as_ever() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bless = std::env::var_os("WARDLINE_BLESS").is_some();
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "in"))
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 12, "{} golden inputs", inputs.len());
    for input in inputs {
        let event = event(&fs::read_to_string(&input).unwrap());
        let text = format!("{:#}\n", outcome(&event));
        let golden = input.with_extension("json");
        if bless {
            fs::write(&golden, &text).unwrap();
        }
        assert_eq!(
            text,
            fs::read_to_string(&golden).unwrap(),
            "{}",
            input.display()
        );
    }
}
