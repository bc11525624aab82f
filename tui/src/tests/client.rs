//! Both threads against a real socket: changes, broken streams, an API that dies and comes back.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use wardline_api::Change;

use super::*;
use crate::model::{Model, RowName};

#[path = "../../tests/all/support.rs"]
mod support;

use support::{Server, answers, wait_for};

#[test]
fn an_address_is_taken_as_people_write_it() {
    for given in [
        "127.0.0.1:7070",
        "http://127.0.0.1:7070",
        " http://127.0.0.1:7070/ ",
    ] {
        assert_eq!(base_url(given).unwrap(), "http://127.0.0.1:7070");
    }
    for given in [
        "",
        "http://",
        "ftp://x",
        "https://x",
        "a b",
        "127.0.0.1:7070/api",
    ] {
        assert!(base_url(given).is_err(), "{given}");
    }
}

fn watch(base: &str) -> (Watch, Receiver<Update>) {
    let (updates, heard) = sync_channel(16);
    let sink = Arc::new(move |update| updates.send(update).is_ok());
    (Watch::start(base, Since::start(), sink).unwrap(), heard)
}

/// Updates the model until it holds.
fn until(what: &str, model: &mut Model, heard: &Receiver<Update>, holds: impl Fn(&Model) -> bool) {
    let seen = Mutex::new(model);
    wait_for(what, || {
        let mut model = seen.lock().unwrap();
        for update in heard.try_iter() {
            model.apply(update, 1);
        }
        holds(&model)
    });
}

fn occupied(model: &Model, department: &str) -> Option<u32> {
    Some(
        model
            .departments
            .as_ref()?
            .get(&RowName::new("st-mary", department))?
            .row
            .occupied,
    )
}

fn change(department: &str, occupied: u32) -> String {
    let row = crate::fixture::department(department, 12, [occupied, 1, 0, 0, 0, 0, 0, 0]);
    format!(
        "data: {}\n\n",
        serde_json::to_string(&Change::Department(row)).unwrap()
    )
}

#[test]
fn p10_changes_arrive_over_the_stream() {
    let server = Server::start(&answers());
    let (_watch, heard) = watch(&server.url());
    let mut model = Model::new(&server.url(), None);
    until("the first picture", &mut model, &heard, |m| {
        occupied(m, "ED") == Some(11)
    });
    wait_for("the stream", || server.say(": hello\n\n") > 0);
    // Half an event, then the rest.
    let event = change("ED", 7);
    let (first, rest) = event.split_at(20);
    server.say(first);
    server.say(rest);
    until("the change", &mut model, &heard, |m| {
        occupied(m, "ED") == Some(7)
    });
}

#[test]
fn p10_what_a_broken_stream_lost_is_asked_for() {
    let server = Server::start(&answers());
    let (_watch, heard) = watch(&server.url());
    let mut model = Model::new(&server.url(), None);
    until("the first picture", &mut model, &heard, |m| {
        m.beds.is_some()
    });
    wait_for("the stream", || server.say(": hello\n\n") > 0);
    let before = server.asked("/api/v1/beds");
    server.say("event: resync\ndata: {}\n\n");
    until("a full round after a resync", &mut model, &heard, |_| {
        server.asked("/api/v1/beds") > before
    });
    let before = server.asked("/api/v1/beds");
    server.cut_streams();
    until("a new stream", &mut model, &heard, |_| {
        server.say(": hello\n\n") > 0
    });
    until("a full round after a cut", &mut model, &heard, |_| {
        server.asked("/api/v1/beds") > before
    });
}

#[test]
fn p10_an_api_that_dies_leaves_a_stale_picture_and_is_found_again() {
    let server = Server::start(&answers());
    let (address, url) = (server.address, server.url());
    let (_watch, heard) = watch(&url);
    let mut model = Model::new(&url, None);
    until("the first picture", &mut model, &heard, |m| {
        occupied(m, "ED") == Some(11)
    });
    drop(server);
    until("the loss", &mut model, &heard, |m| m.stale_s(1).is_some());
    assert_eq!(occupied(&model, "ED"), Some(11));
    let server = Server::on(address, &answers());
    server.answer(
        "/api/v1/departments",
        200,
        &support::DEPARTMENTS.replace("\"occupied\":11", "\"occupied\":9"),
    );
    until("the return", &mut model, &heard, |m| {
        m.stale_s(1).is_none() && occupied(m, "ED") == Some(9)
    });
    until("the stream again", &mut model, &heard, |_| {
        server.say(": hello\n\n") > 0
    });
}

#[test]
fn p7_dropping_the_watch_ends_both_threads_in_the_middle_of_a_read() {
    let server = Server::start(&answers());
    let (watch, heard) = watch(&server.url());
    wait_for("the stream", || server.say(": hello\n\n") > 0);
    drop(watch);
    // The channel closes when the last thread that could send has gone.
    wait_for("the end of both threads", || {
        matches!(
            heard.recv_timeout(Duration::from_millis(1)),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
        )
    });
}
