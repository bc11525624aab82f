//! The table of ADT events: what each means for visit and bed, as data.
//!
//! docs/specs/hl7-mapping.md prints the same table; a test holds the two together.

use fhir_sdk::r4b::codes::EncounterStatus;

/// How a message of this event is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One visit: an Encounter record.
    Visit(VisitRule),
    /// Two visits that change beds: two Encounter records.
    Swap,
    /// A bed's status: a Location record.
    BedStatus,
    /// Says nothing about beds; counted.
    Filtered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisitRule {
    pub status: EncounterStatus,
    /// H16: PV1-3 is `planned` instead of `active`.
    pub planned: bool,
    /// H16: PV1-42 is read, as `reserved`.
    pub pending: bool,
    /// H24: MRG names a visit that goes on as this one.
    pub merge: bool,
    /// H21: which end of the visit's period the event time is.
    pub period: PeriodEnd,
    /// H15: the class when PV1-2 gives none.
    pub class: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeriodEnd {
    None,
    Start,
    End,
}

const fn visit(status: EncounterStatus) -> VisitRule {
    VisitRule {
        status,
        planned: false,
        pending: false,
        merge: false,
        period: PeriodEnd::None,
        class: "IMP",
    }
}

/// H20: the table; `None` is an event that is not known here (H5).
pub fn shape(trigger: &str) -> Option<Shape> {
    use EncounterStatus as S;
    Some(Shape::Visit(match trigger {
        "A01" => VisitRule {
            period: PeriodEnd::Start,
            ..visit(S::InProgress)
        },
        "A02" | "A06" | "A12" | "A13" | "A16" | "A22" | "A25" => visit(S::InProgress),
        "A03" => VisitRule {
            period: PeriodEnd::End,
            ..visit(S::Finished)
        },
        "A04" => VisitRule {
            period: PeriodEnd::Start,
            class: "AMB",
            ..visit(S::Arrived)
        },
        "A05" | "A14" => VisitRule {
            planned: true,
            class: "PRENC",
            ..visit(S::Planned)
        },
        "A07" => VisitRule {
            class: "AMB",
            ..visit(S::InProgress)
        },
        "A15" | "A26" => VisitRule {
            pending: true,
            ..visit(S::InProgress)
        },
        "A11" | "A23" | "A27" | "A38" => visit(S::Cancelled),
        "A21" => visit(S::Onleave),
        "A08" | "A52" | "A53" => visit(S::Unknown),
        "A35" | "A42" => VisitRule {
            merge: true,
            ..visit(S::Unknown)
        },
        "A17" => return Some(Shape::Swap),
        "A20" => return Some(Shape::BedStatus),
        _ if FILTERED.contains(&trigger) => return Some(Shape::Filtered),
        _ => return None,
    }))
}

/// H22: the rule of each half of a swap.
pub const SWAP: VisitRule = visit(EncounterStatus::InProgress);

/// H25: tracking (temporary places), person and patient data, links and merges of patient identities, changes of staff:
/// none of them moves a visit. Events that may rename or move visits in other ways (A36 A41 A44 A45 A50) are not
/// among them: people should see those.
pub const FILTERED: [&str; 25] = [
    "A09", "A10", "A18", "A19", "A24", "A28", "A29", "A30", "A31", "A32", "A33", "A34", "A37",
    "A39", "A40", "A43", "A46", "A47", "A48", "A51", "A54", "A55", "A60", "A61", "A62",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h20_every_listed_event_is_known() {
        for n in (1..=17).chain([
            20, 21, 22, 23, 25, 26, 27, 28, 31, 34, 35, 38, 40, 42, 52, 53,
        ]) {
            let trigger = format!("A{n:02}");
            assert!(shape(&trigger).is_some(), "{trigger}");
        }
        for unknown in [
            "", "A00", "A36", "A41", "A44", "A45", "A50", "A99", "a01", "Z01",
        ] {
            assert_eq!(shape(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn h20_only_pre_admissions_plan_and_only_pending_transfers_reserve() {
        for n in 1..=62 {
            let trigger = format!("A{n:02}");
            if let Some(Shape::Visit(rule)) = shape(&trigger) {
                assert_eq!(
                    rule.planned,
                    ["A05", "A14"].contains(&&*trigger),
                    "{trigger}"
                );
                assert_eq!(
                    rule.pending,
                    ["A15", "A26"].contains(&&*trigger),
                    "{trigger}"
                );
                assert_eq!(rule.merge, ["A35", "A42"].contains(&&*trigger), "{trigger}");
            }
        }
    }
}
