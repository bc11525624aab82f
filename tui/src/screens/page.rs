//! What every screen is made of: a title, a table whose rows can be chosen, and lines below it that can be chosen too.
//!
//! A screen only says its columns and rows; filtering, sorting, paging and dividing the lines of the window is done here,
//! once. Nothing is ever too small: what matters less goes first, the rows last.

use ratatui::text::Line;

use super::Look;
use super::bar::{self, Scale};
use super::grid::{Cell, Column, Grid};
use crate::app::{List, Screen};
use crate::limits::BELOW_SHARE;
use crate::model::{BedCounts, natural};
use crate::theme::Role;

pub(super) struct Row {
    pub key: String,
    pub cells: Vec<Cell>,
    pub opens: Option<Screen>,
    /// What the column of the bar shows.
    pub bar: Option<BedCounts>,
}

/// A line that stands for something: its name, how it looks, where enter leads.
pub(super) struct Choice {
    pub key: String,
    pub line: Line<'static>,
    pub opens: Option<Screen>,
}

impl Choice {
    pub(super) fn new(key: impl Into<String>, line: Line<'static>, opens: Option<Screen>) -> Self {
        Self {
            key: key.into(),
            line,
            opens,
        }
    }
}

#[derive(Default)]
pub(super) struct Page {
    pub title: Vec<Line<'static>>,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// Whether the rows were given in an order of their own; else they stand by name.
    pub ordered: bool,
    /// Instead of a table without rows.
    pub empty: Vec<String>,
    pub below: Vec<Choice>,
    pub legend: Option<Line<'static>>,
}

/// The lines between head and footer.
pub(super) struct Body {
    pub lines: Vec<Line<'static>>,
    /// The line with what is chosen.
    pub chosen: Option<usize>,
    /// `1-15 of 40`, where a list does not fit.
    pub extent: Option<String>,
}

impl Page {
    /// The rows that pass the filter, in the order asked for.
    pub(super) fn arranged(mut self, list: &List) -> Self {
        self.rows.retain(|row| {
            let words = row.cells.iter().flat_map(|cell| &cell.spans);
            list.passes(words.map(|span| span.content.as_ref()))
        });
        if !self.ordered {
            self.rows.sort_by(|a, b| natural(&a.key, &b.key));
        }
        let column = list
            .sort
            .and_then(|title| self.columns.iter().position(|c| c.title == title));
        if let Some(n) = column {
            let by = |row: &Row| row.cells.get(n).map(|cell| cell.sort.clone());
            self.rows.sort_by(|a, b| match (by(a), by(b)) {
                (Some(a), Some(b)) => a.compare(&b),
                _ => std::cmp::Ordering::Equal,
            });
        }
        if list.turned {
            self.rows.reverse();
        }
        self
    }

    pub(super) fn choices(self) -> Vec<(String, Option<Screen>)> {
        let rows = self.rows.into_iter().map(|row| (row.key, row.opens));
        let below = self
            .below
            .into_iter()
            .map(|choice| (choice.key, choice.opens));
        rows.chain(below).collect()
    }

    /// Everything at once, for paper and pipes: no choice, no page.
    pub(super) fn document(mut self, look: &Look) -> Vec<Line<'static>> {
        let rows = self.rows.len();
        let mut lines = self.table(look, &List::default(), 0, rows, None, true);
        lines.push(Line::default());
        lines.extend(self.below.into_iter().map(|choice| choice.line));
        lines.extend(self.legend);
        lines
    }

    /// In so many lines.
    pub(super) fn body(mut self, list: &List, look: &Look, room: usize) -> Body {
        let keys: Vec<String> = self.keys();
        let chosen = list.place(&keys);
        let airy = room >= 16;
        let heading = usize::from(room >= 6);
        let title = self.title.len() * usize::from(room >= 8);
        let legend = usize::from(room >= 12 && self.legend.is_some());
        let gaps = 2 * usize::from(airy);
        let free = room.saturating_sub(heading + title + legend + gaps);
        let rows = self.rows.len().max(self.empty.len());
        let below = self.room_below(free, rows, chosen);
        let table = free.saturating_sub(below);
        let total = self.rows.len();
        let (first, end) = part(chosen.min(total.saturating_sub(1)), table, total);
        let mut lines = vec![Line::default(); usize::from(airy)];
        lines.extend(self.title.drain(..).take(title));
        let here = lines.len() + heading + chosen.saturating_sub(first);
        let mark = (chosen < total).then_some(chosen);
        lines.extend(self.table(look, list, first, end, mark, heading > 0));
        let blank = room.saturating_sub(lines.len() + below + legend);
        lines.extend(std::iter::repeat_n(Line::default(), blank));
        let (from, to) = part(chosen.saturating_sub(total), below, self.below.len());
        let below_at = lines.len() + (chosen.saturating_sub(total + from));
        let shown = self
            .below
            .into_iter()
            .enumerate()
            .skip(from)
            .take(to - from);
        lines.extend(shown.map(|(n, choice)| marked(look, choice.line, total + n == chosen)));
        lines.extend(self.legend.filter(|_| legend > 0));
        lines.truncate(room);
        Body {
            lines,
            chosen: Some(if chosen < total { here } else { below_at }).filter(|_| !keys.is_empty()),
            extent: (end - first < total).then(|| format!("{}-{end} of {total}", first + 1)),
        }
    }

    fn keys(&self) -> Vec<String> {
        let rows = self.rows.iter().map(|row| &row.key);
        rows.chain(self.below.iter().map(|choice| &choice.key))
            .cloned()
            .collect()
    }

    /// What the rows leave, and a share of it where they leave nothing.
    fn room_below(&self, free: usize, rows: usize, chosen: usize) -> usize {
        let spare = free.saturating_sub(rows);
        let share = if free >= 6 { free / BELOW_SHARE } else { 0 };
        let needed = usize::from(chosen >= self.rows.len() && !self.rows.is_empty());
        spare.max(share).max(needed).min(self.below.len())
    }

    fn table(
        &mut self,
        look: &Look,
        list: &List,
        first: usize,
        end: usize,
        chosen: Option<usize>,
        heading: bool,
    ) -> Vec<Line<'static>> {
        if self.rows.is_empty() {
            let empty = std::mem::take(&mut self.empty);
            return empty
                .iter()
                .map(|line| look.line(Role::Normal, line))
                .collect();
        }
        let rows: Vec<Row> = std::mem::take(&mut self.rows);
        let shown = rows.get(first..end).unwrap_or_default();
        let cells = shown.iter().map(|row| row.cells.as_slice());
        let grid = Grid::new(&self.columns, &cells, look.width);
        // One scale for all rows, shown or not: bars compare.
        let scale = Scale::of(
            rows.iter().filter_map(|row| row.bar),
            grid.width_of(bar::TITLE),
        );
        let mut lines = Vec::new();
        if heading {
            lines.push(grid.heading(look, list, &scale.note()));
        }
        let place = self
            .columns
            .iter()
            .position(|column| column.title == bar::TITLE);
        for (n, row) in rows.into_iter().enumerate().skip(first).take(end - first) {
            let mut cells = row.cells;
            if let (Some(cell), Some(counts)) = (place.and_then(|n| cells.get_mut(n)), row.bar) {
                cell.spans = scale.spans(&counts, look);
            }
            lines.push(marked(look, grid.line(look, cells), chosen == Some(n)));
        }
        lines
    }
}

/// The first column of each line is free for the mark of what is chosen.
fn marked(look: &Look, mut line: Line<'static>, chosen: bool) -> Line<'static> {
    if chosen {
        let rest = line.spans.first_mut();
        if let Some(span) = rest {
            span.content = format!("▸{}", span.content.chars().skip(1).collect::<String>()).into();
            span.style = look.theme.style(Role::Chosen);
        }
    }
    line
}

/// The part of `total` lines on which the chosen one is: first and one after the last. The last part is full.
fn part(chosen: usize, lines: usize, total: usize) -> (usize, usize) {
    if lines == 0 {
        return (0, 0);
    }
    let first = (chosen / lines * lines).min(total.saturating_sub(lines));
    (first, (first + lines).min(total))
}
