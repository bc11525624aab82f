//! Words and widths. Everything that is shown passes through here: control characters and direction overrides that a
//! name may carry never reach the terminal, and what is too wide is cut by display width, not by bytes.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Shown where a value is not known.
pub(crate) const UNKNOWN: &str = "?";
/// Shown where there is nothing to have a value.
pub(crate) const NOTHING: &str = "–";

fn harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The text without what would move the cursor or turn the line around.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if harmful(c) { '\u{fffd}' } else { c })
        .collect()
}

pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// At most `width` columns; what was cut is told by `…`.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let text = clean(text);
    if text.width() <= width {
        return text;
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        out.push(c);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// A duration in one short word.
pub(crate) fn short_duration(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m", s / 60),
        3_600..172_800 => format!("{}h", s / 3_600),
        _ => format!("{}d", s / 86_400),
    }
}

/// A duration in words.
pub(crate) fn long_duration(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min", s / 60),
        3_600..172_800 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} days", s / 86_400),
    }
}

pub(crate) fn age(seconds: Option<i64>) -> String {
    seconds.map_or_else(|| NOTHING.to_owned(), short_duration)
}

/// Whole percent; 100 only when it is full, 0 only when it is empty.
pub(crate) fn percent(share: f64) -> String {
    if !share.is_finite() {
        return UNKNOWN.to_owned();
    }
    let rounded = (share * 100.0).round();
    let shown = if share > 0.0 && rounded < 1.0 {
        1.0
    } else if share < 1.0 && rounded >= 100.0 {
        99.0
    } else {
        rounded
    };
    format!("{shown:.0} %")
}

pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    let float = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    (whole > 0).then(|| float(part) / float(whole))
}

/// `1 bed`, `2 beds`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_display_width() {
        assert_eq!(fit("WARD-A", 6), "WARD-A");
        assert_eq!(fit("WARD-A", 5), "WARD…");
        assert_eq!(fit("集中治療室", 10), "集中治療室");
        assert_eq!(fit("集中治療室", 9), "集中治療…");
        assert_eq!(fit("集中治療室", 8), "集中治…");
        assert_eq!(fit("x", 0), "");
        assert!(width(&fit("a\u{301}\u{301}b", 1)) <= 1);
    }

    #[test]
    fn no_name_can_steer_the_terminal() {
        assert_eq!(
            clean("A\u{1b}[2JB\u{202e}C\u{9b}"),
            "A\u{fffd}[2JB\u{fffd}C\u{fffd}"
        );
    }

    #[test]
    fn p10_percent_is_never_rounded_to_full_or_empty() {
        assert_eq!(percent(0.999), "99 %");
        assert_eq!(percent(0.001), "1 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(1.25), "125 %");
        assert_eq!(percent(f64::NAN), "?");
    }

    #[test]
    fn durations_are_words() {
        let words: Vec<String> = [-5, 3, 75, 7_200, 200_000]
            .into_iter()
            .map(short_duration)
            .collect();
        assert_eq!(words, ["0s", "3s", "1m", "2h", "2d"]);
        assert_eq!(long_duration(7_500), "2 h 5 min");
        assert_eq!(age(None), NOTHING);
    }
}
