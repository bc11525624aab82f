//! What a rule of style can hold, a machine holds: pure rooms, one home for an idea, limits in one place, heads, sizes.
//!
//! The tests read the source as text. They know no more than lines, so each pattern is one that has no innocent use in
//! product code; a hit names file and line.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The source folders of the crates that are shipped, and of the tools that test them.
const PRODUCT: [&str; 12] = [
    "core/limits/src",
    "core/model/src",
    "core/api/src",
    "core/service/src",
    "core/disk/src",
    "core/log/src",
    "core/mqtt/src",
    "edge-agent/src",
    "fhir-bridge/src",
    "aggregator/src",
    "tui/src",
    "deploy/standalone/src",
];
const TOOLS: [&str; 4] = [
    "deploy/demo/src",
    "hil-tests/src",
    "core/log-contract/src",
    "core/disk-sim/src",
];

/// Rooms that decide and know no clock, file, socket or runtime (docs/ARCHITECTURE.md).
const PURE: [&str; 14] = [
    "core/model/src",
    "core/api/src",
    "core/mqtt/src/session",
    "edge-agent/src/buffer",
    "fhir-bridge/src/feeds",
    "fhir-bridge/src/map",
    "fhir-bridge/src/ingest/decide.rs",
    "fhir-bridge/src/ingest/watermark.rs",
    "aggregator/src/ledger",
    "aggregator/src/decode",
    "aggregator/src/health/feeds.rs",
    "tui/src/model",
    "tui/src/app",
    "tui/src/screens",
];

const HEAD_FROM_LINES: usize = 150;
const HEAD_LINES_MIN: usize = 3;
const FILE_LINES_MAX: usize = 500;
const MAIN_LINES_MAX: usize = 60;

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Numbered lines of code before the file's own tests; comments are left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .map(|(n, line)| (n + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("tests.rs")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(place: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open = vec![root().join(place)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(Source { path: name, text });
        }
    }
    assert!(
        !found.is_empty(),
        "there is no room {place}; name it as it is called now"
    );
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn product() -> Vec<Source> {
    PRODUCT.iter().flat_map(|place| sources(place)).collect()
}

fn everything() -> Vec<Source> {
    let tools = TOOLS.iter().flat_map(|place| sources(place));
    product().into_iter().chain(tools).collect()
}

/// Every line of code, outside the given home, that holds one of the patterns.
fn strays(of: &[Source], home: &[&str], patterns: &[&str]) -> String {
    let mut hits = String::new();
    for source in of {
        if source.is_test() || home.iter().any(|home| source.path.starts_with(home)) {
            continue;
        }
        for (number, line) in source.code() {
            if patterns.iter().any(|pattern| line.contains(pattern)) {
                writeln!(hits, "{}:{number}: {}", source.path, line.trim()).unwrap();
            }
        }
    }
    hits
}

#[test]
fn pure_rooms_know_no_clock_file_socket_or_runtime() {
    let outside = [
        "tokio::",
        "std::fs",
        "std::net",
        "std::io::",
        "Instant",
        "SystemTime",
        "Timestamp::now",
        "async fn",
        ".await",
        "std::thread",
        "std::env",
        "rand::random",
    ];
    let rooms: Vec<Source> = PURE.iter().flat_map(|place| sources(place)).collect();
    let hits = strays(&rooms, &[], &outside);
    assert!(hits.is_empty(), "a pure room reaches outside:\n{hits}");
}

#[test]
fn what_a_message_means_knows_no_log() {
    let hits = strays(
        &sources("fhir-bridge/src/map"),
        &[],
        &[
            "wardline_log",
            "crate::transform",
            "crate::ingest",
            "crate::status",
        ],
    );
    assert!(hits.is_empty(), "an arrow from `map` up:\n{hits}");
}

/// One row an idea: where it lives, and what only that place may write.
#[test]
fn an_idea_has_one_home() {
    let all = everything();
    let ideas: [(&str, &[&str], &[&str]); 5] = [
        (
            "trying again",
            &["core/service/src/backoff.rs"],
            &["struct Backoff", "wait * 2", "pause * 2", "delay * 2"],
        ),
        (
            "starting and stopping in order",
            &["core/service/src/supervise"],
            &["struct Supervisor", "struct Supervise"],
        ),
        (
            "the wall clock",
            &["core/service/src/clock.rs"],
            &["Timestamp::now()", "SystemTime::now()", "Zoned::now()"],
        ),
        (
            "a redb file",
            &["core/disk/src"],
            &[
                "redb::Builder",
                "redb::{Builder",
                "create_with_backend",
                "Database::builder",
                "Database::create",
                "Database::open",
                "DatabaseError::",
            ],
        ),
        // The bench of the readers themselves reads without the follower.
        (
            "following a log",
            &[
                "core/log/src",
                "core/log-contract/src",
                "hil-tests/src/bench/log_read.rs",
            ],
            &["log.reader(", ".multi_reader(", "dyn Reader"],
        ),
    ];
    let mut found = String::new();
    for (idea, home, patterns) in ideas {
        let hits = strays(&all, home, patterns);
        if !hits.is_empty() {
            writeln!(found, "{idea} lives in {home:?}:\n{hits}").unwrap();
        }
    }
    assert!(found.is_empty(), "{found}");
}

/// A test and a simulation hand in their own; who makes one for itself cannot be told what time it is.
#[test]
fn the_machines_clock_is_made_where_a_program_begins() {
    let mut all = product();
    all.extend(sources("deploy/demo/src"));
    all.retain(|source| !source.path.ends_with("src/main.rs"));
    // The tests at the end of a file are not read; the clock itself and the programs' shell are here.
    let hits = strays(&all, &["core/service/src"], &["SystemClock"]);
    assert!(hits.is_empty(), "take a SharedClock instead:\n{hits}");
}

/// TLS and tests without sockets come in here; the API's server stands on hyper, which takes a stream as well.
#[test]
fn a_tcp_stream_is_named_in_one_place() {
    let homes = ["core/mqtt/src/stream.rs", "aggregator/src/api/server.rs"];
    let hits = strays(&product(), &homes, &["TcpStream"]);
    assert!(hits.is_empty(), "take any byte stream instead:\n{hits}");
}

#[test]
fn p7_bounds_stand_in_the_crates_limits() {
    let units = [
        "_MAX: u",
        "_MAX: i",
        "_MS: u",
        "_MS: i",
        "_S: u",
        "_MAX: Duration",
    ];
    let mut hits = String::new();
    for source in product() {
        if source.is_test() || source.path.ends_with("src/limits.rs") {
            continue;
        }
        for (number, line) in source.code() {
            let line = line.trim();
            let constant = line.strip_prefix("pub ").unwrap_or(line);
            let constant = constant.strip_prefix("pub(crate) ").unwrap_or(constant);
            if constant.starts_with("const ") && units.iter().any(|unit| line.contains(unit)) {
                writeln!(hits, "{}:{number}: {line}", source.path).unwrap();
            }
        }
    }
    assert!(hits.is_empty(), "bounds outside limits.rs:\n{hits}");
}

#[test]
fn p7_each_crate_has_one_limits_with_behaviours() {
    for place in PRODUCT {
        if ["core/limits/src", "core/api/src", "deploy/standalone/src"].contains(&place) {
            continue;
        }
        let limits: Vec<Source> = sources(place)
            .into_iter()
            .filter(|s| s.path.ends_with("limits.rs"))
            .collect();
        assert_eq!(
            limits.len(),
            1,
            "{place}: {:?}",
            limits.iter().map(|s| &s.path).collect::<Vec<_>>()
        );
        assert!(
            limits[0].text.contains("limits! {"),
            "{}: bounds are declared with limits!",
            limits[0].path
        );
    }
}

/// Harnesses without a test are not built (`test = false`, `doctest = false`): a test there would never run.
#[test]
fn where_no_harness_is_built_there_is_no_test() {
    let mut hits = String::new();
    for place in PRODUCT.iter().chain(&TOOLS) {
        let manifest = std::fs::read_to_string(root().join(place).join("../Cargo.toml")).unwrap();
        let off = |section: &str, option: &str| {
            let mut sections = manifest.split("\n[");
            sections.any(|text| text.starts_with(section) && text.contains(option))
        };
        let of = sources(place);
        let main = of.iter().find(|s| s.path == format!("{place}/main.rs"));
        for source in &of {
            let name = Path::new(&source.path).file_stem().unwrap();
            let of_main = format!("\nmod {};", name.display());
            let bin = name == "main" || main.is_some_and(|main| main.text.contains(&of_main));
            let harness = if bin { "[bin]]" } else { "lib]" };
            let test = ["#[cfg(test)]", "#[test]", "::test]", "::test("]
                .iter()
                .any(|mark| source.text.contains(mark));
            if test && off(harness, "\ntest = false") {
                writeln!(hits, "{}: a test in [{harness}", source.path).unwrap();
            }
            // Every second fence opens a block.
            let lines = source.text.lines().map(str::trim);
            let fences = lines.filter(|l| l.starts_with("//! ```") || l.starts_with("/// ```"));
            let code = fences.step_by(2).any(|fence| !fence.ends_with("```text"));
            if code && off("lib]", "\ndoctest = false") {
                writeln!(hits, "{}: a doc test", source.path).unwrap();
            }
        }
    }
    assert_eq!(hits, "", "build the harness again");
}

#[test]
fn long_files_say_why_they_exist_and_none_is_too_long() {
    let mut hits = String::new();
    for source in everything() {
        let lines = source.text.lines().count();
        let head = source
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .count();
        if lines > FILE_LINES_MAX {
            writeln!(
                hits,
                "{}: {lines} lines: split it along its seam",
                source.path
            )
            .unwrap();
        }
        if lines >= HEAD_FROM_LINES && head < HEAD_LINES_MIN && !source.is_test() {
            writeln!(hits, "{}: {lines} lines under a head of {head}: say why it exists and what it keeps true", source.path).unwrap();
        }
        if source.path.ends_with("src/main.rs") && lines >= MAIN_LINES_MAX {
            writeln!(
                hits,
                "{}: {lines} lines: main parses, runs and maps errors",
                source.path
            )
            .unwrap();
        }
    }
    assert!(hits.is_empty(), "{hits}");
}

#[test]
fn a_rule_number_names_one_rule() {
    let mut rules: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let folder = root().join("docs/specs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            if let Some(rule) = defined(line) {
                rules.entry(rule).or_default().push(name.clone());
            }
        }
    }
    assert!(rules.len() > 150, "only {} rules were found", rules.len());
    let twice: Vec<_> = rules
        .iter()
        .filter(|(_, places)| places.len() > 1)
        .collect();
    assert!(
        twice.is_empty(),
        "rule numbers that name two rules: {twice:?}"
    );
}

/// `- **LG12** ...` or `| LG12 | ...` defines a rule.
fn defined(line: &str) -> Option<String> {
    let line = line.trim_start();
    let rest = line
        .strip_prefix("- **")
        .or_else(|| line.strip_prefix("**"))
        .or_else(|| line.strip_prefix("| **"))
        .or_else(|| line.strip_prefix("| "))?;
    let letters: String = rest.chars().take_while(char::is_ascii_uppercase).collect();
    let digits: String = rest
        .chars()
        .skip(letters.len())
        .take_while(char::is_ascii_digit)
        .collect();
    let ends = rest.chars().nth(letters.len() + digits.len());
    // A01 and its like are HL7's trigger events.
    let whole = (1..=2).contains(&letters.len()) && letters != "A" && !digits.is_empty();
    (whole && matches!(ends, Some('*' | ' ' | '.'))).then(|| format!("{letters}{digits}"))
}
