use proptest::prelude::*;

use super::*;

fn drawn(scale: Scale, row: &BedCounts) -> String {
    let look = Look {
        theme: crate::theme::Theme::default(),
        width: 80,
        now: 0,
    };
    scale
        .spans(row, &look)
        .iter()
        .map(|s| s.content.as_ref())
        .collect()
}

fn alone(width: usize, row: &BedCounts) -> String {
    drawn(Scale::of(std::iter::once(*row), Some(width)), row)
}

/// By the order of `BedStatus::ALL`: occupied, available, reserved, dirty, cleaning, blocked, closed, unknown.
fn row(staffed: [u32; 8], unstaffed: [u32; 8]) -> BedCounts {
    BedCounts { staffed, unstaffed }
}

#[test]
fn a_bed_is_a_cell_where_it_fits_and_free_comes_first() {
    let ward = row([4, 1, 1, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 3, 0]);
    assert_eq!(alone(12, &ward), "○▒▓████╳▏===");
    assert_eq!(alone(40, &ward), "○▒▓████╳▏===");
}

#[test]
fn p10_the_blocked_bed_stays_on_its_side_at_every_width() {
    let ward = row([13, 1, 0, 1, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0, 2, 0]);
    for width in 8..=140 {
        let bar = alone(width, &ward);
        let (staffed, rest) = bar.split_once(MARK).unwrap();
        assert!(
            staffed.contains('╳') && !rest.contains('╳'),
            "{width}: {bar}"
        );
        assert!(rest.contains('█') && rest.contains('='), "{width}: {bar}");
    }
}

#[test]
fn p10_one_free_bed_of_many_is_still_seen_and_unknown_is_not_free() {
    let large = row([298, 1, 0, 0, 0, 0, 0, 1], [0; 8]);
    assert_eq!(alone(10, &large), "○?████████");
    assert_eq!(alone(6, &row([0, 0, 0, 0, 0, 0, 0, 4], [0; 8])), "????");
    assert_eq!(alone(6, &row([0; 8], [0; 8])), "");
}

#[test]
fn a_ward_of_twelve_and_one_of_three_hundred_do_not_look_alike() {
    let (small, large) = (
        row([12, 0, 0, 0, 0, 0, 0, 0], [0; 8]),
        row([300, 0, 0, 0, 0, 0, 0, 0], [0; 8]),
    );
    let scale = Scale::of([small, large].into_iter(), Some(30));
    assert_eq!(scale.note(), ", 10 a cell");
    assert_eq!(
        (
            drawn(scale, &small).chars().count(),
            drawn(scale, &large).chars().count()
        ),
        (2, 30)
    );
}

fn counts() -> impl Strategy<Value = [u32; 8]> {
    let any = prop_oneof![3 => Just(0u32), 3 => 1u32..30, 1 => 0u32..5000];
    proptest::collection::vec(any, 8).prop_map(|n| n.try_into().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    /// At every width: nothing is on the wrong side, nothing that there is is left out where there is room, nothing is
    /// wider than its room, and where a bed has a cell each state has as many cells as beds.
    #[test]
    fn p10_sums_and_sides_are_right_at_every_width(staffed in counts(), unstaffed in counts()) {
        let row = row(staffed, unstaffed);
        for width in 0..=200usize {
            let scale = Scale::of(std::iter::once(row), Some(width));
            let bar: Vec<char> = drawn(scale, &row).chars().collect();
            prop_assert!(bar.len() <= width);
            if bar.last() == Some(&MORE) || width == 0 {
                continue;
            }
            let text: String = bar.iter().collect();
            let (before, behind) = text.split_once(MARK).unwrap_or((&text, ""));
            for (side, counts) in [(before, staffed), (behind, unstaffed)] {
                for (status, n) in BedStatus::ALL.iter().zip(counts) {
                    let cells = side.chars().filter(|c| *c == glyph(*status)).count();
                    prop_assert_eq!(cells > 0, n > 0, "{} {} {}", width, status, &text);
                    if scale.note().is_empty() {
                        prop_assert_eq!(cells, n as usize, "{} {} {}", width, status, &text);
                    }
                }
            }
        }
    }
}
