//! Which figures are shown, under which names: one table, from the same rows that the API answers with.
//!
//! So a figure here and a row there never disagree about what is counted. A row that does not have a value has no line:
//! a missing number is not zero (P10).

use wardline_api::{DepartmentRow, SourceRow, StageRow};

use super::Snapshot;
use super::text::{Family, Labels, Line, counter, gauge};
use crate::health::copies::{PartitionId, PartitionProgress};

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

#[rustfmt::skip]
pub(super) const FAMILIES: &[Family] = &[
    gauge("wardline_beds", "Beds by department and status; each bed once.", beds),
    gauge("wardline_department_staffed_beds", "Staffed beds.", |s| departments(s, |r| Some(r.staffed))),
    gauge("wardline_department_on_leave_beds", "Occupied beds whose patients are on leave.", |s| departments(s, |r| Some(r.on_leave))),
    gauge("wardline_department_pending_in", "Expected admissions and transfers into it.", |s| departments(s, |r| Some(r.pending_in))),
    gauge("wardline_department_pending_out", "Expected discharges and transfers out of it.", |s| departments(s, |r| Some(r.pending_out))),
    gauge("wardline_department_conflict_beds", "Beds that more than one visit claims.", |s| departments(s, |r| Some(r.conflicts))),
    gauge("wardline_department_occupancy_ratio", "Occupied by staffed; absent when nothing is staffed.", |s| departments(s, |r| r.occupancy)),
    gauge("wardline_department_coverage_ratio", "Share of its sources heard in time; absent when it has none.", |s| departments(s, |r| r.coverage)),
    gauge("wardline_department_age_seconds", "Since the newest event it rests on.", |s| departments(s, |r| r.age_s)),
    gauge("wardline_department_oldest_dirty_seconds", "Since the bed that waits longest for cleaning became dirty.", |s| departments(s, |r| r.oldest_dirty_s)),
    counter("wardline_stage_events_total", "Events of a stage by what became of them; received is the sum of the others.", fates),
    gauge("wardline_stage_in_flight_events", "Events on their way through a stage.", |s| stages(s, |r| r.in_flight)),
    gauge("wardline_unaccounted_events", "Received and nowhere; anything but 0 is a fault.", |s| stages(s, |r| r.unaccounted)),
    gauge("wardline_unaccounted_events_sum", "All stages together.", |s| one(&s.accounting.unaccounted)),
    gauge("wardline_ledger_facts", "Facts held in memory.", |s| one(&s.counters.facts)),
    gauge("wardline_ledger_visits", "Visits known.", |s| one(&s.counters.visits)),
    gauge("wardline_cancels_without_target", "Cancels that wait for what they cancel.", |s| one(&s.counters.cancels_without_target)),
    gauge("wardline_message_conflicts", "Message identities that came with more than one content.", |s| one(&s.counters.message_conflicts)),
    gauge("wardline_unlisted_beds", "Beds that events name and the hospital's list does not.", |s| one(&s.counters.unlisted_beds)),
    gauge("wardline_devices", "Devices known.", |s| one(&s.devices)),
    gauge("wardline_devices_silent", "Devices not heard in time.", |s| one(&s.silent)),
    counter("wardline_ledger_lost_records_total", "Records gone from a log before they were folded.", |s| {
        each(&s.fold.counts, |(site, c)| Some((vec![("site", site.as_str())], c.lost)))
    }),
    counter("wardline_ledger_forgotten_facts_total", "Facts let go beyond the history horizon.", |s| {
        each(&s.fold.counts, |(site, c)| Some((vec![("site", site.as_str())], c.forgotten)))
    }),
    counter("wardline_ledger_misnamed_records_total", "Records that call themselves another site's; they count at the site they came from.", |s| {
        each(&s.fold.counts, |(site, c)| Some((vec![("site", site.as_str())], c.misnamed)))
    }),
    counter("wardline_store_commits_total", "Commits of the state file.", |s| one(&s.fold.commits)),
    gauge("wardline_store_failing", "1 while the state file cannot be written.", |s| one(&u8::from(s.fold.store_trouble.is_some()))),
    gauge("wardline_fold_lag_records", "Records in the log that are not folded yet.", |s| {
        each(&s.fold.inputs, |(key, input)| Some((vec![("partition", key.as_str())], input.lag())))
    }),
    gauge("wardline_replicate_lag_records", "Records at the source that are not at the centre yet.", |s| copies(s, |p| p.source_end.saturating_sub(p.next))),
    counter("wardline_replicate_copied_records_total", "Records copied to the centre.", |s| copies(s, |p| p.counts.applied)),
    counter("wardline_replicate_truncated_records_total", "Records removed at the source before they were copied.", |s| copies(s, |p| p.truncated)),
    counter("wardline_replicate_recreated_total", "How often the source's log was another one than before.", |s| copies(s, |p| p.recreated)),
    counter("wardline_status_records_total", "Words of agents and bridges that were read since the start.", |s| one(&s.fold.status_records)),
    counter("wardline_status_unreadable_total", "Words that could not be read.", |s| one(&s.fold.unreadable_statuses)),
    gauge("wardline_source_connected", "1 when an agent or bridge is connected and heard in time.", |s| sources(s, |r| Some(u8::from(r.connected)))),
    gauge("wardline_source_backlog_events", "Events that wait at a source.", |s| sources(s, |r| Some(r.backlog))),
    gauge("wardline_source_lag_seconds", "From an event's arrival at its agent to the views.", |s| sources(s, |r| r.lag_s)),
    counter("wardline_api_requests_total", "Requests answered.", |s| one(&s.requests)),
    gauge("wardline_api_connections", "Open connections.", |s| one(&s.connections)),
    counter("wardline_api_refused_connections_total", "Connections over the bound.", |s| one(&s.refused_connections)),
    gauge("wardline_api_stream_clients", "Clients of the event stream.", |s| one(&s.stream_clients)),
    gauge("wardline_ready", "1 once the state has caught up with what was known at start.", |s| one(&u8::from(s.ready))),
];

fn one<'a>(value: &impl ToString) -> Vec<Line<'a>> {
    vec![(Vec::new(), value.to_string())]
}

/// A line of every row that has the value.
fn each<'a, R: 'a, V: ToString>(
    rows: impl IntoIterator<Item = R>,
    line: impl Fn(R) -> Option<(Labels<'a>, V)>,
) -> Vec<Line<'a>> {
    let lines = rows.into_iter().filter_map(line);
    lines.map(|(labels, v)| (labels, v.to_string())).collect()
}

fn department(row: &DepartmentRow) -> Labels<'_> {
    vec![("site", &row.site), ("department", &row.department)]
}

fn departments<V: ToString>(s: &Snapshot, value: Count<DepartmentRow, Option<V>>) -> Vec<Line<'_>> {
    each(&s.departments, |row| {
        value(row).map(|v| (department(row), v))
    })
}

fn beds(s: &Snapshot) -> Vec<Line<'_>> {
    let of = |row: &'_ DepartmentRow| BED_STATES.map(|(status, n)| (status, n(row)));
    let states = s
        .departments
        .iter()
        .flat_map(|row| of(row).map(|state| (row, state)));
    each(states, |(row, (status, n))| {
        let mut labels = department(row);
        labels.push(("status", status));
        Some((labels, n))
    })
}

fn stage(row: &StageRow) -> Labels<'_> {
    vec![("site", &row.site), ("stage", &row.stage)]
}

fn stages<V: ToString>(s: &Snapshot, value: Count<StageRow, V>) -> Vec<Line<'_>> {
    each(&s.accounting.stages, |row| Some((stage(row), value(row))))
}

fn fates(s: &Snapshot) -> Vec<Line<'_>> {
    let rows = s.accounting.stages.iter();
    let all = rows.flat_map(|row| FATES.map(|fate| (row, fate)));
    each(all, |(row, (fate, n))| {
        let mut labels = stage(row);
        labels.push(("fate", fate));
        Some((labels, n(row)))
    })
}

fn sources<V: ToString>(s: &Snapshot, value: Count<SourceRow, Option<V>>) -> Vec<Line<'_>> {
    each(&s.sources.sources, |row| {
        let labels = vec![
            ("site", row.site.as_str()),
            ("kind", &row.kind),
            ("name", &row.name),
        ];
        value(row).map(|v| (labels, v))
    })
}

fn copies<V: ToString>(s: &Snapshot, value: Count<PartitionProgress, V>) -> Vec<Line<'_>> {
    each(
        &s.copies,
        |copy: &(PartitionId, String, PartitionProgress)| {
            let ((site, topic, _), partition, progress) = copy;
            let labels = vec![
                ("site", site.as_str()),
                ("topic", topic),
                ("partition", partition),
            ];
            Some((labels, value(progress)))
        },
    )
}
