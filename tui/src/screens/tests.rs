//! Screens against golden files: text as it stands in the terminal, and where it is styled how. After a wanted change:
//! `WARDLINE_WRITE_GOLDEN=1 cargo test -p wardline-tui`, then read the difference.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use wardline_api::{BedClass, BedStatus};
use wardline_api::{Change, DepartmentRow};

use super::*;
use crate::app::{Input, Key};
use crate::fixture;
use crate::model::{Feed, Model, Section};

const COLOR: Theme = Theme {
    color: true,
    ascii: false,
};
const MONO: Theme = Theme {
    color: false,
    ascii: false,
};

fn drawn(app: &App, theme: Theme, width: u16, height: u16, now: Moment) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let new = picture(app, theme, Rect::new(0, 0, width, height), now);
    terminal
        .draw(|frame| frame.buffer_mut().clone_from(&new.buffer))
        .unwrap();
    terminal.backend().buffer().clone()
}

fn text_of(buffer: &Buffer) -> String {
    let rows = buffer.content.chunks(usize::from(buffer.area.width));
    rows.map(|row| {
        row.iter()
            .map(ratatui::buffer::Cell::symbol)
            .collect::<String>()
            .trim_end()
            .to_owned()
            + "\n"
    })
    .collect()
}

/// One letter a cell for how it looks.
fn styles_of(buffer: &Buffer) -> String {
    let letter = |fg: Color, bg: Color, m: Modifier| match (fg, bg) {
        (_, Color::Yellow) => 'W',
        (_, Color::LightYellow) => 'S',
        (Color::DarkGray, _) => 'd',
        (Color::LightBlue, _) => 'b',
        (Color::Cyan, _) => 'c',
        (Color::Yellow, _) => 'o',
        (Color::LightMagenta, _) => 'm',
        _ if m.contains(Modifier::REVERSED) => 'R',
        _ if m.contains(Modifier::BOLD) => 'B',
        _ if m.contains(Modifier::UNDERLINED) => 'u',
        _ => '.',
    };
    let rows = buffer.content.chunks(usize::from(buffer.area.width));
    rows.map(|row| {
        row.iter()
            .map(|c| letter(c.fg, c.bg, c.modifier))
            .collect::<String>()
            .trim_end_matches('.')
            .to_owned()
            + "\n"
    })
    .collect()
}

fn golden(name: &str, seen: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("WARDLINE_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, seen).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, seen, "{name} differs from its golden file");
}

fn check(name: &str, app: &App, width: u16, height: u16, now: Moment) {
    let buffer = drawn(app, COLOR, width, height, now);
    golden(&format!("{name}-{width}x{height}.txt"), &text_of(&buffer));
    golden(
        &format!("{name}-{width}x{height}.style"),
        &styles_of(&buffer),
    );
}

fn app(model: Model, keys: &[Key]) -> App {
    let mut app = App::new(model);
    for key in keys {
        app.update(Input::Key(*key), 0);
    }
    app
}

/// An agent that is silent with events on its disk, a department half covered and one not at all, beds in conflict.
fn troubled() -> Model {
    let mut round = fixture::round(0);
    if let Section::Got(sources) = &mut round.sources {
        sources.sources[1].connected = false;
        sources.sources[1].age_s = Some(75);
        sources.sources[1].backlog = 312;
        sources.sources[1].problem = Some("silent since 2026-03-01T09:58:45Z".to_owned());
        sources.sources[0].insecure = true;
    }
    if let Section::Got(accounting) = &mut round.accounting {
        accounting.stages[2].sidelined = 3;
    }
    let rows = &mut round.departments.departments;
    rows[1].coverage = Some(0.5);
    rows[2].coverage = Some(0.0);
    rows[2].age_s = Some(251);
    rows[3].conflicts = 1;
    rows[3].available = 0;
    rows[3].unknown = 2;
    fixture::heard(round, 0)
}

fn lost(mut model: Model) -> Model {
    model.apply(
        Feed::Lost {
            why: "Connection refused".to_owned(),
        },
        1_000,
    );
    model
}

#[test]
fn p10_departments_look_as_they_should() {
    for (width, height) in [(80, 24), (120, 40)] {
        check(
            "well",
            &app(fixture::hospital(), &[Key::Down]),
            width,
            height,
            0,
        );
        check("troubled", &app(troubled(), &[]), width, height, 2_000);
        check(
            "stale",
            &app(lost(fixture::hospital()), &[]),
            width,
            height,
            34_000,
        );
    }
    check("well", &app(fixture::hospital(), &[]), 60, 20, 0);
}

#[test]
fn p10_nothing_heard_yet_is_said_with_its_reason() {
    let mut model = Model::new(fixture::API, None);
    check("asking", &app(model.clone(), &[]), 80, 24, 0);
    model.apply(
        Feed::Lost {
            why: "Connection refused".to_owned(),
        },
        0,
    );
    check("waiting", &app(model, &[]), 80, 24, 5_000);
    let mut round = fixture::round(0);
    round.departments.departments.clear();
    check("empty", &app(fixture::heard(round, 0), &[]), 80, 24, 0);
}

#[test]
fn beds_help_and_filter_look_as_they_should() {
    let beds = [Key::End, Key::Enter];
    check("beds", &app(fixture::hospital(), &beds), 80, 24, 0);
    check("beds", &app(fixture::hospital(), &beds), 120, 40, 0);
    check(
        "help",
        &app(fixture::hospital(), &[Key::Char('?')]),
        80,
        24,
        0,
    );
    let filter: Vec<Key> = "/ward".chars().map(Key::Char).collect();
    check("filter", &app(fixture::hospital(), &filter), 80, 24, 0);
}

fn one_bed_in_each_state() -> App {
    let mut model = fixture::hospital();
    let row = fixture::department("MIXED", 8, [1, 1, 1, 1, 1, 1, 1, 1]);
    model.apply(Feed::Change(Change::Department(row)), 0);
    for (n, status) in BedStatus::ALL.iter().enumerate() {
        let mut bed = match &fixture::round(0).beds {
            Section::Got(beds) => beds.beds[0].clone(),
            _ => panic!(),
        };
        (bed.bed, bed.department) = (format!("M^1^{n}"), "MIXED".to_owned());
        (bed.status, bed.class) = (*status, BedClass::Other);
        model.apply(Feed::Change(Change::Bed(bed)), 0);
    }
    app(model, &[Key::End])
}

#[test]
fn p10_all_states_stay_distinct_in_monochrome() {
    let mut app = one_bed_in_each_state();
    for theme in [
        MONO,
        Theme {
            ascii: true,
            ..MONO
        },
    ] {
        let text = text_of(&drawn(&app, theme, 80, 24, 0));
        let bar = text.lines().find(|line| line.contains("MIXED")).unwrap();
        let glyphs = |c: &char| {
            BedStatus::ALL
                .iter()
                .any(|s| [theme::glyph(*s), theme::ascii(theme::glyph(*s))].contains(c))
        };
        let bar: BTreeSet<char> = bar
            .split("MIXED")
            .nth(1)
            .unwrap()
            .chars()
            .take(30)
            .filter(glyphs)
            .collect();
        assert_eq!(bar.len(), 8, "{bar:?}");
    }
    app.update(Input::Key(Key::Enter), 0);
    let buffer = drawn(&app, MONO, 80, 24, 0);
    assert!(
        buffer
            .content
            .iter()
            .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
    let words: BTreeSet<String> = text_of(&buffer)
        .lines()
        .filter(|line| line.contains("M^1^"))
        .filter_map(|line| {
            line.split_whitespace()
                .find(|word| BedStatus::ALL.iter().any(|s| s.as_str() == *word))
        })
        .map(str::to_owned)
        .collect();
    assert_eq!(words.len(), 8);
}

#[test]
fn levels_stay_distinct_in_monochrome() {
    let first = |model: Model, now| {
        text_of(&drawn(&app(model, &[]), MONO, 80, 24, now))
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    assert!(first(fixture::hospital(), 0).starts_with(" OK  60 beds"));
    assert!(first(troubled(), 0).starts_with(" DEGRADED  agent gw-2 silent (and "));
    assert!(first(lost(fixture::hospital()), 9_000).starts_with(" STALE  9 s"));
    assert!(first(Model::new(fixture::API, None), 0).starts_with(" WAITING "));
}

#[test]
fn a_picture_only_differs_when_something_shown_changed() {
    let app = app(fixture::hospital(), &[]);
    let area = Rect::new(0, 0, 80, 24);
    let at = |now| picture(&app, COLOR, area, now);
    assert_eq!(at(0), at(999));
    assert_ne!(at(0), at(1_000));
}

#[test]
fn a_terminal_without_utf8_gets_ascii() {
    for model in [fixture::hospital(), troubled(), lost(fixture::hospital())] {
        assert!(
            text_of(&drawn(
                &app(model, &[]),
                Theme {
                    color: true,
                    ascii: true
                },
                120,
                40,
                9_000
            ))
            .is_ascii()
        );
    }
}

#[test]
fn the_chosen_row_is_always_on_the_page_with_the_cursor_on_it() {
    let mut round = fixture::round(0);
    round.departments.departments = (0..60)
        .map(|n| fixture::department(&format!("D{n:02}"), 10, [5, 5, 0, 0, 0, 0, 0, 0]))
        .collect();
    let mut app = app(fixture::heard(round, 0), &[]);
    for n in 0..60u16 {
        let new = picture(&app, MONO, Rect::new(0, 0, 80, 24), 0);
        let y = new.cursor.unwrap().y;
        let line = text_of(&new.buffer)
            .lines()
            .nth(usize::from(y))
            .unwrap()
            .to_owned();
        assert!(line.starts_with(&format!("▸ D{n:02}")), "{n}: {line}");
        app.update(Input::Key(Key::Down), 0);
    }
}

#[test]
fn p9_no_name_can_steer_the_terminal() {
    let mut model = fixture::hospital();
    let name = "E\u{1b}[2J\u{9b}31mD\u{202e}";
    model.apply(
        Feed::Change(Change::Department(fixture::department(name, 3, [1; 8]))),
        0,
    );
    let screen = text_of(&drawn(&app(model.clone(), &[]), COLOR, 120, 40, 0));
    let plain = crate::render::plain(&model, 0);
    let table = crate::render::table(&model, MONO, 100, 0);
    for text in [screen, plain, table] {
        assert!(
            text.chars()
                .all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')),
            "{text:?}"
        );
        assert!(text.contains("D\u{fffd}"));
    }
}

fn any_row() -> impl Strategy<Value = DepartmentRow> {
    let name = prop_oneof![".{0,40}", "[A-Z]{1,6}-[0-9]", "[集中治療室]{1,30}"];
    let extreme = prop_oneof![Just(0u32), 0u32..40, Just(u32::MAX / 16)];
    let age = proptest::option::of(prop_oneof![
        Just(i64::MAX),
        Just(i64::MIN),
        -5i64..1_000_000
    ]);
    let share = proptest::option::of(prop_oneof![Just(f64::NAN), Just(f64::INFINITY), -1.0..3.0]);
    (
        name,
        proptest::array::uniform8(extreme),
        0u32..50,
        age,
        share,
    )
        .prop_map(|(name, counts, staffed, age, share)| {
            let mut row = fixture::department(&name, staffed, counts);
            (row.age_s, row.oldest_dirty_s, row.coverage, row.occupancy) = (age, age, share, share);
            row
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn any_model_at_any_size_never_panics(
        rows in proptest::collection::vec(any_row(), 0..30),
        width in 1u16..=200,
        height in 1u16..=60,
        keys in proptest::collection::vec(prop_oneof![
            Just(Key::Down), Just(Key::Up), Just(Key::Enter), Just(Key::Esc), Just(Key::End), Just(Key::Char('/')),
            Just(Key::Char('?')), Just(Key::PageDown), any::<char>().prop_map(Key::Char), Just(Key::Backspace),
        ], 0..12),
        lose: bool,
        hear: bool,
        now in prop_oneof![Just(0u64), Just(u64::MAX), 0u64..100_000],
        theme in prop_oneof![Just(COLOR), Just(MONO), Just(Theme { color: true, ascii: true })],
    ) {
        let mut model = if hear { fixture::hospital() } else { Model::new(fixture::API, Some("ED".to_owned())) };
        if lose {
            model.apply(Feed::Lost { why: "x".repeat(300) }, 5);
        }
        for row in rows {
            model.apply(Feed::Change(Change::Department(row)), 7);
        }
        let mut app = App::new(model);
        for key in keys {
            app.update(Input::Key(key), now);
            let buffer = drawn(&app, theme, width, height, now);
            prop_assert_eq!(buffer.area, Rect::new(0, 0, width, height));
        }
        drawn(&app, theme, width, height, now);
        crate::render::plain(&app.model, now);
        crate::render::table(&app.model, theme, width, now);
    }
}
