//! Linear text: the verdict first, then one fact a line, each complete in itself. A screen reader needs no columns, and
//! grep finds a department with all that is said of it.

use crate::model::{Model, Moment, at_least};
use crate::text;

pub(crate) fn plain(model: &Model, now: Moment) -> String {
    let mut lines = vec![model.verdict(now).sentence(": ", ", ")];
    lines.extend(
        model
            .problems(now)
            .iter()
            .map(|problem| format!("problem: {}", problem.long)),
    );
    departments(model, now, &mut lines);
    devices(model, &mut lines);
    pipeline(model, now, &mut lines);
    lines.push(format!("source: {}", model.api));
    lines.iter().map(|line| text::clean(line) + "\n").collect()
}

fn departments(model: &Model, now: Moment, out: &mut Vec<String>) {
    for aged in model.departments.iter().flat_map(|rows| rows.iter()) {
        let row = &aged.row;
        let mut say = |fact: String| out.push(format!("department {}: {fact}", row.department));
        match row.occupancy {
            Some(share) => say(format!("occupancy {}", spoken(share, row.unknown))),
            None => say("occupancy unknown, no bed is staffed".to_owned()),
        }
        let counts = [
            ("beds", row.beds),
            ("staffed", row.staffed),
            ("occupied", row.occupied),
            ("available", row.available),
            ("reserved", row.reserved),
            ("dirty", row.dirty),
            ("cleaning", row.cleaning),
            ("blocked", row.blocked),
            ("closed", row.closed),
            ("unknown", row.unknown),
            ("on leave", row.on_leave),
            ("pending in", row.pending_in),
            ("pending out", row.pending_out),
            ("conflicts", row.conflicts),
        ];
        for (what, n) in counts {
            say(format!("{what} {n}"));
        }
        if let Some(oldest) = aged.grown(row.oldest_dirty_s, now) {
            say(format!("oldest dirty {}", text::long_duration(oldest)));
        }
        match aged.grown(row.age_s, now) {
            Some(age) => say(format!("newest event {} ago", text::long_duration(age))),
            None => say("no event so far".to_owned()),
        }
        match row.coverage {
            Some(share) => say(format!("coverage {}", text::percent(share))),
            None => say("coverage unknown, no source so far".to_owned()),
        }
    }
}

fn spoken(share: f64, unknown: u32) -> String {
    at_least(share, u64::from(unknown)).replace('≥', "at least ")
}

fn devices(model: &Model, out: &mut Vec<String>) {
    let Some((all, kinds)) = model.device_counts() else {
        out.push("devices: unknown".to_owned());
        return;
    };
    out.push(format!("devices: {}", all.total));
    for (kind, counts) in &kinds {
        out.extend(
            counts
                .facts()
                .iter()
                .map(|fact| format!("devices {kind}: {fact}")),
        );
    }
}

fn pipeline(model: &Model, now: Moment, out: &mut Vec<String>) {
    out.extend(
        crate::screens::health_facts(&model.health(now))
            .iter()
            .map(|fact| format!("pipeline: {fact}")),
    );
    for aged in model.sources.iter().flatten() {
        let row = &aged.row;
        let word = if row.connected { "connected" } else { "silent" };
        let last = match aged.grown(row.age_s, now) {
            Some(age) => format!("last event {} ago", text::long_duration(age)),
            None => "no event so far".to_owned(),
        };
        out.push(format!(
            "{} {} at {}: {word}, {last}, backlog {}",
            row.kind, row.name, row.site, row.backlog
        ));
    }
}
