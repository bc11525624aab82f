//! From state to picture. Every screen is a list of styled lines for a width; the interactive picture and `--once
//! --format table` are made from the same lines. Pure: no terminal is touched here.
//!
//! Head and footer are always there, and the body gets the lines between them: a list that does not fit is paged, with
//! a count. Below the smallest size the picture says so instead of being wrong.

mod bar;
mod beds;
mod departments;
mod footer;
mod grid;
mod health;
mod help;
mod small;
mod verdict;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use crate::app::{App, Screen};
use crate::limits::{COLUMNS_MIN, COLUMNS_WIDE, LINES_MIN};
use crate::model::Moment;
use crate::text;
use crate::theme::{self, Role, Theme};

pub(crate) use beds::notes;
pub(crate) use departments::document;
pub(crate) use health::facts as health_facts;

/// What is to stand in the terminal, and where its cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub buffer: Buffer,
    pub cursor: Option<Position>,
}

/// What every line needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub theme: Theme,
    pub width: usize,
    pub now: Moment,
}

impl Look {
    pub(crate) fn wide(&self) -> bool {
        self.width >= usize::from(COLUMNS_WIDE)
    }

    pub(crate) fn span(&self, role: Role, text: impl Into<String>) -> Span<'static> {
        Span::styled(text.into(), self.theme.style(role))
    }

    pub(crate) fn line(&self, role: Role, line: &str) -> Line<'static> {
        Line::from(self.span(role, text::fit(line, self.width)))
    }
}

/// The part between head and footer.
struct Body {
    lines: Vec<Line<'static>>,
    /// The line with what is chosen.
    chosen: Option<usize>,
    /// `1-15 of 40`, where a list does not fit.
    extent: Option<String>,
}

impl Body {
    fn of(lines: Vec<Line<'static>>) -> Self {
        Body {
            lines,
            chosen: None,
            extent: None,
        }
    }
}

pub(crate) fn picture(app: &App, theme: Theme, area: Rect, now: Moment) -> Picture {
    let look = Look {
        theme,
        width: usize::from(area.width),
        now,
    };
    let mut buffer = Buffer::empty(area);
    let cursor = if area.width < COLUMNS_MIN || area.height < LINES_MIN {
        lay(&mut buffer, 0, &small::lines(app, &look, area.height));
        None
    } else {
        full(app, &look, &mut buffer)
    };
    if theme.ascii {
        to_ascii(&mut buffer);
    }
    Picture { buffer, cursor }
}

fn full(app: &App, look: &Look, buffer: &mut Buffer) -> Option<Position> {
    let height = usize::from(buffer.area.height);
    let head = verdict::lines(&app.model, look);
    let room = height.saturating_sub(head.len() + 1);
    let body = if app.help {
        Body::of(help::lines(app, look, room))
    } else {
        match &app.screen {
            Screen::Departments => departments::body(app, look, room),
            Screen::Beds { department } => beds::body(app, department, look, room),
        }
    };
    let foot = footer::line(app, look, body.extent.as_deref());
    let bottom = buffer.area.height.saturating_sub(1);
    let first = lay(buffer, 0, &head);
    lay(buffer, first, &body.lines);
    lay(buffer, bottom, &[foot]);
    let chosen = body
        .chosen
        .and_then(|line| u16::try_from(line).ok())
        .map(|line| first.saturating_add(line));
    if app.typing {
        return footer::cursor(app, look).map(|x| Position::new(x, bottom));
    }
    chosen.filter(|y| *y < bottom).map(|y| Position::new(0, y))
}

/// Lines from `y` on, as far as there is room; gives the line after the last.
fn lay(buffer: &mut Buffer, y: u16, lines: &[Line<'static>]) -> u16 {
    let area = buffer.area;
    let mut y = area.y.saturating_add(y);
    for line in lines {
        if y >= area.bottom() {
            break;
        }
        buffer.set_line(area.x, y, line, area.width);
        y += 1;
    }
    y
}

fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let c = cell.symbol().chars().next().map_or('?', theme::ascii);
            cell.set_char(c);
        }
    }
}

/// As many of the first parts as fit; `…` tells that some were left out.
fn joined(parts: &[String], separator: &str, width: usize) -> String {
    let mut out = String::new();
    for (n, part) in parts.iter().enumerate() {
        let gap = if out.is_empty() { "" } else { separator };
        let last = n + 1 == parts.len();
        let room = if last { width } else { width.saturating_sub(2) };
        if text::width(&out) + text::width(gap) + text::width(part) > room {
            if !out.is_empty() {
                out.push_str(" …");
            }
            break;
        }
        out.push_str(gap);
        out.push_str(part);
    }
    out
}

/// The page of `rows` lines on which the chosen one is: first and one after the last.
fn page(chosen: usize, rows: usize, total: usize) -> (usize, usize) {
    let rows = rows.max(1);
    let first = chosen / rows * rows;
    (first, (first + rows).min(total))
}

fn extent(first: usize, end: usize, total: usize) -> Option<String> {
    (end - first.min(end) < total).then(|| format!("{}-{end} of {total}", first + 1))
}

#[cfg(test)]
mod tests;
