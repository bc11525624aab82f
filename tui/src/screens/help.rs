//! Which keys work on the screen below, and what the columns and words mean.

use ratatui::text::Line;

use super::{Look, health};
use crate::app::{App, Screen, current};
use crate::text;
use crate::theme::Role;

const DEPARTMENTS: &[(&str, &str)] = &[
    (
        "STAFFED BEDS",
        "up to ▏ the staffed beds, behind it beds without staff",
    ),
    (
        "OCC, IN USE",
        "occupied / staffed; ≥ where beds are unknown",
    ),
    (
        "AVAIL",
        "clean, open, not reserved; unknown beds do not count",
    ),
    ("PENDING", "+ expected in, - expected out"),
    ("DIRTY", "waiting for cleaning, and the longest wait"),
    ("CONF", "beds that more than one visit claims"),
    (
        "AGE",
        "since the newest event; stale: all its sources are silent",
    ),
    ("COVER", "share of its sources heard in time, if not all"),
    (
        "PIPELINE",
        "agents connected / known, slowest lag, events on the way",
    ),
];

const BEDS: &[(&str, &str)] = &[
    ("FOR", "how long the bed has had this status"),
    ("HEARD", "since the newest event about the bed"),
    ("NOTES", "reason, leave, staff, bed list, conflicts"),
];

pub(super) fn lines(app: &App, look: &Look, room: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default(), look.line(Role::Strong, "  KEYS")];
    for (key, does) in current(app) {
        lines.push(pair(look, key, does));
    }
    for (key, does) in [
        ("hjkl g G", "like the arrows, first, last"),
        ("esc ?", "close this"),
    ] {
        lines.push(pair(look, key, does));
    }
    lines.push(look.line(Role::Strong, "  WORDS"));
    let words = match app.screen {
        Screen::Departments => DEPARTMENTS,
        Screen::Beds { .. } => BEDS,
    };
    lines.extend(words.iter().map(|(word, means)| pair(look, word, means)));
    lines.truncate(room.saturating_sub(1));
    lines.resize(room.saturating_sub(1), Line::default());
    lines.push(health::legend(look));
    lines
}

fn pair(look: &Look, word: &str, means: &str) -> Line<'static> {
    let room = look.width.saturating_sub(18);
    Line::from(vec![
        look.span(Role::Strong, format!("  {word:<14}  ")),
        look.span(Role::Normal, text::fit(means, room)),
    ])
}
