//! The fold of a visit: events in order, without those taken out, to a state and to what it does to beds.
//!
//! One fold runs over all visits that merges join; each has its own state until the event that merges it. A step
//! reads nothing but the state and the event, and says what it changed as effects: the beds and the department counts
//! are folds of those, so no count is ever kept by adding and subtracting.

use std::sync::Arc;

use wardline_api::BedClass;

use super::bedlist::BedList;
use super::effect::{Effect, EffectKind, PendingKind, remark};
use super::event::{At, Event, Spot};
use super::kind::Kind;
use crate::limits::MARK_EVENTS;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    Unknown,
    Planned,
    Active,
    Ended,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Planned => "planned",
            Self::Active => "active",
            Self::Ended => "ended",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) at: At,
    pub(crate) n: u32,
    pub(crate) place: Option<Spot>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) bed: Arc<str>,
    pub(crate) arrived: At,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VisitState {
    pub(crate) status: Status,
    /// One bed at most, but after a merge of two visits that are in different beds.
    pub(crate) held: Vec<Held>,
    pub(crate) away: bool,
    pub(super) remarks: u8,
    admission: Option<Opened>,
    transfer: Option<Opened>,
    discharge: Option<Opened>,
}

impl VisitState {
    pub(crate) fn slot(&self, slot: PendingKind) -> Option<&Opened> {
        match slot {
            PendingKind::Admission => self.admission.as_ref(),
            PendingKind::Transfer => self.transfer.as_ref(),
            PendingKind::Discharge => self.discharge.as_ref(),
        }
    }

    pub(super) fn slot_mut(&mut self, slot: PendingKind) -> &mut Option<Opened> {
        match slot {
            PendingKind::Admission => &mut self.admission,
            PendingKind::Transfer => &mut self.transfer,
            PendingKind::Discharge => &mut self.discharge,
        }
    }

    pub(super) fn holds(&self, bed: &str) -> bool {
        self.held.iter().any(|held| *held.bed == *bed)
    }
}

/// What a cancel does at its recorded time, besides taking its target out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CorrectionKind {
    /// A12 that names another bed than the one before: the visit is there now.
    MoveTo(Arc<str>),
    /// A13 that names another bed: active again, there.
    Reactivate(Arc<str>),
    /// A11: ended.
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Correction {
    pub(crate) at: At,
    pub(crate) member: usize,
    pub(crate) what: CorrectionKind,
}

/// The state after the first `items` events.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) items: usize,
    pub(crate) state: VisitState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    Depart,
    Vacate,
}

#[derive(Debug, Default)]
pub(crate) struct Fold {
    pub(super) names: Vec<Arc<str>>,
    /// Which member stands for each member now.
    pub(super) stands: Vec<usize>,
    pub(crate) states: Vec<VisitState>,
    pub(crate) effects: Vec<Arc<Effect>>,
    pub(crate) marks: Vec<Mark>,
}

impl Fold {
    pub(crate) fn new(names: &[Arc<str>]) -> Self {
        Self {
            names: names.to_vec(),
            stands: (0..names.len()).collect(),
            states: vec![VisitState::default(); names.len()],
            effects: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// The member that stands for this one after the merges so far.
    pub(crate) fn stands_for(&self, member: usize) -> usize {
        self.stands.get(member).copied().unwrap_or(member)
    }

    pub(crate) fn state(&self, member: usize) -> Option<&VisitState> {
        self.states.get(self.stands_for(member))
    }

    pub(crate) fn event(
        &mut self,
        list: &BedList,
        event: &Arc<Event>,
        member: usize,
        other: Option<usize>,
    ) {
        let at = &At::of(event);
        let m = self.stands_for(member);
        let bed = event.active.as_ref().and_then(Spot::bed).cloned();
        match event.kind {
            // B18
            Kind::Admit | Kind::ToInpatient => {
                self.admitted(m);
                self.activate(at, m);
                self.go(at, m, bed, Leaving::Depart, 0);
            }
            // B19
            Kind::Register => {
                self.admitted(m);
                self.activate(at, m);
                if let Some(bed) = bed.filter(|bed| is_ed(list, bed)) {
                    self.go(at, m, Some(bed), Leaving::Depart, 0);
                }
            }
            // B20
            Kind::PreAdmit | Kind::PendingAdmit => {
                self.set_status(m, Status::Planned);
                self.open(at, m, PendingKind::Admission, event.active.clone());
            }
            // B21
            Kind::Transfer => {
                let remarks = self.prior_disagrees(m, event);
                self.unseen(m, bed.as_ref());
                self.activate(at, m);
                self.close(at, m, PendingKind::Transfer);
                self.go(at, m, bed, Leaving::Depart, remarks);
            }
            // B22
            Kind::Discharge => self.end(at, m, Leaving::Depart),
            // B23
            Kind::ToOutpatient => {
                self.activate(at, m);
                self.close(at, m, PendingKind::Transfer);
                self.close(at, m, PendingKind::Discharge);
                self.go(at, m, None, Leaving::Depart, 0);
            }
            // B24
            Kind::Update => self.update(at, m, bed),
            // B25, B32
            Kind::PendingTransfer => {
                self.open(at, m, PendingKind::Transfer, event.reserved.clone());
            }
            // B26, B32
            Kind::PendingDischarge => self.open(at, m, PendingKind::Discharge, None),
            // B27
            Kind::Swap => {
                self.unseen(m, bed.as_ref());
                self.activate(at, m);
                self.go(at, m, bed, Leaving::Vacate, 0);
            }
            // B28
            Kind::LeaveOut => self.leave(at, m, true),
            // B28, B33
            Kind::LeaveBack => {
                self.leave(at, m, false);
                self.place_unknown(at, m, bed);
            }
            // B30
            Kind::Merge => self.merge(at, m, other),
            _ => {}
        }
    }

    /// To be called after each event of a group, with how many there were.
    pub(crate) fn mark(&mut self, items: usize) {
        if items.is_multiple_of(MARK_EVENTS)
            && let [state] = self.states.as_slice()
        {
            let state = state.clone();
            self.marks.push(Mark { items, state });
        }
    }

    /// What a cancel does at its recorded time.
    pub(crate) fn settle(&mut self, correction: &Correction) {
        let m = self.stands_for(correction.member);
        let status = self
            .states
            .get(m)
            .map_or(Status::Unknown, |state| state.status);
        match &correction.what {
            // B11: who is gone is not put into a bed by the correction of an earlier transfer.
            CorrectionKind::MoveTo(_) if status == Status::Ended => {}
            // B11, B12
            CorrectionKind::MoveTo(bed) | CorrectionKind::Reactivate(bed) => {
                self.unseen(m, Some(bed));
                self.activate(&correction.at, m);
                self.go(
                    &correction.at,
                    m,
                    Some(bed.clone()),
                    Leaving::Vacate,
                    remark::CANCEL_NAMES_OTHER_BED,
                );
            }
            // B9
            CorrectionKind::End => self.end(&correction.at, m, Leaving::Vacate),
        }
    }

    fn update(&mut self, at: &At, m: usize, bed: Option<Arc<str>>) {
        match self.states.get(m).map(|state| state.status) {
            Some(Status::Active) if bed.is_some() => self.go(at, m, bed, Leaving::Depart, 0),
            Some(Status::Unknown) => self.place_unknown(at, m, bed),
            _ => {}
        }
    }

    /// B33: a visit whose admission nobody saw is active where an event says it is.
    fn place_unknown(&mut self, at: &At, m: usize, bed: Option<Arc<str>>) {
        let unknown = self
            .states
            .get(m)
            .is_some_and(|state| state.status == Status::Unknown);
        if let (true, Some(bed)) = (unknown, bed) {
            self.unseen(m, Some(&bed));
            self.activate(at, m);
            self.go(at, m, Some(bed), Leaving::Depart, 0);
        }
    }

    fn admitted(&mut self, m: usize) {
        if let Some(state) = self.states.get_mut(m) {
            state.remarks = 0;
        }
    }

    fn unseen(&mut self, m: usize, bed: Option<&Arc<str>>) {
        if let Some(state) = self.states.get_mut(m)
            && state.status == Status::Unknown
            && bed.is_some()
        {
            state.remarks |= remark::ADMISSION_NOT_SEEN;
        }
    }

    /// B21: PV1-6 is not needed; one that names another bed than the known one is worth a look.
    fn prior_disagrees(&self, m: usize, event: &Event) -> u8 {
        let (Some(state), Some(prior)) =
            (self.states.get(m), event.prior.as_ref().and_then(Spot::bed))
        else {
            return 0;
        };
        let known = state.status == Status::Active;
        if known && !state.holds(prior) {
            remark::PRIOR_DISAGREES
        } else {
            0
        }
    }

    fn set_status(&mut self, m: usize, status: Status) {
        if let Some(state) = self.states.get_mut(m) {
            state.status = status;
        }
    }

    fn activate(&mut self, at: &At, m: usize) {
        self.close(at, m, PendingKind::Admission);
        self.set_status(m, Status::Active);
    }

    fn end(&mut self, at: &At, m: usize, how: Leaving) {
        for slot in [
            PendingKind::Admission,
            PendingKind::Transfer,
            PendingKind::Discharge,
        ] {
            self.close(at, m, slot);
        }
        self.set_status(m, Status::Ended);
        self.go(at, m, None, how, 0);
        if let Some(state) = self.states.get_mut(m) {
            state.away = false;
            state.remarks = 0;
        }
    }

    fn leave(&mut self, at: &At, m: usize, away: bool) {
        let Some(state) = self.states.get_mut(m) else {
            return;
        };
        if state.away == away {
            return;
        }
        state.away = away;
        let beds: Vec<Arc<str>> = state.held.iter().map(|held| held.bed.clone()).collect();
        for bed in beds {
            self.emit(at, Some(bed), m, EffectKind::Away(away));
        }
    }

    /// Puts a visit into a bed, or into none. B14: naming a bed it has moves nobody.
    fn go(&mut self, at: &At, m: usize, bed: Option<Arc<str>>, how: Leaving, remarks: u8) {
        let Some(state) = self.states.get_mut(m) else {
            return;
        };
        let stays = bed.as_ref().is_some_and(|bed| state.holds(bed));
        if stays && state.held.len() == 1 {
            return;
        }
        let (away, remarks) = (state.away, state.remarks | remarks);
        for left in std::mem::take(&mut state.held) {
            if stays && bed.as_ref() == Some(&left.bed) {
                self.emit(at, Some(left.bed.clone()), m, EffectKind::Once);
                self.hold(m, left);
            } else if stays || how == Leaving::Vacate {
                // B30: an event that names one of two beds says that the other one was a mistake.
                self.emit(at, Some(left.bed), m, EffectKind::Vacate);
            } else {
                self.emit(at, Some(left.bed), m, EffectKind::Depart);
            }
        }
        if let Some(bed) = bed.filter(|_| !stays) {
            self.emit(at, Some(bed.clone()), m, EffectKind::Arrive { remarks });
            if away {
                self.emit(at, Some(bed.clone()), m, EffectKind::Away(true));
            }
            self.hold(
                m,
                Held {
                    bed,
                    arrived: at.clone(),
                },
            );
        }
    }

    pub(super) fn hold(&mut self, m: usize, held: Held) {
        if let Some(state) = self.states.get_mut(m) {
            state.held.push(held);
        }
    }

    pub(super) fn open(&mut self, at: &At, m: usize, slot: PendingKind, place: Option<Spot>) {
        self.close(at, m, slot);
        let bed = place.as_ref().and_then(Spot::bed).cloned();
        let n = self.emit(
            at,
            bed,
            m,
            EffectKind::Open {
                slot,
                place: place.clone(),
            },
        );
        if let Some(state) = self.states.get_mut(m) {
            *state.slot_mut(slot) = Some(Opened {
                at: at.clone(),
                n,
                place,
            });
        }
    }

    pub(super) fn close(&mut self, at: &At, m: usize, slot: PendingKind) {
        let Some(opened) = self
            .states
            .get_mut(m)
            .and_then(|state| state.slot_mut(slot).take())
        else {
            return;
        };
        let bed = opened.place.as_ref().and_then(Spot::bed).cloned();
        let what = EffectKind::Close {
            slot,
            place: opened.place,
            opened: opened.at,
            opened_n: opened.n,
        };
        self.emit(at, bed, m, what);
    }

    pub(super) fn emit(
        &mut self,
        at: &At,
        bed: Option<Arc<str>>,
        m: usize,
        what: EffectKind,
    ) -> u32 {
        let visit = self.names.get(m).cloned().unwrap_or_default();
        self.emit_as(at, bed, visit, what)
    }

    pub(super) fn emit_as(
        &mut self,
        at: &At,
        bed: Option<Arc<str>>,
        visit: Arc<str>,
        what: EffectKind,
    ) -> u32 {
        let n = match self.effects.last() {
            Some(last) if last.at == *at => last.n + 1,
            _ => 0,
        };
        let at = at.clone();
        self.effects.push(Arc::new(Effect {
            at,
            n,
            bed,
            visit,
            what,
        }));
        n
    }
}

fn is_ed(list: &BedList, bed: &str) -> bool {
    list.get(bed)
        .is_some_and(|listed| listed.class == BedClass::Ed)
}
