//! From disk to the site, as often as it takes: connect, send what is held, free only on receipts, begin again.
//!
//! docs/specs/agent-store.md has the numbered rules (S10..). The store is the only truth; a session keeps nothing that
//! the next one needs.

mod backoff;
mod link;
mod session;
pub mod url;

use std::sync::Arc;
use std::time::{Duration, Instant};

use wardline_model::{AgentName, Lane, SiteName, topic};
use wardline_service::Stop;

use crate::buffer::window::WindowLimits;
use crate::limits::UPLINK_CONNECT_TIMEOUT_MS;
use crate::status::StatusSource;
use crate::store::Store;
use backoff::Backoff;
use link::{Link, LinkError, Peer};
use session::{End, Session};
use url::UplinkUrl;

pub struct Uplink {
    pub store: Store,
    pub status: Arc<StatusSource>,
    pub site: SiteName,
    pub agent: AgentName,
    pub url: UplinkUrl,
    pub window: WindowLimits,
    live_topic: String,
    backlog_topic: String,
    receipt_topic: String,
}

impl Uplink {
    pub fn new(
        store: Store,
        status: Arc<StatusSource>,
        site: SiteName,
        agent: AgentName,
        url: UplinkUrl,
        window: WindowLimits,
    ) -> Self {
        Self {
            live_topic: topic::up(&site, &agent, Lane::Live),
            backlog_topic: topic::up(&site, &agent, Lane::Backlog),
            receipt_topic: topic::receipt(&site, &agent),
            store,
            status,
            site,
            agent,
            url,
            window,
        }
    }

    /// Runs until stopped; never ends by itself.
    pub async fn run(self, stop: Stop) {
        let mut backoff = Backoff::default();
        while !stop.is_stopped() {
            let begun = Instant::now();
            let end = tokio::select! {
                biased;
                () = stop.stopped() => return,
                link = self.connect() => match link {
                    Ok(link) => {
                        self.status.set_online(true);
                        let end = Session::new(&self, link).run(&stop).await;
                        self.status.set_online(false);
                        end
                    }
                    Err(error) => End::Link(error),
                },
            };
            if matches!(end, End::Stopped) {
                return;
            }
            let wait = backoff.next(begun.elapsed(), rand::random::<f64>());
            tracing::warn!(peer = %self.url, why = %end, wait_ms = wait.as_millis(), "uplink down: events stay on disk");
            self.pause(wait, &stop).await;
        }
    }

    async fn pause(&self, wait: Duration, stop: &Stop) {
        tokio::select! {
            () = stop.stopped() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    async fn connect(&self) -> Result<Link, LinkError> {
        let will = serde_json::to_vec(&self.status.now(false)).unwrap_or_default();
        let peer = Peer {
            host: self.url.host.clone(),
            port: self.url.port,
            credentials: self.url.credentials.clone(),
            client_id: format!("{}.{}", self.site, self.agent),
            will_topic: topic::status(&self.site, &self.agent),
            will,
            timeout: Duration::from_millis(self.window.timeout_ms.min(UPLINK_CONNECT_TIMEOUT_MS)),
        };
        let topics = [
            self.receipt_topic.clone(),
            topic::config(&self.site, &self.agent),
        ];
        Link::open(&peer, &topics).await
    }
}
