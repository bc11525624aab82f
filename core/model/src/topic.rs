//! Names of MQTT topics between agent and bridge, and of the log's topics.

use crate::frame::Lane;
use crate::names::{AgentName, SiteName};

/// The site's raw frames, key = agent.
pub const EDGE_FRAMES: &str = "edge.frames";
pub const FHIR_ENCOUNTER: &str = "fhir.encounter";
pub const FHIR_LOCATION: &str = "fhir.location";
pub const FHIR_DEVICE: &str = "fhir.device";
pub const FHIR_OBSERVATION: &str = "fhir.observation";
pub const SIDELINE: &str = "sideline";
pub const RETRY: &str = "retry";
/// Newest status of each agent and of the bridge (compacted, key = name).
pub const STATUS: &str = "status";
/// What the bridge needs to go on after a restart: positions and watermarks (compacted).
pub const BRIDGE_STATE: &str = "bridge.state";
pub const VIEW_BED: &str = "view.bed";
pub const VIEW_DEPARTMENT: &str = "view.department";
pub const VIEW_DEVICE: &str = "view.device";

/// The topics that are copied from a site to the centre.
pub const FHIR_TOPICS: [&str; 4] = [FHIR_ENCOUNTER, FHIR_LOCATION, FHIR_DEVICE, FHIR_OBSERVATION];

const ROOT: &str = "wardline/v1";

pub fn up(site: &SiteName, agent: &AgentName, lane: Lane) -> String {
    format!("{ROOT}/{site}/{agent}/up/{}", lane.as_str())
}

pub fn receipt(site: &SiteName, agent: &AgentName) -> String {
    format!("{ROOT}/{site}/{agent}/receipt")
}

pub fn status(site: &SiteName, agent: &AgentName) -> String {
    format!("{ROOT}/{site}/{agent}/status")
}

/// What an upstream topic is for, once it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    Frame { agent: AgentName, lane: Lane },
    Status { agent: AgentName },
}

/// Reads a topic that an agent publishes to. `None` for anything else, other sites included.
pub fn parse_upstream(site: &SiteName, topic: &str) -> Option<Upstream> {
    let rest = topic
        .strip_prefix(ROOT)?
        .strip_prefix('/')?
        .strip_prefix(site.as_str())?
        .strip_prefix('/')?;
    let (agent, what) = rest.split_once('/')?;
    let agent = AgentName::new(agent).ok()?;
    match what {
        "up/live" => Some(Upstream::Frame {
            agent,
            lane: Lane::Live,
        }),
        "up/backlog" => Some(Upstream::Frame {
            agent,
            lane: Lane::Backlog,
        }),
        "status" => Some(Upstream::Status { agent }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_back_as_they_were_written() {
        let site = SiteName::new("st-mary").unwrap();
        let agent = AgentName::new("gw-1").unwrap();
        for lane in [Lane::Live, Lane::Backlog] {
            let topic = up(&site, &agent, lane);
            assert_eq!(
                parse_upstream(&site, &topic),
                Some(Upstream::Frame {
                    agent: agent.clone(),
                    lane
                })
            );
        }
        assert_eq!(
            parse_upstream(&site, &status(&site, &agent)),
            Some(Upstream::Status { agent })
        );
    }

    #[test]
    fn foreign_topics_are_nobody() {
        let site = SiteName::new("st-mary").unwrap();
        for topic in [
            "",
            "wardline/v1",
            "wardline/v1/st-mary",
            "wardline/v1/other/gw-1/up/live",
            "wardline/v1/st-mary/GW/up/live",
            "wardline/v1/st-mary/gw-1/up/other",
            "wardline/v1/st-mary/gw-1/receipt",
            "wardline/v2/st-mary/gw-1/up/live",
        ] {
            assert_eq!(parse_upstream(&site, topic), None, "{topic}");
        }
    }
}
