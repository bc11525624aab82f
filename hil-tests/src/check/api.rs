//! The query API, asked as anybody would.

use anyhow::Context;
use serde::de::DeserializeOwned;

pub async fn get<T: DeserializeOwned + Send + 'static>(api: &str, path: &str) -> anyhow::Result<T> {
    let url = format!("{api}{path}");
    tokio::task::spawn_blocking(move || {
        let mut answer = ureq::get(&url)
            .call()
            .with_context(|| format!("GET {url}"))?;
        let text = answer
            .body_mut()
            .with_config()
            .limit(256 << 20)
            .read_to_string()?;
        serde_json::from_str(&text).with_context(|| {
            format!(
                "GET {url} gave {}",
                text.chars().take(200).collect::<String>()
            )
        })
    })
    .await?
}
