//! How an event is said: which bed, prior bed, pending bed and times each message carries.
//!
//! Called after the books were changed, so PV1 is filled from the books (where the patient is after
//! the event) unless the event is about what has just ended. A cancel's EVN-6 is the time of the
//! event that it cancels; its EVN-2 is now.

use super::{
    Hospital, Task,
    books::{BedIx, Condition, VisitNo},
};
use crate::{
    Message,
    hl7::{AdtBuilder, Patient},
};

/// Share of messages that are sent twice, with the same bytes.
const DUPLICATE_SHARE: f64 = 0.008;
/// Longest time, in hospital minutes, until the second copy.
const DUPLICATE_AFTER_MIN: f64 = 4.0;
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

impl Hospital {
    /// A message about a visit, PV1 from the books. `occurred` becomes EVN-6.
    pub(super) fn adt(&self, event: &str, no: VisitNo, occurred: i64) -> AdtBuilder {
        let mut adt = AdtBuilder::new(event, "")
            .zone(&self.zone)
            .evn2(self.now)
            .evn6(occurred)
            .visit(self.visit_name(no));
        let Some(visit) = self.books.visit(no) else {
            return adt;
        };
        adt = adt
            .class(visit.kind)
            .patient(Patient::synthetic(visit.patient));
        if visit.kind != "P" {
            adt = adt.admitted(visit.admitted);
        }
        let planned = visit.planned.map(|(bed, _)| bed);
        if let Some(bed) = visit.bed.or(planned) {
            adt = adt.bed(self.books.bed_name(bed));
        }
        if let Some((bed, _)) = visit.moving {
            adt = adt.pending_bed(self.books.bed_name(bed));
        }
        adt
    }

    /// Says it, under the next control id, and now and then once more a little later.
    pub(super) fn say(&mut self, adt: AdtBuilder) {
        self.messages += 1;
        let bytes = adt
            .control_id(format!("D{}{:08}", self.life(), self.messages))
            .build();
        if self.opened != Some(self.now) && self.chance(DUPLICATE_SHARE) {
            let wait = self.about(DUPLICATE_AFTER_MIN);
            self.due(wait, Task::Resend(bytes.clone()));
        }
        self.out.push(Message::Hl7(bytes));
    }

    /// A message of the visit with no more to it than the books know.
    pub(super) fn say_plain(&mut self, event: &str, no: VisitNo, occurred: i64) {
        let adt = self.adt(event, no, occurred);
        self.say(adt);
    }

    /// A20, written into the books and said.
    pub(super) fn say_bed(&mut self, bed: BedIx, condition: Condition, occurred: i64) {
        self.books.report(bed, condition);
        let adt = AdtBuilder::new("A20", "")
            .zone(&self.zone)
            .evn2(self.now)
            .evn6(occurred)
            .bed_status(self.books.bed_name(bed), condition.code());
        self.say(adt);
    }

    /// Marks this run in control ids and visit numbers: the opening second in base 36. Of fixed
    /// length, so that ids sort in the order in which they were given.
    pub(super) fn life(&self) -> String {
        let mut rest = self.opened.unwrap_or(0).div_euclid(1_000).unsigned_abs();
        let mut text = [b'0'; 6];
        for place in text.iter_mut().rev() {
            let digit = usize::try_from(rest % 36).unwrap_or(0);
            *place = DIGITS.get(digit).copied().unwrap_or(b'0');
            rest /= 36;
        }
        text.iter().map(|byte| char::from(*byte)).collect()
    }
}
