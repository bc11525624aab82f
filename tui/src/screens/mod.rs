//! From state to picture. Every screen is a page (`page.rs`); the interactive picture and `--once --format table` are
//! made from the same pages. Pure: no terminal is touched here.
//!
//! A new screen is a file with a `page`, a variant of `app::Screen`, and its line in `page_of` and in the help.

mod bar;
mod beds;
mod devices;
mod explain;
mod feeds;
mod footer;
mod grid;
mod head;
mod help;
mod house;
mod lines;
mod page;
mod reasons;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use crate::app::{App, Screen};
use crate::limits::COLUMNS_WIDE;
use crate::model::{Model, MonoMs};
use crate::text;
use crate::theme::{self, Role, Theme};
use page::{Body, Page};

pub(crate) use lines::facts as pipeline_facts;

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
    pub now: MonoMs,
}

impl Look {
    pub(crate) fn wide(&self) -> bool {
        self.width >= usize::from(COLUMNS_WIDE)
    }

    /// As the terminal can show it: before anything is measured, because `>=` is wider than `≥`.
    pub(crate) fn words(&self, words: &str) -> String {
        match self.theme.ascii {
            true => theme::ascii_text(words),
            false => words.to_owned(),
        }
    }

    pub(crate) fn span(&self, role: Role, text: impl Into<String>) -> Span<'static> {
        let text = text.into();
        let text = if self.theme.ascii {
            theme::ascii_text(&text)
        } else {
            text
        };
        Span::styled(text, self.theme.style(role))
    }

    pub(crate) fn line(&self, role: Role, line: &str) -> Line<'static> {
        Line::from(self.span(role, text::fit(&self.words(line), self.width)))
    }
}

fn page_of(app: &App, look: &Look) -> Page {
    let model = &app.model;
    let page = match &app.view.screen {
        Screen::House => house::page(model, look),
        Screen::Department(place) => beds::page(model, place, look),
        Screen::Bed(place) => explain::page(model, place, look),
        Screen::Devices => devices::page(model, look),
        Screen::Feeds => feeds::page(model, look),
        Screen::Reasons(fate) => reasons::page(model, fate, look),
    };
    page.arranged(&app.view.list)
}

/// As wide as everything: what can be chosen does not depend on the window.
fn unseen(now: MonoMs) -> Look {
    Look {
        theme: Theme::default(),
        width: usize::from(u16::MAX),
        now,
    }
}

/// What can be chosen on the open screen, in the order shown, and what each opens.
pub(crate) fn choices(app: &App, now: MonoMs) -> Vec<(String, Option<Screen>)> {
    page_of(app, &unseen(now)).choices()
}

/// The columns by which the open screen can be sorted.
pub(crate) fn titles(app: &App, now: MonoMs) -> Vec<&'static str> {
    let columns = page_of(app, &unseen(now)).columns;
    columns
        .iter()
        .filter(|column| column.shown)
        .map(|column| column.title)
        .collect()
}

pub(crate) fn picture(app: &App, theme: Theme, area: Rect, now: MonoMs) -> Picture {
    let look = Look {
        theme,
        width: usize::from(area.width),
        now,
    };
    let mut buffer = Buffer::empty(area);
    let cursor = full(app, &look, &mut buffer);
    if theme.ascii {
        to_ascii(&mut buffer);
    }
    Picture { buffer, cursor }
}

fn full(app: &App, look: &Look, buffer: &mut Buffer) -> Option<Position> {
    let height = usize::from(buffer.area.height);
    let head = head::lines(&app.model, &head::way(app), look, height >= 4);
    let foot = usize::from(height >= 5 || app.typing);
    let room = height.saturating_sub(head.len() + foot);
    let body = match app.help {
        true => Body {
            lines: help::page(app, look, room),
            chosen: None,
            extent: None,
        },
        false => page_of(app, look).body(&app.view.list, look, room),
    };
    let bottom = buffer.area.height.saturating_sub(1);
    let first = lay(buffer, 0, &head);
    lay(buffer, first, &body.lines);
    if foot > 0 {
        lay(
            buffer,
            bottom,
            &[footer::line(app, look, body.extent.as_deref())],
        );
    }
    if app.typing {
        let column = footer::cursor(app, look)?.min(buffer.area.width.saturating_sub(1));
        return Some(Position::new(column, bottom));
    }
    let line = body.chosen.and_then(|line| u16::try_from(line).ok())?;
    Some(first.saturating_add(line))
        .filter(|y| *y <= bottom)
        .map(|y| Position::new(0, y))
}

/// The first screen with all its rows, for paper and pipes.
pub(crate) fn document(model: &Model, look: &Look) -> Vec<Line<'static>> {
    let mut lines = head::lines(model, &head::site(model), look, false);
    lines.push(Line::default());
    let page = house::page(model, look).arranged(&crate::app::List::default());
    lines.extend(page.document(look));
    lines
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

#[cfg(test)]
#[path = "../tests/screens.rs"]
mod tests;
