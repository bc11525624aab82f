//! Who sends: feeds, agents and bridges, how often usually, when last, what of it is not in the views. What is silent stands
//! first.

use wardline_api::{FeedRow, SourceRow};

use super::grid::{Cell, figure, grows, left, number, right, since, word};
use super::page::{Page, Row};
use super::{Look, lines};
use crate::app::Screen;
use crate::model::{Aged, Model, natural, sum};
use crate::text;
use crate::theme::Role;

pub(super) fn page(model: &Model, look: &Look) -> Page {
    let mut sources: Vec<&Aged<SourceRow>> = model.sources.iter().flatten().collect();
    let rank = |row: &SourceRow| (row.connected, order(row));
    sources.sort_by(|a, b| {
        let (a, b) = (&a.row, &b.row);
        rank(a)
            .cmp(&rank(b))
            .then_with(|| natural(&a.name, &b.name))
    });
    let row = |aged: &&Aged<SourceRow>| {
        let source = &aged.row;
        let aside = source
            .feed
            .as_ref()
            .is_some_and(|feed| !feed.hour.sidelined.is_empty());
        let what = if aside { "sidelined" } else { "filtered" };
        Row {
            key: format!("{}/{}/{}", source.site, source.kind, source.name),
            cells: cells(aged, look),
            opens: source.feed.is_some().then_some(Screen::Reasons(what)),
            bar: None,
        }
    };
    Page {
        columns: vec![
            left("  SOURCE", 12, 34, 0),
            left("HEARD", 6, 6, 0),
            right("LAST", 4, 6, 1),
            right("EVERY", 5, 6, 2),
            left("KIND", 4, 6, 6),
            left("VIA", 4, 12, 5),
            right("AN HOUR", 7, 8, 4),
            right("ASIDE", 5, 7, 3),
            right("FILTERED", 8, 8, 4),
            right("WAITING", 7, 8, 5),
            grows("RESTS ON IT, OR WHAT IS WRONG", 12, 200, 3),
        ],
        rows: sources.iter().map(row).collect(),
        ordered: true,
        empty: vec!["  No source was heard of, or none matches the filter: esc.".to_owned()],
        below: vec![
            lines::pipeline(model, look),
            lines::set_aside(model, look),
            lines::filtered(model, look),
        ],
        ..Page::default()
    }
}

fn order(row: &SourceRow) -> u8 {
    match row.kind.as_str() {
        "feed" if row.feed.as_ref().is_some_and(|feed| feed.counts) => 0,
        "agent" => 1,
        "bridge" => 2,
        _ => 3,
    }
}

fn cells(aged: &Aged<SourceRow>, look: &Look) -> Vec<Cell> {
    let row = &aged.row;
    let none = FeedRow::default();
    let feed = row.feed.as_ref().unwrap_or(&none);
    let (role, heard) = match row.connected {
        true => (Role::Normal, "yes"),
        false if row.feed.is_some() && !feed.silent => (Role::Strong, "no"),
        false => (Role::Bad, "silent"),
    };
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let of_feed = |n: u64| match row.feed {
        Some(_) => number(look, Role::Normal, count(n)),
        None => word(look, Role::Dim, ""),
    };
    let every = feed
        .interval_s
        .map(text::short_duration)
        .unwrap_or_default();
    let kind = if row.feed.is_some() {
        &feed.protocol
    } else {
        &row.kind
    };
    vec![
        word(look, Role::Normal, format!("  {}", row.name)),
        word(look, role, heard),
        since(look, Role::Normal, aged.grown(row.age_s, look.now)),
        figure(look, Role::Dim, every, feed.interval_s),
        word(look, Role::Dim, kind.as_str()),
        word(look, Role::Dim, feed.agent.as_str()),
        of_feed(feed.hour.received),
        of_feed(sum(&feed.hour.sidelined)),
        of_feed(sum(&feed.hour.filtered)),
        number(look, Role::Normal, count(row.backlog)),
        note(row, feed, look),
    ]
}

fn note(row: &SourceRow, feed: &FeedRow, look: &Look) -> Cell {
    match (&row.problem, row.feed.is_some() && !feed.counts) {
        (Some(problem), _) => word(look, Role::Strong, problem.as_str()),
        (None, true) => word(look, Role::Dim, "nothing: all of it is filtered"),
        (None, false) => word(look, Role::Dim, feed.departments.join(", ")),
    }
}
