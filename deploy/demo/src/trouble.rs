//! What goes wrong around a hospital, for a demo that shows it: a sender that falls silent, one whose messages cannot be
//! mapped, a misspelt topic, a device whose clock is months behind. Everything else goes on beside it.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use wardline_service::SharedClock;

use crate::client::{MllpClient, MqttClient};
use crate::error::Result;
use crate::hl7::AdtBuilder;
use crate::limits::{TROUBLE_EVERY_MS, TROUBLE_ROUNDS_UNTIL_SILENT};

/// Until `stop` is ready.
///
/// # Errors
/// A listener that does not take what is sent.
pub async fn trouble(
    mllp: SocketAddr,
    mqtt: SocketAddr,
    clock: SharedClock,
    stop: impl Future,
) -> Result<()> {
    let mut stop = pin!(stop);
    let mut hl7 = MllpClient::connect(mllp).await?;
    let mut devices = MqttClient::connect(mqtt, "trouble").await?;
    for round in 0u64.. {
        let now = clock.wall_ms();
        if round < TROUBLE_ROUNDS_UNTIL_SILENT {
            let id = format!("OUT{round}");
            let arrived = AdtBuilder::new("A04", id).sender("OUTPATIENTS", "ST-MARY");
            let arrived = arrived.class("O").visit("T1").bed("WARD-B");
            hl7.send(&arrived.sent(now).evn2(now).build()).await?;
        }
        // No visit number: nobody can say whose bed it is about.
        let unknown = AdtBuilder::new("A01", format!("ANX{round}")).sender("ANNEX", "ST-MARY");
        hl7.send(&unknown.bed("WARD-A^101^1").sent(now).evn2(now).build())
            .await?;
        let old = br#"{"ts":"2026-03-01T10:00:00Z","value":"in-use","type":"pump"}"#;
        devices
            .publish_acked("devices/ICU/pump-old-clock/state", old)
            .await?;
        devices
            .publish_acked("devices/ICU/pump-1/stat", old)
            .await?;
        tokio::select! {
            _ = &mut stop => break,
            () = tokio::time::sleep(Duration::from_millis(TROUBLE_EVERY_MS)) => {}
        }
    }
    Ok(())
}
