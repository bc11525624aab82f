//! Which key means what at this moment. The footer and the help are made from the same table that decides.

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
    /// Control-C: in the dashboard's terminal mode it comes as a key.
    Interrupt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Quit,
    Help,
    Move(isize),
    Open,
    Back,
    Filter,
    Typed(char),
    Erase,
    Accept,
    Nothing,
}

const PAGE: isize = 10;
const ALL: isize = isize::MAX;

pub(super) fn meaning(app: &App, key: Key) -> Meaning {
    if key == Key::Interrupt {
        return Meaning::Quit;
    }
    if app.help {
        return match key {
            Key::Char('q') => Meaning::Quit,
            Key::Char('?') | Key::Esc | Key::Enter | Key::Left => Meaning::Back,
            _ => Meaning::Nothing,
        };
    }
    if app.typing {
        typed(key)
    } else {
        walked(app, key)
    }
}

fn typed(key: Key) -> Meaning {
    match key {
        Key::Char(c) => Meaning::Typed(c),
        Key::Backspace => Meaning::Erase,
        Key::Enter => Meaning::Accept,
        Key::Esc => Meaning::Back,
        Key::Up => Meaning::Move(-1),
        Key::Down => Meaning::Move(1),
        _ => Meaning::Nothing,
    }
}

fn walked(app: &App, key: Key) -> Meaning {
    match key {
        Key::Up | Key::Char('k') => Meaning::Move(-1),
        Key::Down | Key::Char('j') => Meaning::Move(1),
        Key::PageUp => Meaning::Move(-PAGE),
        Key::PageDown => Meaning::Move(PAGE),
        Key::Home | Key::Char('g') => Meaning::Move(-ALL),
        Key::End | Key::Char('G') => Meaning::Move(ALL),
        Key::Enter | Key::Right | Key::Char('l') if app.screen == Screen::Departments => {
            Meaning::Open
        }
        Key::Esc | Key::Left | Key::Backspace | Key::Char('h') => Meaning::Back,
        Key::Char('/') => Meaning::Filter,
        Key::Char('?') => Meaning::Help,
        Key::Char('q') => Meaning::Quit,
        _ => Meaning::Nothing,
    }
}

/// The keys that do something now: key, what it does. The footer shows the first ones that fit.
pub(crate) fn current(app: &App) -> Vec<(&'static str, &'static str)> {
    if app.typing {
        return vec![
            ("enter", "keep the filter"),
            ("esc", "no filter"),
            ("!", "first: rows without it"),
        ];
    }
    let filtered = !app.list().filter.is_empty();
    let mut keys = vec![("↑↓", "choose")];
    match app.screen {
        Screen::Departments => {
            keys.push(("enter", "beds"));
            keys.extend(filtered.then_some(("esc", "no filter")));
        }
        Screen::Beds { .. } => keys.push(("esc", if filtered { "no filter" } else { "back" })),
    }
    keys.extend([("/", "filter"), ("?", "help"), ("q", "quit")]);
    keys
}
