//! Who may connect, publish and subscribe where: an agent, as itself, and nobody else. Pure.
//! Deny by default (docs/specs/ingest.md I16, I17).

use wardline_model::topic::{self, Upstream};
use wardline_model::{AgentName, SiteName};

/// The agent behind a client id of the form `{site}.{agent}`.
pub fn agent_of(site: &SiteName, client_id: &str) -> Option<AgentName> {
    let name = client_id.strip_prefix(site.as_str())?.strip_prefix('.')?;
    AgentName::new(name).ok()
}

/// What an agent may publish on this topic; `None`: nothing.
pub fn may_publish(site: &SiteName, agent: &AgentName, name: &str) -> Option<Upstream> {
    let upstream = topic::parse_upstream(site, name)?;
    let (Upstream::Frame { agent: named, .. } | Upstream::Status { agent: named }) = &upstream;
    (named == agent).then_some(upstream)
}

pub fn may_subscribe(site: &SiteName, agent: &AgentName, filter: &str) -> bool {
    filter == topic::receipt(site, agent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> (SiteName, AgentName) {
        (
            SiteName::new("st-mary").unwrap(),
            AgentName::new("gw-1").unwrap(),
        )
    }

    #[test]
    fn i16_only_agents_of_the_site_connect() {
        let (site, agent) = names();
        assert_eq!(agent_of(&site, "st-mary.gw-1"), Some(agent));
        for nobody in [
            "",
            "gw-1",
            "other.gw-1",
            "st-mary.",
            "st-mary.GW",
            "st-marygw-1",
            "st-mary.a.b",
        ] {
            assert_eq!(agent_of(&site, nobody), None, "{nobody}");
        }
    }

    #[test]
    fn i17_an_agent_speaks_and_listens_as_itself_only() {
        let (site, agent) = names();
        for allowed in ["up/live", "up/backlog", "status"] {
            let topic = format!("wardline/v1/st-mary/gw-1/{allowed}");
            assert!(may_publish(&site, &agent, &topic).is_some(), "{topic}");
        }
        for denied in [
            "wardline/v1/st-mary/gw-2/up/live",
            "wardline/v1/other/gw-1/up/live",
            "wardline/v1/st-mary/gw-1/receipt",
            "wardline/v1/st-mary/gw-1/up/",
            "devices/icu/pump-7/state",
        ] {
            assert!(may_publish(&site, &agent, denied).is_none(), "{denied}");
        }
        assert!(may_subscribe(
            &site,
            &agent,
            "wardline/v1/st-mary/gw-1/receipt"
        ));
        for denied in [
            "#",
            "wardline/v1/st-mary/gw-1/config",
            "wardline/v1/st-mary/+/receipt",
            "wardline/v1/st-mary/gw-2/receipt",
            "wardline/v1/st-mary/gw-1/up/live",
        ] {
            assert!(!may_subscribe(&site, &agent, denied), "{denied}");
        }
    }
}
