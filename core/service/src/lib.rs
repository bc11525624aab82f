//! What every Wardline program needs around its work: settings that know where each value came from, logging,
//! exit codes, the run folder, starting and stopping, trying again, the clock. No part's own logic lives here.

pub mod args;
pub mod backoff;
pub mod clock;
pub mod exit;
pub mod grammar;
pub mod keys;
pub mod limits;
mod loader;
pub mod logging;
pub mod notify;
pub mod program;
pub mod run_dir;
pub mod running;
pub mod settings;
pub mod supervise;
pub mod value;
mod watchdog;

pub use args::CommonArgs;
pub use backoff::{Backoff, Stopped};
pub use clock::{Clock, ManualClock, SharedClock, SystemClock};
pub use exit::Exit;
pub use grammar::{LogUrl, MqttUrl};
pub use running::{Running, Stop, StopHandle, stop_pair};
pub use settings::{Problem, Settings, Source};
pub use supervise::{StageId, Supervisor};
pub use watchdog::Pulse;
