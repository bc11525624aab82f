//! `--once` against a real socket: what is printed, and what is said when nobody answers.

use serde_json::Value;
use wardline_tui::{Format, Options, ThemeChoice, once};

use crate::support::{self, Server, answers};

fn options(server: &Server, department: Option<&str>) -> Options {
    Options {
        api: server.url(),
        department: department.map(str::to_owned),
        color: false,
        theme: ThemeChoice::Dark,
        snapshot: None,
    }
}

#[test]
fn json_is_what_the_api_said() {
    let server = Server::start(&answers());
    let text = once(&options(&server, None), Format::Json).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&String> = all.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "departments",
            "beds",
            "devices",
            "sources",
            "accounting",
            "reasons"
        ]
    );
    for (name, said) in [
        ("departments", support::DEPARTMENTS),
        ("beds", support::BEDS),
        ("devices", support::DEVICES),
        ("sources", support::SOURCES),
        ("accounting", support::ACCOUNTING),
    ] {
        assert_eq!(
            all[name],
            serde_json::from_str::<Value>(said).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn one_department_narrows_every_format() {
    let server = Server::start(&answers());
    let only = options(&server, Some("icu"));
    let all: Value = serde_json::from_str(&once(&only, Format::Json).unwrap()).unwrap();
    assert_eq!(
        all["departments"]["departments"].as_array().unwrap().len(),
        1
    );
    assert_eq!(all["devices"]["devices"][0]["device"], "p1");
    assert_eq!(all["sources"]["sources"].as_array().unwrap().len(), 1);
    let plain = once(&only, Format::Plain).unwrap();
    assert!(
        plain.starts_with("free 1, free ICU 0, 10 of 11 occupied (91 %), 12 beds, 0 unknown, 0 in, 0 out, data live 1 agent
"),
        "{plain}"
    );
    assert!(!plain.contains("ED"));
    let error = once(&options(&server, Some("ICV")), Format::Table)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no department `ICV`") && error.contains("ED, ICU"),
        "{error}"
    );
}

#[test]
fn p10_plain_says_one_fact_a_line_with_ages_and_coverage() {
    let server = Server::start(&answers());
    let plain = once(&options(&server, None), Format::Plain).unwrap();
    for line in [
        "free 1, free ICU 0, 21 of 23 occupied (91 %), 24 beds, 0 unknown, 1 in, 2 out, data live 1 agent",
        "as of 2026-03-01T11:00:00+01:00",
        "department ED: occupancy 92 %",
        "department ED: oldest dirty 14 min",
        "department ICU: newest event 9 s ago",
        "department ICU: coverage 100 %",
        "devices pump: silent 1",
        "pipeline: unaccounted 0",
        "agent gw-1 at st-mary: connected, last event 3 s ago, backlog 0",
    ] {
        assert!(
            plain.lines().any(|l| l == line),
            "`{line}` is not in:\n{plain}"
        );
    }
}

#[test]
fn table_is_like_the_screen_with_colour_only_where_wanted() {
    let server = Server::start(&answers());
    let mut options = options(&server, None);
    let table = once(&options, Format::Table).unwrap();
    assert!(table.starts_with(" ST-MARY FREE 1 ICU 0"), "{table}");
    assert!(!table.contains('\u{1b}') && table.contains('█') && table.contains("█ occupied"));
    options.color = true;
    assert!(
        once(&options, Format::Table)
            .unwrap()
            .contains("\u{1b}[1;38;5;159mFREE 1")
    );
}

#[test]
fn an_api_that_is_not_there_is_an_error_that_says_where_and_what_to_do() {
    let server = Server::start(&[]);
    let options = options(&server, None);
    drop(server);
    let error = once(&options, Format::Table).unwrap_err().to_string();
    assert!(
        error.contains(&options.api) && error.contains("--api"),
        "{error}"
    );
}

#[test]
fn an_api_that_is_still_starting_is_waited_for() {
    let server = Server::start(&answers());
    server.answer("/api/v1/departments", 503, "{}");
    let options = options(&server, None);
    let asking = std::thread::spawn(move || once(&options, Format::Plain));
    support::wait_for("a refused question", || {
        server.asked("/api/v1/departments") > 0
    });
    server.answer("/api/v1/departments", 200, support::DEPARTMENTS);
    assert!(asking.join().unwrap().unwrap().starts_with("free 1"));
}

#[test]
fn an_answer_of_another_version_is_said_to_be_one() {
    let server = Server::start(&answers());
    server.answer(
        "/api/v1/departments",
        200,
        r#"{"as_of":"x","departments":[{"name":"ED"}]}"#,
    );
    let error = once(&options(&server, None), Format::Plain)
        .unwrap_err()
        .to_string();
    assert!(error.contains("another version"), "{error}");
    server.answer("/api/v1/departments", 200, "<html>");
    assert!(once(&options(&server, None), Format::Json).is_err());
}

#[test]
fn p10_a_part_that_is_not_answered_is_unknown_not_zero() {
    let server = Server::start(&answers());
    let body = r#"{"error":{"code":"starting","message":"not ready","hint":"wait"}}"#;
    server.answer("/api/v1/accounting", 503, body);
    let plain = once(&options(&server, None), Format::Plain).unwrap();
    assert!(
        plain
            .lines()
            .next()
            .unwrap()
            .ends_with("data partly: no accounting"),
        "{plain}"
    );
    assert!(
        plain.contains("pipeline: lost ?")
            && plain.contains("not ready; wait")
            && plain.contains("pipeline: unaccounted ?")
    );
}

#[test]
fn one_line_has_its_time_and_words_to_search_for() {
    let server = Server::start(&answers());
    let line = once(&options(&server, None), Format::Line).unwrap();
    let expected = "2026-03-01T11:00:00+01:00 st-mary free=1 icu=0 in=1 out=2 unknown=0 conflicts=0 data=\"live 1 agent\"\n";
    assert_eq!(line, expected);
}

#[test]
fn what_was_typed_wrong_is_told_apart_from_what_failed() {
    let server = Server::start(&answers());
    let usage = |api: &str, department: Option<&str>| {
        let options = Options {
            api: api.to_owned(),
            ..options(&server, department)
        };
        wardline_tui::exit_of(&once(&options, Format::Plain).unwrap_err()).code()
    };
    let url = server.url();
    for wrong in ["https://x", "ftp://x", "", "127.0.0.1:1/api"] {
        assert_eq!(usage(wrong, None), 2, "{wrong}");
    }
    assert_eq!(usage(&url, Some("NOPE")), 2);
    server.answer("/api/v1/departments", 200, "<html>");
    assert_eq!(usage(&url, None), 1);
}
