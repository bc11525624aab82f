//! What holds for any bytes whatever: the mapping never panics, repeats itself exactly, and never makes a bed into a ward.

use crate::transform_support::*;
use proptest::collection::vec;
use proptest::prelude::*;
use wardline_bridge::map::hl7::time;
use wardline_bridge::map::{Mapped, map};
use wardline_model::{Body, Event};

fn shape(event: &Event, ctx: &wardline_bridge::map::SiteContext) -> String {
    format!("{:?}", map(event, &id(7), ctx))
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Z0-9^~|&\\\\ .+-]{0,12}",
        Just("\"\"".to_owned()),
        Just("ICU^1^2".to_owned()),
        Just("2026032902".to_owned()),
        Just("20261025023000".to_owned()),
        Just("V1^^^STM".to_owned()),
        "\\PC{0,6}",
    ]
}

fn segment() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("MSH|^~\\&"),
        Just("EVN"),
        Just("PID"),
        Just("PV1"),
        Just("NPU"),
        Just("MRG"),
        Just("ZZZ"),
    ];
    (name, vec(piece(), 0..45)).prop_map(|(name, fields)| format!("{name}|{}", fields.join("|")))
}

fn json() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("\"ready\"".to_owned()),
        Just("\"ICU^1^2\"".to_owned()),
        Just("\"2026-03-01T10:00:00Z\"".to_owned()),
        Just("{}".to_owned()),
        Just("[1]".to_owned()),
        any::<f64>().prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        "\\PC{0,8}".prop_map(|text| format!("{text:?}")),
    ];
    let name = prop_oneof![
        Just("ts"),
        Just("value"),
        Just("unit"),
        Just("seq"),
        Just("type"),
        Just("x")
    ];
    vec((name, value), 0..6).prop_map(|members| {
        let members: Vec<_> = members
            .iter()
            .map(|(k, v)| format!("\"{k}\":{v}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #![proptest_config(crate::cases(100))]

    #[test]
    fn p8_any_bytes_are_mapped_or_refused(bytes in vec(any::<u8>(), 0..400), understood: bool) {
        let ctx = context();
        let mut event = hl7_bytes(bytes.clone(), RECEIVED);
        if let Body::Hl7 { understood: said, .. } = &mut event.body {
            *said = understood;
        }
        prop_assert_eq!(shape(&event, &ctx), shape(&event, &ctx));
        let mut event = mqtt("devices/ICU/p/state", "");
        if let Body::Mqtt { payload, .. } = &mut event.body {
            *payload = bytes.into();
        }
        prop_assert_eq!(shape(&event, &ctx), shape(&event, &ctx));
    }

    #[test]
    fn p8_any_segments_are_mapped_or_refused(segments in vec(segment(), 0..8), n in 0..64_u8) {
        let head = format!("MSH|^~\\&|H|S|W|X|20260301||ADT^A{n:02}|7|P|2.5");
        let text = format!("{head}\r{}", segments.join("\r"));
        let ctx = context();
        let event = hl7(&text);
        match map(&event, &id(7), &ctx) {
            Mapped::Records(records) => {
                prop_assert!(!records.is_empty());
                for out in records {
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&out.value).is_ok());
                    prop_assert!(out.headers.len() < 64);
                    prop_assert!(out.value.len() < 16 * 1024);
                }
            }
            Mapped::Sidelined(record) => prop_assert!(!record.why.cause.is_empty() && !record.why.place.is_empty()),
            Mapped::Filtered(_) => {}
        }
        prop_assert_eq!(shape(&event, &ctx), shape(&event, &ctx));
    }

    #[test]
    fn p8_any_json_is_mapped_or_refused(payload in json(), metric in "[a-z_/]{0,12}|state|battery|location|heart_rate") {
        let ctx = context();
        let event = mqtt(&format!("devices/ICU/p/{metric}"), &payload);
        if let Mapped::Records(records) = map(&event, &id(7), &ctx) {
            prop_assert_eq!(records.len(), 1);
        }
        prop_assert_eq!(shape(&event, &ctx), shape(&event, &ctx));
    }

    #[test]
    fn h8_any_text_is_a_time_or_none(text in "[0-9.+-]{0,24}|\\PC{0,16}", near: i64) {
        let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
        if let Some(moment) = time::parse(&text, &zone, near) {
            prop_assert!([1, 1_000, 60_000, 3_600_000, 86_400_000].contains(&moment.precision_ms));
        }
    }

    #[test]
    fn h13_a_location_is_never_coarser_than_pv1_3(
        care in "[A-Z]{1,8}( [A-Z])?", room in "[A-Z0-9]{0,5}", bed in "[A-Z0-9]{0,5}", more in "(\\^[A-Z]{0,4}){0,6}",
        trigger in prop::sample::select(vec!["A01", "A02", "A03", "A04", "A05", "A08", "A12", "A13", "A15", "A21"]),
    ) {
        let out = record(&Adt::new(trigger).pv1(3, &format!("{care}^{room}^{bed}{more}")).event());
        let entry = &value(&out)["location"][0];
        let (text, kind) = match (room.as_str(), bed.as_str()) {
            ("", "") => (care, "wa"),
            (_, "") => (format!("{care}^{room}"), "ro"),
            _ => (format!("{care}^{room}^{bed}"), "bd"),
        };
        prop_assert_eq!(entry["location"]["identifier"]["value"].as_str(), Some(text.as_str()));
        prop_assert_eq!(entry["physicalType"]["coding"][0]["code"].as_str(), Some(kind));
    }
}
