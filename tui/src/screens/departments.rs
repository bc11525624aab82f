//! The first screen: one line a department, what is wrong, devices and pipeline.
//!
//! Departments and problems share the lines: neither may push the other out of sight, so the problems get a few lines,
//! and more only where no department waits for room. The same rows make the document for paper and pipes, so both say
//! the same.

use ratatui::text::Line;
use wardline_api::DepartmentRow;

use super::grid::{Cell, Column, Grid, cell, grows, left, right};
use super::{Body, Look, bar, extent, health, page, verdict};
use crate::app::App;
use crate::limits::PROBLEM_LINES_MAX;
use crate::model::{Aged, Link, Model, at_least};
use crate::text;
use crate::theme::Role;

const BAR: usize = 1;

pub(super) fn body(app: &App, look: &Look, room: usize) -> Body {
    let rows: Vec<&Aged<DepartmentRow>> = app.shown_departments().collect();
    let bottom = health::lines(&app.model, look);
    let problems = health::problems(&app.model, look);
    // A blank line above the table and one below, and its heading.
    let free = room.saturating_sub(bottom.len() + 3);
    let told = problems
        .len()
        .min(PROBLEM_LINES_MAX.max(free.saturating_sub(rows.len())));
    let mut body = Body::of(vec![Line::default()]);
    if rows.is_empty() {
        body.lines.extend(
            nothing(app)
                .iter()
                .map(|line| look.line(Role::Normal, line)),
        );
    } else {
        table(app, &rows, look, free.saturating_sub(told), &mut body);
    }
    let kinds = health::kinds(&app.model, look);
    let spare = room.saturating_sub(body.lines.len() + told + bottom.len() + 1);
    let kinds = kinds.into_iter().take(spare);
    let pipeline: Vec<Line<'static>> = problems
        .into_iter()
        .take(told)
        .chain(with_kinds(bottom, kinds.collect()))
        .collect();
    let blank = room.saturating_sub(body.lines.len() + pipeline.len());
    body.lines
        .extend(std::iter::repeat_n(Line::default(), blank));
    body.lines.extend(pipeline);
    body
}

/// Kinds of devices stand under all devices.
fn with_kinds(mut bottom: Vec<Line<'static>>, kinds: Vec<Line<'static>>) -> Vec<Line<'static>> {
    let after = bottom.split_off(bottom.len().min(1));
    bottom.extend(kinds);
    bottom.extend(after);
    bottom
}

fn table(app: &App, rows: &[&Aged<DepartmentRow>], look: &Look, lines: usize, body: &mut Body) {
    let names: Vec<String> = rows
        .iter()
        .map(|aged| aged.row.department.clone())
        .collect();
    let chosen = app.departments.place(&names);
    let airy = rows.len() * 2 <= lines + 1;
    let (first, end) = page(chosen, lines, rows.len());
    let shown: Vec<&Aged<DepartmentRow>> =
        rows.iter().copied().skip(first).take(end - first).collect();
    let drawn = rows_of(&app.model, &shown, look, Some(chosen - first));
    for (n, line) in drawn.into_iter().enumerate() {
        // The heading is line 0.
        if airy && n > 1 {
            body.lines.push(Line::default());
        }
        if n == chosen - first + 1 {
            body.chosen = Some(body.lines.len());
        }
        body.lines.push(line);
    }
    body.extent = extent(first, end, rows.len());
}

/// Everything at once, for paper and pipes: no choice, no page, no keys.
pub(crate) fn document(model: &Model, look: &Look) -> Vec<Line<'static>> {
    let rows: Vec<&Aged<DepartmentRow>> = model
        .departments
        .iter()
        .flat_map(|rows| rows.iter())
        .collect();
    let mut lines = verdict::lines(model, look);
    lines.push(Line::default());
    lines.extend(rows_of(model, &rows, look, None));
    lines.push(Line::default());
    lines.extend(health::problems(model, look));
    lines.extend(with_kinds(
        health::lines(model, look),
        health::kinds(model, look),
    ));
    lines
}

/// The heading and a line for each row.
fn rows_of(
    model: &Model,
    rows: &[&Aged<DepartmentRow>],
    look: &Look,
    chosen: Option<usize>,
) -> Vec<Line<'static>> {
    let stale = model.stale_s(look.now).is_some();
    let partly = rows
        .iter()
        .any(|aged| aged.row.coverage.is_some_and(|share| share < 1.0));
    let conflicts = rows.iter().any(|aged| aged.row.conflicts > 0);
    let beyond = rows
        .iter()
        .any(|aged| aged.row.beds > aged.row.staffed && aged.row.staffed > 0);
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .enumerate()
        .map(|(n, aged)| cells(aged, look, stale, chosen == Some(n)))
        .collect();
    let grid = Grid::new(columns(look, partly, conflicts), &cells, look.width);
    let beyond = if beyond { bar::BEYOND } else { 0 };
    let width = grid.width_of(BAR).unwrap_or(0).saturating_sub(beyond + 1);
    let mut lines = vec![grid.heading(look)];
    for (aged, mut cells) in rows.iter().zip(cells) {
        if let Some(cell) = cells.get_mut(BAR) {
            *cell = bar::spans(&aged.row, look, width, beyond);
        }
        lines.push(grid.line(look, cells));
    }
    lines
}

fn columns(look: &Look, partly: bool, conflicts: bool) -> Vec<Column> {
    let name = if look.wide() { 26 } else { 14 };
    let bar = if look.wide() { 26 } else { 17 };
    vec![
        left("  DEPARTMENT", 12, name, 0),
        grows("STAFFED BEDS", bar, 90),
        right("OCC", 5, 6, 0),
        right("IN USE", 6, 9, 3),
        right("AVAIL", 5, 6, 0),
        right("PENDING", 7, 11, 1),
        left("DIRTY", 6, 9, 1),
        right("CONF", 4, 5, 1).when(look.wide() || conflicts),
        right("AGE", 4, 10, 1),
        right("COVER", 5, 5, 1).when(partly),
        right("CLEAN", 5, 6, 5).when(look.wide()),
        right("RESV", 4, 5, 5).when(look.wide()),
        right("BLOCK", 5, 6, 6).when(look.wide()),
        right("CLOSED", 6, 6, 6).when(look.wide()),
        right("UNKN", 4, 5, 4).when(look.wide()),
        right("LEAVE", 5, 6, 7).when(look.wide()),
    ]
}

fn cells(aged: &Aged<DepartmentRow>, look: &Look, stale: bool, chosen: bool) -> Vec<Cell> {
    let row = &aged.row;
    let number =
        |n: u32, loud: Role| cell(look, if n > 0 { loud } else { Role::Dim }, n.to_string());
    // A row whose sources are all silent is stale, whatever its newest event says.
    let stale = stale || row.coverage.is_some_and(|share| share <= 0.0);
    let normal = if stale { Role::Dim } else { Role::Normal };
    let strong = if stale { Role::Dim } else { Role::Strong };
    let mark = if chosen { "▸ " } else { "  " };
    let name = if chosen { Role::Chosen } else { strong };
    vec![
        vec![
            look.span(normal, mark),
            look.span(name, text::clean(&row.department)),
        ],
        Vec::new(),
        cell(look, strong, occupancy(row)),
        cell(look, normal, format!("{}/{}", row.occupied, row.staffed)),
        cell(
            look,
            if row.available > 0 { strong } else { normal },
            row.available.to_string(),
        ),
        cell(
            look,
            if row.pending_in + row.pending_out > 0 {
                normal
            } else {
                Role::Dim
            },
            pending(row),
        ),
        cell(
            look,
            if row.dirty > 0 { normal } else { Role::Dim },
            dirty(aged, look),
        ),
        number(row.conflicts, Role::Bad),
        age(aged, look, stale),
        coverage(row, look),
        number(row.cleaning, normal),
        number(row.reserved, normal),
        number(row.blocked, normal),
        number(row.closed, normal),
        number(row.unknown, normal),
        number(row.on_leave, normal),
    ]
}

pub(super) fn occupancy(row: &DepartmentRow) -> String {
    row.occupancy.map_or_else(
        || text::NOTHING.to_owned(),
        |share| at_least(share, u64::from(row.unknown)),
    )
}

fn pending(row: &DepartmentRow) -> String {
    format!("+{} -{}", row.pending_in, row.pending_out)
}

fn dirty(aged: &Aged<DepartmentRow>, look: &Look) -> String {
    match aged
        .grown(aged.row.oldest_dirty_s, look.now)
        .filter(|_| aged.row.dirty > 0)
    {
        Some(oldest) => format!("{} {}", aged.row.dirty, text::short_duration(oldest)),
        None => aged.row.dirty.to_string(),
    }
}

fn age(aged: &Aged<DepartmentRow>, look: &Look, stale: bool) -> Cell {
    let words = text::age(aged.grown(aged.row.age_s, look.now));
    if stale {
        return cell(look, Role::Stale, format!("stale {words}"));
    }
    cell(look, Role::Normal, words)
}

fn coverage(row: &DepartmentRow, look: &Look) -> Cell {
    match row.coverage {
        Some(share) if share < 1.0 => cell(look, Role::Bad, text::percent(share)),
        Some(share) => cell(look, Role::Dim, text::percent(share)),
        None => cell(look, Role::Dim, text::NOTHING),
    }
}

/// Why there is no row.
fn nothing(app: &App) -> Vec<String> {
    let model = &app.model;
    match (&model.link, &model.departments, &model.only) {
        (_, Some(rows), _) if !rows.is_empty() => {
            vec![format!(
                "  No department matches `{}`: esc takes the filter away.",
                app.departments.filter
            )]
        }
        (_, Some(_), Some(only)) => {
            vec![format!(
                "  The API at {} names no department `{only}` so far.",
                model.api
            )]
        }
        (_, Some(_), None) => vec![
            "  The API answers, and knows no department yet:".to_owned(),
            "  no bed list is configured (site.beds), and no event about a bed has come so far."
                .to_owned(),
        ],
        (Link::Waiting { why: Some(why) }, None, _) => vec![
            format!("  No numbers yet: {} does not answer.", model.api),
            format!("  {why}"),
            "  Is an aggregator running there? Another address: wardline-tui --api URL".to_owned(),
        ],
        _ => vec![format!(
            "  No numbers yet: waiting for the first answer of {}.",
            model.api
        )],
    }
}
