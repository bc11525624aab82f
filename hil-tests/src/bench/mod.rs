//! Measurements: one JSON line a figure, compared in one run.

#[derive(Debug, clap::Args)]
pub struct Options {}

pub async fn run(_options: Options) -> anyhow::Result<()> {
    std::future::ready(()).await;
    anyhow::bail!("not there yet")
}
