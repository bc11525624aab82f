//! The order in which people look for a name: `ED^9` before `ED^10`, whatever the case.

use std::cmp::Ordering;

/// Runs of digits by their value, all else by letter; equal only when the texts are.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        match (run(left), run(right)) {
            (None, None) => return a.cmp(b),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some((x, rest_x)), Some((y, rest_y))) => {
                let order = compared(x, y);
                if order != Ordering::Equal {
                    return order;
                }
                (left, right) = (rest_x, rest_y);
            }
        }
    }
}

/// The first run of digits, or of what is no digit, and the rest.
fn run(text: &str) -> Option<(&str, &str)> {
    let digit = text.chars().next()?.is_ascii_digit();
    let end = text.find(|c: char| c.is_ascii_digit() != digit);
    Some(text.split_at(end.unwrap_or(text.len())))
}

fn compared(a: &str, b: &str) -> Ordering {
    let number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if !(number(a) && number(b)) {
        return a.to_lowercase().cmp(&b.to_lowercase());
    }
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_in_names_are_numbers() {
        let mut names = [
            "ED^109^1", "ED^10^1", "WARD-AA", "WARD-B", "ED^9^2", "ED^9^10", "WARD-A", "ed^09^3",
        ];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            [
                "ED^9^2", "ed^09^3", "ED^9^10", "ED^10^1", "ED^109^1", "WARD-A", "WARD-AA",
                "WARD-B"
            ]
        );
    }

    proptest! {
        #[test]
        fn it_is_an_order(a in "[a-bA-B0-2^]{0,6}", b in "[a-bA-B0-2^]{0,6}", c in "[a-bA-B0-2^]{0,6}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            if natural(&a, &b).is_le() && natural(&b, &c).is_le() {
                prop_assert!(natural(&a, &c).is_le(), "{a} {b} {c}");
            }
            prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
        }
    }
}
