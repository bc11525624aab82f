//! Why a bed is shown as it is: the events that named it or moved somebody in or out, in order, each with the rule
//! that used it and what it did to this bed, down to the position in the log.
//!
//! It reads the same group that the bed's state comes from, so it cannot tell another story than the row does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardline_api::ExplainedEvent;
use wardline_model::time::rfc3339;

use super::bed::Point;
use super::effect::{EffectKind, remark};
use super::event::{At, Event, Spot};
use super::fact::Condition;
use super::fold::Item;
use super::group::Group;
use super::kind::Kind;
use super::{Ledger, View};
use crate::limits::EXPLAIN_EVENTS_MAX;

impl Ledger {
    /// What the bed's status rests on, oldest first, the newest `EXPLAIN_EVENTS_MAX` events; `None` for a bed nobody
    /// named.
    pub fn explain(&self, bed: &str, view: View) -> Option<Vec<ExplainedEvent>> {
        self.as_known(view, |ledger| ledger.explained(bed, view.at_ms))
    }

    fn explained(&self, name: &str, at_ms: i64) -> Option<Vec<ExplainedEvent>> {
        let bed = self.hospital.beds.get(name)?;
        let mut events: BTreeMap<At, ExplainedEvent> = BTreeMap::new();
        for ((at, _), point) in bed.points.iter().take_while(|((at, _), _)| at.ms <= at_ms) {
            if let Point::Condition(condition) = point {
                let does = match condition {
                    Condition::Occupied => "confirms the occupant".to_owned(),
                    other => format!("says {}", other.as_str()),
                };
                events.insert(at.clone(), explained(&at.event, &does, true));
            }
        }
        let groups: BTreeSet<u64> = bed
            .mentions
            .iter()
            .filter_map(|visit| self.group_of.get(visit).copied())
            .collect();
        for group in groups.iter().filter_map(|id| self.groups.get(id)) {
            group.explain(name, at_ms, &mut events);
        }
        let skip = events.len().saturating_sub(EXPLAIN_EVENTS_MAX);
        Some(events.into_values().skip(skip).collect())
    }
}

impl Group {
    fn explain(&self, bed: &str, at_ms: i64, events: &mut BTreeMap<At, ExplainedEvent>) {
        for (i, item) in self.items.iter().enumerate() {
            let event = &item.event;
            let out_by = self.cancelled.out.get(i).copied().flatten();
            let does = self.does(bed, event);
            let named = [&event.active, &event.reserved].into_iter().flatten();
            let names_it = named.filter_map(Spot::bed).any(|name| **name == *bed);
            let about = names_it || !does.is_empty() || out_by.is_some() || event.kind.is_cancel();
            if event.event_ms > at_ms || !about {
                continue;
            }
            let does = match out_by.and_then(|by| self.items.get(by)) {
                Some(by) => format!("taken out by {}", by.event.id),
                None if event.kind.is_cancel() => self.cancel_does(i, &does),
                None if !does.is_empty() => does.join(", "),
                None => "changes nothing here".to_owned(),
            };
            events.insert(At::of(event), explained(event, &does, out_by.is_none()));
        }
    }

    /// What an event did to this bed.
    fn does(&self, bed: &str, event: &Arc<Event>) -> Vec<&'static str> {
        let effects = self
            .fold
            .effects
            .iter()
            .filter(|effect| Arc::ptr_eq(&effect.at.event, event));
        effects
            .filter(|effect| effect.bed.as_deref() == Some(bed))
            .map(|effect| match &effect.what {
                EffectKind::Arrive { remarks } if remarks & remark::ADMISSION_NOT_SEEN != 0 => {
                    "occupies, admission not seen"
                }
                EffectKind::Arrive { .. } => "occupies",
                EffectKind::Depart => "departs",
                EffectKind::Vacate => "leaves, no departure",
                EffectKind::Renamed { .. } => "goes on under another visit number",
                EffectKind::Away(true) => "on leave",
                EffectKind::Away(false) => "back from leave",
                EffectKind::Twice { .. } => "one visit in two beds",
                EffectKind::Once => "in this bed only",
                EffectKind::Open { .. } => "reserves",
                EffectKind::Close { .. } => "reservation closed",
            })
            .collect()
    }

    fn cancel_does(&self, i: usize, does: &[&'static str]) -> String {
        if self.cancelled.waiting.contains(&i) {
            let waits = "waits for its target";
            return if does.is_empty() {
                waits.to_owned()
            } else {
                format!("{waits}, {}", does.join(", "))
            };
        }
        let by = |marks: &[Option<usize>]| -> Vec<String> {
            let marked = marks
                .iter()
                .zip(&self.items)
                .filter(|(by, _)| **by == Some(i));
            marked
                .map(|(_, item): (_, &Item)| item.event.id.to_string())
                .collect()
        };
        let mut words: Vec<String> = Vec::new();
        let (out, used) = (by(&self.cancelled.out), by(&self.cancelled.used));
        if !out.is_empty() {
            words.push(format!("takes out {}", out.join(" ")));
        }
        if !used.is_empty() {
            words.push(format!("lets {} stand", used.join(" ")));
        }
        words.extend(does.iter().map(|word| (*word).to_owned()));
        words.join(", ")
    }
}

fn explained(event: &Arc<Event>, does: &str, counts: bool) -> ExplainedEvent {
    ExplainedEvent {
        event_id: event.id.to_string(),
        event_type: event.event_type.to_string(),
        event_time: rfc3339(event.event_ms),
        received: rfc3339(event.received_ms),
        log_position: event.origin.to_string(),
        mapping: event.mapping.to_string(),
        rule: format!("{} {does}", rule(event.kind)),
        counts,
    }
}

/// The rule of docs/specs/bed-ledger.md for an event.
fn rule(kind: Kind) -> &'static str {
    match kind {
        Kind::CancelVisit => "B9",
        Kind::CancelTransfer => "B11",
        Kind::CancelDischarge => "B12",
        Kind::CancelPendingDischarge
        | Kind::CancelPendingTransfer
        | Kind::CancelPendingAdmit
        | Kind::CancelPreAdmit
        | Kind::CancelLeaveOut
        | Kind::CancelLeaveBack => "B7",
        Kind::Admit | Kind::ToInpatient => "B18",
        Kind::Register => "B19",
        Kind::PreAdmit | Kind::PendingAdmit => "B20",
        Kind::Transfer => "B21",
        Kind::Discharge => "B22",
        Kind::ToOutpatient => "B23",
        Kind::Update => "B24",
        Kind::PendingTransfer => "B25",
        Kind::PendingDischarge => "B26",
        Kind::Swap => "B27",
        Kind::LeaveOut | Kind::LeaveBack => "B28",
        Kind::BedStatus => "B29",
        Kind::Merge => "B30",
    }
}
