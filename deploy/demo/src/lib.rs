//! A simulated hospital that stands *outside* the pipeline and talks to it as devices do.
//!
//! The house itself ([`Hospital`]) is a pure function of its seed and of the moments at which it is
//! asked: no clock, no socket, no file. What it says are whole messages, HL7 v2 ADT without framing
//! and JSON readings with an MQTT topic. [`run()`] is the thin shell that carries them over real
//! sockets and waits for every acknowledgement. [`client`] holds the same sockets as small clients
//! that remember what was acked, for load and fault tests.
//!
//! Kept true here:
//! - the same seed and the same moments give the same bytes;
//! - the house never gives one bed to two patients, except for a rare cancelled discharge into a bed
//!   that was given away meanwhile, which is what makes a conflict on the screen;
//! - [`Hospital::occupancy`] is kept by this crate's own books and by nothing from the pipeline, so
//!   that tests may hold the pipeline's answer against it;
//! - every name, street, diagnosis and member of staff carries one of [`PRIVATE_MARKS`]: whoever
//!   finds one of them downstream has found a leak.

pub mod client;
mod devices;
mod error;
mod hl7;
pub mod limits;
mod run;
mod sim;
mod trouble;
mod wall;

pub use error::{Error, Result};
pub use hl7::PRIVATE_MARKS;
pub use run::{Counts, Report, run, run_hospital};
pub use sim::{BedStatus, DepartmentTruth, Hospital, Truth};
pub use trouble::trouble;

/// What kind of house is simulated, and how fast its days go by.
#[derive(Debug, Clone, PartialEq)]
pub struct HospitalConfig {
    /// Beds in the house, shared out among emergency department, intensive care and wards.
    pub beds: u32,
    /// Shortens stays, waits and turnarounds by this factor. Times in messages stay wall-clock times.
    pub speed: f64,
    /// The same seed and the same moments give the same bytes.
    pub seed: u64,
    /// IANA name of the zone that the house writes its times in.
    pub site_zone: String,
    /// Pumps, ventilators and monitors; about half as many as beds looks natural.
    pub devices: u32,
}

impl Default for HospitalConfig {
    fn default() -> Self {
        HospitalConfig {
            beds: 60,
            speed: 60.0,
            seed: 1,
            site_zone: "Europe/Berlin".to_owned(),
            devices: 30,
        }
    }
}

/// One thing that the house says to the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// An HL7 v2 message without MLLP framing.
    Hl7(Vec<u8>),
    /// A reading of one device, to be published with QoS 1.
    Mqtt {
        client: String,
        topic: String,
        payload: Vec<u8>,
    },
}
