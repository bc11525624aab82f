//! JSON over MQTT, by declarative mapping files. docs/specs/json-mapping.md has the format and the numbered rules.

pub mod map;
pub mod mapping;
pub mod path;
pub mod topic;
