//! Every device: what it does, where, how long ago it said so, and why nothing is known of it. Those that need a person
//! stand first.

use wardline_api::DeviceRow;

use super::grid::{Cell, figure, grows, left, right, since, word};
use super::page::{Page, Row};
use super::{Look, lines};
use crate::limits::BATTERY_LOW_PERCENT;
use crate::model::{Aged, DeviceWord, Model, epoch_ms, natural};
use crate::text;
use crate::theme::Role;

pub(super) fn page(model: &Model, look: &Look) -> Page {
    let mut devices: Vec<&Aged<DeviceRow>> =
        model.devices.iter().flat_map(|rows| rows.iter()).collect();
    devices.sort_by(|a, b| {
        let needs = |d: &DeviceRow| notes(d).is_empty();
        needs(&a.row)
            .cmp(&needs(&b.row))
            .then_with(|| natural(&a.row.device, &b.row.device))
    });
    let server = model.server_now_ms(look.now);
    let row = |aged: &&Aged<DeviceRow>| Row {
        key: format!("{} {}", aged.row.device, aged.row.site),
        cells: cells(aged, server, look),
        opens: None,
        bar: None,
    };
    let (_, kinds) = model.device_counts().unwrap_or_default();
    let title = |(kind, counts): (&String, &_)| {
        let crate::model::DeviceCounts { total, .. } = counts;
        let facts = format!("  {kind} {total}: {}", counts.facts().join(", "));
        look.line(Role::Normal, &facts)
    };
    Page {
        title: kinds.iter().map(title).collect(),
        columns: vec![
            left("  DEVICE", 10, 24, 0),
            left("STATE", 8, 9, 0),
            left("KIND", 4, 14, 4),
            right("BATTERY", 7, 7, 3),
            left("DEPARTMENT", 6, 16, 2),
            left("AT", 6, 20, 5),
            right("SAID", 4, 6, 3),
            grows("NOTE", 8, 100, 1),
        ],
        rows: devices.iter().map(row).collect(),
        ordered: true,
        empty: vec![match &model.devices {
            Some(_) => "  No device was heard of, or none matches the filter: esc.".to_owned(),
            None => "  The devices were not heard yet.".to_owned(),
        }],
        below: vec![lines::devices(model, look)],
        ..Page::default()
    }
}

fn cells(aged: &Aged<DeviceRow>, server: Option<i64>, look: &Look) -> Vec<Cell> {
    let device = &aged.row;
    let known = DeviceWord::of(device);
    let (role, state) = match known {
        DeviceWord::Silent => (Role::Bad, known.as_str()),
        DeviceWord::Unknown => (Role::Strong, text::UNKNOWN),
        DeviceWord::Said(_) => (Role::Normal, known.as_str()),
    };
    let said = device.since.as_deref().and_then(epoch_ms);
    let said = said
        .zip(server)
        .map(|(at, now)| now.saturating_sub(at) / 1_000);
    #[allow(clippy::cast_possible_truncation)]
    let percent = device
        .battery
        .filter(|b| b.is_finite())
        .map(|battery| battery.round() as i64);
    let battery = percent.map_or_else(|| text::NOTHING.to_owned(), |n| format!("{n} %"));
    vec![
        word(look, Role::Normal, format!("  {}", device.device)),
        word(look, role, state),
        word(look, Role::Dim, device.kind.as_deref().unwrap_or_default()),
        figure(look, Role::Normal, battery, percent),
        word(look, Role::Normal, device.department.as_str()),
        word(
            look,
            Role::Normal,
            device.location.as_deref().unwrap_or_default(),
        ),
        since(look, Role::Normal, said),
        word(look, Role::Strong, notes(device)),
    ]
}

/// Why a person should look after it.
fn notes(device: &DeviceRow) -> String {
    let mut notes = Vec::new();
    if device.silent {
        let was = device
            .state
            .map(|state| format!(", was {state}"))
            .unwrap_or_default();
        notes.push(format!("not heard{was}"));
    }
    notes.extend(device.reason.as_deref().map(|reason| match reason {
        "clock-behind" => "its word was old when it came: its clock?".to_owned(),
        "clock-ahead" => "its word is of the future: its clock?".to_owned(),
        other => other.replace('-', " "),
    }));
    if device
        .battery
        .is_some_and(|battery| battery < f64::from(BATTERY_LOW_PERCENT))
    {
        notes.push("battery low".to_owned());
    }
    notes.join(", ")
}
