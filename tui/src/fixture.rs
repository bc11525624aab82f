//! A hospital for tests: 60 beds, four departments, two agents, as the API would tell of them.
//!
//! Tests of the model and the screens start from this one picture and change what they are about. Nothing in it depends
//! on the clock or on chance. It holds one of each oddity that a screen must be able to show: a conflict, a bed that is
//! not in the list, a flag, a silent device.

use wardline_api::*;
use wardline_api::{BedClass, BedStatus, DeviceState};

use crate::model::{Feed, Model, Moment, Round, Section};

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
    }
}

pub(crate) fn round(asked: Moment) -> Round {
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
            fresh: wardline_api::Freshness::default(),
            as_of: as_of(),
            departments,
        },
        beds: Section::Got(Beds {
            fresh: wardline_api::Freshness::default(),
            as_of: as_of(),
            beds,
        }),
        devices: Section::Got(Devices {
            fresh: wardline_api::Freshness::default(),
            as_of: as_of(),
            devices: devices(),
        }),
        sources: Section::Got(Sources {
            as_of: as_of(),
            sources: vec![
                source("agent", "gw-1"),
                source("agent", "gw-2"),
                source("bridge", "bridge"),
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
            addresses: Default::default(),
            warnings: vec![],
        }),
    }
}

pub(crate) fn heard(round: Round, now: Moment) -> Model {
    let mut model = Model::new(API, None);
    model.apply(Feed::Round(Box::new(round)), now);
    model
}

pub(crate) fn hospital() -> Model {
    heard(round(0), 0)
}
