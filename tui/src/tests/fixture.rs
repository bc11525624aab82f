//! A hospital for tests: 60 beds, four departments, two agents, as the API would tell of them.
//!
//! Tests of the model and the screens start from this one picture and change what they are about. Nothing in it depends
//! on the clock or on chance. It holds one of each oddity that a screen must be able to show: a conflict, a bed that is
//! not in the list, a flag, a silent device.

use wardline_api::*;
use wardline_api::{BedClass, BedStatus, DeviceState};

use crate::model::{Model, MonoMs, Round, RowName, Section, Update};

pub(crate) const AS_OF: &str = "2026-03-01T10:00:00Z";
pub(crate) const API: &str = "http://127.0.0.1:7070";

pub(crate) fn department(name: &str, staffed: u32, counts: [u32; 8]) -> DepartmentRow {
    let [
        occupied,
        available,
        reserved,
        dirty,
        cleaning,
        blocked,
        closed,
        unknown,
    ] = counts;
    DepartmentRow {
        site: "st-mary".to_owned(),
        department: name.to_owned(),
        beds: counts.iter().sum(),
        staffed,
        occupied,
        available,
        reserved,
        dirty,
        cleaning,
        blocked,
        closed,
        unknown,
        occupied_unstaffed: 0,
        available_unstaffed: 0,
        on_leave: u32::from(occupied > 14),
        pending_in: reserved,
        pending_out: 1,
        occupancy: (staffed > 0).then(|| f64::from(occupied) / f64::from(staffed)),
        conflicts: 0,
        oldest_dirty_s: (dirty > 0).then_some(840),
        age_s: Some(3),
        coverage: Some(1.0),
    }
}

pub(crate) fn departments() -> Vec<DepartmentRow> {
    vec![
        department("ED", 12, [11, 0, 0, 1, 0, 0, 0, 0]),
        department("ICU", 11, [10, 1, 0, 0, 0, 0, 1, 0]),
        department("WARD-A", 17, [15, 1, 1, 0, 0, 0, 1, 0]),
        department("WARD-B", 17, [13, 2, 0, 1, 1, 1, 0, 0]),
    ]
}

fn beds_of(row: &DepartmentRow) -> Vec<BedRow> {
    let counts = [
        (BedStatus::Occupied, row.occupied),
        (BedStatus::Available, row.available),
        (BedStatus::Reserved, row.reserved),
        (BedStatus::Dirty, row.dirty),
        (BedStatus::Cleaning, row.cleaning),
        (BedStatus::Blocked, row.blocked),
        (BedStatus::Closed, row.closed),
        (BedStatus::Unknown, row.unknown),
    ];
    let states = counts
        .iter()
        .flat_map(|(status, n)| std::iter::repeat_n(*status, *n as usize));
    states
        .enumerate()
        .map(|(n, status)| BedRow {
            site: "st-mary".to_owned(),
            bed: format!("{}^{}^{}", row.department, 101 + n / 2, n % 2 + 1),
            department: row.department.clone(),
            class: BedClass::Ward,
            staffed: status != BedStatus::Closed,
            status,
            reason: (status == BedStatus::Blocked).then(|| "contaminated".to_owned()),
            on_leave: n == 3,
            since: (status != BedStatus::Unknown).then(|| "2026-03-01T09:14:00Z".to_owned()),
            age_s: (status != BedStatus::Unknown).then_some(i64::try_from(n).unwrap() * 37),
            listed: n != 5,
            flags: if n == 7 {
                vec!["merged_in_two_beds".to_owned()]
            } else {
                vec![]
            },
            conflict: if n == 1 {
                vec!["gw-1/1/4".into(), "gw-1/1/9".into()]
            } else {
                vec![]
            },
        })
        .collect()
}

fn device(n: u32, kind: &str, state: Option<DeviceState>, silent: bool) -> DeviceRow {
    DeviceRow {
        site: "st-mary".to_owned(),
        device: format!("{kind}-{n}"),
        department: "ICU".to_owned(),
        kind: Some(kind.to_owned()),
        state,
        reason: None,
        battery: Some(80.0),
        location: None,
        since: None,
        age_s: Some(4),
        silent,
        clock_ahead_s: None,
    }
}

fn devices() -> Vec<DeviceRow> {
    use DeviceState::*;
    let pumps = std::iter::repeat_n(InUse, 7).chain(std::iter::repeat_n(Ready, 4));
    let mut devices: Vec<DeviceRow> = (0..)
        .zip(pumps)
        .map(|(n, state)| device(n, "pump", Some(state), false))
        .collect();
    devices.push(device(11, "pump", Some(InUse), true));
    let ventilators = [InUse, InUse, Cleaning, Repair, Off];
    devices.extend(
        (20..)
            .zip(ventilators)
            .map(|(n, state)| device(n, "ventilator", Some(state), false)),
    );
    devices.extend((30..36).map(|n| device(n, "monitor", Some(InUse), false)));
    devices.push(device(36, "monitor", None, false));
    devices
}

pub(crate) fn source(kind: &str, name: &str) -> SourceRow {
    SourceRow {
        site: "st-mary".to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        connected: true,
        last_event: Some(AS_OF.to_owned()),
        age_s: Some(2),
        backlog: 0,
        lag_s: (kind == "agent").then_some(1),
        watermark: Some(1234),
        incarnation: None,
        gaps: 0,
        clock_uncertainty_ms: None,
        insecure: false,
        problem: None,
        feed: None,
    }
}

pub(crate) fn feed(name: &str, protocol: &str, departments: &[&str]) -> SourceRow {
    SourceRow {
        backlog: 0,
        lag_s: None,
        watermark: None,
        feed: Some(FeedRow {
            agent: "gw-1".to_owned(),
            protocol: protocol.to_owned(),
            interval_s: Some(40),
            silent: false,
            counts: true,
            departments: departments.iter().map(|name| (*name).to_owned()).collect(),
            hour: HourRow {
                received: 96,
                ..HourRow::default()
            },
            sidelined_in_row: 0,
        }),
        ..source("feed", name)
    }
}

pub(crate) fn reason(fate: &str, reason: &str, place: &str) -> ReasonRow {
    ReasonRow {
        site: "st-mary".to_owned(),
        agent: "gw-1".to_owned(),
        feed: "HIS@10.1.2.9".to_owned(),
        fate: fate.to_owned(),
        reason: reason.to_owned(),
        place: place.to_owned(),
        total: 51,
        hour: 2,
        last: "2026-03-01T09:57:00Z".to_owned(),
    }
}

/// What the status of a bed in conflict rests on.
pub(crate) fn explanation(bed: &RowName) -> Explanation {
    let event = |n: u32, kind: &str, rule: &str, counts| ExplainedEvent {
        event_id: format!("gw-1/00000000000000ab/{n}"),
        event_type: kind.to_owned(),
        event_time: format!("2026-03-01T09:1{n}:00Z"),
        received: format!("2026-03-01T09:1{n}:01Z"),
        log_position: format!("st-mary/fhir.encounter/0/{n}"),
        mapping: "hl7@1".to_owned(),
        rule: rule.to_owned(),
        counts,
    };
    Explanation {
        site: bed.site.clone(),
        bed: bed.name.clone(),
        as_of: AS_OF.to_owned(),
        status: BedStatus::Occupied,
        events: vec![
            event(1, "ADT^A01", "B12 arrives", true),
            event(4, "ADT^A02", "B14 arrives", true),
            event(6, "ADT^A12", "B8 cancels", false),
        ],
    }
}

pub(crate) fn round(asked: MonoMs) -> Round {
    let departments = departments();
    let beds = departments.iter().flat_map(beds_of).collect();
    let as_of = || AS_OF.to_owned();
    let stage = |stage: &str| StageRow {
        stage: stage.into(),
        site: "st-mary".into(),
        received: 9,
        applied: 9,
        ..StageRow::default()
    };
    Round {
        asked,
        departments: Departments {
            as_of: as_of(),
            fresh: Freshness::default(),
            departments,
        },
        beds: Section::Got(Beds {
            as_of: as_of(),
            fresh: Freshness::default(),
            beds,
        }),
        devices: Section::Got(Devices {
            as_of: as_of(),
            fresh: Freshness::default(),
            devices: devices(),
        }),
        sources: Section::Got(Sources {
            as_of: as_of(),
            sources: vec![
                source("agent", "gw-1"),
                source("agent", "gw-2"),
                source("bridge", "bridge"),
                feed("HIS@10.1.2.9", "hl7", &["ED", "ICU", "WARD-A", "WARD-B"]),
                feed("devices/ICU", "mqtt", &["ICU"]),
            ],
        }),
        accounting: Section::Got(Accounting {
            as_of: as_of(),
            stages: ["agent/gw-1", "ingest", "transform", "ledger"]
                .map(stage)
                .to_vec(),
            unaccounted: 0,
        }),
        about: Section::Got(About {
            name: "wardline".to_owned(),
            version: "0.1.0".to_owned(),
            site: Some("st-mary".to_owned()),
            timezone: Some("Europe/Berlin".to_owned()),
            up_s: 3_600,
            addresses: Default::default(),
            warnings: vec![],
        }),
        reasons: Section::Got(Reasons {
            as_of: as_of(),
            reasons: vec![
                reason("sidelined", "hl7-no-visit", "PV1-19"),
                reason("filtered", "unknown-metric", "devices/ICU/pump-8/stat"),
            ],
        }),
        explained: Section::NotAsked,
    }
}

pub(crate) fn heard(round: Round, now: MonoMs) -> Model {
    let mut model = Model::new(API, None);
    model.apply(Update::Round(Box::new(round)), now);
    model
}

pub(crate) fn changed(change: Change) -> Update {
    Update::Change(Box::new(change))
}

pub(crate) fn hospital() -> Model {
    heard(round(0), 0)
}
