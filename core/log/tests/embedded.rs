//! The embedded engine against the contract.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Mutex;

use wardline_log::SharedLog;
use wardline_log::contract;
use wardline_log::embedded::EmbeddedLog;

fn open(dir: &Path) -> SharedLog {
    EmbeddedLog::open(dir).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l1_to_l50_the_embedded_engine_passes_the_contract() {
    let dirs = Mutex::new(Vec::new());
    let make = async || {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        dirs.lock().unwrap().push(dir);
        Ok(log)
    };
    contract::suite(make).await.unwrap();
}
