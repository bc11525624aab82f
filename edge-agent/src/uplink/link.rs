//! The way to the site: connected, and subscribed to receipts, or not at all.

use std::time::Duration;

use tokio::time::timeout;
use wardline_mqtt::Dialer;
use wardline_mqtt::client::{ClientError, Login, MqttClient};

/// What ended a connection, or kept it from beginning.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("no connection: {0}")]
    Connect(ClientError),
    #[error("the other side refused the subscription to {0}")]
    Subscription(String),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("connection lost: {0}")]
    Lost(#[from] ClientError),
}

/// Connected, and subscribed to `receipts`: they cannot be missed from here on. All of it within `limit`.
pub(super) async fn open(
    dialer: &dyn Dialer,
    login: &Login,
    receipts: &str,
    limit: Duration,
) -> Result<MqttClient, LinkError> {
    let connected = async {
        let stream = dialer.dial().await?;
        let mut client = MqttClient::login(stream, login).await?;
        let granted = client.subscribe(receipts).await?;
        Ok::<_, ClientError>((client, granted))
    };
    let connected = timeout(limit, connected).await;
    let connected = connected.map_err(|_| LinkError::Timeout(limit))?;
    let (client, granted) = connected.map_err(LinkError::Connect)?;
    // Without receipts nothing could ever be freed.
    match granted {
        true => Ok(client),
        false => Err(LinkError::Subscription(receipts.to_owned())),
    }
}
