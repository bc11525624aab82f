//! The first two lines: one word that is read from across the room, the sentence behind it, and the beds in words.
//! What is well is plain; what is not fills the line.

use ratatui::text::Line;

use super::{Look, joined};
use crate::model::{Level, Model, Verdict};
use crate::text;
use crate::theme::Role;

const SEPARATOR: &str = " · ";

pub(super) fn lines(model: &Model, look: &Look) -> Vec<Line<'static>> {
    let verdict = model.verdict(look.now);
    match verdict.level {
        Level::Ok => vec![well(&verdict, look), Line::default()],
        Level::Degraded => vec![loud(&verdict, Role::Bad, look), census(&verdict, look)],
        Level::Stale | Level::Waiting => {
            vec![loud(&verdict, Role::Stale, look), census(&verdict, look)]
        }
    }
}

/// The loss is never left out; the last facts are, where it is narrow.
fn well(verdict: &Verdict, look: &Look) -> Line<'static> {
    let word = format!(" {}  ", verdict.level.word());
    let loss = format!("{SEPARATOR}{}", verdict.loss);
    let room = look
        .width
        .saturating_sub(text::width(&word) + text::width(&loss));
    let facts = joined(&verdict.census, SEPARATOR, room);
    Line::from(vec![
        look.span(Role::Good, word),
        look.span(Role::Strong, facts),
        look.span(Role::Normal, loss),
    ])
}

fn loud(verdict: &Verdict, role: Role, look: &Look) -> Line<'static> {
    let word = format!(" {}  ", verdict.level.word());
    // What was lost is no news of a picture that is old: there it stands beside the old numbers.
    let loss = if verdict.tells_loss() && verdict.level != Level::Stale {
        format!("{SEPARATOR}{}", verdict.loss)
    } else {
        String::new()
    };
    let room = look
        .width
        .saturating_sub(text::width(&word) + text::width(&loss));
    let reason = text::fit(&verdict.reason, room);
    let line = format!("{word}{reason}{loss}");
    let rest = " ".repeat(look.width.saturating_sub(text::width(&line)));
    Line::from(look.span(role, line + &rest))
}

fn census(verdict: &Verdict, look: &Look) -> Line<'static> {
    let mut facts = verdict.census.clone();
    let mut role = Role::Strong;
    if verdict.level == Level::Stale {
        facts.push(verdict.loss.clone());
        role = Role::Dim;
    }
    let facts = joined(&facts, SEPARATOR, look.width.saturating_sub(1));
    look.line(role, &format!(" {facts}"))
}
