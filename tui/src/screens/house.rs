//! The first screen: one line a department, what a person should look at, devices and pipeline.
//!
//! The same page makes the document for paper and pipes, so both say the same.

use wardline_api::{DepartmentRow, SourceRow};

use super::grid::{Cell, Column, Sort, figure, grows, left, number, right, since, word};
use super::page::{Page, Row};
use super::{Look, bar, lines};
use crate::app::Screen;
use crate::model::{Aged, BedCounts, Link, Model, RowName, share};
use crate::text;
use crate::theme::Role;

pub(super) fn page(model: &Model, look: &Look) -> Page {
    let departments: Vec<&Aged<DepartmentRow>> = model
        .departments
        .iter()
        .flat_map(|rows| rows.iter())
        .collect();
    let partly = departments
        .iter()
        .any(|d| d.row.coverage.is_some_and(|share| share < 1.0));
    let conflicts = departments.iter().any(|d| d.row.conflicts > 0);
    let stale = model.stale_s(look.now).is_some() || model.link == Link::Snapshot;
    let counts = model.bed_counts();
    let several = model.several_sites();
    let row = |aged: &&Aged<DepartmentRow>| {
        let (site, name) = (&aged.row.site, &aged.row.department);
        Row {
            key: if several {
                format!("{name} {site}")
            } else {
                name.clone()
            },
            cells: cells(aged, look, stale),
            opens: Some(Screen::Department(RowName::new(site, name))),
            bar: Some(
                counts
                    .get(&(site.as_str(), name.as_str()))
                    .copied()
                    .unwrap_or_else(|| BedCounts::of(&aged.row)),
            ),
        }
    };
    let mut below = lines::attention(model, look);
    if model.sources.is_some() || model.devices.is_some() {
        below.extend(lines::house(model, look));
        below.push(lines::devices(model, look));
        below.push(lines::pipeline(model, look));
        below.push(lines::set_aside(model, look));
        below.push(lines::filtered(model, look));
    }
    Page {
        columns: columns(look, several, partly, conflicts),
        rows: departments.iter().map(row).collect(),
        empty: nothing(model),
        below,
        legend: Some(lines::legend(look)),
        ..Page::default()
    }
}

fn columns(look: &Look, several: bool, partly: bool, conflicts: bool) -> Vec<Column> {
    vec![
        left("  DEPARTMENT", 12, if look.wide() { 26 } else { 14 }, 0),
        left("SITE", 4, 16, 1).when(several),
        right("FREE", 4, 5, 0),
        right("OCCUPIED", 8, 9, 1),
        right("OCC", 5, 6, 4),
        grows(bar::TITLE, 12, 90, 5),
        right("IN", 3, 4, 2),
        right("OUT", 3, 4, 2),
        left("DIRTY", 6, 9, 3),
        right("CONF", 4, 5, 3).when(look.wide() || conflicts),
        right("AGE", 4, 10, 3),
        right("HEARD", 5, 5, 3).when(partly),
        right("CLEAN", 5, 6, 7).when(look.wide()),
        right("RESV", 4, 5, 7).when(look.wide()),
        right("BLOCK", 5, 6, 8).when(look.wide()),
        right("CLOSED", 6, 6, 8).when(look.wide()),
        right("UNKN", 4, 5, 6).when(look.wide()),
        right("LEAVE", 5, 6, 9).when(look.wide()),
    ]
}

fn cells(aged: &Aged<DepartmentRow>, look: &Look, stale: bool) -> Vec<Cell> {
    let row = &aged.row;
    // A row whose sources are all silent is stale, whatever its newest event says.
    let stale = stale || row.coverage.is_some_and(|share| share <= 0.0);
    let normal = if stale { Role::Dim } else { Role::Normal };
    let strong = if stale { Role::Dim } else { Role::Strong };
    let free = row.available.saturating_sub(row.available_unstaffed);
    let taken = row.occupied.saturating_sub(row.occupied_unstaffed);
    let age = aged.grown(row.age_s, look.now);
    vec![
        word(look, strong, format!("  {}", row.department)),
        word(look, Role::Dim, row.site.as_str()),
        figure(
            look,
            if stale { Role::Dim } else { Role::Free },
            free_words(row, free),
            Some(i64::from(free)),
        ),
        figure(
            look,
            normal,
            taken_words(row, taken),
            Some(i64::from(row.occupied)),
        ),
        occupancy(row, look, normal),
        Cell::of(Vec::new(), Sort::Number(i64::from(row.beds))),
        number(look, normal, row.pending_in),
        number(look, normal, row.pending_out),
        dirty(aged, look, normal),
        number(look, Role::Bad, row.conflicts),
        match stale {
            true => figure(look, Role::Stale, format!("stale {}", text::age(age)), age),
            false => since(look, normal, age),
        },
        heard(row, look),
        number(look, normal, row.cleaning),
        number(look, normal, row.reserved),
        number(look, normal, row.blocked),
        number(look, normal, row.closed),
        number(look, Role::Strong, row.unknown),
        number(look, normal, row.on_leave),
    ]
}

/// `1+`: at least one; `?`: no bed of it is known.
fn free_words(row: &DepartmentRow, free: u32) -> String {
    match row.unknown {
        0 => free.to_string(),
        n if n >= row.beds => text::UNKNOWN.to_owned(),
        _ => format!("{free}+"),
    }
}

/// Of the staffed ones; `+1`: taken without staff.
pub(super) fn taken_words(row: &DepartmentRow, taken: u32) -> String {
    match (row.staffed, row.occupied_unstaffed) {
        (0, _) => row.occupied.to_string(),
        (staffed, 0) => format!("{taken}/{staffed}"),
        (staffed, more) => format!("{taken}/{staffed}+{more}"),
    }
}

fn occupancy(row: &DepartmentRow, look: &Look, role: Role) -> Cell {
    let sort = row.occupancy.filter(|share| share.is_finite());
    #[allow(clippy::cast_possible_truncation)]
    let sort = sort.map(|share| (share * 1_000.0) as i64);
    let words = share(row).unwrap_or_else(|| text::NOTHING.to_owned());
    figure(look, role, words, sort)
}

fn dirty(aged: &Aged<DepartmentRow>, look: &Look, role: Role) -> Cell {
    let row = &aged.row;
    let oldest = aged
        .grown(row.oldest_dirty_s, look.now)
        .filter(|_| row.dirty > 0);
    let words = match oldest {
        Some(oldest) => format!("{} {}", row.dirty, text::short_duration(oldest)),
        None => row.dirty.to_string(),
    };
    figure(
        look,
        if row.dirty > 0 { role } else { Role::Dim },
        words,
        oldest,
    )
}

fn heard(row: &DepartmentRow, look: &Look) -> Cell {
    match row.coverage {
        Some(share) if share < 1.0 => word(look, Role::Bad, text::percent(share)),
        Some(share) => word(look, Role::Dim, text::percent(share)),
        None => word(look, Role::Dim, text::NOTHING),
    }
}

/// Why there is no row.
fn nothing(model: &Model) -> Vec<String> {
    match (&model.link, &model.departments, &model.only) {
        (_, Some(rows), _) if !rows.is_empty() => {
            vec!["  No department matches the filter: esc takes it away.".to_owned()]
        }
        (_, Some(_), Some(only)) => {
            vec![format!(
                "  The API at {} names no department `{only}` so far.",
                model.api
            )]
        }
        (_, Some(_), None) => {
            let heard = model.sources.iter().flatten().any(|s| has_events(&s.row));
            let mut lines = vec!["  The API answers, and knows no department yet:".to_owned()];
            lines.push(match heard {
                false => "  no bed list is configured (site.beds), and no event about a bed has come so far.".to_owned(),
                true => "  no bed list is configured (site.beds), and of the events that came none is about a bed.".to_owned(),
            });
            lines
        }
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

fn has_events(row: &SourceRow) -> bool {
    row.last_event.is_some()
}
