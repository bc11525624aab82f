//! Everything that a hostile or broken broker might send to an uplink: an error, never a panic, and no memory without a bound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
}

fuzz_target!(|data: &[u8]| {
    RUNTIME.with(|runtime| runtime.block_on(wardline_mqtt::fuzzing::client(data)));
});
