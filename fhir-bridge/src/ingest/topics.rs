//! The site's topics: created at start, with what goes when. Frames and records go by age and size, generously;
//! of status and positions only the newest of each key matters (docs/specs/ingest.md I22).

use wardline_log::{Cleanup, TopicSpec};
use wardline_model::topic::{BRIDGE_STATE, EDGE_FRAMES, FHIR_TOPICS, RETRY, SIDELINE, STATUS};

use crate::limits::{
    FHIR_RETENTION_BYTES, FHIR_RETENTION_MS, FRAMES_RETENTION_BYTES, FRAMES_RETENTION_MS,
    PARTITIONS, RETRY_RETENTION_BYTES, RETRY_RETENTION_MS, SIDELINE_RETENTION_BYTES,
    SIDELINE_RETENTION_MS,
};

/// How long and how much of a topic is kept, for each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    pub bytes: u64,
    pub ms: u64,
}

/// How the site's topics are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Of `edge.frames` and `fhir.*`; the others have one.
    pub partitions: u32,
    pub frames: Keep,
    pub fhir: Keep,
    pub sideline: Keep,
    pub retry: Keep,
}

impl Default for Topics {
    fn default() -> Self {
        let keep = |bytes, ms| Keep { bytes, ms };
        Self {
            partitions: PARTITIONS,
            frames: keep(FRAMES_RETENTION_BYTES, FRAMES_RETENTION_MS),
            fhir: keep(FHIR_RETENTION_BYTES, FHIR_RETENTION_MS),
            sideline: keep(SIDELINE_RETENTION_BYTES, SIDELINE_RETENTION_MS),
            retry: keep(RETRY_RETENTION_BYTES, RETRY_RETENTION_MS),
        }
    }
}

impl Topics {
    pub fn specs(&self) -> Vec<TopicSpec> {
        let delete = |name: &str, partitions, keep: Keep| TopicSpec {
            name: name.to_owned(),
            partitions,
            cleanup: Cleanup::Delete {
                retention_bytes: Some(keep.bytes),
                retention_ms: Some(keep.ms),
            },
        };
        let compact = |name: &str| TopicSpec {
            name: name.to_owned(),
            partitions: 1,
            cleanup: Cleanup::Compact,
        };
        let mut specs = vec![
            delete(EDGE_FRAMES, self.partitions, self.frames),
            delete(SIDELINE, 1, self.sideline),
            delete(RETRY, 1, self.retry),
            compact(STATUS),
            compact(BRIDGE_STATE),
        ];
        specs.extend(FHIR_TOPICS.map(|name| delete(name, self.partitions, self.fhir)));
        specs
    }
}
