//! The records that the bridge writes, as its golden files hold them, are read without exception, and say what the
//! message said. The two parts share no code but the header names: this is where their contract is held.

use std::path::{Path, PathBuf};

use wardline_aggregator::decode;
use wardline_aggregator::decode::origin::ReadFrom;
use wardline_aggregator::ledger::{
    BedList, Condition, DeviceValue, Fact, Ledger, Outcome, Subject, View,
};
use wardline_log::Record;
use wardline_model::topic::FHIR_TOPICS;

const FROM: ReadFrom<'_> = ReadFrom {
    site: "st-mary",
    copies: false,
};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fhir-bridge/tests/golden")
}

fn facts_of(path: &Path) -> Vec<Fact> {
    let text = std::fs::read_to_string(path).unwrap();
    let records: serde_json::Value = serde_json::from_str(&text).unwrap();
    let of_topics = |record: &&serde_json::Value| {
        let topic = record["topic"].as_str().unwrap_or_default();
        FHIR_TOPICS.contains(&topic)
    };
    let records = records.as_array().map(Vec::as_slice).unwrap_or_default();
    records
        .iter()
        .filter(of_topics)
        .map(|record| fact_of(path, record))
        .collect()
}

fn fact_of(path: &Path, record: &serde_json::Value) -> Fact {
    let header = |pair: &serde_json::Value| {
        let text = |i: usize| pair[i].as_str().unwrap().to_owned();
        (text(0), text(1))
    };
    let read = Record {
        key: None,
        value: Some(record["value"].to_string().into()),
        headers: record["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(header)
            .collect(),
        time_ms: record["time_ms"].as_i64().unwrap(),
    };
    let topic = record["topic"].as_str().unwrap();
    let fact = decode::fact(&FROM.origin(topic, 0, 0, &read), &read);
    fact.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .unwrap()
}

fn named(name: &str) -> Vec<Fact> {
    facts_of(&golden().join(format!("{name}.json")))
}

#[test]
fn every_record_of_the_bridge_is_read() {
    let mut files = 0;
    let mut facts = 0;
    for entry in std::fs::read_dir(golden()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files += 1;
            facts += facts_of(&path).len();
        }
    }
    assert!(files >= 15 && facts >= 15, "{facts} facts in {files} files");
}

#[test]
fn the_words_of_the_message_arrive() {
    let visit = |name: &str| match named(name).remove(0).subject {
        Subject::Visit(says) => says,
        other => panic!("{name}: {other:?}"),
    };
    let place =
        |place: Option<wardline_aggregator::ledger::Place>| place.map(|place| place.to_string());
    assert_eq!(place(visit("adt_a01").active).as_deref(), Some("ICU^1^2"));
    let pending = visit("adt_a15");
    assert_eq!(place(pending.reserved).as_deref(), Some("WARD-A^101^1"));
    assert!(visit("adt_a42").merged.is_some());
    let halves = named("adt_a17");
    assert_eq!(
        halves.iter().map(|half| half.part).collect::<Vec<_>>(),
        [1, 2]
    );
    match &named("adt_a20_cleaning")[0].subject {
        Subject::Bed(says) => assert_eq!(says.condition, Condition::Cleaning),
        other => panic!("{other:?}"),
    }
    match &named("mqtt_battery")[0].subject {
        Subject::Device(says) => assert_eq!(says.value, DeviceValue::Battery(87_500)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn b18_an_admission_of_the_bridge_occupies_its_bed() {
    let mut ledger = Ledger::new("s", BedList::empty());
    let fact = named("adt_a01").remove(0);
    let at = View::at(fact.event_ms);
    assert_eq!(ledger.apply(fact).outcome, Outcome::Applied);
    let bed = ledger.bed("ICU^1^2", at).unwrap();
    assert_eq!((bed.status.as_str(), bed.listed), ("occupied", false));
    assert_eq!(ledger.departments(at, &|_, _| None)[0].department, "ICU");
}
