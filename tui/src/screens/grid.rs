//! Columns that fit. Each asks for a width and has a rank; the highest ranks are dropped first where the width does not
//! suffice, and one column takes what is left over.
//!
//! A column is shown whole or not at all, with its heading; cells are cut to the column's width and cleaned of control
//! characters, so that no name from a device or a person can break the lines.

use ratatui::text::{Line, Span};

use super::Look;
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

pub(super) const fn grows(title: &'static str, min: usize, max: usize) -> Column {
    Column {
        title,
        min,
        max,
        right: false,
        rank: 0,
        grows: true,
        shown: true,
    }
}

pub(super) type Cell = Vec<Span<'static>>;

pub(super) fn cell(look: &Look, role: Role, text: impl Into<String>) -> Cell {
    vec![look.span(role, text::clean(&text.into()))]
}

fn cell_width(cell: &Cell) -> usize {
    cell.iter().map(Span::width).sum()
}

/// The columns that are shown, by index, with their widths.
pub(super) struct Grid {
    columns: Vec<Column>,
    widths: Vec<Option<usize>>,
}

impl Grid {
    pub(super) fn new(columns: Vec<Column>, rows: &[Vec<Cell>], width: usize) -> Self {
        let wanted: Vec<usize> = columns
            .iter()
            .enumerate()
            .map(|(n, column)| {
                let widest = rows
                    .iter()
                    .filter_map(|row| row.get(n))
                    .map(cell_width)
                    .max()
                    .unwrap_or(0);
                if column.grows {
                    column.min
                } else {
                    widest.clamp(column.min, column.max.max(column.min))
                }
            })
            .collect();
        let mut order: Vec<usize> = (0..columns.len()).collect();
        order.sort_by_key(|n| columns.get(*n).map(|c| c.rank));
        let mut widths = vec![None; columns.len()];
        let mut used = 0;
        for n in order {
            let (Some(column), Some(want), Some(slot)) =
                (columns.get(n), wanted.get(n), widths.get_mut(n))
            else {
                continue;
            };
            if !column.shown {
                continue;
            }
            let gap = usize::from(used > 0);
            if column.rank == 0 || used + gap + want <= width {
                *slot = Some(*want);
                used += gap + want;
            }
        }
        let spare = width.saturating_sub(used);
        for (column, slot) in columns
            .iter()
            .zip(&mut widths)
            .filter(|(column, _)| column.grows)
        {
            *slot = slot.map(|own| (own + spare).min(column.max));
        }
        Grid { columns, widths }
    }

    pub(super) fn width_of(&self, n: usize) -> Option<usize> {
        self.widths.get(n).copied().flatten()
    }

    pub(super) fn heading(&self, look: &Look) -> Line<'static> {
        let titles = self
            .columns
            .iter()
            .map(|column| cell(look, Role::Heading, column.title))
            .collect();
        self.line(look, titles)
    }

    pub(super) fn line(&self, look: &Look, cells: Vec<Cell>) -> Line<'static> {
        let mut spans: Cell = Vec::new();
        for ((column, width), cell) in self.columns.iter().zip(&self.widths).zip(cells) {
            let Some(width) = *width else { continue };
            if !spans.is_empty() {
                spans.push(look.span(Role::Normal, " "));
            }
            spans.extend(padded(look, cell, width, column.right));
        }
        Line::from(spans)
    }
}

fn padded(look: &Look, cell: Cell, width: usize, right: bool) -> Cell {
    let mut out: Cell = Vec::new();
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
