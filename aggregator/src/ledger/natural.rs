//! The order of message numbers: runs of digits count as numbers, so 9 comes before 10 and `M9` before `M10`.
//!
//! Total: texts that differ only in leading zeros are ordered byte by byte in the end.

use std::cmp::Ordering;

pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (run_a, rest_a) = digits(left);
                let (run_b, rest_b) = digits(right);
                let order = run_a.len().cmp(&run_b.len()).then_with(|| run_a.cmp(run_b));
                if order != Ordering::Equal {
                    return order;
                }
                (left, right) = (rest_a, rest_b);
            }
            (Some(x), Some(y)) => {
                if x != y {
                    return x.cmp(y);
                }
                left = left.split_first().map_or(&[], |(_, rest)| rest);
                right = right.split_first().map_or(&[], |(_, rest)| rest);
            }
        }
    }
}

/// The run of digits at the start without leading zeros, and what follows it.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    let zeros = run.iter().position(|b| *b != b'0').unwrap_or(run.len());
    (run.split_at(zeros).1, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b5_message_numbers_are_ordered_as_numbers() {
        for (less, more) in [
            ("9", "10"),
            ("M9", "M10"),
            ("A10", "B9"),
            ("", "1"),
            ("007", "8"),
            ("1", "01x"),
            ("a1b2", "a1b10"),
        ] {
            assert_eq!(natural(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(natural(more, less), Ordering::Greater, "{less} {more}");
        }
        assert_ne!(natural("07", "7"), Ordering::Equal);
        assert_eq!(natural("x7", "x7"), Ordering::Equal);
    }
}
