//! systemd's watchdog, fed by work and not by a timer: a program whose parts do not move is not alive.
//!
//! Every part that must not get stuck has a `Pulse` and ticks it when its loop has come round: something was written,
//! read, answered, or found to be idle. While one pulse stands still for half of WATCHDOG_USEC nothing is fed, the part
//! is named in the log, and systemd restarts the program.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::notify;

/// The sign of life of one part.
#[derive(Debug, Clone)]
pub struct Pulse {
    name: &'static str,
    ticks: Arc<AtomicU64>,
}

impl Pulse {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            ticks: Arc::default(),
        }
    }

    /// The loop has come round.
    pub fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }
}

/// What was last seen of a pulse.
struct Seen {
    pulse: Pulse,
    ticks: u64,
    since: Instant,
}

impl Seen {
    fn stands_still(&mut self, now: Instant, longest: Duration) -> bool {
        let ticks = self.pulse.ticks.load(Ordering::Relaxed);
        if ticks != self.ticks {
            (self.ticks, self.since) = (ticks, now);
        }
        now.duration_since(self.since) >= longest
    }
}

/// Feeds while all pulses move, for ever; does nothing if no watchdog was asked for.
pub(crate) async fn feed(pulses: Vec<Pulse>) -> Infallible {
    match period() {
        Some(period) => feed_every(period, pulses, notify::watchdog).await,
        None => std::future::pending().await,
    }
}

async fn feed_every(period: Duration, pulses: Vec<Pulse>, mut feed: impl FnMut()) -> Infallible {
    let now = Instant::now();
    let seen = |pulse| Seen {
        pulse,
        ticks: 0,
        since: now,
    };
    let mut pulses: Vec<Seen> = pulses.into_iter().map(seen).collect();
    loop {
        let now = Instant::now();
        let stuck: Vec<&str> = pulses
            .iter_mut()
            .filter_map(|seen| {
                seen.stands_still(now, period / 2)
                    .then_some(seen.pulse.name)
            })
            .collect();
        if stuck.is_empty() {
            feed();
        } else {
            tracing::error!(
                parts = stuck.join(", "),
                "do not move: the watchdog is not fed"
            );
        }
        tokio::time::sleep(period / 4).await;
    }
}

/// How often systemd wants to be fed at least, if it asked this process.
fn period() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let other = number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id()));
    let period = Duration::from_micros(number("WATCHDOG_USEC")?);
    (!other && !period.is_zero()).then_some(period)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn p7_one_part_that_stands_still_ends_the_feeding() {
        let fed = Arc::new(Mutex::new(Vec::new()));
        let (moving, stuck) = (Pulse::new("moving"), Pulse::new("stuck"));
        let begun = Instant::now();
        let feeding = {
            let (fed, pulses) = (Arc::clone(&fed), vec![moving.clone(), stuck.clone()]);
            feed_every(Duration::from_secs(20), pulses, move || {
                fed.lock().unwrap().push(begun.elapsed().as_secs());
            })
        };
        let work = async {
            for second in 0..100 {
                moving.tick();
                if !(30..=60).contains(&second) {
                    stuck.tick();
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            never = feeding => match never {},
            () = work => {}
        }
        let fed = fed.lock().unwrap();
        assert!(fed.contains(&25), "{fed:?}");
        assert!(!fed.iter().any(|at| (45..=60).contains(at)), "{fed:?}");
        assert!(fed.contains(&70), "it heals: {fed:?}");
    }
}
