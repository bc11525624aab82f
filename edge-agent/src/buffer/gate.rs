//! Whether there is room for an event, and the books about what was refused.
//!
//! Full is a state with hysteresis: once the quota was reached everything is refused until an eighth of it is free
//! again, so that a device is not told yes and no in turns. What was refused was never promised; it is counted, and
//! becomes one loss record as soon as there is room for that record.

/// Room and refusals of one store. The quota covers what [`cost`] says, not bare lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    quota: u64,
    full: bool,
    /// Refused over the life of the store.
    total: u64,
    /// Refused and not yet in a loss record, and when that began.
    pending: Option<(u64, i64)>,
}

impl Gate {
    pub fn new(quota: u64, total: u64, pending: Option<(u64, i64)>) -> Self {
        Self {
            quota,
            full: false,
            total,
            pending,
        }
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn pending(&self) -> Option<(u64, i64)> {
        self.pending
    }

    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Is there room for `need` more bytes beside the `used` ones?
    pub fn admit(&mut self, used: u64, need: u64) -> bool {
        self.look(used);
        if !self.full && used.saturating_add(need) > self.quota {
            self.full = true;
        }
        !self.full
    }

    /// Leaves the full state once an eighth is free.
    pub fn look(&mut self, used: u64) {
        if self.full && used <= self.quota - self.quota / 8 {
            self.full = false;
        }
    }

    pub fn refuse(&mut self, count: u64, now_ms: i64) {
        if count == 0 {
            return;
        }
        self.total = self.total.saturating_add(count);
        let (before, since) = self.pending.unwrap_or((0, now_ms));
        self.pending = Some((before.saturating_add(count), since));
    }

    /// Takes back what a commit that failed could not record.
    pub fn untold_again(&mut self, (count, since): (u64, i64)) {
        let (more, later) = self.pending.unwrap_or((0, since));
        self.pending = Some((count.saturating_add(more), since.min(later)));
    }

    /// What the next commit shall record about refusals: nothing while the store is full.
    pub fn take_record(&mut self, used: u64) -> Option<(u64, i64)> {
        self.look(used);
        if self.full { None } else { self.pending.take() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p7_full_stays_full_until_an_eighth_is_free() {
        let mut gate = Gate::new(800, 0, None);
        assert!(gate.admit(0, 800));
        assert!(!gate.admit(700, 101));
        assert!(!gate.admit(701, 1), "hysteresis");
        assert!(gate.admit(700, 1));
    }

    #[test]
    fn s9_refusals_are_counted_and_recorded_once_there_is_room() {
        let mut gate = Gate::new(800, 5, None);
        assert!(!gate.admit(800, 1));
        gate.refuse(3, 1000);
        gate.refuse(2, 2000);
        assert_eq!((gate.total(), gate.take_record(800)), (10, None));
        let record = gate.take_record(100).unwrap();
        assert_eq!(record, (5, 1000));
        gate.refuse(1, 3000);
        gate.untold_again(record);
        assert_eq!((gate.take_record(100), gate.total()), (Some((6, 1000)), 11));
        assert_eq!((gate.take_record(100), gate.total()), (None, 11));
    }
}
