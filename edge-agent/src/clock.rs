//! What the agent knows about time when an event comes: wall clock, monotonic clock of this boot, which boot,
//! and how far off the wall clock may be.
//!
//! The wall clock of a gateway may be wrong for hours after a power cut. The monotonic time with the boot id keeps
//! the order and lets somebody correct the wall time later; the uncertainty says whether that is needed.

use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wardline_model::Stamp;

use crate::limits::{CLOCK_QUALITY_AGE_MS, CLOCK_SYNCED_UNCERTAINTY_MS};

/// Nothing is known about the wall clock's error.
pub const UNKNOWN_UNCERTAINTY_MS: u32 = u32::MAX;
/// systemd-timesyncd touches it at every synchronisation of this boot; chrony's and ntpd's units create it as well
/// where they provide `time-sync.target`.
const SYNCED_MARKER: &str = "/run/systemd/timesync/synchronized";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const UPTIME: &str = "/proc/uptime";

pub trait Clock: Send + Sync + 'static {
    fn stamp(&self) -> Stamp;
}

pub struct SystemClock {
    boot: u64,
    /// Milliseconds since boot when this clock was made, and the instant that it was made.
    base_ms: u64,
    base: Instant,
    quality: Mutex<Option<(Instant, u32)>>,
}

impl SystemClock {
    pub fn new() -> Self {
        let text = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            boot: boot_number(&text(BOOT_ID)),
            base_ms: uptime_ms(&text(UPTIME)),
            base: Instant::now(),
            quality: Mutex::new(None),
        }
    }

    fn uncertainty_ms(&self) -> u32 {
        let mut known = self.quality.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some((at, value)) if at.elapsed() < Duration::from_millis(CLOCK_QUALITY_AGE_MS) => {
                value
            }
            _ => {
                let value = uncertainty(Path::new(SYNCED_MARKER));
                *known = Some((Instant::now(), value));
                value
            }
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn stamp(&self) -> Stamp {
        let elapsed = u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX);
        Stamp {
            wall_ms: wall_ms(),
            mono_ms: self.base_ms.saturating_add(elapsed),
            boot: self.boot,
            uncertainty_ms: self.uncertainty_ms(),
        }
    }
}

/// Epoch milliseconds; negative before 1970.
pub fn wall_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

fn uncertainty(marker: &Path) -> u32 {
    if marker.exists() {
        CLOCK_SYNCED_UNCERTAINTY_MS
    } else {
        UNKNOWN_UNCERTAINTY_MS
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

/// Seconds with two decimals, then a second number that is not ours.
fn uptime_ms(text: &str) -> u64 {
    let Some((whole, part)) = text
        .split_whitespace()
        .next()
        .and_then(|t| t.split_once('.'))
    else {
        return 0;
    };
    let whole: u64 = whole.parse().unwrap_or(0);
    let hundredths: u64 = part.parse().unwrap_or(0);
    whole
        .saturating_mul(1000)
        .saturating_add(hundredths.saturating_mul(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        assert_eq!(
            boot_number("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n"),
            0x0f1e_2d3c_4b5a_6978
        );
        assert_eq!(boot_number(""), 0);
        assert_eq!(uptime_ms("12.34 99.00\n"), 12_340);
        assert_eq!(uptime_ms("nonsense"), 0);
    }

    #[test]
    fn an_unknown_clock_is_not_called_good() {
        let dir = tempfile::tempdir().unwrap();
        let marker = dir.path().join("synchronized");
        assert_eq!(uncertainty(&marker), UNKNOWN_UNCERTAINTY_MS);
        std::fs::write(&marker, "").unwrap();
        assert_eq!(uncertainty(&marker), CLOCK_SYNCED_UNCERTAINTY_MS);
    }

    #[test]
    fn monotonic_time_does_not_go_back() {
        let clock = SystemClock::new();
        let (a, b) = (clock.stamp(), clock.stamp());
        assert!(b.mono_ms >= a.mono_ms && a.boot == b.boot);
    }
}
