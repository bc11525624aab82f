//! A terminal too small for the dashboard still shows the verdict, and says what it needs.

use ratatui::text::Line;

use super::Look;
use crate::app::App;
use crate::limits::{COLUMNS_MIN, LINES_MIN};
use crate::theme::Role;

pub(super) fn lines(app: &App, look: &Look, height: u16) -> Vec<Line<'static>> {
    let verdict = app.model.verdict(look.now);
    let mut lines = vec![
        look.line(Role::Strong, &verdict.sentence("  ", " · ")),
        Line::default(),
        look.line(
            Role::Normal,
            &format!(
                "Too small: {}x{height}, needs {COLUMNS_MIN}x{LINES_MIN}.",
                look.width
            ),
        ),
        look.line(Role::Normal, "Enlarge the window, or use"),
        look.line(Role::Normal, "wardline-tui --once"),
        look.line(Role::Dim, "q quit"),
    ];
    lines.truncate(usize::from(height));
    lines
}
