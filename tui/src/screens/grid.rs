//! Columns that fit. Each asks for a width and has a rank; the highest ranks are dropped first where the width does not
//! suffice, and one column takes what is left over.
//!
//! A column is shown whole or not at all, with its heading; cells are cut to the column's width and cleaned of control
//! characters, so that no name from a device or a person can break the lines. A cell says what it sorts by.

use std::cmp::Ordering;

use ratatui::text::{Line, Span};

use super::{Look, bar};
use crate::app::List;
use crate::model::natural;
use crate::text;
use crate::theme::Role;

#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub title: &'static str,
    pub min: usize,
    pub max: usize,
    pub right: bool,
    /// 0 is never dropped.
    pub rank: u8,
    /// Takes what is left; `min` is what it needs at least.
    pub grows: bool,
    pub shown: bool,
}

impl Column {
    /// Shown only where it says something.
    pub(super) fn when(self, shown: bool) -> Self {
        Column { shown, ..self }
    }
}

pub(super) const fn left(title: &'static str, min: usize, max: usize, rank: u8) -> Column {
    Column {
        title,
        min,
        max,
        right: false,
        rank,
        grows: false,
        shown: true,
    }
}

pub(super) const fn right(title: &'static str, min: usize, max: usize, rank: u8) -> Column {
    Column {
        title,
        min,
        max,
        right: true,
        rank,
        grows: false,
        shown: true,
    }
}

pub(super) const fn grows(title: &'static str, min: usize, max: usize, rank: u8) -> Column {
    Column {
        title,
        min,
        max,
        right: false,
        rank,
        grows: true,
        shown: true,
    }
}

/// What a cell sorts by; nothing stands last.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sort {
    Number(i64),
    Text(String),
    Nothing,
}

impl Sort {
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            // The most comes first: that is what is looked for.
            (Sort::Number(a), Sort::Number(b)) => b.cmp(a),
            (Sort::Text(a), Sort::Text(b)) => natural(a, b),
            (Sort::Nothing, Sort::Nothing) => Ordering::Equal,
            (Sort::Nothing, _) | (Sort::Text(_), Sort::Number(_)) => Ordering::Greater,
            (_, Sort::Nothing) | (Sort::Number(_), Sort::Text(_)) => Ordering::Less,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub spans: Vec<Span<'static>>,
    pub sort: Sort,
}

impl Cell {
    pub(super) fn of(spans: Vec<Span<'static>>, sort: Sort) -> Self {
        Self { spans, sort }
    }

    fn width(&self) -> usize {
        self.spans.iter().map(Span::width).sum()
    }
}

pub(super) fn word(look: &Look, role: Role, word: impl Into<String>) -> Cell {
    let word = text::clean(&word.into());
    let spans = vec![look.span(role, word.clone())];
    Cell::of(spans, Sort::Text(word))
}

/// A count: nothing of it is quiet.
pub(super) fn number(look: &Look, role: Role, n: impl Into<i64>) -> Cell {
    let n = n.into();
    let role = if n > 0 { role } else { Role::Dim };
    Cell::of(vec![look.span(role, n.to_string())], Sort::Number(n))
}

/// Something that sorts by a figure that it may not have.
pub(super) fn figure(look: &Look, role: Role, words: impl Into<String>, n: Option<i64>) -> Cell {
    let spans = vec![look.span(role, words.into())];
    Cell::of(spans, n.map_or(Sort::Nothing, Sort::Number))
}

/// Since when, in one short word.
pub(super) fn since(look: &Look, role: Role, seconds: Option<i64>) -> Cell {
    figure(look, role, text::age(seconds), seconds)
}

/// The columns that are shown, by index, with their widths.
pub(super) struct Grid<'a> {
    columns: &'a [Column],
    widths: Vec<Option<usize>>,
}

impl<'a> Grid<'a> {
    pub(super) fn new<'r>(
        columns: &'a [Column],
        rows: &(impl Iterator<Item = &'r [Cell]> + Clone),
        width: usize,
    ) -> Self {
        let wanted = |n: usize, column: &Column| {
            let cells = rows.clone().filter_map(|row| row.get(n));
            let widest = cells.map(Cell::width).max().unwrap_or(0);
            match column.grows {
                true => column.min,
                false => widest.clamp(column.min, column.max.max(column.min)),
            }
        };
        let mut order: Vec<(usize, &Column)> = columns.iter().enumerate().collect();
        order.sort_by_key(|(_, column)| column.rank);
        let mut widths = vec![None; columns.len()];
        let mut used = 0;
        for (n, column) in order.into_iter().filter(|(_, column)| column.shown) {
            let (want, gap) = (wanted(n, column), usize::from(used > 0));
            if (column.rank == 0 || used + gap + want <= width)
                && let Some(slot) = widths.get_mut(n)
            {
                *slot = Some(want);
                used += gap + want;
            }
        }
        let spare = width.saturating_sub(used);
        for (column, slot) in columns
            .iter()
            .zip(&mut widths)
            .filter(|(column, _)| column.grows)
        {
            *slot = slot.map(|own: usize| (own + spare).min(column.max));
        }
        Grid { columns, widths }
    }

    pub(super) fn width_of(&self, title: &str) -> Option<usize> {
        let n = self
            .columns
            .iter()
            .position(|column| column.title == title)?;
        self.widths.get(n).copied().flatten()
    }

    /// With a mark beside the column that the rows stand by, and the scale of the bars.
    pub(super) fn heading(&self, look: &Look, list: &List, scale: &str) -> Line<'static> {
        let titles = self
            .columns
            .iter()
            .zip(&self.widths)
            .map(|(column, width)| {
                let mark = match list.sort == Some(column.title) {
                    true if list.turned => "▴",
                    true => "▾",
                    false if column.title == bar::TITLE => scale,
                    false => "",
                };
                let room = width.unwrap_or(0).saturating_sub(text::width(mark));
                let title: String = column.title.chars().take(room).collect();
                word(look, Role::Heading, title + mark)
            });
        self.line(look, titles.collect())
    }

    pub(super) fn line(&self, look: &Look, cells: Vec<Cell>) -> Line<'static> {
        let mut spans: Vec<Span<'static>> = Vec::new();
        for ((column, width), cell) in self.columns.iter().zip(&self.widths).zip(cells) {
            let Some(width) = *width else { continue };
            if !spans.is_empty() {
                spans.push(look.span(Role::Normal, " "));
            }
            spans.extend(padded(look, cell.spans, width, column.right));
        }
        Line::from(spans)
    }
}

fn padded(look: &Look, cell: Vec<Span<'static>>, width: usize, right: bool) -> Vec<Span<'static>> {
    let mut out: Vec<Span<'static>> = Vec::new();
    let mut used = 0;
    for mut span in cell {
        span.content = text::fit(&span.content, width - used.min(width)).into();
        used += span.width();
        out.push(span);
    }
    let space = look.span(Role::Normal, " ".repeat(width.saturating_sub(used)));
    if right {
        out.insert(0, space);
    } else {
        out.push(space);
    }
    out
}
