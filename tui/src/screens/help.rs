//! Which keys work, and what the columns and words of the screen below mean.

use ratatui::text::Line;

use super::{Look, lines};
use crate::app::{App, Screen, all_keys};
use crate::text;
use crate::theme::Role;

type Words = &'static [(&'static str, &'static str)];

const HOUSE: Words = &[
    (
        "FREE",
        "clean, open, not held, with staff; 9+: at least, beds are unknown",
    ),
    (
        "DATA",
        "what can be believed: feeds heard / known, starting, STALE, none",
    ),
    (
        "OCCUPIED",
        "of the staffed beds; +1: occupied without staff; OCC is their share",
    ),
    (
        "BEDS",
        "a cell a bed, or so many as the heading says; behind ▏ no staff",
    ),
    ("IN, OUT", "announced arrivals and departures"),
    ("DIRTY", "waiting for cleaning, and the longest wait"),
    ("CONF", "beds that more than one visit claims"),
    (
        "AGE",
        "since the newest event; stale: all its feeds are silent",
    ),
    ("HEARD", "share of its feeds that are heard"),
    (
        "NOT HERE",
        "patients, scores, rankings, forecasts: by promise",
    ),
];

const BEDS: Words = &[
    ("FOR", "how long the bed has had this status"),
    ("HEARD", "since the newest event about the bed"),
    ("NOTES", "reason, leave, staff, bed list, conflicts"),
];

const DEVICES: Words = &[
    (
        "STATE",
        "what it said; silent: nothing for 5 minutes; ?: not known",
    ),
    ("SAID", "since its own time of that word"),
];

const FEEDS: Words = &[
    ("EVERY", "usual time between its events at this time of day"),
    ("HEARD", "silent: nothing for three usual intervals"),
    (
        "ASIDE",
        "of the last hour: could not be mapped, kept as it came",
    ),
    ("FILTERED", "of the last hour: nothing for the views"),
];

const REASONS: Words = &[
    ("AN HOUR", "of the last hour"),
    ("FEED", "who sent it, and through which agent"),
];

const EXPLAIN: Words = &[
    (
        "DID",
        "the rule in docs/specs/bed-ledger.md, and what it did",
    ),
    ("COUNTS", "no: a later event took it out"),
    ("IN THE LOG", "site, topic, partition, offset"),
];

pub(super) fn page(app: &App, look: &Look, room: usize) -> Vec<Line<'static>> {
    let words = match app.view.screen {
        Screen::House => HOUSE,
        Screen::Department(_) => BEDS,
        Screen::Bed(_) => EXPLAIN,
        Screen::Devices => DEVICES,
        Screen::Feeds => FEEDS,
        Screen::Reasons(_) => REASONS,
    };
    let mut out = vec![look.line(Role::Strong, "  KEYS")];
    out.extend(all_keys().map(|(key, does)| pair(look, key, does)));
    out.push(look.line(Role::Strong, "  WORDS"));
    out.extend(words.iter().map(|(word, means)| pair(look, word, means)));
    if out.len() + 1 < room {
        out.resize(room - 1, Line::default());
        out.push(lines::legend(look));
    }
    out.truncate(room);
    out
}

fn pair(look: &Look, word: &str, means: &str) -> Line<'static> {
    let room = look.width.saturating_sub(15);
    Line::from(vec![
        look.span(Role::Strong, format!("  {word:<11}  ")),
        look.span(Role::Normal, text::fit(&look.words(means), room)),
    ])
}
