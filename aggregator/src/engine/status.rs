//! Takes in the records of the status topics.

use std::sync::Arc;

use tokio::sync::mpsc;
use wardline_service::Stop;

use super::input::Delivery;
use crate::engine::shared::Shared;

pub(crate) async fn run(shared: Arc<Shared>, mut deliveries: mpsc::Receiver<Delivery>, stop: Stop) {
    loop {
        let delivery = tokio::select! {
            delivery = deliveries.recv() => delivery,
            () = stop.stopped() => None,
        };
        let Some(delivery) = delivery else { return };
        let now_ms = shared.now_ms();
        let mut unreadable = 0;
        let mut statuses = shared.statuses();
        for entry in &delivery.entries {
            unreadable += u64::from(!statuses.note(delivery.from(), entry, now_ms));
        }
        drop(statuses);
        if unreadable > 0 {
            tracing::warn!(
                unreadable,
                key = delivery.key,
                "status records could not be read"
            );
        }
        let mut fold = shared.fold();
        fold.status_records += delivery.entries.len() as u64;
        fold.unreadable_statuses += unreadable;
    }
}
