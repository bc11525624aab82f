//! Which key means what at this moment: one table, from which the footer and the help are made too.
//!
//! So a key that is shown works, and one that works is shown; a test presses them all. What is not in the table does nothing
//! and says nothing.

use super::{App, Screen};

/// A key as the terminal sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Esc,
    Backspace,
    Char(char),
    /// Control with a letter: in the dashboard's terminal mode they come as keys.
    Control(char),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Quit,
    Redraw,
    Suspend,
    Help,
    Move(isize),
    Open,
    Back,
    Filter,
    Sort,
    Turn,
    Typed(char),
    Erase,
    Accept,
    Nothing,
}

const PAGE: isize = 10;
const ALL: isize = isize::MAX;

/// Keys, what they mean, and how footer and help call them; those without words stand with the one before.
type Table = &'static [(&'static [Key], Meaning, &'static str, &'static str)];

/// Everywhere, also while something is typed.
const ALWAYS: Table = &[
    (&[Key::Control('c')], Meaning::Quit, "ctrl-c", "quit"),
    (
        &[Key::Control('l')],
        Meaning::Redraw,
        "ctrl-l",
        "draw again",
    ),
    (
        &[Key::Control('z')],
        Meaning::Suspend,
        "ctrl-z",
        "to the shell (fg comes back)",
    ),
];

const WALKED: Table = &[
    (
        &[Key::Up, Key::Char('k')],
        Meaning::Move(-1),
        "↑↓ jk",
        "choose",
    ),
    (&[Key::Down, Key::Char('j')], Meaning::Move(1), "", ""),
    (
        &[Key::Enter, Key::Right, Key::Char('l')],
        Meaning::Open,
        "enter",
        "open",
    ),
    (
        &[Key::Esc, Key::Left, Key::Backspace, Key::Char('h')],
        Meaning::Back,
        "esc",
        "back",
    ),
    (
        &[Key::Char('s')],
        Meaning::Sort,
        "s",
        "sort by the next column",
    ),
    (
        &[Key::Char('S')],
        Meaning::Turn,
        "S",
        "turn the order round",
    ),
    (
        &[Key::Char('/')],
        Meaning::Filter,
        "/",
        "filter; ! first: rows without it",
    ),
    (
        &[Key::PageUp],
        Meaning::Move(-PAGE),
        "PgUp PgDn",
        "ten rows",
    ),
    (&[Key::PageDown], Meaning::Move(PAGE), "", ""),
    (
        &[Key::Home, Key::Char('g')],
        Meaning::Move(-ALL),
        "g G",
        "first, last; also Home and End",
    ),
    (&[Key::End, Key::Char('G')], Meaning::Move(ALL), "", ""),
    (&[Key::Char('?')], Meaning::Help, "?", "help"),
    (&[Key::Char('q')], Meaning::Quit, "q", "quit"),
];

const TYPED: Table = &[
    (&[Key::Enter], Meaning::Accept, "enter", "keep the filter"),
    (&[Key::Esc], Meaning::Back, "esc", "no filter"),
    (&[Key::Backspace], Meaning::Erase, "", ""),
    (&[Key::Up], Meaning::Move(-1), "", ""),
    (&[Key::Down], Meaning::Move(1), "", ""),
];

const HELP: Table = &[
    (
        &[Key::Char('?'), Key::Esc, Key::Enter, Key::Left],
        Meaning::Back,
        "esc ?",
        "close the help",
    ),
    (&[Key::Char('q')], Meaning::Quit, "q", "quit"),
];

fn table(app: &App) -> Table {
    match app {
        _ if app.help => HELP,
        _ if app.typing => TYPED,
        _ => WALKED,
    }
}

pub(super) fn meaning(app: &App, key: Key) -> Meaning {
    let rows = ALWAYS.iter().chain(table(app));
    match rows.into_iter().find(|row| row.0.contains(&key)) {
        Some(row) => row.1,
        None => match key {
            Key::Char(c) if app.typing && !app.help => Meaning::Typed(c),
            _ => Meaning::Nothing,
        },
    }
}

/// The keys that do something now: key, what it does. The footer shows the first ones that fit.
pub(crate) fn current(app: &App) -> Vec<(&'static str, &'static str)> {
    let rows = table(app).iter().filter(|row| !row.2.is_empty());
    let top = app.view.screen == Screen::House && app.view.list.filter.is_empty();
    rows.filter(|row| row.1 != Meaning::Back || app.help || app.typing || !top)
        .map(|row| (row.2, short(row.1, row.3, app)))
        .collect()
}

/// All keys of the open screen, for the help.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = WALKED.iter().chain(ALWAYS).filter(|row| !row.2.is_empty());
    rows.map(|row| (row.2, row.3))
}

fn short(meaning: Meaning, long: &'static str, app: &App) -> &'static str {
    match meaning {
        Meaning::Sort => "sort",
        Meaning::Turn => "turn",
        Meaning::Filter => "filter",
        Meaning::Back if !app.help && !app.typing && !app.view.list.filter.is_empty() => {
            "no filter"
        }
        _ => long,
    }
}
