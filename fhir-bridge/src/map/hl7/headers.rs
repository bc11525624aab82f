//! What stands in the headers of every record of a message: type, times, the sender's identity of it, remarks.

use wardline_model::EventId;
use wardline_model::hl7::Segment;
use wardline_model::record as names;

use super::adt::{Head, Input};
use super::time::{self, Moment, ZoneFit};
use crate::limits::CONTROL_ID_CHARS_MAX;
use crate::map::mapped::{Common, EventTime, Headers, common_headers, push};
use wardline_model::sideline::Reason;

/// H7, H10: when it happened, and when that was written down.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub event: EventTime,
    pub recorded_ms: i64,
    pub fit: ZoneFit,
    /// EVN-6 is valued, but no time.
    pub occurred_unreadable: bool,
}

/// H7: EVN-6, EVN-2, MSH-7 in this order. H10: EVN-2, MSH-7, else the event time.
///
/// # Errors
/// None of EVN-6, EVN-2 and MSH-7 is a time.
pub fn times(input: &Input<'_>, msh: Segment<'_>, evn: Segment<'_>) -> Result<Times, Reason> {
    let read = |segment: Segment<'_>, field: usize| -> Option<Moment> {
        let text = segment.component(field, 1);
        time::parse(&text, &input.ctx.zone, input.arrival.received_ms)
    };
    let occurred = read(evn, 6);
    let recorded = read(evn, 2);
    // MSH-7 is looked at only when something is missing.
    let sent = match (&occurred, &recorded) {
        (_, Some(_)) => None,
        _ => read(msh, 7),
    };
    let (from, moment) = occurred
        .map(|moment| ("EVN-6", moment))
        .or(recorded.map(|moment| ("EVN-2", moment)))
        .or(sent.map(|moment| ("MSH-7", moment)))
        .ok_or_else(|| {
            let detail = "none of EVN-6, EVN-2 and MSH-7 is a time";
            Reason::new("hl7-no-time", "EVN-2", "H7", detail)
        })?;
    Ok(Times {
        event: EventTime {
            ms: moment.ms,
            precision_ms: moment.precision_ms,
            from,
        },
        recorded_ms: recorded.or(sent).map_or(moment.ms, |moment| moment.ms),
        fit: moment.zone,
        occurred_unreadable: occurred.is_none() && !evn.component(6, 1).is_empty(),
    })
}

/// Remarks that hold for a record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flags {
    pub prior_location: bool,
    pub prior_unreadable: bool,
}

pub fn headers(input: &Input<'_>, head: &Head<'_>, id: &EventId, flags: Flags) -> Headers {
    let (msh, times) = (head.msh, &head.times);
    let common = Common {
        event_type: &format!("ADT^{}", head.trigger),
        mapping: input.ctx.mappings.hl7.label(),
        time: times.event,
        recorded_ms: times.recorded_ms,
        received_ms: input.arrival.received_ms,
    };
    let mut headers = common_headers(&common, id, input.ctx);
    let pseudonyms = &input.ctx.pseudonyms;
    let control_id = msh.component(10, 1);
    // H17
    if !control_id.is_empty() {
        let key = pseudonyms.message_key(msh.field(3), msh.field(4), &control_id);
        push(&mut headers, names::MESSAGE_KEY, key);
        let printable = |c: &char| *c == ' ' || c.is_ascii_graphic();
        let shown: String = control_id
            .chars()
            .filter(printable)
            .take(CONTROL_ID_CHARS_MAX)
            .collect();
        push(&mut headers, names::CONTROL_ID, shown);
    }
    push(&mut headers, names::MESSAGE_HASH, head.hash.clone());
    let remarks = remarks(input, times, flags);
    if !remarks.is_empty() {
        push(&mut headers, names::FLAGS, remarks.join(","));
    }
    headers
}

fn remarks(input: &Input<'_>, times: &Times, flags: Flags) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    match times.fit {
        // H9
        ZoneFit::Exact => {}
        ZoneFit::Shifted => remarks.push("dst-shifted"),
        ZoneFit::Twice => remarks.push("dst-double-hour"),
    }
    for (flag, said) in [
        ("charset-replaced", input.charset_replaced),
        ("occurred-unreadable", times.occurred_unreadable),
        ("prior-location-given", flags.prior_location),
        ("prior-location-unreadable", flags.prior_unreadable),
    ] {
        if said {
            remarks.push(flag);
        }
    }
    remarks
}
