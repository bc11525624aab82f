//! Linear text: what there is and what can be believed first, then one fact a line, each complete in itself. A screen reader
//! needs no columns, and grep finds a department with all that is said of it.

use wardline_api::DepartmentRow;

use crate::model::{Aged, Model, MonoMs, share};
use crate::text;

/// One line, for a log: the moment, then words that can be searched for.
pub(crate) fn line(model: &Model, now: MonoMs) -> String {
    let mut words: Vec<String> = model.stamp(now).into_iter().collect();
    words.extend(model.about.as_ref().and_then(|about| about.site.clone()));
    if let Some(house) = model.house() {
        words.push(format!("free={}", house.free_words()));
        let classes = house.class_words();
        let pair = |word: &String| word.to_lowercase().replacen(' ', "=", 1);
        words.extend(classes.iter().map(pair));
        words.push(format!("in={} out={}", house.pending_in, house.pending_out));
        words.push(format!(
            "unknown={} conflicts={}",
            house.unknown, house.conflicts
        ));
    }
    words.push(format!("data=\"{}\"", model.data(now).word));
    text::clean(&words.join(" ")) + "\n"
}

fn first(model: &Model, now: MonoMs) -> String {
    let mut facts = Vec::new();
    if let Some(house) = model.house() {
        facts.push(format!("free {}", house.free_words()));
        facts.extend(
            house
                .class_words()
                .iter()
                .map(|word| format!("free {word}")),
        );
        facts.push(house.taken_words());
        facts.push(text::counted(house.beds, "bed", "beds"));
        facts.push(format!("{} unknown", house.unknown));
        facts.push(format!(
            "{} in, {} out",
            house.pending_in, house.pending_out
        ));
    }
    facts.push(format!("data {}", model.data(now).word));
    spoken(&facts.join(", "))
}

pub(crate) fn plain(model: &Model, now: MonoMs) -> String {
    let mut lines = vec![first(model, now)];
    lines.extend(model.stamp(now).map(|stamp| format!("as of {stamp}")));
    let items = model.attention(now);
    lines.extend(items.iter().map(|item| format!("attention: {}", item.long)));
    for aged in model.departments.iter().flat_map(|rows| rows.iter()) {
        department(aged, now, &mut lines);
    }
    devices(model, &mut lines);
    pipeline(model, now, &mut lines);
    lines.push(format!("source: {}", model.api));
    lines.iter().map(|line| text::clean(line) + "\n").collect()
}

fn department(aged: &Aged<DepartmentRow>, now: MonoMs, out: &mut Vec<String>) {
    let row = &aged.row;
    let mut say = |fact: String| out.push(format!("department {}: {fact}", row.department));
    match share(row) {
        Some(share) => say(format!("occupancy {}", spoken(&share))),
        None if row.staffed == 0 => say("occupancy unknown, no bed is staffed".to_owned()),
        None => say("occupancy unknown, no bed is known".to_owned()),
    }
    let counts = [
        ("beds", row.beds),
        ("staffed", row.staffed),
        ("occupied", row.occupied),
        ("occupied without staff", row.occupied_unstaffed),
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

fn spoken(words: &str) -> String {
    words.replace('≥', "at least ")
}

fn devices(model: &Model, out: &mut Vec<String>) {
    let Some((all, kinds)) = model.device_counts() else {
        out.push("devices: unknown".to_owned());
        return;
    };
    out.push(format!("devices: {}", all.total));
    for (kind, counts) in &kinds {
        let facts = counts.facts();
        out.extend(facts.iter().map(|fact| format!("devices {kind}: {fact}")));
    }
}

fn pipeline(model: &Model, now: MonoMs, out: &mut Vec<String>) {
    let facts = crate::screens::pipeline_facts(model, now);
    out.extend(facts.iter().map(|fact| format!("pipeline: {fact}")));
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
    for reason in model.reasons.iter().flatten() {
        out.push(format!(
            "{}: {} at {} from {} via {}: {} in the last hour, {} in all",
            reason.fate,
            reason.reason,
            reason.place,
            reason.feed,
            reason.agent,
            reason.hour,
            reason.total
        ));
    }
}
