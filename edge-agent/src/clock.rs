//! The stamp of an event: wall time, monotonic time of this boot, which boot, and how far off the wall clock may be.
//!
//! The wall clock of a gateway may be wrong for hours after a power cut. The monotonic time with the boot id keeps
//! the order and lets somebody correct the wall time later; the uncertainty says whether that is needed.

use wardline_model::Stamp;
use wardline_service::SharedClock;

/// In place of milliseconds: nothing is known about the wall clock's error.
pub const UNCERTAINTY_UNKNOWN: u32 = u32::MAX;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Stamps events with one clock of one boot.
#[derive(Debug, Clone)]
pub struct Stamper {
    clock: SharedClock,
    boot: u64,
}

impl Stamper {
    /// Of this boot of the machine.
    pub fn of_this_boot(clock: SharedClock) -> Self {
        let text = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
        Self::new(clock, boot_number(&text))
    }

    pub fn new(clock: SharedClock, boot: u64) -> Self {
        Self { clock, boot }
    }

    pub fn stamp(&self) -> Stamp {
        Stamp {
            wall_ms: self.clock.wall_ms(),
            mono_ms: self.clock.mono_ms(),
            boot: self.boot,
            uncertainty_ms: self.clock.uncertainty_ms().unwrap_or(UNCERTAINTY_UNKNOWN),
        }
    }

    /// For what carries no stamp: an answer's time, a file's name.
    pub fn wall_ms(&self) -> i64 {
        self.clock.wall_ms()
    }
}

/// The first 64 bits of a UUID as text; 0 when there is none.
fn boot_number(text: &str) -> u64 {
    let digits: String = text
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(16)
        .collect();
    u64::from_str_radix(&digits, 16).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use wardline_service::ManualClock;

    use super::*;

    #[test]
    fn the_kernels_boot_id_is_read() {
        assert_eq!(
            boot_number("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n"),
            0x0f1e_2d3c_4b5a_6978
        );
        assert_eq!(boot_number(""), 0);
    }

    #[test]
    fn p13_a_stamp_says_what_its_clock_is_worth() {
        let clock = ManualClock::at(1_000);
        let stamper = Stamper::new(clock.clone(), 7);
        clock.advance_ms(20);
        clock.set_uncertainty_ms(Some(5));
        let stamp = stamper.stamp();
        assert_eq!((stamp.wall_ms, stamp.mono_ms), (1_020, 20));
        assert_eq!((stamp.boot, stamp.uncertainty_ms), (7, 5));
        clock.set_uncertainty_ms(None);
        assert_eq!(stamper.stamp().uncertainty_ms, UNCERTAINTY_UNKNOWN);
    }
}
