//! The line in which changed rows wait for their topic: places are given with a commit, and what was published leaves.
//!
//! Each topic has a line of its own, so departments never wait behind beds. A row that changes again keeps its place as
//! long as the publisher does not have it in hand: with more changes a second than can be published, every row still
//! comes to its turn, and the line is no longer than there are rows. One lock for both sides: no commit gives a place
//! between the publisher's look and its note of how far it looked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::TOPICS;
use crate::error::AggregatorError;
use crate::store::{Batch, Cursor, Queued, RowKey, Store};

#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The highest place that was given.
    seq: u64,
    /// Rows that nobody has in hand yet, and their places.
    waiting: BTreeMap<RowKey, u64>,
    /// How far the publisher has rows in hand.
    handed: Cursor,
    published: Cursor,
    /// How far the store has forgotten what was published.
    deleted: Cursor,
}

/// Shared by the fold, which commits, and the publisher.
#[derive(Clone)]
pub(crate) struct SharedLine(Arc<Mutex<Line>>);

impl SharedLine {
    /// What the last run did not publish stands before what this one will.
    pub(crate) fn restore(store: &Store) -> Result<Self, AggregatorError> {
        let mut line = Line::default();
        for topic in TOPICS {
            for row in store.outbox(topic, 0, usize::MAX)? {
                line.seq = line.seq.max(row.seq);
                line.waiting.insert((topic, row.key), row.seq);
            }
        }
        Ok(Self(Arc::new(Mutex::new(line))))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Something was published that the store still holds.
    pub(crate) fn has_published(&self) -> bool {
        self.published != self.deleted
    }

    /// Commits with a place for each row, and without what was published.
    pub(crate) fn commit(
        &mut self,
        store: &Store,
        batch: &mut Batch,
    ) -> Result<(), AggregatorError> {
        let Self { waiting, seq, .. } = self;
        let handed = &self.handed;
        waiting.retain(|(topic, _), place| *place > at(handed, topic));
        for (key, row) in &mut batch.rows {
            row.seq = *waiting.entry(key.clone()).or_insert_with(|| {
                *seq += 1;
                *seq
            });
        }
        batch.published.clone_from(&self.published);
        store.commit(batch)?;
        self.deleted.clone_from(&self.published);
        Ok(())
    }

    /// The next rows of each topic, at most `max` of each, for the publisher to have in hand.
    pub(crate) fn take(
        &mut self,
        store: &Store,
        max: usize,
    ) -> Result<Vec<(&'static str, Vec<Queued>)>, AggregatorError> {
        let mut hand = Vec::new();
        for topic in TOPICS {
            let rows = store.outbox(topic, at(&self.handed, topic), max)?;
            hand.push((topic, rows));
        }
        // Only now: after an error nothing is in hand.
        hand.retain(|(_, rows)| !rows.is_empty());
        for (topic, rows) in &hand {
            let last = rows.last().map(|row| (*topic, row.seq));
            self.handed.extend(last);
        }
        Ok(hand)
    }

    /// Everything in hand is in the topics.
    pub(crate) fn published(&mut self) {
        self.published.clone_from(&self.handed);
    }
}

fn at(cursor: &Cursor, topic: &'static str) -> u64 {
    cursor.get(topic).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ViewRow;

    struct World {
        store: Store,
        line: SharedLine,
        _dir: tempfile::TempDir,
    }

    fn world() -> World {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state.redb")).unwrap();
        let line = SharedLine::restore(&store).unwrap();
        World {
            store,
            line,
            _dir: dir,
        }
    }

    fn batch(rows: &[(&'static str, String)], says: usize) -> Batch {
        let row = || ViewRow {
            json: Some(says.to_string().into_bytes()),
            ..ViewRow::default()
        };
        Batch {
            rows: rows.iter().map(|key| (key.clone(), row())).collect(),
            ..Batch::default()
        }
    }

    impl World {
        fn commit(&self, mut batch: Batch) {
            self.line.lock().commit(&self.store, &mut batch).unwrap();
        }

        /// Keys and what they say.
        fn take(&self, max: usize) -> Vec<(String, String)> {
            let hand = self.line.lock().take(&self.store, max).unwrap();
            let rows = hand.into_iter().flat_map(|(_, rows)| rows);
            rows.map(|row| (row.key, String::from_utf8(row.json.unwrap()).unwrap()))
                .collect()
        }
    }

    #[test]
    fn q21_no_row_starves_behind_rows_that_always_change() {
        const ALWAYS: usize = 25;
        const BATCH: usize = 10;
        let world = world();
        let mut busy: Vec<_> = (0..ALWAYS)
            .map(|n| (TOPICS[1], format!("a/{n:03}")))
            .collect();
        busy.push((TOPICS[1], "z/once".to_owned()));
        world.commit(batch(&busy, 0));
        busy.pop();
        let mut heard = BTreeMap::new();
        for round in 1..=6 {
            for (key, says) in world.take(BATCH) {
                heard.insert(key, says.parse::<usize>().unwrap());
            }
            world.line.lock().published();
            world.commit(batch(&busy, round));
        }
        assert_eq!(heard.get("z/once"), Some(&0), "{heard:?}");
        assert_eq!(heard.len(), ALWAYS + 1);
        // Two and a half batches a turn: the oldest word heard of anything is three rounds old.
        assert!(
            heard
                .iter()
                .all(|(key, round)| key == "z/once" || *round >= 2)
        );
        let held = world.store.outbox(TOPICS[1], 0, usize::MAX).unwrap().len();
        assert!(held <= ALWAYS + BATCH, "{held}");
    }

    #[test]
    fn p5_a_row_that_changes_in_hand_is_published_again() {
        let world = world();
        let key = [(TOPICS[0], "a/ICU".to_owned())];
        world.commit(batch(&key, 1));
        world.commit(batch(&key, 2));
        assert_eq!(world.take(9), [("a/ICU".into(), "2".into())]);
        world.commit(batch(&key, 3));
        world.line.lock().published();
        world.commit(batch(&[], 0));
        assert_eq!(world.take(9), [("a/ICU".into(), "3".into())]);
        assert_eq!(world.take(9), []);
        assert!(!world.line.lock().has_published());
        world.line.lock().published();
        assert!(world.line.lock().has_published());
        world.commit(Batch::default());
        assert_eq!(world.store.outbox_rows().unwrap(), 0);
    }

    #[test]
    fn p5_what_was_not_published_stands_first_after_a_restart() {
        let world = world();
        let rows = [(TOPICS[1], "a/1".to_owned()), (TOPICS[1], "a/2".to_owned())];
        world.commit(batch(&rows, 1));
        world.take(9);
        let line = SharedLine::restore(&world.store).unwrap();
        let again = World { line, ..world };
        again.commit(batch(&[(TOPICS[1], "a/0".to_owned())], 2));
        again.commit(batch(&rows[..1], 3));
        let said = again
            .take(9)
            .into_iter()
            .map(|(key, says)| key + "=" + &says);
        assert_eq!(said.collect::<Vec<_>>(), ["a/1=3", "a/2=1", "a/0=2"]);
    }
}
