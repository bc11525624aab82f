//! Log lines go to standard error, so that standard output stays for answers.

use tracing_subscriber::EnvFilter;

use crate::args::{CommonArgs, LogFormat};

/// Starts logging for this process; a second call is ignored (tests).
pub fn start(args: &CommonArgs, default_level: &str) {
    let level = match (args.quiet, args.verbose) {
        (true, _) => "warn",
        (_, 0) => default_level,
        (_, 1) => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("WARDLINE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false);
    let started = match args.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.ok(); // already started by another test of the same process
}
