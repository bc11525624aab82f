//! The first line tells the truth: what people found when it did not, against the real program over real sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use wardline_tui::{Format, Options, ThemeChoice, once};

use crate::surface::{Service, hl7_now, mllp, now, until};

/// With a bed list; without one for an empty text.
fn started(data: &Path, beds: &str) -> Service {
    let list = data.join("beds.csv");
    std::fs::write(&list, format!("bed,department,class,staffed\n{beds}")).unwrap();
    let beds = format!("site.beds={}", list.display());
    Service::with(&data.join("data"), &["--set", &beds])
}

/// What `wardline-tui --once --format line` prints.
fn line(service: &Service) -> String {
    let options = Options {
        api: format!("http://{}", service.addresses["api"]),
        department: None,
        color: false,
        theme: ThemeChoice::Mono,
        snapshot: None,
    };
    once(&options, Format::Line).unwrap()
}

fn said(service: &Service, what: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut last = String::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !wanted(&last) {
        assert!(Instant::now() < deadline, "{what}: {last}");
        std::thread::sleep(Duration::from_millis(50));
        last = line(service);
    }
    last
}

fn adt(service: &Service, n: u32, trigger: &str, bed: &str, visit: &str) {
    let at = hl7_now();
    let message = format!(
        "MSH|^~\\&|HIS|X|W|Y|{at}+0000||ADT^{trigger}|{n}|P|2.5\rEVN|{trigger}|{at}+0000\rPID|1||4711\r\
         PV1|1|I|{bed}||||||||||||||||{visit}\r"
    );
    let answer = mllp(&service.addresses["agent_mllp"], &message);
    assert!(answer.contains("MSA|AA"), "{answer}");
}

/// A bed's own state, A20: `U` is free, `H` dirty.
fn bed_is(service: &Service, n: u32, bed: &str, state: &str) {
    let at = hl7_now();
    let message = format!(
        "MSH|^~\\&|HIS|X|W|Y|{at}+0000||ADT^A20|{n}|P|2.5\rEVN|A20|{at}+0000\rNPU|{bed}|{state}\r"
    );
    mllp(&service.addresses["agent_mllp"], &message);
}

/// One MQTT 3.1.1 message of QoS 1, acknowledged.
fn publish(service: &Service, topic: &str, payload: &str) {
    let mut stream = TcpStream::connect(&service.addresses["agent_mqtt"]).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
        .write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01p")
        .unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    let length = 2 + topic.len() + 2 + payload.len();
    let mut packet = vec![0x32];
    if length >= 128 {
        packet.push(u8::try_from(length % 128).unwrap() | 0x80);
        packet.push(u8::try_from(length / 128).unwrap());
    } else {
        packet.push(u8::try_from(length).unwrap());
    }
    packet.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
    packet.extend(topic.as_bytes());
    packet.extend([0, 1]);
    packet.extend(payload.as_bytes());
    stream.write_all(&packet).unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
}

fn feed(service: &Service) -> Option<Value> {
    let sources = service.get("/api/v1/sources");
    let rows = sources["sources"].as_array()?.clone();
    rows.into_iter()
        .find(|row| row["kind"] == "feed" && row["feed"]["protocol"] == "hl7")
}

const HOUSE: &str =
    "ICU^1^1,ICU,icu,yes\nICU^1^2,ICU,icu,yes\nWARD^1^1,WARD,ward,yes\nOR^1^1,OR,other,no\n";

#[test]
fn p10_a_house_of_unknown_beds_says_so_and_2_of_3_is_2_of_3() {
    let data = tempfile::tempdir().unwrap();
    let service = started(data.path(), HOUSE);
    let line = said(&service, "no bed known", |line| {
        line.contains("none: no bed known")
    });
    assert!(line.contains("free=?"), "{line}");
    adt(&service, 1, "A01", "ICU^1^1", "V1");
    adt(&service, 2, "A01", "ICU^1^2", "V2");
    adt(&service, 3, "A01", "OR^1^1", "V3");
    bed_is(&service, 4, "WARD^1^1", "H");
    let departments = until("four beds that are known", || {
        let departments = service.get("/api/v1/departments");
        let rows = departments["departments"].as_array()?.clone();
        rows.iter().all(|row| row["unknown"] == 0).then_some(rows)
    });
    let sum = |field: &str| {
        departments
            .iter()
            .map(|row| row[field].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(
        (sum("occupied") - sum("occupied_unstaffed"), sum("staffed")),
        (2, 3)
    );
    let options = Options {
        api: format!("http://{}", service.addresses["api"]),
        department: None,
        color: false,
        theme: ThemeChoice::Mono,
        snapshot: None,
    };
    let plain = once(&options, Format::Plain).unwrap();
    assert!(
        plain.contains("2 of 3 occupied (67 %) +1 without staff"),
        "{plain}"
    );
}

/// A house of which everything is known, told by one feed.
fn known(data: &Path) -> Service {
    let service = started(data, HOUSE);
    adt(&service, 1, "A01", "ICU^1^1", "V1");
    bed_is(&service, 2, "ICU^1^2", "U");
    bed_is(&service, 3, "WARD^1^1", "U");
    bed_is(&service, 4, "OR^1^1", "C");
    service
}

/// Further events, each far enough from the one before to count in the feed's rhythm.
fn goes_on(service: &Service, visit: &str) {
    for n in 5..13 {
        adt(service, n, "A01", "ICU^1^2", visit);
        std::thread::sleep(Duration::from_millis(1_100));
    }
}

#[test]
fn p10_a_feed_that_is_all_set_aside_is_never_live() {
    let data = tempfile::tempdir().unwrap();
    let service = known(data.path());
    said(&service, "live", |line| line.contains("data=\"live"));
    // The visit number is in no field that is read.
    goes_on(&service, "");
    said(&service, "sidelined", |line| {
        line.contains("sidelined") && !line.contains("live")
    });
    let reasons = service.get("/api/v1/reasons?fate=sidelined");
    assert_eq!(reasons["reasons"][0]["reason"], "hl7-no-visit", "{reasons}");
}

#[test]
fn p10_a_feed_that_stops_is_told_within_three_of_its_intervals() {
    let data = tempfile::tempdir().unwrap();
    let service = known(data.path());
    // At once: a pause would be a part of its rhythm.
    goes_on(&service, "V2");
    let last = Instant::now();
    said(&service, "silent", |line| line.contains("0/1 feed"));
    let took = last.elapsed();
    let feed = feed(&service).unwrap();
    let interval = Duration::from_secs(feed["feed"]["interval_s"].as_u64().unwrap());
    assert!(
        took <= 3 * interval + Duration::from_secs(8),
        "{took:?} of {interval:?}"
    );
    assert_eq!(
        (&feed["feed"]["silent"], &feed["connected"]),
        (&true.into(), &false.into())
    );
    let departments = service.get("/api/v1/departments");
    let icu = departments["departments"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["department"] == "ICU");
    assert_eq!(icu.unwrap()["coverage"], 0.0, "{departments}");
}

#[test]
fn p10_an_old_word_is_unknown_and_what_is_filtered_is_listed() {
    let data = tempfile::tempdir().unwrap();
    let service = started(data.path(), HOUSE);
    publish(
        &service,
        "devices/ICU/pump-9/state",
        r#"{"ts":"2026-03-01T10:00:00Z","value":"in-use"}"#,
    );
    publish(
        &service,
        "devices/ICU/pump-8/state",
        &format!(r#"{{"ts":"{}","value":"in-use"}}"#, now()),
    );
    publish(
        &service,
        "devices/ICU/pump-8/stat",
        r#"{"ts":"2026-03-01T10:00:00Z","value":"in-use"}"#,
    );
    publish(&service, "foo/bar", "{}");
    let devices = until("both devices", || {
        let devices = service.get("/api/v1/devices")["devices"]
            .as_array()?
            .clone();
        (devices.len() == 2).then_some(devices)
    });
    let of = |name: &str| {
        devices
            .iter()
            .find(|device| device["device"] == name)
            .unwrap()
    };
    assert_eq!(
        (&of("pump-9")["state"], &of("pump-9")["reason"]),
        (&Value::Null, &"clock-behind".into())
    );
    assert_eq!(of("pump-8")["state"], "in-use");
    until("the reasons", || {
        let reasons = service.get("/api/v1/reasons?fate=filtered");
        let has = |reason: &str, place: &str| {
            let mut rows = reasons["reasons"].as_array().into_iter().flatten();
            rows.any(|row| row["reason"] == reason && row["where"] == place)
        };
        (has("unknown-metric", "devices/ICU/pump-8/stat") && has("no-mapping", "foo/bar"))
            .then_some(())
    });
}
