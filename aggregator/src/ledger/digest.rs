//! One line that stands for the whole state: equal digests, equal states.
//!
//! Canonical text over everything a view can show, in the order of names and events, through FNV-1a with 128 bits.
//! It is a comparison of two honest computations, not a defence against a forger.

use std::fmt::{self, Write};
use std::sync::Arc;

use super::Ledger;
use super::bed::Point;
use super::effect::{Effect, EffectKind, PendingKind};
use super::event::At;
use super::group::Group;

const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

pub(super) struct Hash(u128);

impl Hash {
    /// Of what `write` writes.
    pub(super) fn of(write: impl FnOnce(&mut Self) -> fmt::Result) -> String {
        let mut hash = Self(OFFSET);
        // Writing into a hash cannot fail.
        write(&mut hash).ok();
        format!("{:032x}", hash.0)
    }
}

impl Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(PRIME);
        }
        Ok(())
    }
}

impl Ledger {
    /// Equal digests mean equal states, whatever order the facts came in.
    pub fn digest(&self) -> String {
        Hash::of(|hash| self.canonical(hash))
    }

    /// The state as text, for people who look for the difference between two digests.
    pub fn canonical_text(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        self.canonical(&mut text).ok();
        text
    }

    pub(super) fn canonical(&self, out: &mut impl Write) -> fmt::Result {
        writeln!(out, "site {}", self.site)?;
        let groups = self.groups.values();
        let mut visits: Vec<(&Arc<str>, &Group)> = groups
            .flat_map(|group| group.names.iter().map(move |name| (name, group)))
            .collect();
        visits.sort_by(|a, b| a.0.cmp(b.0));
        for (name, group) in visits {
            visit_text(out, name, group)?;
        }
        for (name, bed) in self.hospital.beds.iter().filter(|(_, bed)| bed.exists()) {
            writeln!(
                out,
                "bed {name} {} {}",
                bed.department,
                bed.tip().shown.status
            )?;
            for ((at, n), point) in &bed.points {
                write!(out, " {} {} ", Stamp(at), n)?;
                match point {
                    Point::Condition(condition) => {
                        writeln!(out, "condition {}", condition.as_str())?;
                    }
                    Point::Visit(effect) => writeln!(out, "{}", Text(effect))?,
                }
            }
        }
        for (at, pending) in self.hospital.pending(i64::MAX) {
            let place = pending.place.as_ref().map_or("", |place| &place.name);
            writeln!(
                out,
                "pending {} {} {} {place}",
                Stamp(at),
                pending.visit,
                slot(pending.slot)
            )?;
        }
        for (name, device) in &self.devices {
            writeln!(
                out,
                "device {name} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                device.state().map(|said| (said.state, said.event_ms)),
                device.battery(),
                device.location(),
                device.kind(),
                device.department(),
                device.heard_ms(),
                device.newest_ms(),
            )?;
        }
        Ok(())
    }
}

fn visit_text(out: &mut impl Write, name: &str, group: &Group) -> fmt::Result {
    let Some(state) = group.state(name) else {
        return Ok(());
    };
    write!(
        out,
        "visit {name} {} away={}",
        state.status.as_str(),
        state.away
    )?;
    for held in &state.held {
        write!(out, " in {}@{}", held.bed, Stamp(&held.arrived))?;
    }
    writeln!(out)?;
    for (i, item) in group.items.iter().enumerate() {
        if *item.event.about != *name {
            continue;
        }
        let waits = group.cancelled.waiting.contains(&i);
        let out_by = group.cancelled.is_out(i);
        writeln!(
            out,
            " {} {} out={out_by} waits={waits}",
            Stamp(&At::of(&item.event)),
            item.event.event_type
        )?;
    }
    Ok(())
}

struct Stamp<'a>(&'a At);

impl fmt::Display for Stamp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.ms, self.0.event.id)
    }
}

struct Text<'a>(&'a Effect);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.0.visit)?;
        match &self.0.what {
            EffectKind::Arrive { remarks } => write!(f, "arrives {remarks}"),
            EffectKind::Depart => f.write_str("departs"),
            EffectKind::Vacate => f.write_str("vacates"),
            EffectKind::Renamed { from } => write!(f, "was {from}"),
            EffectKind::Away(away) => write!(f, "away={away}"),
            EffectKind::Twice { claims } => {
                f.write_str("twice")?;
                claims.iter().try_for_each(|at| write!(f, " {}", Stamp(at)))
            }
            EffectKind::Once => f.write_str("once"),
            EffectKind::Open { slot: opened, .. } => write!(f, "opens {}", slot(*opened)),
            EffectKind::Close {
                slot: closed,
                opened,
                ..
            } => write!(f, "closes {} of {}", slot(*closed), Stamp(opened)),
        }
    }
}

fn slot(slot: PendingKind) -> &'static str {
    match slot {
        PendingKind::Admission => "admission",
        PendingKind::Transfer => "transfer",
        PendingKind::Discharge => "discharge",
    }
}
