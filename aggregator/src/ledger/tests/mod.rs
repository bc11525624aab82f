//! One test for each rule of docs/specs/bed-ledger.md, and the promises that hold for all of them.

mod cancels;
mod conditions;
mod devices;
mod events;
mod history;
mod identity;
mod merges;
mod oracle;
mod promises;
mod views;

use super::*;
use wardline_api::BedStatus;

pub(super) const LIST: &str = "bed,department,class,staffed
A^1^1,Ward A,ward,yes
A^1^2,Ward A,ward,yes
A^1^3,Ward A,ward,no
B^1^1,Ward B,ward,yes
B^1^2,Ward B,ward,yes
ED^1^1,Emergency,ed,yes
ED^1^2,Emergency,ed,yes
";

pub(super) const A1: &str = "A^1^1";
pub(super) const A2: &str = "A^1^2";
pub(super) const A3: &str = "A^1^3";
pub(super) const B1: &str = "B^1^1";
pub(super) const B2: &str = "B^1^2";
pub(super) const ED1: &str = "ED^1^1";

pub(super) const MINUTE: i64 = 60_000;

/// A message in the making. Times are minutes; recorded and received at its event time unless said otherwise.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) fact: Fact,
    pub(super) visit: VisitSays,
}

pub(super) fn said(trigger: &str, n: u64, minute: i64) -> Said {
    Said {
        fact: Fact {
            id: format!("gw-1/00000000000000ab/{n}"),
            site: "s".into(),
            origin: format!("s/fhir.encounter/0/{n}"),
            mapping: "adt@1".into(),
            event_type: format!("ADT^{trigger}"),
            event_ms: minute * MINUTE,
            precision_ms: 1000,
            from_evn6: true,
            recorded_ms: minute * MINUTE,
            received_ms: minute * MINUTE,
            clock_ahead_ms: None,
            control_id: n.to_string(),
            message_key: Some(format!("{n:032x}")),
            message_hash: Some(format!("{n:032x}")),
            part: 0,
            flags: Vec::new(),
            subject: Subject::Nothing,
        },
        visit: VisitSays {
            visit: "v1".into(),
            ..VisitSays::default()
        },
    }
}

impl Said {
    pub(super) fn of(mut self, visit: &str) -> Self {
        self.visit.visit = visit.into();
        self
    }
    pub(super) fn in_(mut self, place: &str) -> Self {
        self.visit.active = Place::new(place);
        self
    }
    pub(super) fn from(mut self, place: &str) -> Self {
        self.visit.prior = Place::new(place);
        self
    }
    pub(super) fn to(mut self, place: &str) -> Self {
        self.visit.reserved = Place::new(place);
        self
    }
    pub(super) fn merging(mut self, visit: &str) -> Self {
        self.visit.merged = Some(visit.into());
        self
    }
    pub(super) fn recorded(mut self, minute: i64) -> Self {
        self.fact.recorded_ms = minute * MINUTE;
        self.fact.received_ms = minute * MINUTE;
        self
    }
    pub(super) fn received(mut self, minute: i64) -> Self {
        self.fact.received_ms = minute * MINUTE;
        self
    }
    /// Its event time is EVN-2, not EVN-6.
    pub(super) fn no_evn6(mut self) -> Self {
        self.fact.from_evn6 = false;
        self
    }
    pub(super) fn fact(self) -> Fact {
        Fact {
            subject: Subject::Visit(self.visit),
            ..self.fact
        }
    }
}

/// A20.
pub(super) fn condition(n: u64, minute: i64, bed: &str, code: &str) -> Fact {
    let subject = Subject::Bed(BedSays {
        bed: bed.into(),
        condition: Condition::from_code(code).unwrap(),
    });
    Fact {
        subject,
        ..said("A20", n, minute).fact
    }
}

pub(super) fn ledger() -> Ledger {
    Ledger::new("s", BedList::parse(LIST).unwrap())
}

pub(super) fn fold(facts: impl IntoIterator<Item = Fact>) -> Ledger {
    let mut ledger = ledger();
    for fact in facts {
        ledger.apply(fact);
    }
    ledger
}

/// A ledger of messages about visits.
pub(super) fn told(said: impl IntoIterator<Item = Said>) -> Ledger {
    fold(said.into_iter().map(Said::fact))
}

pub(super) fn row(ledger: &Ledger, bed: &str, minute: i64) -> wardline_api::BedRow {
    ledger.bed(bed, View::at(minute * MINUTE)).unwrap()
}

pub(super) fn status(ledger: &Ledger, bed: &str, minute: i64) -> BedStatus {
    row(ledger, bed, minute).status
}

/// Statuses of some beds at one moment.
#[track_caller]
pub(super) fn assert_beds(ledger: &Ledger, minute: i64, expected: &[(&str, BedStatus)]) {
    for (bed, expected) in expected {
        assert_eq!(
            status(ledger, bed, minute),
            *expected,
            "{bed} at {minute}\n{}",
            ledger.canonical_text()
        );
    }
}

pub(super) fn department(ledger: &Ledger, name: &str, minute: i64) -> wardline_api::DepartmentRow {
    let rows = ledger.departments(View::at(minute * MINUTE), &|_, _| None);
    rows.into_iter()
        .find(|row| row.department == name)
        .unwrap_or_else(|| panic!("no {name}"))
}
