//! Waits until nothing is on its way any more, then demands that everything is accounted for (P4).

use std::time::{Duration, Instant};

use anyhow::bail;
use wardline_api::Accounting;

use crate::check::get;
use crate::limits::{POLL_MS, SETTLE_MS};

/// The accounting once every stage says that nothing is in flight and the agents hold nothing.
pub async fn settled(api: &str) -> anyhow::Result<Accounting> {
    let deadline = Instant::now() + Duration::from_millis(SETTLE_MS);
    let mut still = 0;
    loop {
        let now: Accounting = get(api, "/api/v1/accounting").await?;
        let quiet = !now.stages.is_empty()
            && now.stages.iter().all(|stage| stage.in_flight == 0)
            && consistent(&now);
        // Stages report at their own pace: rest must be seen twice, with a report of each in between.
        still = if quiet { still + 1 } else { 0 };
        if still >= 3 {
            return Ok(now);
        }
        if Instant::now() > deadline {
            bail!(
                "after {SETTLE_MS} ms it is not at rest: {}",
                serde_json::to_string(&now)?
            );
        }
        tokio::time::sleep(Duration::from_millis(20 * POLL_MS)).await;
    }
}

/// What one stage gave, the next one got: agents -> ingest -> transform -> ledger.
fn consistent(accounting: &Accounting) -> bool {
    let of = |name: &str| accounting.stages.iter().find(|stage| stage.stage == name);
    let agents: u64 = accounting
        .stages
        .iter()
        .filter(|s| s.stage.starts_with("agent/"))
        .map(|s| s.applied)
        .sum();
    match (of("ingest"), of("transform")) {
        (Some(ingest), Some(transform)) => {
            agents == ingest.applied && ingest.applied == transform.received
        }
        _ => false,
    }
}
