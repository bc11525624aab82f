//! Lines that say something in words, below the tables and in front of a pipe: what a person should look at, the devices,
//! the pipeline, the legend. Each leads to the screen that tells more.

use ratatui::text::Line;

use super::bar::ORDER;
use super::page::Choice;
use super::{Look, joined};
use crate::app::Screen;
use crate::model::{Model, Pipeline};
use crate::text;
use crate::theme::{Role, glyph};

/// One line each, worst first.
pub(super) fn attention(model: &Model, look: &Look) -> Vec<Choice> {
    let room = look.width.saturating_sub(3);
    let line = |long: &str| {
        Line::from(vec![
            look.span(Role::Normal, " "),
            look.span(Role::Bad, "!"),
            look.span(
                Role::Normal,
                format!(" {}", text::fit(&look.words(long), room)),
            ),
        ])
    };
    let items = model.attention(look.now);
    let opens = |item: &crate::model::Attention| item.topic.as_ref().map(Screen::from);
    items
        .iter()
        .map(|item| Choice::new(&item.long, line(&item.long), opens(item)))
        .collect()
}

fn labelled(label: &str, parts: &[String], look: &Look) -> Line<'static> {
    let room = look.width.saturating_sub(text::width(label) + 3);
    let separator = if look.wide() { " · " } else { "  " };
    let facts = joined(parts, &look.words(separator), room);
    Line::from(vec![
        look.span(Role::Strong, format!(" {label}")),
        look.span(Role::Normal, format!("  {facts}")),
    ])
}

/// All departments together.
pub(super) fn house(model: &Model, look: &Look) -> Option<Choice> {
    let house = model.house()?;
    let mut facts = vec![
        text::counted(house.beds, "bed", "beds"),
        look.words(&house.taken_words()),
        format!("{} free", house.free_words()),
        format!("{} unknown", house.unknown),
    ];
    if house.conflicts > 0 {
        facts.push(text::counted(house.conflicts, "conflict", "conflicts"));
    }
    Some(Choice::new("HOUSE", labelled("HOUSE", &facts, look), None))
}

pub(super) fn devices(model: &Model, look: &Look) -> Choice {
    let line = match model.device_counts() {
        Some((all, _)) if all.total == 0 => {
            labelled("DEVICES", &["none heard of".to_owned()], look)
        }
        Some((all, _)) => labelled(&format!("DEVICES {}", all.total), &all.facts(), look),
        None => labelled("DEVICES", &[text::UNKNOWN.to_owned()], look),
    };
    Choice::new("DEVICES", line, Some(Screen::Devices))
}

fn known<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| text::UNKNOWN.to_owned(), |value| value.to_string())
}

/// The pipeline in words; what was not said is `?`.
pub(crate) fn facts(model: &Model, now: crate::model::MonoMs) -> Vec<String> {
    let Pipeline {
        agents,
        lag_s,
        backlog,
        sidelined,
        filtered,
        unaccounted,
        newest_s,
        lost,
    } = model.pipeline(now);
    let feeds = model.feeds();
    let seconds = |s: Option<i64>| s.map_or_else(|| text::UNKNOWN.to_owned(), text::short_duration);
    let agents = agents.map_or_else(|| text::UNKNOWN.to_owned(), |(on, of)| format!("{on}/{of}"));
    let mut facts = vec![format!("agents {agents}")];
    if feeds.what == "feed" {
        facts.push(format!("feeds {}/{}", feeds.heard, feeds.all));
    }
    facts.extend([
        format!("lag {}", seconds(lag_s)),
        format!("newest {}", seconds(newest_s)),
        format!("waiting {}", known(backlog)),
        format!("unaccounted {}", known(unaccounted)),
        format!("lost {}", known(lost)),
        format!("sidelined {}", known(sidelined)),
        format!("filtered {}", known(filtered)),
    ]);
    facts
}

pub(super) fn pipeline(model: &Model, look: &Look) -> Choice {
    let line = labelled("PIPELINE", &facts(model, look.now), look);
    Choice::new("PIPELINE", line, Some(Screen::Feeds))
}

pub(super) fn set_aside(model: &Model, look: &Look) -> Choice {
    let n = model.pipeline(look.now).sidelined;
    let line = labelled("SIDELINED", &[format!("{}: by cause", known(n))], look);
    Choice::new("SIDELINED", line, Some(Screen::Reasons("sidelined")))
}

pub(super) fn filtered(model: &Model, look: &Look) -> Choice {
    let n = model.pipeline(look.now).filtered;
    let line = labelled(
        "FILTERED",
        &[format!("{}: by topic and type", known(n))],
        look,
    );
    Choice::new("FILTERED", line, Some(Screen::Reasons("filtered")))
}

pub(super) fn legend(look: &Look) -> Line<'static> {
    let (inner, between) = if look.width >= 100 {
        (" ", "   ")
    } else {
        ("", " ")
    };
    let mut spans = vec![look.span(Role::Normal, " ")];
    for status in ORDER {
        if spans.len() > 1 {
            spans.push(look.span(Role::Normal, between));
        }
        spans.push(look.span(Role::Bed(status), glyph(status)));
        spans.push(look.span(Role::Dim, format!("{inner}{status}")));
    }
    Line::from(spans)
}
