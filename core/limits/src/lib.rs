//! Bounds that are declared once: the constant that the code uses, and the row that `... limits` prints.
//!
//! Every crate that bounds something has one `limits.rs`, made of one `limits!`. A bound says its unit and what happens
//! when it is reached (P7), so a limit without a behaviour does not compile.

use std::fmt::Write;

/// One bound, as it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The constant's name.
    pub name: &'static str,
    pub value: u64,
    /// `bytes`, `ms`, `records` and so on.
    pub unit: &'static str,
    /// What happens at the bound.
    pub at_limit: &'static str,
    /// What is bounded: the constant's documentation.
    pub what: &'static [&'static str],
}

/// Declares the constants of a `limits.rs`, and beside them `LIMITS`, the table of all of them.
///
/// `/// what it bounds` then `pub NAME: type = value, "unit", "what happens at it";`
#[macro_export]
macro_rules! limits {
    ($($(#[doc = $doc:expr])* $vis:vis $name:ident: $type:ty = $value:expr, $unit:expr, $at:expr;)*) => {
        $($(#[doc = $doc])* #[doc = ""] #[doc = concat!("Unit: ", $unit, ". At the limit: ", $at, ".")] $vis const $name: $type = $value;)*

        /// Every bound of this crate, in the order of its `limits.rs`.
        #[allow(unreachable_pub, reason = "a crate may keep its bounds to itself")]
        pub const LIMITS: &[$crate::Limit] = &[$($crate::Limit {
            name: stringify!($name),
            value: $name as u64,
            unit: $unit,
            at_limit: $at,
            what: &[$($doc),*],
        }),*];
    };
}

/// The tables of a program's crates as text, a bound a paragraph.
#[must_use]
pub fn text(crates: &[(&str, &[Limit])]) -> String {
    let mut out = String::new();
    for (name, limits) in crates {
        // Writing to a string cannot fail.
        writeln!(out, "# {name}").ok();
        for limit in *limits {
            let what: Vec<&str> = limit.what.iter().map(|line| line.trim()).collect();
            writeln!(out, "{} = {} {}", limit.name, limit.value, limit.unit).ok();
            writeln!(out, "    {}", what.join(" ")).ok();
            writeln!(out, "    at the limit: {}", limit.at_limit).ok();
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    crate::limits! {
        /// A message from a device,
        /// without its framing.
        MESSAGE_BYTES_MAX: usize = 256 * 1024, "bytes", "refused with AR";
        /// How long a stop may take.
        STOP_MS_MAX: u64 = 5_000, "ms", "what still runs is cut off";
    }

    #[test]
    fn p7_a_bound_is_a_constant_and_a_row_with_unit_and_behaviour() {
        assert_eq!(MESSAGE_BYTES_MAX as u64, LIMITS[0].value);
        assert_eq!(STOP_MS_MAX, LIMITS[1].value);
        let text = super::text(&[("wardline-agent", LIMITS)]);
        assert!(text.contains("MESSAGE_BYTES_MAX = 262144 bytes\n    A message from a device, without its framing.\n    at the limit: refused with AR\n"), "{text}");
    }
}
