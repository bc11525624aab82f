//! How a role looks: in the terminal's own 16 colours (blue and orange for what differs, so that no kind of colour
//! vision is needed), or with weight alone. Colour never carries a meaning by itself: every state also has a word or a
//! glyph of its own.

use ratatui::style::{Color, Modifier, Style};
use wardline_api::BedStatus;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Normal,
    Dim,
    Strong,
    Chosen,
    Heading,
    Good,
    Bad,
    Stale,
    Bed(BedStatus),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Theme {
    pub color: bool,
    /// For terminals that say that they know no UTF-8.
    pub ascii: bool,
}

impl Theme {
    pub(crate) fn style(self, role: Role) -> Style {
        if self.color {
            colored(role)
        } else {
            plain(role)
        }
    }
}

fn plain(role: Role) -> Style {
    let style = Style::new();
    match role {
        Role::Normal | Role::Bed(_) => style,
        Role::Dim => style.add_modifier(Modifier::DIM),
        Role::Strong | Role::Good => style.add_modifier(Modifier::BOLD),
        Role::Heading => style.add_modifier(Modifier::UNDERLINED),
        Role::Chosen => style.add_modifier(Modifier::REVERSED),
        Role::Bad | Role::Stale => style.add_modifier(Modifier::BOLD | Modifier::REVERSED),
    }
}

fn colored(role: Role) -> Style {
    let style = Style::new();
    match role {
        Role::Dim => style.fg(Color::DarkGray),
        Role::Bad => style
            .fg(Color::Black)
            .bg(Color::Yellow)
            .add_modifier(Modifier::BOLD),
        Role::Stale => style
            .fg(Color::Black)
            .bg(Color::LightYellow)
            .add_modifier(Modifier::BOLD),
        Role::Bed(status) => match status {
            BedStatus::Occupied => style,
            BedStatus::Available => style.fg(Color::LightBlue).add_modifier(Modifier::BOLD),
            BedStatus::Reserved => style.fg(Color::Cyan),
            BedStatus::Dirty | BedStatus::Cleaning => style.fg(Color::Yellow),
            BedStatus::Blocked | BedStatus::Closed => style.fg(Color::DarkGray),
            BedStatus::Unknown => style.fg(Color::LightMagenta),
        },
        other => plain(other),
    }
}

/// One glyph a state, the same in bars, lists and legend.
pub(crate) fn glyph(status: BedStatus) -> char {
    match status {
        BedStatus::Occupied => '█',
        BedStatus::Reserved => '▓',
        BedStatus::Dirty => '▒',
        BedStatus::Cleaning => '░',
        BedStatus::Available => '·',
        BedStatus::Blocked => '╳',
        BedStatus::Closed => '=',
        BedStatus::Unknown => '?',
    }
}

/// What a terminal without UTF-8 shows instead; states stay distinct.
pub(crate) fn ascii(c: char) -> char {
    match c {
        c if c.is_ascii() => c,
        '█' => '#',
        '▓' => '%',
        '▒' => '~',
        '░' => ':',
        '·' | '…' => '.',
        '╳' => 'x',
        '▸' | '≥' => '>',
        '▏' => '|',
        '–' | '—' => '-',
        '↑' => '^',
        '↓' => 'v',
        _ => '?',
    }
}

/// Whether the locale names a character set, and it is not UTF-8. `variables` as LC_ALL, LC_CTYPE, LANG.
pub(crate) fn wants_ascii(variables: [Option<String>; 3]) -> bool {
    let named = variables
        .into_iter()
        .flatten()
        .find(|value| !value.is_empty());
    named.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        !(value.contains("utf-8") || value.contains("utf8"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn bed_states_are_distinct_without_colour_and_without_utf8() {
        let glyphs: BTreeSet<char> = BedStatus::ALL.iter().map(|s| glyph(*s)).collect();
        let plain: BTreeSet<char> = glyphs.iter().map(|c| ascii(*c)).collect();
        assert_eq!((glyphs.len(), plain.len()), (8, 8));
    }

    #[test]
    fn no_color_means_no_color() {
        for role in [
            Role::Dim,
            Role::Bad,
            Role::Stale,
            Role::Chosen,
            Role::Good,
            Role::Heading,
        ] {
            let style = Theme::default().style(role);
            assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
        }
        assert!(
            BedStatus::ALL
                .iter()
                .all(|s| Theme::default().style(Role::Bed(*s)).fg.is_none())
        );
    }

    #[test]
    fn ascii_only_where_the_locale_says_so() {
        let locale = |text: &str| wants_ascii([None, Some(String::new()), Some(text.to_owned())]);
        assert!(locale("C") && locale("de_DE.ISO-8859-1"));
        assert!(!locale("C.UTF-8") && !locale("en_GB.utf8"));
        assert!(!wants_ascii([None, None, None]));
    }
}
