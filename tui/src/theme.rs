//! How a role looks: in fixed colours of the 256, or with weight alone. Free beds are the brightest ink and taken ones the
//! dullest; colour never carries a meaning by itself: every state also has a word or a glyph of its own.
//!
//! Two palettes, because no colour is readable on black and on white: a test computes the contrast of each on both grounds
//! that it is made for. Terminals that know fewer colours get weight alone.

use clap::ValueEnum;
use ratatui::style::{Color, Modifier, Style};
use wardline_api::BedStatus;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Normal,
    Dim,
    Strong,
    Chosen,
    Heading,
    /// A fault: inverse, and with a sign beside it.
    Bad,
    /// Not of now.
    Stale,
    /// How many beds are free.
    Free,
    Bed(BedStatus),
}

/// Which colours to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ThemeChoice {
    /// By what the terminal says of its ground, else dark
    #[default]
    Auto,
    /// For dark grounds
    Dark,
    /// For light grounds
    Light,
    /// No colour
    Mono,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Palette {
    Dark,
    Light,
    #[default]
    Mono,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Theme {
    pub palette: Palette,
    /// For terminals that say that they know no UTF-8.
    pub ascii: bool,
}

/// Ink and ground, of the 256, of a role on dark and on light grounds; no ground: the terminal's own.
fn inks(role: Role) -> Option<[(u8, Option<u8>); 2]> {
    let on = |dark, light| Some([(dark, None), (light, None)]);
    match role {
        Role::Free => on(159, 17),
        Role::Dim => on(246, 242),
        Role::Bad => Some([(16, Some(214)), (231, Some(88))]),
        Role::Stale => Some([(16, Some(229)), (231, Some(24))]),
        Role::Bed(status) => match status {
            BedStatus::Available => on(159, 17),
            BedStatus::Reserved => on(80, 23),
            BedStatus::Dirty => on(214, 94),
            BedStatus::Cleaning => on(221, 58),
            BedStatus::Blocked | BedStatus::Closed => on(250, 239),
            BedStatus::Unknown => on(219, 90),
            BedStatus::Occupied => on(246, 242),
        },
        Role::Normal | Role::Strong | Role::Chosen | Role::Heading => None,
    }
}

fn weight(role: Role, palette: Palette) -> Modifier {
    match role {
        Role::Strong | Role::Free | Role::Bed(BedStatus::Available | BedStatus::Unknown) => {
            Modifier::BOLD
        }
        Role::Heading => Modifier::UNDERLINED,
        Role::Chosen => Modifier::REVERSED,
        Role::Bad | Role::Stale if palette == Palette::Mono => Modifier::BOLD | Modifier::REVERSED,
        Role::Bad | Role::Stale => Modifier::BOLD,
        Role::Dim | Role::Bed(BedStatus::Occupied) if palette == Palette::Mono => Modifier::DIM,
        Role::Normal | Role::Dim | Role::Bed(_) => Modifier::empty(),
    }
}

impl Theme {
    pub(crate) fn style(self, role: Role) -> Style {
        let style = Style::new().add_modifier(weight(role, self.palette));
        let ink = inks(role).and_then(|[dark, light]| match self.palette {
            Palette::Dark => Some(dark),
            Palette::Light => Some(light),
            Palette::Mono => None,
        });
        let Some((ink, ground)) = ink else {
            return style;
        };
        let style = style.fg(Color::Indexed(ink));
        ground.map_or(style, |ground| style.bg(Color::Indexed(ground)))
    }

    /// `variable` reads the environment.
    pub(crate) fn of(
        choice: ThemeChoice,
        color: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let few = [
            "", "dumb", "linux", "ansi", "vt100", "vt102", "vt220", "vt320", "cons25",
        ];
        let term = variable("TERM").unwrap_or_default();
        let palette = match choice {
            _ if !color => Palette::Mono,
            ThemeChoice::Mono => Palette::Mono,
            ThemeChoice::Light => Palette::Light,
            ThemeChoice::Auto if few.contains(&term.as_str()) => Palette::Mono,
            ThemeChoice::Auto if light_ground(variable("COLORFGBG")) => Palette::Light,
            ThemeChoice::Auto | ThemeChoice::Dark => Palette::Dark,
        };
        let ascii = wants_ascii(["LC_ALL", "LC_CTYPE", "LANG"].map(&variable));
        Self { palette, ascii }
    }
}

/// `15;0`: the ground is the last, by the number of one of the 16 colours.
fn light_ground(variable: Option<String>) -> bool {
    let ground = variable.and_then(|text| text.rsplit(';').next()?.parse::<u8>().ok());
    matches!(ground, Some(7 | 9..=15))
}

/// One glyph a state, the same in bars, lists and legend.
pub(crate) fn glyph(status: BedStatus) -> char {
    match status {
        BedStatus::Occupied => '█',
        BedStatus::Reserved => '▓',
        BedStatus::Dirty => '▒',
        BedStatus::Cleaning => '░',
        BedStatus::Available => '○',
        BedStatus::Blocked => '╳',
        BedStatus::Closed => '=',
        BedStatus::Unknown => '?',
    }
}

/// What a terminal without UTF-8 shows instead, in as many columns; states stay distinct.
pub(crate) fn ascii(c: char) -> char {
    match c {
        c if c.is_ascii() => c,
        '█' => '#',
        '▓' => '%',
        '▒' => '~',
        '░' => ':',
        '○' => 'O',
        '…' => '.',
        '╳' => 'x',
        '▸' => '>',
        '▏' | '·' => '|',
        '–' | '—' => '-',
        '↑' | '▴' => '^',
        '↓' | '▾' => 'v',
        _ => '?',
    }
}

/// The same of a text, where two letters may stand for one: `≥` is not `>`.
pub(crate) fn ascii_text(text: &str) -> String {
    text.replace('≥', ">=").chars().map(ascii).collect()
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
#[path = "tests/theme.rs"]
mod tests;
