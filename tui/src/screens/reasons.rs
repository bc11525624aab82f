//! Why events are not in the views: what was set aside by cause and place, or what was filtered by reason and topic.

use wardline_api::ReasonRow;

use super::Look;
use super::grid::{Cell, grows, left, number, right, since, word};
use super::page::{Page, Row};
use crate::model::{Model, epoch_ms};
use crate::theme::Role;

pub(super) fn page(model: &Model, fate: &str, look: &Look) -> Page {
    let reasons = model
        .reasons
        .iter()
        .flatten()
        .filter(|row| row.fate == fate);
    let server = model.server_now_ms(look.now);
    let row = |reason: &ReasonRow| Row {
        key: format!(
            "{}/{}/{}/{}/{}",
            reason.site, reason.agent, reason.feed, reason.reason, reason.place
        ),
        cells: cells(reason, server, look),
        opens: None,
        bar: None,
    };
    let (why, place, empty) = match fate {
        "sidelined" => (
            "  CAUSE",
            "WHERE",
            "  Nothing was sidelined, or no row matches the filter: esc.",
        ),
        _ => (
            "  REASON",
            "TOPIC OR TYPE",
            "  Nothing was filtered, or no row matches the filter: esc.",
        ),
    };
    let title = match fate {
        "sidelined" => {
            "  Kept as it came, and not in the views: raw and to be tried again under /api/v1/sideline"
        }
        _ => {
            "  Taken in, and nothing for the views: a topic that no mapping names is perhaps misspelt"
        }
    };
    Page {
        title: vec![look.line(Role::Dim, title)],
        columns: vec![
            left(why, 12, 26, 0),
            grows(place, 8, 80, 0),
            right("AN HOUR", 7, 8, 2),
            right("IN ALL", 6, 10, 0),
            right("LAST", 4, 6, 1),
            left("FEED", 8, 30, 3),
            left("VIA", 4, 14, 4),
        ],
        rows: reasons.map(row).collect(),
        ordered: true,
        empty: vec![empty.to_owned()],
        ..Page::default()
    }
}

fn cells(reason: &ReasonRow, server: Option<i64>, look: &Look) -> Vec<Cell> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let last = epoch_ms(&reason.last).zip(server);
    let last = last.map(|(at, now)| now.saturating_sub(at) / 1_000);
    vec![
        word(look, Role::Strong, format!("  {}", reason.reason)),
        word(look, Role::Normal, reason.place.as_str()),
        number(look, Role::Strong, count(reason.hour)),
        number(look, Role::Normal, count(reason.total)),
        since(look, Role::Normal, last),
        word(look, Role::Dim, reason.feed.as_str()),
        word(look, Role::Dim, reason.agent.as_str()),
    ]
}
