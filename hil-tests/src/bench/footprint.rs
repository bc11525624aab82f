//! Memory of each program, idle and after load, and what the dashboard costs while nothing happens.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use super::Options;
use super::proc::{child, cpu_s, rss_mib};
use super::publishers::{Shape, publish};
use super::report::say;
use crate::target::{Binaries, Layout, Part, Site};

const SETTLE: Duration = Duration::from_secs(3);

pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    memory(
        Layout::Edge { broker: None },
        &[
            (Part::Agent, "wardline-agent"),
            (Part::Bridge, "wardline-bridge"),
        ],
        options,
    )
    .await?;
    memory(Layout::Together, &[(Part::All, "wardline run")], options).await?;
    dashboard(options).await
}

async fn memory(
    layout: Layout,
    programs: &[(Part, &str)],
    options: &Options,
) -> anyhow::Result<()> {
    let mut site = Site::start(layout, &[]).await?;
    tokio::time::sleep(SETTLE).await;
    tell(&site, programs, "idle")?;
    let shape = Shape {
        clients: 20,
        window: 5,
        payload_bytes: 256,
        time: Duration::from_secs(options.seconds.min(5)),
    };
    publish(site.mqtt().context("no MQTT listener")?, shape).await?;
    tell(&site, programs, "after load")?;
    site.stop().await
}

fn tell(site: &Site, programs: &[(Part, &str)], when: &str) -> anyhow::Result<()> {
    for (part, name) in programs {
        let pid = site.pid(*part).context("it does not run")?;
        say(
            "footprint",
            &format!("{name}, resident, {when}"),
            rss_mib(pid)?,
            "MiB",
            &json!({}),
        );
    }
    Ok(())
}

/// In a terminal of its own, which `script` gives it.
async fn dashboard(options: &Options) -> anyhow::Result<()> {
    let mut site = Site::start(Layout::Together, &[]).await?;
    let api = site.api().context("no API")?;
    let program = Binaries::find()?.path("wardline-tui");
    let command = format!(
        "stty cols 120 rows 40; exec {} --api {api}",
        program.display()
    );
    let started = Command::new("script")
        .args(["-qfec", &command, "/dev/null"])
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut terminal) = started else {
        crate::skip("script (util-linux)")?;
        return site.stop().await;
    };
    tokio::time::sleep(SETTLE).await;
    let told = idle(terminal.id(), options).await;
    if let Some(pid) =
        child(terminal.id()).and_then(|pid| rustix::process::Pid::from_raw(pid.try_into().ok()?))
    {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
    }
    terminal.kill().ok();
    terminal.wait()?;
    site.stop().await?;
    told
}

async fn idle(terminal: u32, options: &Options) -> anyhow::Result<()> {
    let pid = child(terminal).context("the dashboard does not run")?;
    let seconds = options.seconds.max(10);
    let before = cpu_s(pid)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let percent = (cpu_s(pid)? - before) / seconds as f64 * 100.0;
    say(
        "footprint",
        "wardline-tui, idle",
        percent,
        "% of a core",
        &json!({"seconds": seconds}),
    );
    say(
        "footprint",
        "wardline-tui, resident",
        rss_mib(pid)?,
        "MiB",
        &json!({}),
    );
    Ok(())
}
