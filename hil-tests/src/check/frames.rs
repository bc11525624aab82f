//! The site's raw log, read from its start: which events of whom stand in it, and where.
//!
//! The judge of P1 to P3: what was acknowledged to a device is compared with what is found here, so nothing but the log's
//! own bytes is believed. It runs on a stopped site, after the last kill.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use wardline_log::SharedLog;
use wardline_log::follow::Scan;
use wardline_model::hl7::Message;
use wardline_model::{Body, Event, Frame, Lane, record, topic};

use crate::load::Acked;

/// Everything that `edge.frames` says.
#[derive(Debug, Default)]
pub struct Frames {
    pub events: u64,
    /// Of these, what agents say about themselves.
    pub own: u64,
    pub gaps: u64,
    /// Load client -> numbers in the order in which they stand in the log, with their lane.
    pub numbers: BTreeMap<String, Vec<(u64, Lane)>>,
}

impl Frames {
    /// Reads the log and holds P3: in each life of an agent every number stands exactly once, each lane in order, from 1
    /// without a hole.
    pub async fn read(log: &SharedLog) -> anyhow::Result<Self> {
        let mut found = Self::default();
        let mut lives: BTreeMap<String, Vec<(u64, Lane)>> = BTreeMap::new();
        for at in log.offsets(topic::EDGE_FRAMES).await? {
            let mut scan = Scan::new(&**log, topic::EDGE_FRAMES, at);
            while let Some(entries) = scan.next().await? {
                for entry in entries {
                    let value = entry
                        .record
                        .value
                        .as_deref()
                        .context("a frame record has no value")?;
                    if entry.record.header_str(record::KIND) == Some(record::KIND_LOSS) {
                        found.gaps += 1;
                        continue;
                    }
                    found.take(&Frame::decode(value)?, &mut lives);
                }
            }
            ensure!(scan.lost() == 0, "retention removed what was to be checked");
        }
        for (life, numbers) in lives {
            check_life(&life, &numbers)?;
        }
        Ok(found)
    }

    fn take(&mut self, frame: &Frame, lives: &mut BTreeMap<String, Vec<(u64, Lane)>>) {
        let life = format!("{}/{}", frame.header.agent, frame.header.incarnation);
        let numbers = lives.entry(life).or_default();
        for (index, event) in frame.events.iter().enumerate() {
            self.events += 1;
            self.own += u64::from(matches!(event.body, Body::Loss(_)));
            numbers.push((frame.id(index).seq, frame.header.lane));
            if let Some((client, number)) = origin(event) {
                self.numbers
                    .entry(client)
                    .or_default()
                    .push((number, frame.header.lane));
            }
        }
    }
}

fn check_life(life: &str, numbers: &[(u64, Lane)]) -> anyhow::Result<()> {
    let distinct: BTreeSet<u64> = numbers.iter().map(|(n, _)| *n).collect();
    ensure!(
        distinct.len() == numbers.len(),
        "P3: {life} has {} numbers twice",
        numbers.len() - distinct.len()
    );
    let highest = distinct.last().copied().unwrap_or(0);
    ensure!(
        distinct.len() as u64 == highest,
        "P3: {life} reaches {highest} with only {} numbers",
        distinct.len()
    );
    for lane in [Lane::Live, Lane::Backlog] {
        ascending(numbers.iter().filter(|(_, l)| *l == lane).map(|(n, _)| *n))
            .with_context(|| format!("P3: {life}, {} lane", lane.as_str()))?;
    }
    Ok(())
}

fn ascending(numbers: impl Iterator<Item = u64>) -> anyhow::Result<()> {
    let mut last = 0;
    for n in numbers {
        ensure!(n > last, "{n} stands after {last}");
        last = n;
    }
    Ok(())
}

/// Which load client's which message an event is.
fn origin(event: &Event) -> Option<(String, u64)> {
    match &event.body {
        Body::Mqtt { topic, payload, .. } => {
            let client = topic.split('/').nth(2)?.to_owned();
            let json: serde_json::Value = serde_json::from_slice(payload).ok()?;
            Some((client, json.get("seq")?.as_u64()?))
        }
        Body::Hl7 { raw, .. } => {
            let text = std::str::from_utf8(raw).ok()?;
            let id = Message::parse(text)
                .ok()?
                .segment("MSH")?
                .field(10)
                .to_owned();
            let (client, number) = id.rsplit_once('-')?;
            Some((client.to_owned(), number.parse().ok()?))
        }
        Body::Loss(_) => None,
    }
}

/// P1 and P3 from the devices' side: what was acknowledged stands in the log exactly once; what was not, at most once;
/// and nothing stands there that nobody sent. Each client's events stand in the order in which they were sent.
pub fn acked_stand_once_and_in_order(frames: &Frames, load: &Acked) -> anyhow::Result<()> {
    for (client, acked) in &load.acked {
        let stand = frames
            .numbers
            .get(client)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let distinct: BTreeSet<u64> = stand.iter().map(|(n, _)| *n).collect();
        let lost: Vec<u64> = acked.difference(&distinct).copied().take(5).collect();
        if !lost.is_empty() {
            bail!("P1: {client}: acknowledged and not in the log: {lost:?}");
        }
        ensure!(
            distinct.len() == stand.len(),
            "P3: {client}: {} events stand twice",
            stand.len() - distinct.len()
        );
        let sent = load.sent.get(client).copied().unwrap_or(0);
        ensure!(
            distinct.last().is_none_or(|last| *last <= sent),
            "{client}: the log has events that were never sent"
        );
        for lane in [Lane::Live, Lane::Backlog] {
            ascending(stand.iter().filter(|(_, l)| *l == lane).map(|(n, _)| *n))
                .with_context(|| format!("P3: {client}"))?;
        }
    }
    Ok(())
}
