//! The ADT events that move something, and which event each cancel takes back.

/// What an event is, by its trigger. Triggers that move nothing have no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A01
    Admit,
    /// A06
    ToInpatient,
    /// A04
    Register,
    /// A05
    PreAdmit,
    /// A14
    PendingAdmit,
    /// A02
    Transfer,
    /// A03
    Discharge,
    /// A07
    ToOutpatient,
    /// A08
    Update,
    /// A15
    PendingTransfer,
    /// A16
    PendingDischarge,
    /// A17, one half
    Swap,
    /// A21
    LeaveOut,
    /// A22
    LeaveBack,
    /// A42, A35
    Merge,
    /// A20
    BedStatus,
    /// A11, A23
    CancelVisit,
    /// A12
    CancelTransfer,
    /// A13
    CancelDischarge,
    /// A25
    CancelPendingDischarge,
    /// A26
    CancelPendingTransfer,
    /// A27
    CancelPendingAdmit,
    /// A38
    CancelPreAdmit,
    /// A52
    CancelLeaveOut,
    /// A53
    CancelLeaveBack,
}

impl Kind {
    /// From `ADT^A02` (or `ADT^A02^ADT_A02`). `None` for everything that moves nothing: A09, A10, A28, A31, A34, A40,
    /// results, and triggers not known here.
    pub(crate) fn of(event_type: &str) -> Option<Self> {
        let mut parts = event_type.split('^');
        if parts.next() != Some("ADT") {
            return None;
        }
        Some(match parts.next()? {
            "A01" => Self::Admit,
            "A02" => Self::Transfer,
            "A03" => Self::Discharge,
            "A04" => Self::Register,
            "A05" => Self::PreAdmit,
            "A06" => Self::ToInpatient,
            "A07" => Self::ToOutpatient,
            "A08" => Self::Update,
            "A11" | "A23" => Self::CancelVisit,
            "A12" => Self::CancelTransfer,
            "A13" => Self::CancelDischarge,
            "A14" => Self::PendingAdmit,
            "A15" => Self::PendingTransfer,
            "A16" => Self::PendingDischarge,
            "A17" => Self::Swap,
            "A20" => Self::BedStatus,
            "A21" => Self::LeaveOut,
            "A22" => Self::LeaveBack,
            "A25" => Self::CancelPendingDischarge,
            "A26" => Self::CancelPendingTransfer,
            "A27" => Self::CancelPendingAdmit,
            "A35" | "A42" => Self::Merge,
            "A38" => Self::CancelPreAdmit,
            "A52" => Self::CancelLeaveOut,
            "A53" => Self::CancelLeaveBack,
            _ => return None,
        })
    }

    /// The kinds of event that a cancel takes back; none for an event that is no cancel.
    pub(crate) fn targets(self) -> &'static [Self] {
        match self {
            Self::CancelVisit => &[Self::Admit, Self::Register],
            Self::CancelTransfer => &[Self::Transfer],
            Self::CancelDischarge => &[Self::Discharge],
            Self::CancelPendingDischarge => &[Self::PendingDischarge],
            Self::CancelPendingTransfer => &[Self::PendingTransfer],
            Self::CancelPendingAdmit => &[Self::PendingAdmit, Self::PreAdmit],
            Self::CancelPreAdmit => &[Self::PreAdmit],
            Self::CancelLeaveOut => &[Self::LeaveOut],
            Self::CancelLeaveBack => &[Self::LeaveBack],
            _ => &[],
        }
    }

    pub(crate) fn is_cancel(self) -> bool {
        !self.targets().is_empty()
    }
}
