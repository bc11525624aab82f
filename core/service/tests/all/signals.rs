//! The first signal ends a program in order, the second at once.

use crate::child::{end_of, kill, spawn, until, until_up};

#[test]
fn a_signal_ends_the_program_in_order_and_takes_its_addresses_away() {
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let data = tempfile::tempdir().unwrap();
        let child = spawn("works", data.path(), &[]);
        until_up(data.path());
        kill(&child, signal);
        assert_eq!(end_of(child).code(), Some(code));
        assert!(!data.path().join("run/addresses.json").exists());
    }
}

#[test]
fn p7_a_second_signal_ends_a_program_that_hangs_in_its_stop() {
    for (second, code) in [("-INT", 130), ("-TERM", 143)] {
        let data = tempfile::tempdir().unwrap();
        let child = spawn("hangs in its stop", data.path(), &[]);
        until_up(data.path());
        kill(&child, "-TERM");
        let addresses = data.path().join("run/addresses.json");
        until("the stop to begin", || !addresses.exists());
        let begun = std::time::Instant::now();
        kill(&child, second);
        assert_eq!(end_of(child).code(), Some(code));
        let limit = wardline_service::limits::STOP_MS_MAX;
        assert!(begun.elapsed().as_millis() < u128::from(limit));
    }
}
