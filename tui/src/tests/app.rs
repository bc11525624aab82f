use wardline_api::{Change, DepartmentRow};

use super::keys::all as all_keys;
use super::*;
use crate::fixture;
use crate::model::RowName;

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

/// What can be chosen, without the lines below the table.
fn names(app: &App) -> Vec<String> {
    let table = screens::choices(app, 0).into_iter();
    let rows =
        table.filter(|(_, opens)| matches!(opens, Some(Screen::Department(_) | Screen::Bed(_))));
    rows.map(|(name, _)| name).collect()
}

fn all(app: &App) -> Vec<String> {
    screens::choices(app, 0)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

fn app() -> App {
    App::new(fixture::hospital())
}

#[test]
fn enter_opens_the_beds_of_the_chosen_department_and_esc_goes_back() {
    let mut app = app();
    press(&mut app, &[Key::Down, Key::Enter]);
    assert_eq!(
        app.view.screen,
        Screen::Department(RowName::new("st-mary", "ICU"))
    );
    assert!(names(&app).iter().all(|bed| bed.starts_with("ICU^")) && !names(&app).is_empty());
    press(&mut app, &[Key::Esc]);
    assert_eq!(app.view.screen, Screen::House);
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
    app.update(Input::Update(fixture::changed(Change::Department(row))), 0);
    let mut round = fixture::round(5_000);
    round.departments.departments.reverse();
    app.update(Input::Update(Update::Round(Box::new(round))), 5_100);
    press(&mut app, &[Key::Enter]);
    assert_eq!(
        app.view.screen,
        Screen::Department(RowName::new("st-mary", "ICU"))
    );
}

#[test]
fn moving_stops_at_both_ends() {
    let mut app = app();
    let names = all(&app);
    press(&mut app, &[Key::Up, Key::Char('k'), Key::PageUp]);
    assert_eq!(app.view.list.place(&names), 0);
    press(&mut app, &[Key::End, Key::Down, Key::PageDown]);
    assert_eq!(app.view.list.place(&names), names.len() - 1);
    press(&mut app, &[Key::Home]);
    assert_eq!(app.view.list.place(&names), 0);
}

#[test]
fn a_filter_narrows_and_its_inverse_leaves_out() {
    let mut app = app();
    text(&mut app, "/ward");
    assert_eq!(names(&app), ["WARD-A", "WARD-B"]);
    // `q` is a letter while a filter is typed.
    assert_eq!(
        press(&mut app, &[Key::Char('q'), Key::Backspace]),
        Effect::None
    );
    press(&mut app, &[Key::Enter, Key::Esc]);
    assert_eq!(names(&app).len(), 4);
    text(&mut app, "/!ward");
    assert_eq!(names(&app), ["ED", "ICU"]);
    press(&mut app, &[Key::Enter, Key::Enter]);
    text(&mut app, "/dirty");
    assert!(!names(&app).is_empty());
    assert!(names(&app).len() < fixture::hospital().beds.unwrap().len());
}

#[test]
fn p7_a_filter_is_bounded() {
    let mut app = app();
    text(&mut app, "/");
    text(&mut app, &"x".repeat(500));
    assert_eq!(app.view.list.filter.chars().count(), FILTER_CHARS_MAX);
}

#[test]
fn q_and_control_c_quit_from_everywhere() {
    assert_eq!(press(&mut app(), &[Key::Char('q')]), Effect::Quit);
    assert_eq!(
        press(&mut app(), &[Key::Char('?'), Key::Char('q')]),
        Effect::Quit
    );
    assert_eq!(
        press(&mut app(), &[Key::Char('/'), Key::Control('c')]),
        Effect::Quit
    );
    assert_eq!(
        press(&mut app(), &[Key::Enter, Key::Control('c')]),
        Effect::Quit
    );
}

#[test]
fn help_closes_with_the_key_that_opened_it() {
    let mut app = app();
    press(&mut app, &[Key::Char('?')]);
    assert!(app.help);
    press(&mut app, &[Key::Down]);
    assert!(app.view.list.chosen.is_none());
    press(&mut app, &[Key::Char('?')]);
    assert!(!app.help);
}

#[test]
fn enter_opens_what_a_line_speaks_of_and_esc_goes_back_the_same_way() {
    let mut app = app();
    for (line, screen) in [
        ("DEVICES", Screen::Devices),
        ("PIPELINE", Screen::Feeds),
        ("SIDELINED", Screen::Reasons("sidelined")),
        ("FILTERED", Screen::Reasons("filtered")),
    ] {
        app.view.list.chosen = Some(line.to_owned());
        press(&mut app, &[Key::Enter]);
        assert_eq!(app.view.screen, screen);
        press(&mut app, &[Key::Esc]);
        assert_eq!(
            (&app.view.screen, app.view.list.chosen.as_deref()),
            (&Screen::House, Some(line))
        );
    }
    press(&mut app, &[Key::Home, Key::Enter]);
    let bed = RowName::new("st-mary", "ED^101^1");
    assert_eq!(
        press(&mut app, &[Key::Enter]),
        Effect::Explain(Some(bed.clone()))
    );
    assert_eq!(app.view.screen, Screen::Bed(bed));
    assert_eq!(press(&mut app, &[Key::Esc]), Effect::Explain(None));
}

#[test]
fn rows_stand_in_natural_order_and_by_any_column_both_ways() {
    let mut round = fixture::round(0);
    let row = |name: &str, free: u32| fixture::department(name, 9, [1, free, 0, 0, 0, 0, 0, 0]);
    round.departments.departments = vec![row("ED-10", 1), row("ED-9", 3), row("ED-109", 2)];
    let mut app = App::new(fixture::heard(round, 0));
    assert_eq!(names(&app), ["ED-9", "ED-10", "ED-109"]);
    text(&mut app, "S");
    assert_eq!(names(&app), ["ED-109", "ED-10", "ED-9"]);
    text(&mut app, "Ss");
    assert_eq!(app.view.list.sort, Some("  DEPARTMENT"));
    text(&mut app, "s");
    assert_eq!(
        (app.view.list.sort, names(&app)),
        (
            Some("FREE"),
            ["ED-9", "ED-109", "ED-10"].map(str::to_owned).to_vec()
        )
    );
    text(&mut app, "S");
    assert_eq!(names(&app), ["ED-10", "ED-109", "ED-9"]);
}

#[test]
fn the_terminal_is_drawn_again_and_left_for_a_while_from_everywhere() {
    for keys in ["", "?", "/x"] {
        let mut app = app();
        text(&mut app, keys);
        assert_eq!(press(&mut app, &[Key::Control('l')]), Effect::Redraw);
        assert_eq!(press(&mut app, &[Key::Control('z')]), Effect::Suspend);
    }
}

#[test]
fn every_key_that_is_shown_does_something() {
    let mut screens = vec![app(), app(), app(), app()];
    press(&mut screens[1], &[Key::Enter]);
    text(&mut screens[2], "/x");
    text(&mut screens[3], "/e");
    for app in &screens {
        for (shown, does) in current(app)
            .into_iter()
            .chain(all_keys().filter(|_| !app.typing))
        {
            for key in shown.split(' ') {
                let keys = match key {
                    "↑↓" => vec![Key::Up, Key::Down],
                    "enter" => vec![Key::Enter],
                    "esc" => vec![Key::Esc],
                    "PgUp" => vec![Key::PageUp],
                    "PgDn" => vec![Key::PageDown],
                    control if control.starts_with("ctrl-") => control
                        .chars()
                        .last()
                        .map(Key::Control)
                        .into_iter()
                        .collect(),
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
}
