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
use crate::model::{Model, RowName, Section, Update};
use crate::theme::Palette;

const COLOR: Theme = Theme {
    palette: Palette::Dark,
    ascii: false,
};
const LIGHT: Theme = Theme {
    palette: Palette::Light,
    ascii: false,
};
const MONO: Theme = Theme {
    palette: Palette::Mono,
    ascii: false,
};
const ASCII: Theme = Theme {
    palette: Palette::Dark,
    ascii: true,
};

/// From a telephone over a window to a wall.
const SIZES: [(u16, u16); 6] = [
    (40, 10),
    (60, 15),
    (80, 24),
    (100, 30),
    (140, 45),
    (200, 60),
];

fn drawn(app: &App, theme: Theme, width: u16, height: u16, now: MonoMs) -> Buffer {
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
        (_, Color::Indexed(214 | 88)) => 'W',
        (_, Color::Indexed(229 | 24)) => 'S',
        (Color::Indexed(159 | 17), _) => 'f',
        (Color::Indexed(246 | 242), _) => 'd',
        (Color::Indexed(80 | 23), _) => 'c',
        (Color::Indexed(214 | 94), _) => 'o',
        (Color::Indexed(221 | 58), _) => 'y',
        (Color::Indexed(219 | 90), _) => 'm',
        (Color::Indexed(250 | 239), _) => 'g',
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

fn check(name: &str, app: &App, width: u16, height: u16, now: MonoMs) {
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
        let his = &mut sources.sources[3];
        his.connected = false;
        his.age_s = Some(360);
        let feed = his.feed.as_mut().unwrap();
        feed.silent = true;
        feed.hour.sidelined.insert("hl7-no-visit".to_owned(), 58);
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
        Update::Lost {
            why: "Connection refused".to_owned(),
        },
        1_000,
    );
    model
}

#[test]
fn p10_the_house_looks_as_it_should_at_every_size() {
    for (width, height) in SIZES {
        let well = app(fixture::hospital(), &[Key::Down]);
        check("well", &well, width, height, 0);
        check("troubled", &app(troubled(), &[]), width, height, 2_000);
        let stale = app(lost(fixture::hospital()), &[]);
        check("stale", &stale, width, height, 34_000);
    }
}

/// Of every window, however small, the free count is the first thing and never cut.
#[test]
fn p10_the_free_count_is_always_there() {
    for model in [fixture::hospital(), troubled(), lost(fixture::hospital())] {
        let app = app(model, &[]);
        let free = app.model.house().unwrap().free_words();
        for width in 8..=200 {
            for height in [1, 2, 5, 24] {
                let text = text_of(&drawn(&app, MONO, width, height, 2_000));
                let first = text.lines().next().unwrap();
                assert!(
                    first.contains(&format!("FREE {free}")),
                    "{width}x{height}: {first}"
                );
            }
        }
    }
}

#[test]
fn p10_what_can_be_believed_site_and_clock_stand_in_every_window() {
    for (width, height) in SIZES {
        for (model, word) in [
            (fixture::hospital(), "live 2 feeds"),
            (troubled(), "1/2 feeds"),
            (lost(fixture::hospital()), "STALE 5 s"),
        ] {
            let text = text_of(&drawn(&app(model, &[]), MONO, width, height, 5_000));
            let first = text.lines().next().unwrap();
            assert!(
                first.contains(word) && first.contains("11:00:05"),
                "{first}"
            );
            assert!(width < 60 || first.contains("ST-MARY"), "{first}");
        }
    }
}

#[test]
fn p10_nothing_heard_yet_is_said_with_its_reason() {
    let mut model = Model::new(fixture::API, None);
    check("asking", &app(model.clone(), &[]), 80, 24, 0);
    model.apply(
        Update::Lost {
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
    let beds = [Key::Down, Key::Down, Key::Down, Key::Enter];
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
    model.apply(fixture::changed(Change::Department(row)), 0);
    for (n, status) in BedStatus::ALL.iter().enumerate() {
        let mut bed = match &fixture::round(0).beds {
            Section::Got(beds) => beds.beds[0].clone(),
            _ => panic!(),
        };
        (bed.bed, bed.department) = (format!("M^1^{n}"), "MIXED".to_owned());
        (bed.status, bed.class) = (*status, BedClass::Other);
        (bed.staffed, bed.listed, bed.conflict) = (true, true, vec![]);
        model.apply(fixture::changed(Change::Bed(bed)), 0);
    }
    let mut app = app(model, &[]);
    app.view.list.chosen = Some("MIXED".to_owned());
    app
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
        let glyph = |status: &BedStatus| match theme.ascii {
            true => theme::ascii(theme::glyph(*status)),
            false => theme::glyph(*status),
        };
        let glyphs = |c: &char| BedStatus::ALL.iter().any(|status| glyph(status) == *c);
        let bar: BTreeSet<char> = bar
            .split("MIXED")
            .nth(1)
            .unwrap()
            .chars()
            .take(60)
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
fn the_other_screens_look_as_they_should() {
    let mut bed = app(troubled(), &[Key::Enter, Key::Down, Key::Enter]);
    bed.model.explained = Some(fixture::explanation(&RowName::new("st-mary", "ED^101^2")));
    for (width, height) in SIZES {
        check("explain", &bed, width, height, 2_000);
        for (name, line) in [
            ("devices", "DEVICES"),
            ("feeds", "PIPELINE"),
            ("sidelined", "SIDELINED"),
            ("filtered", "FILTERED"),
        ] {
            let mut app = app(troubled(), &[]);
            app.view.list.chosen = Some(line.to_owned());
            app.update(Input::Key(Key::Enter), 0);
            check(name, &app, width, height, 2_000);
        }
    }
}

#[test]
fn other_palettes_show_the_same_letters() {
    for (name, theme) in [("light", LIGHT), ("mono", MONO), ("ascii", ASCII)] {
        let buffer = drawn(&app(troubled(), &[]), theme, 100, 30, 2_000);
        golden(&format!("{name}-100x30.style"), &styles_of(&buffer));
        golden(&format!("{name}-100x30.txt"), &text_of(&buffer));
    }
    let snapshot = {
        let mut model = Model::new(fixture::API, None);
        model.apply(Update::Snapshot(Box::new(fixture::round(0))), 0);
        lost(model)
    };
    check("snapshot", &app(snapshot, &[]), 100, 30, 5_000);
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
        assert!(text_of(&drawn(&app(model, &[]), ASCII, 120, 40, 9_000)).is_ascii());
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
        fixture::changed(Change::Department(fixture::department(name, 3, [1; 8]))),
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
        theme in prop_oneof![Just(COLOR), Just(MONO), Just(ASCII), Just(LIGHT)],
    ) {
        let mut model = if hear { fixture::hospital() } else { Model::new(fixture::API, Some("ED".to_owned())) };
        if lose {
            model.apply(Update::Lost { why: "x".repeat(300) }, 5);
        }
        for row in rows {
            model.apply(fixture::changed(Change::Department(row)), 7);
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
