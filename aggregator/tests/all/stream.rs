//! The query API over real sockets: docs/specs/query-api.md, what comes line by line, and the bounds of connections.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::records::{adt, bed_status, sidelined, story};
use crate::support::world::world;
use crate::support::{Aggregator, BEDS, LogDir, NOON, Setup, read_all, row};
use wardline_aggregator::SiteBeds;
use wardline_api::{Change, LogLine};
use wardline_model::topic::{RETRY, SIDELINE};
use wardline_service::ManualClock;

#[tokio::test(flavor = "multi_thread")]
async fn q5_a_page_of_another_origin_cannot_replay() {
    let w = world().await;
    w.site
        .log
        .append(SIDELINE, vec![sidelined(1, "x", NOON)])
        .await
        .unwrap();
    let api = w.aggregator.api;
    let answer = tokio::task::spawn_blocking(move || {
        raw(api, "POST /api/v1/sideline/0-0/replay HTTP/1.1\r\nHost: a\r\nOrigin: http://evil\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    })
    .await
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(read_all(&w.site.log, RETRY).await.is_empty());
    w.aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q6_log_topics_are_read_as_lines() {
    let w = world().await;
    let (status, body) = w
        .aggregator
        .get("/api/v1/log/fhir.encounter?from=2&limit=3")
        .await;
    assert_eq!(status, 200);
    let lines: Vec<LogLine> = body
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(
        lines.iter().map(|l| l.offset).collect::<Vec<_>>(),
        [2, 3, 4]
    );
    assert_eq!(lines[0].headers["event-id"], "gw-1/00000000000000ab/6");
    assert!(lines[0].value.as_ref().unwrap().contains("Encounter"));
    let raw = wardline_log::Record {
        value: Some(vec![0xff, 0xfe].into()),
        ..wardline_log::Record::default()
    };
    w.site.log.append(SIDELINE, vec![raw]).await.unwrap();
    let (_, body) = w.aggregator.get("/api/v1/log/sideline").await;
    let line: LogLine = serde_json::from_str(body.trim()).unwrap();
    assert_eq!(
        (line.value, line.value_b64.as_deref()),
        (None, Some("//4="))
    );
    let topics = w.aggregator.json("/api/v1/log").await;
    assert_eq!(row(&topics, "topics", "topic", "fhir.location")["end"], 4);
    w.aggregator.stop().await;
}

/// Sends a request as it is and returns all that comes until the end.
fn raw(api: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(api).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// An open answer whose lines come one by one.
fn open(api: std::net::SocketAddr, path: &str) -> BufReader<TcpStream> {
    resume(api, path, "")
}

/// As `open`, by one who says what it heard last.
fn resume(api: std::net::SocketAddr, path: &str, last: &str) -> BufReader<TcpStream> {
    let header = match last {
        "" => String::new(),
        id => format!("Last-Event-ID: {id}\r\n"),
    };
    let mut stream = TcpStream::connect(api).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n{header}\r\n").unwrap();
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    lines
}

fn line_with(lines: &mut BufReader<TcpStream>, text: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(
            lines.read_line(&mut line).unwrap() > 0,
            "ended before {text}"
        );
        if line.contains(text) {
            return line;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q7_following_a_topic_goes_on_with_new_records() {
    let w = world().await;
    let api = w.aggregator.api;
    let mut lines = tokio::task::spawn_blocking(move || {
        let mut lines = open(api, "/api/v1/log/fhir.location?follow=true");
        line_with(&mut lines, "\"offset\":3");
        lines
    })
    .await
    .unwrap();
    w.site.say(&[bed_status(70, "ED^1^1", "U", NOON - 5)]).await;
    let line = tokio::task::spawn_blocking(move || line_with(&mut lines, "\"offset\":4"))
        .await
        .unwrap();
    assert!(line.contains("ED^1^1"), "{line}");
    w.aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q8_the_stream_tells_changed_departments_and_beds() {
    let w = world().await;
    let api = w.aggregator.api;
    let mut lines = tokio::task::spawn_blocking(move || {
        let mut lines = open(api, "/api/v1/stream");
        line_with(&mut lines, "event: resync");
        lines
    })
    .await
    .unwrap();
    w.site
        .say(&[adt(60, "A01", "v7", "ED^1^1", NOON - 1000)])
        .await;
    let (bed, department) = tokio::task::spawn_blocking(move || {
        let bed = line_with(&mut lines, "ED^1^1");
        (bed, line_with(&mut lines, "\"department\":\"ED\""))
    })
    .await
    .unwrap();
    let change = |line: &str| -> Change {
        serde_json::from_str(line.trim().strip_prefix("data:").unwrap().trim()).unwrap()
    };
    let changes = [change(&bed), change(&department)];
    let bed_says = changes.iter().any(
        |c| matches!(c, Change::Bed(b) if b.bed == "ED^1^1" && b.status.as_str() == "occupied"),
    );
    assert!(bed_says, "{changes:?}");
    w.aggregator.stop().await;
}

/// Name, id and data of the next event.
fn event(lines: &mut BufReader<TcpStream>) -> (String, String, serde_json::Value) {
    let (mut name, mut id, mut data) = Default::default();
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the stream ended");
        match line.trim_end().split_once(':') {
            Some(("event", value)) => name = value.trim().to_owned(),
            Some(("id", value)) => id = value.trim().to_owned(),
            Some(("data", value)) => data = serde_json::from_str(value).unwrap(),
            // The end of an event, or of a comment.
            None if !name.is_empty() => return (name, id, data),
            _ => {}
        }
    }
}

fn event_of(lines: &mut BufReader<TcpStream>, wanted: &str) -> (String, serde_json::Value) {
    loop {
        let (name, id, data) = event(lines);
        assert!(data["version"].as_u64().is_some(), "{name}: {data}");
        assert!(!id.is_empty(), "{name}: {data}");
        if name == wanted {
            return (id, data);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q17_a_row_that_went_is_told() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    site.say(&story()).await;
    let setup = Setup::at(&ManualClock::at(NOON));
    let before = Aggregator::local(data.path(), &site, &setup).await;
    before.stop().await;
    let mut source = site.local("st-mary");
    source.beds = SiteBeds::parse(BEDS.replace("ED^1^1,ED,ed,yes\n", "")).unwrap();
    let aggregator = Aggregator::start(data.path(), &site.log, vec![source], &setup).await;
    let api = aggregator.api;
    tokio::task::spawn_blocking(move || {
        let (newest, _) = event_of(&mut open(api, "/api/v1/stream"), "resync");
        // From the first event of this run on.
        let (run, _) = newest.split_once('-').unwrap();
        let mut lines = resume(api, "/api/v1/stream", &format!("{run}-0"));
        for (kind, name) in [("bed", "ED^1^1"), ("department", "ED")] {
            let (_, gone) = event_of(&mut lines, "removed");
            let said = [&gone["type"], &gone["kind"], &gone["site"], &gone["name"]];
            assert_eq!(said, ["removed", kind, "st-mary", name]);
        }
    })
    .await
    .unwrap();
    aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q19_a_client_goes_on_from_the_last_event_that_it_heard() {
    let w = world().await;
    let api = w.aggregator.api;
    let (mut lines, greeted) = tokio::task::spawn_blocking(move || {
        let mut lines = open(api, "/api/v1/stream");
        let (greeted, _) = event_of(&mut lines, "resync");
        (lines, greeted)
    })
    .await
    .unwrap();
    w.site
        .say(&[adt(60, "A01", "v7", "ED^1^1", NOON - 1000)])
        .await;
    tokio::task::spawn_blocking(move || {
        let (_, first, told) = event(&mut lines);
        let (_, second, _) = event(&mut lines);
        // Each goes on with what came after, and is not sent back to the start.
        let mut again = resume(api, "/api/v1/stream", &greeted);
        assert_eq!(event(&mut again).1, first);
        let mut again = resume(api, "/api/v1/stream", &first);
        assert_eq!(event(&mut again).1, second);
        for strange in ["0-0", "nonsense", &format!("{first}9")] {
            let mut again = resume(api, "/api/v1/stream", strange);
            let (name, _, data) = event(&mut again);
            assert_eq!(name, "resync", "{strange}");
            assert!(data["version"].as_u64() >= told["version"].as_u64());
        }
    })
    .await
    .unwrap();
    w.aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_stream_clients_are_bounded_and_leave_room_when_they_go() {
    let w = world().await;
    let api = w.aggregator.api;
    let limit = wardline_aggregator::limits::STREAM_CLIENTS_MAX;
    let clients = tokio::task::spawn_blocking(move || {
        (0..limit)
            .map(|_| {
                let mut lines = open(api, "/api/v1/stream");
                line_with(&mut lines, "event: resync");
                lines
            })
            .collect::<Vec<_>>()
    })
    .await
    .unwrap();
    let (status, error) = w.aggregator.failure("/api/v1/stream").await;
    assert_eq!((status, &error["code"]), (503, &"too_many_clients".into()));
    drop(clients);
    // A client that left is noticed with the next thing to say to it.
    let mut seq = 900;
    let mut minute = 0;
    crate::support::eventually("a place is free", || {
        seq += 1;
        minute += 1;
        let site = &w.site;
        let aggregator = &w.aggregator;
        let code = if minute % 2 == 0 { "U" } else { "K" };
        let record = bed_status(seq, "ED^1^1", code, NOON - 100_000 + minute);
        async move {
            site.say(&[record]).await;
            let (_, metrics) = aggregator.get("/metrics").await;
            !metrics.contains(&format!("wardline_api_stream_clients {limit}\n"))
        }
    })
    .await;
    w.aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_large_bodies_and_heads_are_refused() {
    let w = world().await;
    let api = w.aggregator.api;
    let (body, head) = tokio::task::spawn_blocking(move || {
        let body = raw(
            api,
            "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\nConnection: close\r\n\r\n",
        );
        let huge = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100_000));
        let mut stream = TcpStream::connect(api).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // The server may close before everything is written.
        let sent = stream.write_all(huge.as_bytes());
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        (body, (sent.is_ok() && read.is_ok(), answer))
    })
    .await
    .unwrap();
    assert!(body.starts_with("HTTP/1.1 413"), "{body}");
    assert!(!head.1.starts_with("HTTP/1.1 200"), "{head:?}");
    assert_eq!(w.aggregator.json("/healthz").await["alive"], true);
    w.aggregator.stop().await;
}
