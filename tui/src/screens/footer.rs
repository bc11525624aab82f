//! The last line: the keys that do something now, or the filter being typed; and where the numbers come from.

use ratatui::text::Line;

use super::{Look, joined};
use crate::app::{App, current};
use crate::text;
use crate::theme::Role;

pub(super) fn line(app: &App, look: &Look, extent: Option<&str>) -> Line<'static> {
    let mut spans = Vec::new();
    let mut used = 0;
    if app.typing {
        let typed = typed(app, look);
        used = text::width(&typed) + 3;
        spans.push(look.span(Role::Strong, typed));
        spans.push(look.span(Role::Normal, "   "));
    }
    let right = joined(&origin(app, extent), &look.words(" · "), look.width / 2);
    let right = text::clean(&right);
    for (key, does) in current(app) {
        let room = text::width(key) + text::width(does) + 3;
        if used + room > look.width.saturating_sub(text::width(&right)) {
            break;
        }
        spans.push(look.span(Role::Strong, key));
        spans.push(look.span(Role::Dim, format!(" {does}  ")));
        used += room;
    }
    let gap = look.width.saturating_sub(used + text::width(&right));
    spans.push(look.span(Role::Normal, " ".repeat(gap)));
    spans.push(look.span(Role::Dim, right));
    Line::from(spans)
}

fn typed(app: &App, look: &Look) -> String {
    text::fit(&format!("/{}", app.view.list.filter), look.width / 2)
}

/// The column of the cursor while a filter is typed.
pub(super) fn cursor(app: &App, look: &Look) -> Option<u16> {
    u16::try_from(text::width(&typed(app, look))).ok()
}

fn origin(app: &App, extent: Option<&str>) -> Vec<String> {
    let mut parts: Vec<String> = extent.map(str::to_owned).into_iter().collect();
    if !app.typing && !app.view.list.filter.is_empty() {
        parts.push(format!("filter {}", app.view.list.filter));
    }
    parts.extend(app.model.only.as_ref().map(|only| format!("{only} only")));
    let api = app
        .model
        .api
        .strip_prefix("http://")
        .unwrap_or(&app.model.api);
    parts.push(api.to_owned());
    parts
}
