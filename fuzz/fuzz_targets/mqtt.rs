//! Everything that a client might send on one connection: it ends with a reason, never with a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    wardline_mqtt::fuzzing::connection(data);
});
