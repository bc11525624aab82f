use wardline_api::{Change, DepartmentRow};

use super::*;
use crate::fixture;

fn press(app: &mut App, keys: &[Key]) -> Effect {
    keys.iter()
        .map(|key| app.update(Input::Key(*key), 0))
        .last()
        .unwrap_or(Effect::None)
}

fn text(app: &mut App, text: &str) {
    for c in text.chars() {
        press(app, &[Key::Char(c)]);
    }
}

fn app() -> App {
    App::new(fixture::hospital())
}

#[test]
fn enter_opens_the_beds_of_the_chosen_department_and_esc_goes_back() {
    let mut app = app();
    press(&mut app, &[Key::Down, Key::Enter]);
    assert_eq!(
        app.screen,
        Screen::Beds {
            department: "ICU".to_owned()
        }
    );
    assert!(app.names().iter().all(|bed| bed.starts_with("ICU^")) && !app.names().is_empty());
    press(&mut app, &[Key::Esc]);
    assert_eq!(app.screen, Screen::Departments);
}

#[test]
fn a_choice_stays_on_its_row_when_rows_come_and_go() {
    let mut app = app();
    press(&mut app, &[Key::Down]);
    let row = DepartmentRow {
        department: "AAA".to_owned(),
        beds: 1,
        ..DepartmentRow::default()
    };
    app.update(Input::Feed(Feed::Change(Change::Department(row))), 0);
    let mut round = fixture::round(5_000);
    round.departments.departments.reverse();
    app.update(Input::Feed(Feed::Round(Box::new(round))), 5_100);
    press(&mut app, &[Key::Enter]);
    assert_eq!(
        app.screen,
        Screen::Beds {
            department: "ICU".to_owned()
        }
    );
}

#[test]
fn moving_stops_at_both_ends() {
    let mut app = app();
    let names = app.names();
    press(&mut app, &[Key::Up, Key::Char('k'), Key::PageUp]);
    assert_eq!(app.departments.place(&names), 0);
    press(&mut app, &[Key::End, Key::Down, Key::PageDown]);
    assert_eq!(app.departments.place(&names), names.len() - 1);
    press(&mut app, &[Key::Home]);
    assert_eq!(app.departments.place(&names), 0);
}

#[test]
fn a_filter_narrows_and_its_inverse_leaves_out() {
    let mut app = app();
    text(&mut app, "/ward");
    assert_eq!(app.names(), ["WARD-A", "WARD-B"]);
    // `q` is a letter while a filter is typed.
    assert_eq!(
        press(&mut app, &[Key::Char('q'), Key::Backspace]),
        Effect::None
    );
    press(&mut app, &[Key::Enter, Key::Esc]);
    assert_eq!(app.names().len(), 4);
    text(&mut app, "/!ward");
    assert_eq!(app.names(), ["ED", "ICU"]);
    press(&mut app, &[Key::Enter, Key::Enter]);
    text(&mut app, "/dirty");
    assert!(!app.names().is_empty());
    assert!(app.names().len() < fixture::hospital().beds.unwrap().len());
}

#[test]
fn p7_a_filter_is_bounded() {
    let mut app = app();
    text(&mut app, "/");
    text(&mut app, &"x".repeat(500));
    assert_eq!(app.departments.filter.chars().count(), FILTER_CHARS_MAX);
}

#[test]
fn q_and_control_c_quit_from_everywhere() {
    assert_eq!(press(&mut app(), &[Key::Char('q')]), Effect::Quit);
    assert_eq!(
        press(&mut app(), &[Key::Char('?'), Key::Char('q')]),
        Effect::Quit
    );
    assert_eq!(
        press(&mut app(), &[Key::Char('/'), Key::Interrupt]),
        Effect::Quit
    );
    assert_eq!(
        press(&mut app(), &[Key::Enter, Key::Interrupt]),
        Effect::Quit
    );
}

#[test]
fn help_closes_with_the_key_that_opened_it() {
    let mut app = app();
    press(&mut app, &[Key::Char('?')]);
    assert!(app.help);
    press(&mut app, &[Key::Down]);
    assert!(app.departments.chosen.is_none());
    press(&mut app, &[Key::Char('?')]);
    assert!(!app.help);
}

#[test]
fn every_key_that_is_shown_does_something() {
    let mut screens = vec![app(), app(), app(), app()];
    press(&mut screens[1], &[Key::Enter]);
    text(&mut screens[2], "/x");
    text(&mut screens[3], "/e\n");
    for app in &screens {
        for (key, does) in current(app) {
            let keys = match key {
                "↑↓" => vec![Key::Up, Key::Down],
                "enter" => vec![Key::Enter],
                "esc" => vec![Key::Esc],
                one => one.chars().map(Key::Char).collect(),
            };
            for key in keys {
                assert_ne!(
                    keys::meaning(app, key),
                    Meaning::Nothing,
                    "{key:?} should {does}"
                );
            }
        }
    }
}
