//! How the bridge connects to a broker. Pure.

use std::time::Duration;

use rumqttc::MqttOptions;
use wardline_model::SiteName;
use wardline_model::limits::FRAME_PACKET_BYTES_MAX;
use wardline_service::MqttUrl;

use crate::limits::UPSTREAM_KEEP_ALIVE_S;

/// A session that the broker keeps while the bridge is away, under a name that stays; acknowledged by hand.
pub(super) fn options(broker: &MqttUrl, site: &SiteName) -> MqttOptions {
    let id = format!("wardline-bridge.{site}");
    let mut options = MqttOptions::new(id, broker.host.clone(), broker.port);
    options.set_keep_alive(Duration::from_secs(UPSTREAM_KEEP_ALIVE_S));
    options.set_clean_session(false);
    options.set_manual_acks(true);
    options.set_max_packet_size(FRAME_PACKET_BYTES_MAX, FRAME_PACKET_BYTES_MAX);
    if let Some((user, password)) = &broker.credentials {
        options.set_credentials(user.clone(), password.clone());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i27_the_session_is_kept_under_one_name_and_acknowledged_by_hand() {
        let site = SiteName::new("st-mary").unwrap();
        let options = options(&MqttUrl::parse("mqtt://b:1883").unwrap(), &site);
        assert_eq!(options.client_id(), "wardline-bridge.st-mary");
        assert!(!options.clean_session() && options.manual_acks());
        assert!(options.max_packet_size() >= FRAME_PACKET_BYTES_MAX);
    }
}
