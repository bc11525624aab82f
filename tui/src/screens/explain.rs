//! What a bed's status rests on: the events in their order, what each did by which rule, and where it stands in the log.
//! No visit is named: what is shown is what happened to the bed.

use ratatui::text::Line;
use wardline_api::{ExplainedEvent, Explanation};

use super::Look;
use super::grid::{Cell, grows, left, word};
use super::page::{Page, Row};
use crate::model::{Model, RowName};
use crate::theme::{Role, glyph};

pub(super) fn page(model: &Model, bed: &RowName, look: &Look) -> Page {
    let found = model
        .explained
        .as_ref()
        .filter(|explained| explained.bed == bed.name && explained.site == bed.site);
    let events = found
        .map(|explained| explained.events.as_slice())
        .unwrap_or_default();
    let row = |(n, event): (usize, &ExplainedEvent)| Row {
        key: format!("{n}"),
        cells: cells(event, model, look),
        opens: None,
        bar: None,
    };
    let empty = match (found, model.missing.get("explanation")) {
        (None, Some(why)) => format!("  What it rests on was not heard: {why}"),
        (None, None) => "  Asking what it rests on.".to_owned(),
        (Some(_), _) => "  No event names it: nothing is known of it.".to_owned(),
    };
    Page {
        title: vec![title(found, &bed.name, look)],
        columns: vec![
            left("  HAPPENED", 10, 21, 0),
            left("EVENT", 7, 12, 1),
            left("DID", 8, 26, 0),
            left("COUNTS", 6, 6, 2),
            left("CAME", 8, 19, 4),
            grows("IN THE LOG", 10, 80, 3),
            left("EVENT ID", 10, 44, 5),
        ],
        rows: events.iter().enumerate().map(row).collect(),
        ordered: true,
        empty: vec![empty],
        ..Page::default()
    }
}

fn title(found: Option<&Explanation>, bed: &str, look: &Look) -> Line<'static> {
    let mut spans = vec![look.span(Role::Strong, format!("  {}", crate::text::clean(bed)))];
    if let Some(explained) = found {
        spans.push(look.span(Role::Normal, "  "));
        spans.push(look.span(Role::Bed(explained.status), glyph(explained.status)));
        let events = crate::text::counted(explained.events.len() as u64, "event", "events");
        spans.push(look.span(Role::Normal, format!(" {}, by {events}", explained.status)));
    }
    Line::from(spans)
}

fn cells(event: &ExplainedEvent, model: &Model, look: &Look) -> Vec<Cell> {
    let role = if event.counts {
        Role::Normal
    } else {
        Role::Dim
    };
    vec![
        word(look, role, format!("  {}", model.local(&event.event_time))),
        word(look, role, event.event_type.as_str()),
        word(look, role, event.rule.as_str()),
        word(look, role, if event.counts { "yes" } else { "no" }),
        word(look, role, model.local(&event.received)),
        word(look, Role::Dim, event.log_position.as_str()),
        word(look, Role::Dim, event.event_id.as_str()),
    ]
}
