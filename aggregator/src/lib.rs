//! Replication, live views of beds and devices, and the query API.

pub mod decode;
pub mod ledger;
