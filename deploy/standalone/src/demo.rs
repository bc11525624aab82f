//! `wardline demo`: all parts on ports and a data folder of their own, and a simulated hospital outside the pipeline.
//!
//! What it shows came over real sockets, as in a real house; with `--trouble` also what goes wrong in one. It never starts
//! on data that is there, and takes its own away at the end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use wardline_demo::{Hospital, HospitalConfig};
use wardline_service::program::{self, Service};
use wardline_service::{CommonArgs, Exit, Settings, SharedClock};

use crate::cli::{Cli, Command, DemoOptions};
use crate::compose::{self, Parts};
use crate::dashboard;

/// Without `--for`, `--once` prints after this long: by then the opening census is in.
const ONCE_AFTER: Duration = Duration::from_secs(10);

const DEMANDED: &[(&str, &str)] = &[
    ("site.name", "st-mary"),
    ("agent.mqtt.listen", "127.0.0.1:0"),
    ("agent.mllp.listen", "127.0.0.1:0"),
    ("bridge.mqtt.listen", "127.0.0.1:0"),
    ("aggregator.api.listen", "127.0.0.1:0"),
];

pub(crate) fn demanded(cli: &Cli) -> Vec<(&'static str, &'static str)> {
    if matches!(cli.command, Some(Command::Demo(_))) {
        DEMANDED.to_vec()
    } else {
        Vec::new()
    }
}

pub(crate) fn run(common: &CommonArgs, options: &DemoOptions, clock: SharedClock) -> ExitCode {
    program::block_on(serve(common, options, clock))
}

async fn serve(
    common: &CommonArgs,
    options: &DemoOptions,
    clock: SharedClock,
) -> anyhow::Result<Exit> {
    let folder = Folder::prepare(common.data.as_deref())?;
    let hospital = HospitalConfig {
        beds: options.beds,
        speed: options.speed,
        seed: options.seed,
        site_zone: "Europe/Berlin".to_owned(),
        devices: options.beds / 2,
    };
    let settings = settings(common, options, &folder, &hospital)?;
    let parts =
        Parts::from_settings(&settings).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let start = compose::start(parts, clock.clone());
    program::serve(settings.data_dir(), start, async |service| {
        with_hospital(common, options, (hospital, clock), service).await
    })
    .await
}

async fn with_hospital(
    common: &CommonArgs,
    options: &DemoOptions,
    (hospital, clock): (HospitalConfig, SharedClock),
    service: &mut Service,
) -> anyhow::Result<Exit> {
    let address = |name: &str| {
        let address = service.running.addresses.get(name).copied();
        address.with_context(|| format!("{name} does not listen"))
    };
    let (mllp, mqtt) = (address("agent_mllp")?, address("agent_mqtt")?);
    let (handle, stop) = wardline_service::stop_pair();
    let also_stopped = stop.clone();
    let troubled = options.trouble.then(|| {
        let stopped = async move { also_stopped.stopped().await };
        tokio::spawn(wardline_demo::trouble(mllp, mqtt, clock.clone(), stopped))
    });
    let stopped = async move { stop.stopped().await };
    let simulated = tokio::spawn(wardline_demo::run(hospital, mllp, mqtt, clock, stopped));
    let exit = if options.once {
        let limit = options.how_long.unwrap_or(ONCE_AFTER);
        let exit = service.until(dashboard::over(Some(limit))).await?;
        if exit == Exit::Done {
            dashboard::print_table(common, service).await?;
        }
        exit
    } else {
        dashboard::show(common, service, options.how_long).await?
    };
    handle.stop();
    simulated.await?.context("the simulated hospital failed")?;
    if let Some(troubled) = troubled {
        troubled.await?.context("the trouble failed")?;
    }
    Ok(exit)
}

fn settings(
    common: &CommonArgs,
    options: &DemoOptions,
    folder: &Folder,
    hospital: &HospitalConfig,
) -> anyhow::Result<Settings> {
    let beds = folder.path().join("beds.csv");
    std::fs::write(&beds, Hospital::new(hospital.clone()).beds_csv())
        .with_context(|| format!("cannot write {}", beds.display()))?;
    let beds = std::path::absolute(&beds)?;
    let beds = beds
        .to_str()
        .context("the data folder's name is not UTF-8")?;
    let args = CommonArgs {
        data: Some(folder.path().to_owned()),
        ..common.clone()
    };
    let api = options.api.map(|address| address.to_string());
    let own = [
        ("site.beds", beds),
        ("site.timezone", hospital.site_zone.as_str()),
    ];
    let api = api
        .iter()
        .map(|api| ("aggregator.api.listen", api.as_str()));
    let demanded: Vec<(&str, &str)> = DEMANDED.iter().copied().chain(own).chain(api).collect();
    Settings::load(&args, &demanded, "wardline demo")
        .map_err(|problems| anyhow::anyhow!("{problems:?}"))
}

/// Where the demo keeps its data: a fresh folder that goes with it, or the one that was asked for, which stays.
enum Folder {
    Own(tempfile::TempDir),
    Given(PathBuf),
}

impl Folder {
    fn prepare(given: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = given else {
            let folder = tempfile::Builder::new().prefix("wardline-demo-").tempdir();
            return Ok(Self::Own(
                folder.context("cannot make a folder for the demo's data")?,
            ));
        };
        std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        if std::fs::read_dir(path)?.next().is_some() {
            bail!(
                "{} is not empty: a demo starts with a hospital that nobody knows yet; name another folder",
                path.display()
            );
        }
        Ok(Self::Given(path.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }
}
