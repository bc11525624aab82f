//! What devices say, on its way to the store: MQTT and HL7 v2 over MLLP. Nothing is answered before it is on disk.

pub mod hl7_ack;
pub mod mllp;
pub mod mqtt;
