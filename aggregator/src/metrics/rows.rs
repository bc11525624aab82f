//! Which figures are shown, under which names: a family of lines each, from the same rows that the API answers with.
//!
//! So a figure here and a row there never disagree about what is counted. A row that does not have a value has no line:
//! a missing number is not zero (P10).

use std::sync::atomic::Ordering;

use wardline_api::{Accounting, DepartmentRow, SourceRow, Sources, StageRow};

use super::Snapshot;
use super::text::Text;
use crate::engine::shared::Shared;
use crate::health::copies::PartitionProgress;
use crate::health::fold::FoldProgress;

type DepartmentValue = fn(&DepartmentRow) -> Option<f64>;

/// Name, help, value of a row; a row without the value has no line.
const DEPARTMENT_GAUGES: [(&str, &str, DepartmentValue); 9] = [
    ("wardline_department_staffed_beds", "Staffed beds.", |r| {
        Some(r.staffed.into())
    }),
    (
        "wardline_department_on_leave_beds",
        "Occupied beds whose patients are on leave.",
        |r| Some(r.on_leave.into()),
    ),
    (
        "wardline_department_pending_in",
        "Expected admissions and transfers into it.",
        |r| Some(r.pending_in.into()),
    ),
    (
        "wardline_department_pending_out",
        "Expected discharges and transfers out of it.",
        |r| Some(r.pending_out.into()),
    ),
    (
        "wardline_department_conflict_beds",
        "Beds that more than one visit claims.",
        |r| Some(r.conflicts.into()),
    ),
    (
        "wardline_department_occupancy_ratio",
        "Occupied by staffed; absent when nothing is staffed.",
        |r| r.occupancy,
    ),
    (
        "wardline_department_coverage_ratio",
        "Share of its sources heard in time; absent when it has none.",
        |r| r.coverage,
    ),
    (
        "wardline_department_age_seconds",
        "Since the newest event it rests on.",
        |r| small(r.age_s),
    ),
    (
        "wardline_department_oldest_dirty_seconds",
        "Since the bed that waits longest for cleaning became dirty.",
        |r| small(r.oldest_dirty_s),
    ),
];

type Count<Row, N> = fn(&Row) -> N;

/// The states of beds, each bed in one of them.
const BED_STATES: [(&str, Count<DepartmentRow, u32>); 8] = [
    ("occupied", |r| r.occupied),
    ("available", |r| r.available),
    ("reserved", |r| r.reserved),
    ("dirty", |r| r.dirty),
    ("cleaning", |r| r.cleaning),
    ("blocked", |r| r.blocked),
    ("closed", |r| r.closed),
    ("unknown", |r| r.unknown),
];

/// What became of the events of a stage.
const FATES: [(&str, Count<StageRow, u64>); 7] = [
    ("received", |r| r.received),
    ("applied", |r| r.applied),
    ("late", |r| r.late),
    ("duplicate", |r| r.duplicate),
    ("sidelined", |r| r.sidelined),
    ("evicted", |r| r.evicted),
    ("filtered", |r| r.filtered),
];

pub(super) fn departments(text: &mut Text, rows: &[DepartmentRow]) {
    text.head(
        "wardline_beds",
        "gauge",
        "Beds by department and status; each bed once.",
    );
    for row in rows {
        for (status, n) in BED_STATES {
            let labels = [
                ("site", row.site.as_str()),
                ("department", &row.department),
                ("status", status),
            ];
            text.line("wardline_beds", &labels, n(row));
        }
    }
    for (name, help, value) in DEPARTMENT_GAUGES {
        text.each(name, "gauge", help, rows, |row| {
            value(row).map(|value| {
                let labels = vec![("site", row.site.as_str()), ("department", &row.department)];
                (labels, value)
            })
        });
    }
}

fn small(seconds: Option<i64>) -> Option<f64> {
    seconds.and_then(|n| i32::try_from(n).ok()).map(f64::from)
}

fn stage(row: &StageRow) -> Vec<(&'static str, &str)> {
    vec![("site", &row.site), ("stage", &row.stage)]
}

pub(super) fn stages(text: &mut Text, accounting: &Accounting) {
    let total = "wardline_stage_events_total";
    text.head(
        total,
        "counter",
        "Events of a stage by what became of them; received is the sum of the others.",
    );
    for row in &accounting.stages {
        for (fate, n) in FATES {
            let mut labels = stage(row);
            labels.push(("fate", fate));
            text.line(total, &labels, n(row));
        }
    }
    text.each(
        "wardline_stage_in_flight_events",
        "gauge",
        "Events on their way through a stage.",
        &accounting.stages,
        |row| Some((stage(row), row.in_flight)),
    );
    text.each(
        "wardline_unaccounted_events",
        "gauge",
        "Received and nowhere; anything but 0 is a fault.",
        &accounting.stages,
        |row| Some((stage(row), row.unaccounted)),
    );
    text.one(
        "wardline_unaccounted_events_sum",
        "gauge",
        "All stages together.",
        accounting.unaccounted,
    );
}

pub(super) fn ledger(text: &mut Text, snapshot: &Snapshot) {
    let c = &snapshot.counters;
    for (name, help, n) in [
        ("wardline_ledger_facts", "Facts held in memory.", c.facts),
        ("wardline_ledger_visits", "Visits known.", c.visits),
        (
            "wardline_cancels_without_target",
            "Cancels that wait for what they cancel.",
            c.cancels_without_target,
        ),
        (
            "wardline_message_conflicts",
            "Message identities that came with more than one content.",
            c.message_conflicts,
        ),
        (
            "wardline_unlisted_beds",
            "Beds that events name and the hospital's list does not.",
            c.unlisted_beds,
        ),
        (
            "wardline_devices",
            "Devices known.",
            snapshot.devices as u64,
        ),
        (
            "wardline_devices_silent",
            "Devices not heard in time.",
            snapshot.silent as u64,
        ),
    ] {
        text.one(name, "gauge", help, n);
    }
    let counts = &snapshot.fold.counts;
    text.each(
        "wardline_ledger_lost_records_total",
        "counter",
        "Records gone from a log before they were folded.",
        counts,
        |(site, counts)| Some((vec![("site", site.as_str())], counts.lost)),
    );
    text.each(
        "wardline_ledger_forgotten_facts_total",
        "counter",
        "Facts let go beyond the history horizon.",
        counts,
        |(site, counts)| Some((vec![("site", site.as_str())], counts.forgotten)),
    );
    text.each(
        "wardline_ledger_misnamed_records_total",
        "counter",
        "Records that call themselves another site's; they count at the site they came from.",
        counts,
        |(site, counts)| Some((vec![("site", site.as_str())], counts.misnamed)),
    );
    text.one(
        "wardline_store_commits_total",
        "counter",
        "Commits of the state file.",
        snapshot.fold.commits,
    );
    text.one(
        "wardline_store_failing",
        "gauge",
        "1 while the state file cannot be written.",
        u8::from(snapshot.fold.store_trouble.is_some()),
    );
}

pub(super) fn logs(text: &mut Text, shared: &Shared, fold: &FoldProgress) {
    text.each(
        "wardline_fold_lag_records",
        "gauge",
        "Records in the log that are not folded yet.",
        &fold.inputs,
        |(key, input)| Some((vec![("partition", key.as_str())], input.lag())),
    );
    type Get = fn(&PartitionProgress) -> u64;
    let metrics: [(&str, &str, &str, Get); 4] = [
        (
            "wardline_replicate_lag_records",
            "gauge",
            "Records at the source that are not at the centre yet.",
            |p| p.source_end.saturating_sub(p.next),
        ),
        (
            "wardline_replicate_copied_records_total",
            "counter",
            "Records copied to the centre.",
            |p| p.counts.applied,
        ),
        (
            "wardline_replicate_truncated_records_total",
            "counter",
            "Records removed at the source before they were copied.",
            |p| p.truncated,
        ),
        (
            "wardline_replicate_recreated_total",
            "counter",
            "How often the source's log was another one than before.",
            |p| p.recreated,
        ),
    ];
    let all: Vec<_> = shared.progress.all();
    let all: Vec<_> = all
        .iter()
        .map(|((site, topic, n), p)| (site, topic, n.to_string(), p))
        .collect();
    for (name, kind, help, value) in metrics {
        text.each(
            name,
            kind,
            help,
            &all,
            |(site, topic, partition, progress)| {
                let labels = vec![
                    ("site", site.as_str()),
                    ("topic", topic),
                    ("partition", partition),
                ];
                Some((labels, value(progress)))
            },
        );
    }
}

fn source(row: &SourceRow) -> Vec<(&'static str, &str)> {
    vec![
        ("site", &row.site),
        ("kind", &row.kind),
        ("name", &row.name),
    ]
}

pub(super) fn agents(text: &mut Text, sources: &Sources, fold: &FoldProgress) {
    text.one(
        "wardline_status_records_total",
        "counter",
        "Words of agents and bridges that were read since the start.",
        fold.status_records,
    );
    text.one(
        "wardline_status_unreadable_total",
        "counter",
        "Words that could not be read.",
        fold.unreadable_statuses,
    );
    text.each(
        "wardline_source_connected",
        "gauge",
        "1 when an agent or bridge is connected and heard in time.",
        &sources.sources,
        |row| Some((source(row), u8::from(row.connected))),
    );
    text.each(
        "wardline_source_backlog_events",
        "gauge",
        "Events that wait at a source.",
        &sources.sources,
        |row| Some((source(row), row.backlog)),
    );
    text.each(
        "wardline_source_lag_seconds",
        "gauge",
        "From an event's arrival at its agent to the views.",
        &sources.sources,
        |row| row.lag_s.map(|lag| (source(row), lag)),
    );
}

pub(super) fn clients(text: &mut Text, shared: &Shared) {
    let api = &shared.api;
    let get = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
    text.one(
        "wardline_api_requests_total",
        "counter",
        "Requests answered.",
        get(&api.requests),
    );
    text.one(
        "wardline_api_connections",
        "gauge",
        "Open connections.",
        get(&api.connections),
    );
    text.one(
        "wardline_api_refused_connections_total",
        "counter",
        "Connections over the bound.",
        get(&api.refused_connections),
    );
    text.one(
        "wardline_api_stream_clients",
        "gauge",
        "Clients of the event stream.",
        get(&api.stream_clients),
    );
    text.one(
        "wardline_ready",
        "gauge",
        "1 once the state has caught up with what was known at start.",
        u8::from(shared.is_ready()),
    );
}
