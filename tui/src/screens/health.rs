//! The lower part of the first screen: what a person should look at, the devices, the pipeline, the legend.

use ratatui::text::Line;
use wardline_api::BedStatus;

use super::{Look, joined};
use crate::model::{Health, Model};
use crate::text;
use crate::theme::{Role, glyph};

/// One line each, worst first.
pub(super) fn problems(model: &Model, look: &Look) -> Vec<Line<'static>> {
    let room = look.width.saturating_sub(3);
    let line = |long: &str| {
        Line::from(vec![
            look.span(Role::Bad, "!"),
            look.span(Role::Normal, format!(" {}", text::fit(long, room))),
        ])
    };
    model
        .problems(look.now)
        .iter()
        .map(|problem| line(&problem.long))
        .collect()
}

/// Devices, pipeline, legend.
pub(super) fn lines(model: &Model, look: &Look) -> Vec<Line<'static>> {
    vec![
        devices(model, look),
        pipeline(&model.health(look.now), look),
        legend(look),
    ]
}

fn labelled(label: &str, parts: &[String], look: &Look) -> Line<'static> {
    let room = look.width.saturating_sub(text::width(label) + 2);
    let separator = if look.wide() { " · " } else { "  " };
    let facts = joined(parts, separator, room);
    Line::from(vec![
        look.span(Role::Strong, label),
        look.span(Role::Normal, format!("  {facts}")),
    ])
}

fn devices(model: &Model, look: &Look) -> Line<'static> {
    match model.device_counts() {
        Some((all, _)) if all.total == 0 => {
            labelled("DEVICES", &["none heard of".to_owned()], look)
        }
        Some((all, _)) => labelled(&format!("DEVICES {}", all.total), &all.facts(), look),
        None => labelled("DEVICES", &[text::UNKNOWN.to_owned()], look),
    }
}

/// A line for each kind of device.
pub(super) fn kinds(model: &Model, look: &Look) -> Vec<Line<'static>> {
    let (_, kinds) = model.device_counts().unwrap_or_default();
    let widest = kinds
        .keys()
        .map(|kind| text::width(kind))
        .max()
        .unwrap_or(0)
        .min(16);
    kinds
        .iter()
        .map(|(kind, counts)| {
            let name = text::fit(kind, widest);
            let pad = " ".repeat(widest.saturating_sub(text::width(&name)));
            labelled(
                &format!("  {name}{pad} {:>3}", counts.total),
                &counts.facts(),
                look,
            )
        })
        .collect()
}

fn known<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| text::UNKNOWN.to_owned(), |value| value.to_string())
}

/// The pipeline in words; what was not said is `?`.
pub(crate) fn facts(health: &Health) -> Vec<String> {
    let agents = health
        .agents
        .map_or_else(|| text::UNKNOWN.to_owned(), |(on, of)| format!("{on}/{of}"));
    vec![
        format!("agents {agents}"),
        format!(
            "lag {}",
            health
                .lag_s
                .map_or_else(|| text::UNKNOWN.to_owned(), text::short_duration)
        ),
        format!("backlog {}", known(health.backlog)),
        format!("sidelined {}", known(health.sidelined)),
        format!("unaccounted {}", known(health.unaccounted)),
        format!(
            "newest {}",
            health
                .newest_s
                .map_or_else(|| text::UNKNOWN.to_owned(), text::short_duration)
        ),
    ]
}

fn pipeline(health: &Health, look: &Look) -> Line<'static> {
    labelled("PIPELINE", &facts(health), look)
}

const LEGEND: [BedStatus; 8] = [
    BedStatus::Occupied,
    BedStatus::Reserved,
    BedStatus::Dirty,
    BedStatus::Cleaning,
    BedStatus::Unknown,
    BedStatus::Available,
    BedStatus::Blocked,
    BedStatus::Closed,
];

pub(super) fn legend(look: &Look) -> Line<'static> {
    let (inner, between) = if look.width >= 100 {
        (" ", "   ")
    } else {
        ("", "  ")
    };
    let mut spans = Vec::new();
    for status in LEGEND {
        if !spans.is_empty() {
            spans.push(look.span(Role::Normal, between));
        }
        spans.push(look.span(Role::Bed(status), glyph(status)));
        spans.push(look.span(Role::Dim, format!("{inner}{status}")));
    }
    Line::from(spans)
}
