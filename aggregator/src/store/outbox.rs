//! A row of the outbox as bytes: what a view topic is still to be told.

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OutboxKey {
    pub(crate) topic: String,
    pub(crate) key: String,
}

impl OutboxKey {
    pub(super) fn stored(&self) -> String {
        format!("{}\0{}", self.topic, self.key)
    }

    pub(super) fn read(stored: &str) -> Option<Self> {
        let (topic, key) = stored.split_once('\0')?;
        Some(Self {
            topic: topic.to_owned(),
            key: key.to_owned(),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutboxRow {
    /// Grows with every change, so that removing a published row never removes a newer one.
    pub(crate) seq: u64,
    /// `None` is a tombstone.
    pub(crate) json: Option<Vec<u8>>,
}

impl OutboxRow {
    pub(super) fn stored(&self) -> Vec<u8> {
        let mut out = self.seq.to_be_bytes().to_vec();
        out.extend_from_slice(self.json.as_deref().unwrap_or_default());
        out
    }

    pub(super) fn read(stored: &[u8]) -> Option<Self> {
        let (seq, json) = stored.split_first_chunk::<8>()?;
        Some(Self {
            seq: u64::from_be_bytes(*seq),
            json: (!json.is_empty()).then(|| json.to_vec()),
        })
    }
}
