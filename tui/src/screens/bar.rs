//! The capacity bar: one cell a bed where all bars fit, else one cell for so many beds, which the heading says. Beds with
//! staff stand before the mark and those without behind it, free ones first on each side.
//!
//! The two sides are divided before anything is rounded, so no bed ever stands on the wrong side of the mark; a state
//! with one bed gets a cell wherever there is one: a single free bed among forty is still seen.

use ratatui::text::Span;
use wardline_api::BedStatus;

use super::Look;
use crate::model::BedCounts;
use crate::theme::{Role, glyph};

pub(super) const TITLE: &str = "BEDS";

/// From what is free over what soon will be to what cannot be used.
pub(super) const ORDER: [BedStatus; 8] = [
    BedStatus::Available,
    BedStatus::Cleaning,
    BedStatus::Dirty,
    BedStatus::Reserved,
    BedStatus::Unknown,
    BedStatus::Occupied,
    BedStatus::Blocked,
    BedStatus::Closed,
];

const MARK: char = '▏';
const MORE: char = '+';

/// How many beds a cell stands for, and how many cells there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    beds: u32,
    width: usize,
}

impl Scale {
    /// The finest in which all rows fit.
    pub(super) fn of(rows: impl Iterator<Item = BedCounts>, width: Option<usize>) -> Self {
        let width = width.unwrap_or(0);
        let rows: Vec<BedCounts> = rows.collect();
        let fits = |beds: u32| {
            rows.iter()
                .all(|row| Scale { beds, width }.needs(row) <= width)
        };
        let most = rows
            .iter()
            .map(|row| sum(&row.staffed).saturating_add(sum(&row.unstaffed)));
        let most = most.max().unwrap_or(1).max(1);
        // Coarser by doubling, then the finest of the last step.
        let mut beds = 1u32;
        while beds < most && !fits(beds) {
            beds = beds.saturating_mul(2);
        }
        let step = usize::try_from(beds / 128).unwrap_or(0).max(1);
        let finest = (beds / 2 + 1..=beds).step_by(step).find(|n| fits(*n));
        let beds = finest.unwrap_or(beds);
        Self { beds, width }
    }

    /// `, 3 a cell`; nothing where each bed has its own.
    pub(super) fn note(self) -> String {
        match self.beds {
            1 => String::new(),
            n => format!(", {n} a cell"),
        }
    }

    fn needs(self, row: &BedCounts) -> usize {
        let cells = |counts| self.shares(counts).iter().map(|(_, n, _)| n).sum::<usize>();
        let behind = cells(&row.unstaffed);
        cells(&row.staffed) + behind + usize::from(behind > 0)
    }

    /// One entry a cell, and no more than there is room for and one.
    fn cells(self, counts: &[u32; 8]) -> Vec<BedStatus> {
        let shares = self.shares(counts).into_iter();
        let cells = shares.flat_map(|(status, n, _)| std::iter::repeat_n(status, n));
        cells.take(self.width + 1).collect()
    }

    /// Cells of each state, and what was left over. Largest remainders, but nothing that there is gets none.
    fn shares(self, counts: &[u32; 8]) -> Vec<(BedStatus, usize, u32)> {
        let of = |status: BedStatus| {
            let at = BedStatus::ALL.iter().position(|s| *s == status);
            at.and_then(|at| counts.get(at)).copied().unwrap_or(0)
        };
        let there: Vec<(BedStatus, u32)> = ORDER
            .iter()
            .map(|s| (*s, of(*s)))
            .filter(|(_, n)| *n > 0)
            .collect();
        let total = usize::try_from(sum(counts).div_ceil(self.beds)).unwrap_or(usize::MAX);
        let total = total.max(there.len());
        let mut shares: Vec<(BedStatus, usize, u32)> = there
            .iter()
            .map(|(status, n)| {
                let whole = usize::try_from(n / self.beds).unwrap_or(usize::MAX);
                let rest = if whole == 0 { 0 } else { n % self.beds };
                (*status, whole.max(1), rest)
            })
            .collect();
        let mut used: usize = shares.iter().map(|(_, n, _)| n).sum();
        while used < total {
            let Some(next) = shares.iter_mut().max_by_key(|(_, _, rest)| *rest) else {
                break;
            };
            (next.1, next.2) = (next.1 + 1, 0);
            used += 1;
        }
        while used > total {
            let Some(widest) = shares.iter_mut().max_by_key(|(_, n, _)| *n) else {
                break;
            };
            widest.1 = widest.1.saturating_sub(1);
            used -= 1;
        }
        shares
    }

    pub(super) fn spans(self, row: &BedCounts, look: &Look) -> Vec<Span<'static>> {
        let bed = |status: &BedStatus| look.span(Role::Bed(*status), glyph(*status));
        let mut out: Vec<Span<'static>> = self.cells(&row.staffed).iter().map(bed).collect();
        let behind = self.cells(&row.unstaffed);
        if !behind.is_empty() {
            out.push(look.span(Role::Dim, MARK));
            out.extend(behind.iter().map(bed));
        }
        if out.len() > self.width {
            out.truncate(self.width.saturating_sub(1));
            out.extend((self.width > 0).then(|| look.span(Role::Normal, MORE)));
        }
        out
    }
}

fn sum(counts: &[u32; 8]) -> u32 {
    counts.iter().fold(0, |sum, n| sum.saturating_add(*n))
}

#[cfg(test)]
#[path = "../tests/bar.rs"]
mod tests;
