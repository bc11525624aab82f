//! What a broker is started from, made once a machine in a cache outside the checkout: its jars, by Maven; a data folder
//! as formatting leaves it; and its classes as the virtual machine holds them, which makes every later start three times
//! as cheap.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Failed;
use super::kafka_server::KafkaServer;

/// The broker that the Kafka engine is tested against.
pub const KAFKA_VERSION: &str = "4.1.0";

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>wardline</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>KAFKA</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
"#;

/// Whether `program` runs here.
pub(super) fn has(program: &str, version: &str) -> bool {
    Command::new(program)
        .arg(version)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What every broker is started from.
pub(super) struct Kit {
    /// Its jars.
    pub(super) lib: PathBuf,
    /// What [`KafkaServer::prepare`] made.
    pub(super) start: PathBuf,
}

/// Whether this machine has the jars, so that Maven is not needed.
pub(super) fn fetched() -> bool {
    folder().is_ok_and(|folder| folder.join(LIB).exists())
}

/// Fetches and prepares what this machine has not got yet.
pub(super) fn kit() -> Result<Kit, Failed> {
    let cache = folder()?;
    std::fs::create_dir_all(&cache)?;
    // Test processes run side by side: the first makes it, the others wait. Gone with the process.
    let lock = File::create(cache.join("lock"))?;
    lock.lock()?;
    let (lib, start) = (cache.join(LIB), cache.join("start"));
    if !lib.exists() {
        fetch(&cache, &lib)?;
    }
    if !start.exists() {
        let new = emptied(cache.join("start.new"))?;
        std::fs::create_dir(&new)?;
        KafkaServer::prepare(&lib, &new)?;
        std::fs::rename(&new, &start)?;
    }
    Ok(Kit { lib, start })
}

const LIB: &str = "lib";

fn folder() -> Result<PathBuf, Failed> {
    Ok(cache()?.join(format!("kafka-{KAFKA_VERSION}")))
}

/// Whole or not there: what was cut off is done again.
fn emptied(new: PathBuf) -> Result<PathBuf, Failed> {
    if new.exists() {
        std::fs::remove_dir_all(&new)?;
    }
    Ok(new)
}

fn fetch(cache: &Path, lib: &Path) -> Result<(), Failed> {
    let new = emptied(cache.join("lib.new"))?;
    std::fs::write(cache.join("pom.xml"), POM.replace("KAFKA", KAFKA_VERSION))?;
    let output = Command::new("mvn")
        .args([
            "-q",
            "-B",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
        ])
        .arg(format!("-DoutputDirectory={}", new.display()))
        .current_dir(cache)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        return Err(Failed::Broken(format!(
            "mvn could not fetch Kafka's jars: {said}"
        )));
    }
    std::fs::rename(&new, lib)?;
    Ok(())
}

fn cache() -> Result<PathBuf, Failed> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("WARDLINE_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("wardline")))
        .or_else(|| Some(set("HOME")?.join(".cache/wardline")))
        .ok_or_else(|| Failed::Broken("no cache folder: set WARDLINE_CACHE".to_owned()))
}
