//! What is published is state: a restart publishes what changed and no more, a row that is gone gets its tombstone, and
//! no row waits for ever behind others (docs/specs/query-api.md, view topics).

use crate::support::records::{adt, story};
use crate::support::{Aggregator, BEDS, LogDir, MINUTE, NOON, Setup, newest, read_all};
use wardline_aggregator::limits::OUTBOX_BATCH_ROWS_MAX;
use wardline_aggregator::{FaultPoint, SiteBeds, Source, summary_of_store};
use wardline_model::topic::{VIEW_BED, VIEW_DEPARTMENT, VIEW_DEVICE};
use wardline_service::ManualClock;

fn noon() -> Setup {
    Setup::at(&ManualClock::at(NOON))
}

/// The site's log with another bed list.
fn listed(site: &LogDir, beds: &str) -> Source {
    Source {
        beds: SiteBeds::parse(beds.to_owned()).unwrap(),
        ..site.local("st-mary")
    }
}

async fn records(site: &LogDir) -> usize {
    let mut sum = 0;
    for topic in [VIEW_BED, VIEW_DEPARTMENT, VIEW_DEVICE] {
        sum += read_all(&site.log, topic).await.len();
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn q20_a_row_that_went_over_a_restart_gets_its_tombstone() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    site.say(&story()).await;
    let aggregator = Aggregator::local(data.path(), &site, &noon()).await;
    aggregator.stop().await;
    let key = "st-mary/ED^1^1";
    assert!(newest(&site.log, VIEW_BED).await.contains_key(key));
    let fewer: String = BEDS.replace("ED^1^1,ED,ed,yes\n", "");
    let source = vec![listed(&site, &fewer)];
    let aggregator = Aggregator::start(data.path(), &site.log, source, &noon()).await;
    aggregator.ready().await;
    aggregator.stop().await;
    let beds = newest(&site.log, VIEW_BED).await;
    assert!(!beds.contains_key(key), "{beds:#?}");
    assert!(beds.contains_key("st-mary/ICU^1^1"), "{beds:#?}");
    let departments = newest(&site.log, VIEW_DEPARTMENT).await;
    assert!(!departments.contains_key("st-mary/ED"), "{departments:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q20_a_restart_publishes_what_changed_and_nothing_else() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    site.say(&story()).await;
    let setup = noon();
    let aggregator = Aggregator::local(data.path(), &site, &setup).await;
    aggregator.stop().await;
    let before = records(&site).await;
    assert!(before >= 10, "{before}");
    assert_eq!(summary_of_store(data.path()).unwrap().outbox_rows, 0);
    let aggregator = Aggregator::local(data.path(), &site, &setup).await;
    aggregator.stop().await;
    assert_eq!(records(&site).await, before);
    site.say(&[adt(60, "A01", "v7", "ED^1^1", NOON - MINUTE)])
        .await;
    let aggregator = Aggregator::local(data.path(), &site, &setup).await;
    aggregator.stop().await;
    let beds = read_all(&site.log, VIEW_BED).await;
    let last = beds.last().unwrap().record.key.clone().unwrap();
    assert_eq!(last, "st-mary/ED^1^1");
    assert_eq!(records(&site).await, before + 2, "one bed, one department");
}

#[tokio::test(flavor = "multi_thread")]
async fn q21_departments_do_not_wait_behind_beds() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    let beds: String = (0..OUTBOX_BATCH_ROWS_MAX * 2)
        .map(|n| format!("A^{n:05}^1,DEP {},ward,yes\n", n % 7))
        .collect();
    let source = listed(&site, &format!("bed,department,class,staffed\n{beds}"));
    let setup = Setup::fault(FaultPoint::AfterPublish);
    let doomed = Aggregator::start(data.path(), &site.log, vec![source], &setup).await;
    doomed.dies().await;
    // It died after the first append.
    assert_eq!(newest(&site.log, VIEW_DEPARTMENT).await.len(), 7);
    assert_eq!(
        newest(&site.log, VIEW_BED).await.len(),
        OUTBOX_BATCH_ROWS_MAX
    );
}
