//! MQTT -> log: every frame that an agent sends stands in `edge.frames` once, and the agent is told.
//!
//! `watermark` and `decide` are pure and hold the rules; `task` is the only writer: it takes everything that came
//! while the last append ran, decides, appends once, and only then lets watermarks move, acknowledgements go and
//! receipts leave (promises P2, P3). `handler` stands between the MQTT listener and the task; the way through a
//! broker that the site already has is in `broker`. The rules are numbered in docs/specs/ingest.md.

pub mod access;
pub mod broker;
pub mod decide;
pub mod handler;
pub mod queue;
pub mod record;
mod running;
pub mod state;
pub mod task;
pub mod topics;
pub mod watermark;

pub use running::{IngestConfig, Source, prepare, serve};
