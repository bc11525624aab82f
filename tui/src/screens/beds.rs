//! The beds of one department: what each is, for how long, how fresh that is, and what is odd about it. Enter says what a
//! bed's status rests on.

use ratatui::text::Line;
use wardline_api::BedRow;

use super::grid::{Cell, grows, left, right, since, word};
use super::page::{Page, Row};
use super::{Look, house, joined, lines};
use crate::app::Screen;
use crate::model::{Aged, Model, RowName, epoch_ms, share};
use crate::text;
use crate::theme::{Role, glyph};

pub(super) fn page(model: &Model, department: &RowName, look: &Look) -> Page {
    let beds = model.beds.iter().flat_map(|rows| rows.iter());
    let server = model.server_now_ms(look.now);
    let stale = model.stale_s(look.now).is_some();
    let row = |aged: &Aged<BedRow>| Row {
        key: aged.row.bed.clone(),
        cells: cells(aged, server, look, stale),
        opens: Some(Screen::Bed(RowName::new(&aged.row.site, &aged.row.bed))),
        bar: None,
    };
    Page {
        title: vec![title(model, department, look)],
        columns: vec![
            left("  BED", 10, 34, 0),
            left("STATUS", 11, 11, 0),
            right("FOR", 4, 5, 1),
            right("HEARD", 5, 10, 3),
            left("CLASS", 5, 12, 4),
            grows("NOTES", 8, 200, 2),
        ],
        rows: beds
            .filter(|aged| {
                aged.row.department == department.name && aged.row.site == department.site
            })
            .map(row)
            .collect(),
        empty: vec![nothing(model, &department.name)],
        legend: Some(lines::legend(look)),
        ..Page::default()
    }
}

fn title(model: &Model, department: &RowName, look: &Look) -> Line<'static> {
    let mut facts = Vec::new();
    if let Some(aged) = model
        .departments
        .as_ref()
        .and_then(|rows| rows.get(department))
    {
        let row = &aged.row;
        let taken = row.occupied.saturating_sub(row.occupied_unstaffed);
        let share = share(row)
            .map(|share| format!(" ({share})"))
            .unwrap_or_default();
        facts.push(format!(
            "{} occupied{share}",
            house::taken_words(row, taken)
        ));
        facts.push(text::counted(u64::from(row.beds), "bed", "beds"));
        if let Some(share) = row.coverage.filter(|share| *share < 1.0) {
            facts.push(format!("{} of its feeds heard", text::percent(share)));
        }
    }
    let name = text::fit(&department.name, look.width / 3);
    let room = look.width.saturating_sub(text::width(&name) + 4);
    let facts = joined(&facts, &look.words(" · "), room);
    Line::from(vec![
        look.span(Role::Strong, format!("  {name}")),
        look.span(Role::Normal, format!("  {}", look.words(&facts))),
    ])
}

fn cells(aged: &Aged<BedRow>, server: Option<i64>, look: &Look, stale: bool) -> Vec<Cell> {
    let bed = &aged.row;
    let normal = if stale { Role::Dim } else { Role::Normal };
    let mut status = word(look, normal, bed.status.as_str());
    status.spans = vec![
        look.span(Role::Bed(bed.status), glyph(bed.status)),
        look.span(normal, format!(" {}", bed.status)),
    ];
    let odd = if bed.conflict.is_empty() {
        normal
    } else {
        Role::Bad
    };
    vec![
        word(look, normal, format!("  {}", bed.bed)),
        status,
        lasting(bed, server, look, normal),
        since(
            look,
            if stale { Role::Stale } else { normal },
            aged.grown(bed.age_s, look.now),
        ),
        word(look, Role::Dim, bed.class.as_str()),
        word(look, odd, notes(bed)),
    ]
}

/// How long the bed has been what it is.
fn lasting(bed: &BedRow, server: Option<i64>, look: &Look, role: Role) -> Cell {
    let from = bed.since.as_deref().and_then(epoch_ms);
    match (from, server) {
        (Some(from), Some(now)) => since(look, role, Some(now.saturating_sub(from) / 1_000)),
        (Some(_), None) => word(look, role, text::UNKNOWN),
        (None, _) => since(look, role, None),
    }
}

/// What is odd about a bed, in words; the worst first.
fn notes(bed: &BedRow) -> String {
    let mut notes = Vec::new();
    if !bed.conflict.is_empty() {
        let visits = text::counted(bed.conflict.len() as u64, "visit", "visits");
        notes.push(format!("conflict: {visits} claim it"));
    }
    notes.extend(bed.reason.clone());
    if bed.on_leave {
        notes.push("on leave".to_owned());
    }
    if !bed.staffed && bed.listed {
        notes.push("no staff".to_owned());
    }
    if !bed.listed {
        notes.push("not in the bed list".to_owned());
    }
    notes.extend(bed.flags.iter().map(|flag| flag.replace(['_', '-'], " ")));
    notes.join(", ")
}

fn nothing(model: &Model, department: &str) -> String {
    match (&model.beds, model.missing.get("beds")) {
        (None, Some(why)) => format!("  The beds were not heard yet: {why}"),
        (None, None) => "  The beds were not heard yet.".to_owned(),
        (Some(_), _) => {
            format!("  No bed of {department} is here, or none matches the filter: esc.")
        }
    }
}
