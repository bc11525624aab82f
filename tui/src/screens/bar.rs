//! The capacity bar: a department's staffed beds are its full length, so that bars of large and small departments
//! compare. What is beyond (beds without staff, most of them closed) stands behind the mark.
//!
//! A state with one bed gets at least one cell where there is room: a single dirty bed among forty is still seen.

use ratatui::text::Span;
use wardline_api::BedStatus;
use wardline_api::DepartmentRow;

use super::Look;
use crate::model::Census;
use crate::theme::{Role, glyph};

/// From what is taken to what is free to what cannot be used.
const ORDER: [BedStatus; 8] = [
    BedStatus::Occupied,
    BedStatus::Reserved,
    BedStatus::Dirty,
    BedStatus::Cleaning,
    BedStatus::Unknown,
    BedStatus::Available,
    BedStatus::Blocked,
    BedStatus::Closed,
];

/// Cells behind the mark.
pub(super) const BEYOND: usize = 4;
const MARK: char = '▏';
const MORE: char = '+';

/// `width` cells for the staffed beds, the mark, and `beyond` cells.
pub(super) fn spans(
    row: &DepartmentRow,
    look: &Look,
    width: usize,
    beyond: usize,
) -> Vec<Span<'static>> {
    let cells = cells(row, width, beyond);
    let mut out: Vec<Span<'static>> = Vec::new();
    for (n, cell) in cells.iter().enumerate() {
        if n == width {
            out.push(look.span(Role::Dim, MARK));
        }
        match cell {
            Some(status) => out.push(look.span(Role::Bed(*status), glyph(*status))),
            None => out.push(look.span(Role::Normal, MORE)),
        }
    }
    if cells.len() <= width {
        out.push(look.span(Role::Normal, " ".repeat(width - cells.len())));
        out.push(look.span(Role::Dim, MARK));
    }
    out
}

/// One entry a cell; `None` for "and more".
fn cells(row: &DepartmentRow, width: usize, beyond: usize) -> Vec<Option<BedStatus>> {
    let counts = ORDER.map(|status| (status, Census::of(row, status)));
    let total: u64 = counts.iter().map(|(_, n)| u64::from(*n)).sum();
    let full = if row.staffed > 0 {
        u64::from(row.staffed)
    } else {
        total
    };
    if total == 0 || width == 0 {
        return Vec::new();
    }
    let room = u64::try_from(width).unwrap_or(u64::MAX);
    let most = width + beyond;
    let exact = usize::try_from((total * room).div_ceil(full)).unwrap_or(usize::MAX);
    let target = exact.min(most);
    // Beyond the room nothing is squeezed: the staffed part keeps its scale, and the rest is cut.
    let mut shares: Vec<(BedStatus, usize)> = counts
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(status, n)| {
            let share = (u64::from(*n) * room + full / 2) / full;
            (
                *status,
                usize::try_from(share).unwrap_or(usize::MAX).clamp(1, most),
            )
        })
        .collect();
    if exact <= most {
        settle(&mut shares, target);
    }
    let mut out: Vec<Option<BedStatus>> = shares
        .iter()
        .flat_map(|(status, n)| std::iter::repeat_n(Some(*status), *n))
        .take(most)
        .collect();
    if exact > most
        && let Some(last) = out.last_mut()
    {
        *last = None;
    }
    out
}

/// Makes the shares add up, at the cost of the largest.
fn settle(shares: &mut Vec<(BedStatus, usize)>, target: usize) {
    loop {
        let sum: usize = shares.iter().map(|(_, n)| n).sum();
        let largest = shares.iter_mut().max_by_key(|(_, n)| *n);
        match (largest, sum.cmp(&target)) {
            (Some((_, n)), std::cmp::Ordering::Less) => *n += target - sum,
            (Some((_, n)), std::cmp::Ordering::Greater) if *n > 1 => *n -= 1,
            (Some(_), std::cmp::Ordering::Greater) => {
                shares.pop();
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(row: &DepartmentRow, width: usize) -> String {
        let look = Look {
            theme: crate::theme::Theme::default(),
            width: 80,
            now: 0,
        };
        spans(row, &look, width, BEYOND)
            .iter()
            .map(|s| s.content.as_ref())
            .collect()
    }

    fn row(staffed: u32, occupied: u32, available: u32, dirty: u32, closed: u32) -> DepartmentRow {
        let beds = occupied + available + dirty + closed;
        DepartmentRow {
            staffed,
            occupied,
            available,
            dirty,
            closed,
            beds,
            ..DepartmentRow::default()
        }
    }

    #[test]
    fn a_full_bar_is_all_staffed_beds_occupied() {
        assert_eq!(drawn(&row(10, 10, 0, 0, 0), 10), "██████████▏");
        assert_eq!(drawn(&row(10, 5, 5, 0, 0), 10), "█████·····▏");
        assert_eq!(drawn(&row(10, 10, 0, 0, 2), 10), "██████████▏==");
    }

    #[test]
    fn one_bed_of_many_is_still_seen() {
        assert_eq!(drawn(&row(100, 98, 1, 1, 0), 10), "████████▒·▏");
    }

    #[test]
    fn more_beds_than_room_are_told() {
        assert_eq!(drawn(&row(10, 8, 2, 0, 10), 10), "████████··▏===+");
        assert_eq!(drawn(&row(10, 20, 0, 0, 0), 10), "██████████▏███+");
    }

    #[test]
    fn p10_nothing_known_is_not_free() {
        assert_eq!(drawn(&DepartmentRow::default(), 4), "    ▏");
        let unknown = DepartmentRow {
            beds: 4,
            staffed: 4,
            unknown: 4,
            ..DepartmentRow::default()
        };
        assert_eq!(drawn(&unknown, 4), "????▏");
        let unstaffed = DepartmentRow {
            beds: 4,
            closed: 4,
            ..DepartmentRow::default()
        };
        assert_eq!(drawn(&unstaffed, 4), "====▏");
    }

    proptest! {
        #[test]
        fn any_row_fits_its_room(counts in proptest::array::uniform8(0u32..5000), staffed in 0u32..5000, width in 0usize..120) {
            let [occupied, available, reserved, dirty, cleaning, blocked, closed, unknown] = counts;
            let row = DepartmentRow {
                staffed, occupied, available, reserved, dirty, cleaning, blocked, closed, unknown, ..DepartmentRow::default()
            };
            prop_assert!(crate::text::width(&drawn(&row, width)) <= width + 1 + BEYOND);
        }
    }
}
