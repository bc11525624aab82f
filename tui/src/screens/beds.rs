//! The beds of one department: what each is, for how long, how fresh that is, and what is odd about it.
//!
//! A bed's status and the age of what was heard stand side by side, because a status nobody has confirmed for hours is
//! not the same news. Unknown is written as unknown, never as zero; where the numbers are stale, the word is there and
//! not only a color.

use crate::model::epoch_ms;
use ratatui::text::Line;
use wardline_api::BedRow;

use super::grid::{Cell, Grid, cell, grows, left, right};
use super::{Body, Look, departments, extent, health, joined, page};
use crate::app::App;
use crate::model::Aged;
use crate::text;
use crate::theme::{Role, glyph};

pub(super) fn body(app: &App, department: &str, look: &Look, room: usize) -> Body {
    let rows: Vec<&Aged<BedRow>> = app.shown_beds(department).collect();
    let mut body = Body::of(vec![Line::default(), title(app, department, look)]);
    // Two lines above, the heading, a blank line and the legend.
    let lines = room.saturating_sub(5);
    if rows.is_empty() {
        body.lines
            .push(look.line(Role::Normal, &nothing(app, department)));
    } else {
        table(app, &rows, look, lines, &mut body);
    }
    let blank = room.saturating_sub(body.lines.len() + 1);
    body.lines
        .extend(std::iter::repeat_n(Line::default(), blank));
    body.lines.push(health::legend(look));
    body
}

fn title(app: &App, department: &str, look: &Look) -> Line<'static> {
    let mut facts = Vec::new();
    if let Some(aged) = app
        .model
        .departments
        .as_ref()
        .and_then(|rows| rows.get(department))
    {
        let row = &aged.row;
        facts.push(text::counted(u64::from(row.beds), "bed", "beds"));
        facts.push(format!(
            "{} of {} staffed occupied ({})",
            row.occupied,
            row.staffed,
            departments::occupancy(row)
        ));
        facts.push(format!("{} available", row.available));
        if let Some(share) = row.coverage.filter(|share| *share < 1.0) {
            facts.push(format!("{} of its sources heard", text::percent(share)));
        }
    }
    let name = text::fit(department, look.width / 3);
    let room = look.width.saturating_sub(text::width(&name) + 4);
    let facts = joined(&facts, " · ", room);
    Line::from(vec![
        look.span(Role::Strong, format!("  {name}")),
        look.span(Role::Normal, format!("  {facts}")),
    ])
}

fn table(app: &App, rows: &[&Aged<BedRow>], look: &Look, lines: usize, body: &mut Body) {
    let names: Vec<String> = rows.iter().map(|aged| aged.row.bed.clone()).collect();
    let chosen = app.beds.place(&names);
    let (first, end) = page(chosen, lines, rows.len());
    let server = app.model.server_now_ms(look.now);
    let stale = app.model.stale_s(look.now).is_some();
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .enumerate()
        .skip(first)
        .take(end - first)
        .map(|(n, aged)| cells(aged, server, look, stale, n == chosen))
        .collect();
    let columns = vec![
        left("  BED", 18, 34, 0),
        left("STATUS", 11, 11, 0),
        right("FOR", 4, 5, 0),
        right("HEARD", 5, 10, 1),
        left("CLASS", 12, 12, 2),
        grows("NOTES", 12, 200),
    ];
    let grid = Grid::new(columns, &cells, look.width);
    body.lines.push(grid.heading(look));
    for (n, cells) in cells.into_iter().enumerate() {
        if n == chosen - first {
            body.chosen = Some(body.lines.len());
        }
        body.lines.push(grid.line(look, cells));
    }
    body.extent = extent(first, end, rows.len());
}

fn cells(
    aged: &Aged<BedRow>,
    server: Option<i64>,
    look: &Look,
    stale: bool,
    chosen: bool,
) -> Vec<Cell> {
    let bed = &aged.row;
    let normal = if stale { Role::Dim } else { Role::Normal };
    let mark = if chosen { "▸ " } else { "  " };
    let heard = text::age(aged.grown(bed.age_s, look.now));
    vec![
        vec![
            look.span(normal, mark),
            look.span(
                if chosen { Role::Chosen } else { normal },
                text::clean(&bed.bed),
            ),
        ],
        vec![
            look.span(Role::Bed(bed.status), glyph(bed.status)),
            look.span(normal, format!(" {}", bed.status)),
        ],
        cell(look, normal, lasting(bed, server)),
        if stale {
            cell(look, Role::Stale, format!("stale {heard}"))
        } else {
            cell(look, normal, heard)
        },
        cell(look, Role::Dim, bed.class.as_str()),
        cell(
            look,
            if bed.conflict.is_empty() {
                normal
            } else {
                Role::Bad
            },
            notes(bed),
        ),
    ]
}

/// How long the bed has been what it is.
fn lasting(bed: &BedRow, server: Option<i64>) -> String {
    let since = bed.since.as_deref().and_then(epoch_ms);
    match (since, server) {
        (Some(since), Some(now)) => text::short_duration(now.saturating_sub(since) / 1_000),
        (Some(_), None) => text::UNKNOWN.to_owned(),
        (None, _) => text::NOTHING.to_owned(),
    }
}

/// What is odd about a bed, in words; the worst first.
pub(crate) fn notes(bed: &BedRow) -> String {
    let mut notes = Vec::new();
    if !bed.conflict.is_empty() {
        notes.push(format!(
            "conflict: {} claim it",
            text::counted(bed.conflict.len() as u64, "visit", "visits")
        ));
    }
    notes.extend(bed.reason.clone());
    if bed.on_leave {
        notes.push("on leave".to_owned());
    }
    if !bed.staffed {
        notes.push("not staffed".to_owned());
    }
    if !bed.listed {
        notes.push("not in the bed list".to_owned());
    }
    notes.extend(bed.flags.iter().map(|flag| flag.replace(['_', '-'], " ")));
    notes.join(", ")
}

fn nothing(app: &App, department: &str) -> String {
    if !app.beds.filter.is_empty() {
        return format!(
            "  No bed matches `{}`: esc takes the filter away.",
            app.beds.filter
        );
    }
    match (&app.model.beds, app.model.missing.get("beds")) {
        (None, Some(why)) => format!("  The beds were not heard yet: {why}"),
        (None, None) => "  The beds were not heard yet.".to_owned(),
        (Some(_), _) => format!("  The API names no bed of {department}."),
    }
}
