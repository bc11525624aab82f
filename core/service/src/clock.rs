//! What time it is: the one place that reads the machine's clocks, and the seam that tests and simulations put theirs in.
//!
//! Three readings. Wall time may be wrong and may jump, so nothing is measured with it. Monotonic time never goes back
//! and says nothing about the day. How far off the wall time may be is known only while something keeps it (NTP); a
//! reader that is not told so must take it for unknown (P13).

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::limits::{CLOCK_QUALITY_AGE_MS, CLOCK_SYNCED_UNCERTAINTY_MS};

/// systemd-timesyncd touches it at every synchronisation of this boot; chrony's and ntpd's units create it as well
/// where they provide `time-sync.target`.
const SYNCED_MARKER: &str = "/run/systemd/timesync/synchronized";
const UPTIME: &str = "/proc/uptime";

pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Epoch milliseconds; negative before 1970.
    fn wall_ms(&self) -> i64;
    /// Milliseconds since this machine started; never goes back.
    fn mono_ms(&self) -> u64;
    /// How far off `wall_ms` may be. `None`: nobody knows.
    fn uncertainty_ms(&self) -> Option<u32>;
}

pub type SharedClock = Arc<dyn Clock>;

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    /// Milliseconds since boot when this clock was made, and the instant that it was made.
    base_ms: u64,
    base: Instant,
    /// When it was looked, and what was found.
    quality: Mutex<Option<(Instant, Option<u32>)>>,
}

impl SystemClock {
    pub fn new() -> Self {
        Self {
            base_ms: uptime_ms(&std::fs::read_to_string(UPTIME).unwrap_or_default()),
            base: Instant::now(),
            quality: Mutex::new(None),
        }
    }

    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place where the wall clock is read"
    )]
    fn wall_ms(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }

    fn mono_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.base_ms.saturating_add(elapsed)
    }

    fn uncertainty_ms(&self) -> Option<u32> {
        let mut known = self.quality.lock().unwrap_or_else(PoisonError::into_inner);
        let age = Duration::from_millis(CLOCK_QUALITY_AGE_MS);
        match *known {
            Some((at, value)) if at.elapsed() < age => value,
            _ => {
                let value = uncertainty(Path::new(SYNCED_MARKER));
                *known = Some((Instant::now(), value));
                value
            }
        }
    }
}

/// A clock that moves only when its holder moves it.
#[derive(Debug, Default)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    mono_ms: AtomicU64,
    /// `u64::MAX`: unknown.
    uncertainty_ms: AtomicU64,
}

impl ManualClock {
    /// Stands at this wall time, right after the start of the machine, and is known to be right.
    pub fn at(wall_ms: i64) -> Arc<Self> {
        Arc::new(Self {
            wall_ms: AtomicI64::new(wall_ms),
            ..Self::default()
        })
    }

    /// Time passes, on both clocks.
    pub fn advance_ms(&self, ms: u64) {
        self.mono_ms.fetch_add(ms, Ordering::SeqCst);
        let wall = i64::try_from(ms).unwrap_or(i64::MAX);
        self.wall_ms.fetch_add(wall, Ordering::SeqCst);
    }

    /// The wall clock is set: monotonic time does not notice.
    pub fn set_wall_ms(&self, ms: i64) {
        self.wall_ms.store(ms, Ordering::SeqCst);
    }

    pub fn set_uncertainty_ms(&self, ms: Option<u32>) {
        let ms = ms.map_or(u64::MAX, u64::from);
        self.uncertainty_ms.store(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn mono_ms(&self) -> u64 {
        self.mono_ms.load(Ordering::SeqCst)
    }

    fn uncertainty_ms(&self) -> Option<u32> {
        u32::try_from(self.uncertainty_ms.load(Ordering::SeqCst)).ok()
    }
}

fn uncertainty(marker: &Path) -> Option<u32> {
    marker.exists().then_some(CLOCK_SYNCED_UNCERTAINTY_MS)
}

/// Seconds with two decimals, then a second number that is not ours.
fn uptime_ms(text: &str) -> u64 {
    let first = text.split_whitespace().next();
    let Some((whole, part)) = first.and_then(|t| t.split_once('.')) else {
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
    fn the_kernels_uptime_is_read() {
        assert_eq!(uptime_ms("12.34 99.00\n"), 12_340);
        assert_eq!(uptime_ms("nonsense"), 0);
        assert_eq!(uptime_ms(""), 0);
    }

    #[test]
    fn p13_an_unknown_clock_is_not_called_good() {
        let dir = tempfile::tempdir().unwrap();
        let marker = dir.path().join("synchronized");
        assert_eq!(uncertainty(&marker), None);
        std::fs::write(&marker, "").unwrap();
        assert_eq!(uncertainty(&marker), Some(CLOCK_SYNCED_UNCERTAINTY_MS));
    }

    #[test]
    fn monotonic_time_does_not_go_back_and_wall_time_is_of_this_century() {
        let clock = SystemClock::new();
        let (a, b) = (clock.mono_ms(), clock.mono_ms());
        assert!(b >= a);
        assert!(clock.wall_ms() > 1_700_000_000_000);
    }

    #[test]
    fn p13_a_manual_clock_can_be_set_without_time_passing() {
        let clock = ManualClock::at(1_000);
        clock.advance_ms(5);
        assert_eq!((clock.wall_ms(), clock.mono_ms()), (1_005, 5));
        clock.set_wall_ms(-7);
        assert_eq!((clock.wall_ms(), clock.mono_ms()), (-7, 5));
        assert_eq!(clock.uncertainty_ms(), Some(0));
        clock.set_uncertainty_ms(None);
        assert_eq!(clock.uncertainty_ms(), None);
    }
}
