//! Stages that note when they end.

use std::sync::{Arc, Mutex};

use super::*;

type Notes = Arc<Mutex<Vec<&'static str>>>;

fn note(notes: &Notes, what: &'static str) {
    notes.lock().unwrap().push(what);
}

fn noted(notes: &Notes) -> Vec<&'static str> {
    notes.lock().unwrap().clone()
}

/// A log at the bottom, a writer and a reader above it.
fn three(notes: &Notes) -> Supervisor {
    let mut parts = Supervisor::new();
    let log = Arc::clone(notes);
    parts.closing("the log", async move {
        note(&log, "log");
        Ok(())
    });
    for name in ["writer", "reader"] {
        let notes = Arc::clone(notes);
        parts.task(name, |stop| async move {
            stop.stopped().await;
            // Flushing takes a while; nobody below may be told before.
            tokio::time::sleep(Duration::from_secs(1)).await;
            note(&notes, name);
            Ok(())
        });
    }
    parts
}

#[tokio::test(start_paused = true)]
async fn stages_end_one_after_the_other_the_last_first() {
    let notes = Notes::default();
    let running = three(&notes).up(Ok(())).await.unwrap();
    running.stop().await.unwrap();
    assert_eq!(noted(&notes), ["reader", "writer", "log"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_ends_the_others_in_order_and_is_what_is_said() {
    let notes = Notes::default();
    let mut parts = three(&notes);
    parts.task("the uplink", |_| async { anyhow::bail!("no route") });
    let mut running = parts.up(Ok(())).await.unwrap();
    let error = format!("{:#}", running.failed().await);
    assert_eq!(error, "the uplink failed: no route");
    assert_eq!(noted(&notes), ["reader", "writer", "log"]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_its_stages_failure() {
    let notes = Notes::default();
    let mut parts = three(&notes);
    parts.task("the fold", |_| async { panic!("a defect") });
    let mut running = parts.up(Ok(())).await.unwrap();
    let error = format!("{:#}", running.failed().await);
    assert!(
        error.contains("the fold ended by a panic") && error.contains("a defect"),
        "{error}"
    );
    assert_eq!(noted(&notes), ["reader", "writer", "log"]);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_asked_for_is_a_failure_unless_it_may_be() {
    let mut parts = Supervisor::new();
    let (stage, stop) = parts.stage("readiness");
    parts.spawn_once(stage, "readiness", async { Ok(()) });
    parts.spawn(stage, "the reader", async move {
        tokio::time::sleep(Duration::from_secs(9)).await;
        drop(stop);
        Ok(())
    });
    let begun = Instant::now();
    let mut running = parts.up(Ok(())).await.unwrap();
    let error = running.failed().await.to_string();
    assert_eq!(error, "the reader ended without being asked to");
    assert_eq!(begun.elapsed().as_secs(), 9);
}

#[tokio::test(start_paused = true)]
async fn p7_a_stage_that_does_not_stop_is_cut_off_and_named_and_the_log_is_closed() {
    let notes = Notes::default();
    let mut parts = three(&notes);
    parts.task("the listener", |_| std::future::pending());
    let running = parts.up(Ok(())).await.unwrap();
    let begun = Instant::now();
    let error = running.stop().await.unwrap_err().to_string();
    assert_eq!(begun.elapsed(), Duration::from_millis(STOP_MS_MAX + 2_000));
    assert!(
        error.contains("the listener did not stop within 15 s"),
        "{error}"
    );
    assert_eq!(noted(&notes), ["reader", "writer", "log"]);
}

#[tokio::test(start_paused = true)]
async fn p7_a_closing_that_hangs_is_cut_off_as_well() {
    let notes = Notes::default();
    let mut parts = three(&notes);
    parts.closing("the socket", std::future::pending());
    let running = parts.up(Ok(())).await.unwrap();
    let error = running.stop().await.unwrap_err().to_string();
    assert!(error.contains("the socket did not stop"), "{error}");
    assert_eq!(noted(&notes), ["reader", "writer", "log"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_started_is_ended_when_a_later_start_fails() {
    let notes = Notes::default();
    let started = Err(anyhow::anyhow!("the address is taken"));
    let error = three(&notes).up(started).await.err().unwrap();
    assert_eq!(error.to_string(), "the address is taken");
    assert_eq!(noted(&notes), ["reader", "writer", "log"]);
}

#[tokio::test(start_paused = true)]
async fn a_part_inside_a_part_keeps_its_order_and_gives_its_addresses() {
    let notes = Notes::default();
    let mut inner = three(&notes);
    inner.address("api", SocketAddr::from(([127, 0, 0, 1], 7070)));
    let mut outer = Supervisor::new();
    outer.part("the bridge", inner.up(Ok(())).await.unwrap());
    outer.task("the agent", |_| async { anyhow::bail!("full") });
    let mut running = outer.up(Ok(())).await.unwrap();
    assert!(running.addresses.contains_key("api"));
    assert_eq!(
        format!("{:#}", running.failed().await),
        "the agent failed: full"
    );
    assert_eq!(noted(&notes), ["reader", "writer", "log"]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_cuts_the_tasks_off_as_a_kill_would() {
    let notes = Notes::default();
    let mut parts = three(&notes);
    parts.crash_if(|error| error.root_cause().to_string() == "fault");
    parts.task("the fold", |_| async { anyhow::bail!("fault") });
    let mut running = parts.up(Ok(())).await.unwrap();
    running.failed().await;
    assert_eq!(noted(&notes), ["log"]);
}
