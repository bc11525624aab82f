//! What the event stream told lately, for clients that lag behind or come back with the id of the last event they heard.
//!
//! Ids are those of one run: after a restart nobody knows what a client had heard, so it is told to ask again. Events are
//! kept up to `STREAM_CHANGES_MAX`; whoever needs older ones is told to ask again as well. Nobody waits for a client.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;
use wardline_api::{Change, Removed};

use crate::limits::STREAM_CHANGES_MAX;

/// One event of the stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Told {
    /// Of the last commit when the row was worked out: an answer with a higher one has it.
    pub(crate) version: u64,
    #[serde(flatten)]
    pub(crate) what: RowEvent,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum RowEvent {
    Row(Box<Change>),
    Gone(Removed),
}

/// What comes after a place in the ring.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    Event(Arc<Told>),
    Nothing,
    /// It is not kept any more; the newest is at this place.
    Missed(u64),
}

pub(crate) struct Ring {
    run: u64,
    events: Mutex<VecDeque<Arc<Told>>>,
    /// How many were told: the place of the newest.
    end: watch::Sender<u64>,
}

impl Ring {
    pub(crate) fn new() -> Self {
        Self {
            // Differs from run to run.
            run: RandomState::new().build_hasher().finish(),
            events: Mutex::default(),
            end: watch::Sender::new(0),
        }
    }

    fn events(&self) -> MutexGuard<'_, VecDeque<Arc<Told>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self, told: Vec<Told>) {
        if told.is_empty() {
            return;
        }
        let mut events = self.events();
        let more = told.len() as u64;
        events.extend(told.into_iter().map(Arc::new));
        let beyond = events.len().saturating_sub(STREAM_CHANGES_MAX);
        events.drain(..beyond);
        self.end.send_modify(|end| *end += more);
    }

    /// Changes whenever something is told.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }

    pub(crate) fn after(&self, place: u64) -> Next {
        let events = self.events();
        let end = *self.end.borrow();
        if place >= end {
            return Next::Nothing;
        }
        let back = usize::try_from(end - place).unwrap_or(usize::MAX);
        let at = events.len().checked_sub(back);
        at.and_then(|at| events.get(at))
            .map_or(Next::Missed(end), |told| Next::Event(Arc::clone(told)))
    }

    pub(crate) fn id(&self, place: u64) -> String {
        format!("{:016x}-{place}", self.run)
    }

    /// The place that an id names, if this run told it.
    pub(crate) fn place(&self, id: &str) -> Option<u64> {
        let (run, place) = id.split_once('-')?;
        let run = u64::from_str_radix(run, 16).ok()?;
        let place = place.parse().ok()?;
        (run == self.run && place <= *self.end.borrow()).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use wardline_api::RowKind;

    use super::*;

    fn told(n: u64) -> Told {
        Told {
            version: n,
            what: RowEvent::Gone(Removed {
                kind: RowKind::Bed,
                site: "a".to_owned(),
                name: "ED^1^1".to_owned(),
            }),
        }
    }

    #[test]
    fn p7_who_lags_too_far_behind_has_missed_something_and_goes_on_from_the_newest() {
        let ring = Ring::new();
        assert_eq!(ring.after(0), Next::Nothing);
        let kept = STREAM_CHANGES_MAX as u64;
        ring.tell((1..=kept + 2).map(told).collect());
        assert_eq!(ring.after(0), Next::Missed(kept + 2));
        assert_eq!(ring.after(1), Next::Missed(kept + 2));
        assert_eq!(ring.after(2), Next::Event(Arc::new(told(3))));
        assert_eq!(ring.after(kept + 1), Next::Event(Arc::new(told(kept + 2))));
        assert_eq!(ring.after(kept + 2), Next::Nothing);
    }

    #[test]
    fn an_id_is_of_one_run_and_of_something_that_was_told() {
        let ring = Ring::new();
        ring.tell(vec![told(1), told(2)]);
        assert_eq!(ring.place(&ring.id(1)), Some(1));
        assert_eq!(ring.place(&ring.id(2)), Some(2));
        assert_eq!(ring.place(&ring.id(3)), None);
        assert_eq!(Ring::new().place(&ring.id(0)), None);
        for strange in ["", "-", "x-1", "1"] {
            assert_eq!(ring.place(strange), None, "{strange}");
        }
    }

    #[test]
    fn a_removal_says_kind_site_name_and_version() {
        assert_eq!(
            serde_json::to_value(told(7)).unwrap(),
            serde_json::json!({"version": 7, "type": "removed", "kind": "bed", "site": "a", "name": "ED^1^1"})
        );
    }
}
