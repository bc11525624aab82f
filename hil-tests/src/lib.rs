//! The bench: load, faults and scenarios against the real programs, from outside.
//!
//! Rooms: `target` starts and kills programs, `load` are clients that remember what was acknowledged, `fault` breaks
//! things between them, `check` says what must hold at the end, `scenario` puts these together, `bench` measures.
//! Nothing here looks inside a running program: it speaks to sockets and reads what is on disk afterwards.

pub mod bench;
pub mod check;
pub mod fault;
pub mod limits;
pub mod load;
pub mod scenario;
pub mod target;

/// A program that a scenario needs is not here: said on a line, or a failure where everything is demanded
/// (`WARDLINE_REQUIRE_TOOLS=1`).
pub fn skip(what: &str) -> anyhow::Result<()> {
    if std::env::var("WARDLINE_REQUIRE_TOOLS").is_ok_and(|v| v == "1") {
        anyhow::bail!("{what} is needed (WARDLINE_REQUIRE_TOOLS=1) and not installed");
    }
    println!("skipped: needs {what}");
    Ok(())
}
