//! What a fold of visits says about beds and pending moves: the only thing that the hospital is made of.

use std::sync::Arc;

use super::event::{At, Spot};

/// What a person should know about how somebody came into a bed.
pub(crate) mod remark {
    pub(crate) const ADMISSION_NOT_SEEN: u8 = 1;
    pub(crate) const PRIOR_DISAGREES: u8 = 2;
    pub(crate) const CANCEL_NAMES_OTHER_BED: u8 = 4;
    pub(crate) const MERGED_IN_TWO_BEDS: u8 = 8;

    pub(crate) const WORDS: [(u8, &str); 4] = [
        (ADMISSION_NOT_SEEN, "admission not seen"),
        (PRIOR_DISAGREES, "prior location disagrees"),
        (CANCEL_NAMES_OTHER_BED, "cancel names another bed"),
        (MERGED_IN_TWO_BEDS, "merged visit in two beds"),
    ];
}

/// The three things that can be pending for a visit, one of each at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PendingKind {
    Admission,
    Transfer,
    Discharge,
}

/// What a step did. `bed` is where it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) at: At,
    /// Tells the effects of one event apart.
    pub(crate) n: u32,
    pub(crate) bed: Option<Arc<str>>,
    /// The visit, under the name it has after its merges up to now.
    pub(crate) visit: Arc<str>,
    pub(crate) what: EffectKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EffectKind {
    Arrive {
        remarks: u8,
    },
    /// Leaves the bed behind as somebody who used it.
    Depart,
    /// Is not in the bed any more, and left nothing behind: swap, cancel, merge.
    Vacate,
    /// The occupant goes on under another visit's name.
    Renamed {
        from: Arc<str>,
    },
    Away(bool),
    /// A merge left the visit in several beds; the arrivals that claim them.
    Twice {
        claims: Vec<At>,
    },
    Once,
    Open {
        slot: PendingKind,
        place: Option<Spot>,
    },
    Close {
        slot: PendingKind,
        place: Option<Spot>,
        opened: At,
        opened_n: u32,
    },
}
