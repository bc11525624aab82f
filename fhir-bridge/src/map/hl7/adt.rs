//! One ADT message -> records, as docs/specs/hl7-mapping.md says; the rules stand beside the code that follows them.
//!
//! Pure: the same input gives the same records, however often it is mapped, so a repetition changes nothing. A message
//! becomes all of its records, is filtered with a reason that is counted, or is refused with the field and the rule;
//! nothing is guessed. Refusals never carry a patient's data.

use wardline_model::hl7::Segment;
use wardline_model::topic::{FHIR_ENCOUNTER, FHIR_LOCATION};
use wardline_model::{EventId, time::rfc3339_in};

use fhir_sdk::r4b::codes::EncounterLocationStatus;

use super::Arrival;
use super::events::{self, PeriodEnd, Shape, VisitRule};
use super::fields::{self, Number, Patient, Segments};
use super::headers::{self, Flags, Times};
use crate::limits::NPU_SEGMENTS_MAX;
use crate::map::context::SiteContext;
use crate::map::fhir::encounter::{self, EncounterFact};
use crate::map::fhir::{Place, location};
use crate::map::mapped::{Mapped, OutRecord};
use wardline_model::sideline::Reason;

/// A message and all that is known about its way.
#[derive(Debug)]
pub struct Input<'a> {
    pub arrival: &'a Arrival<'a>,
    pub segments: Segments<'a>,
    pub charset_replaced: bool,
    pub id: &'a EventId,
    pub ctx: &'a SiteContext,
}

/// What every event needs before it is looked at more closely.
#[derive(Debug)]
pub struct Head<'a> {
    pub msh: Segment<'a>,
    pub trigger: String,
    pub times: Times,
    /// Keyed hash of the raw bytes.
    pub hash: String,
}

/// # Errors
/// Why the message goes to the sideline.
pub fn map(input: &Input<'_>) -> Result<Mapped, Reason> {
    let msh = input
        .segments
        .msh
        .ok_or_else(|| Reason::new("hl7-no-header", "MSH", "H2", "no MSH segment"))?;
    let kind = msh.component(9, 1);
    if kind.is_empty() {
        return Err(Reason::new("hl7-no-type", "MSH-9", "H4", "MSH-9 is empty"));
    }
    // H26
    if kind != "ADT" {
        return Ok(Mapped::Filtered("message-type"));
    }
    let trigger = trigger(input, msh);
    let shape = events::shape(&trigger).ok_or_else(|| unknown_event(&trigger))?;
    // H25
    if shape == Shape::Filtered {
        return Ok(Mapped::Filtered("moves-no-bed"));
    }
    let evn = input
        .segments
        .evn
        .ok_or_else(|| Reason::new("hl7-no-evn", "EVN", "H6", "an ADT message without EVN"))?;
    let times = headers::times(input, msh, evn)?;
    let head = Head {
        msh,
        trigger,
        times,
        hash: input.ctx.pseudonyms.message_hash(input.arrival.raw),
    };
    let records = match shape {
        Shape::Visit(rule) => vec![visit(input, &head, rule, first(input), input.id)?],
        Shape::Swap => swap(input, &head)?,
        Shape::BedStatus => bed_status(input, &head)?,
        Shape::Filtered => Vec::new(),
    };
    Ok(Mapped::Records(records))
}

/// H4: MSH-9.2; senders of old versions leave it to EVN-1.
fn trigger(input: &Input<'_>, msh: Segment<'_>) -> String {
    let trigger = msh.component(9, 2);
    match input.segments.evn {
        Some(evn) if trigger.is_empty() => evn.component(1, 1),
        _ => trigger,
    }
}

/// H5: an event that the table does not list.
fn unknown_event(trigger: &str) -> Reason {
    let plain = trigger.len() <= 3 && trigger.bytes().all(|b| b.is_ascii_alphanumeric());
    let detail = match (trigger, plain) {
        ("", _) => "no trigger event is named".to_owned(),
        (trigger, true) => format!("ADT^{trigger} has no rule"),
        _ => "the trigger event is not a letter and two digits".to_owned(),
    };
    Reason::new("hl7-unknown-event", "MSH-9.2", "H5", detail)
}

fn first<'a>(input: &Input<'a>) -> Patient<'a> {
    let patients = &input.segments.patients;
    let with_visit = patients.iter().find(|patient| patient.pv1.is_some());
    with_visit.or(patients.first()).copied().unwrap_or_default()
}

fn visit(
    input: &Input<'_>,
    head: &Head<'_>,
    rule: VisitRule,
    patient: Patient<'_>,
    id: &EventId,
) -> Result<OutRecord, Reason> {
    let ctx = input.ctx;
    let pseudonym = |number: &Number| ctx.pseudonyms.visit(&number.id, &number.authority);
    let number = patient.visit().ok_or_else(no_visit)?;
    let visit = pseudonym(&number);
    let merged = match rule.merge {
        true => Some(pseudonym(&merged_visit(input)?)),
        false => None,
    };
    let person = patient
        .patient()
        .map(|number| ctx.pseudonyms.patient(&number.id, &number.authority));
    let mut flags = Flags::default();
    let places = places(patient, rule, &mut flags)?;
    let class = patient.class();
    let happened = rfc3339_in(head.times.event.ms, &ctx.zone);
    let fact = EncounterFact {
        visit: &visit,
        merged: merged.as_deref(),
        patient: person.as_deref(),
        status: rule.status,
        // H15
        class: ctx.mappings.hl7.patient_class(&class).unwrap_or(rule.class),
        places: &places,
        // H21
        start: (rule.period == PeriodEnd::Start).then_some(happened.as_str()),
        end: (rule.period == PeriodEnd::End).then_some(happened.as_str()),
    };
    let value = encounter::write(&fact, &ctx.ids)?;
    Ok(record(input, head, FHIR_ENCOUNTER, visit, value, id, flags))
}

/// H11: a visit without a number.
fn no_visit() -> Reason {
    let detail = "neither PV1-19 nor PID-18 names a visit";
    Reason::new("hl7-no-visit", "PV1-19", "H11", detail)
}

/// H24: MRG-5, else the account number MRG-3.
fn merged_visit(input: &Input<'_>) -> Result<Number, Reason> {
    let mrg = input.segments.mrg;
    fields::number(mrg, 5)
        .or_else(|| fields::number(mrg, 3))
        .ok_or_else(|| {
            let detail = "neither MRG-5 nor MRG-3 names the visit that was merged";
            Reason::new("hl7-no-merged-visit", "MRG-5", "H24", detail)
        })
}

/// H16: where the visit is, was and shall be.
fn places(
    patient: Patient<'_>,
    rule: VisitRule,
    flags: &mut Flags,
) -> Result<Vec<(EncounterLocationStatus, Place)>, Reason> {
    let here = match rule.planned {
        true => EncounterLocationStatus::Planned,
        false => EncounterLocationStatus::Active,
    };
    let mut places = Vec::with_capacity(3);
    let mut add = |status, place: Option<Place>| places.extend(place.map(|place| (status, place)));
    add(here, patient.place(3, "PV1-3")?);
    // H14: nothing rests on PV1-6: one that cannot be used is no reason to refuse the move.
    match patient.place(6, "PV1-6") {
        Ok(prior) => {
            flags.prior_location = prior.is_some();
            add(EncounterLocationStatus::Completed, prior);
        }
        Err(_) => flags.prior_unreadable = true,
    }
    if rule.pending {
        add(
            EncounterLocationStatus::Reserved,
            patient.place(42, "PV1-42")?,
        );
    }
    Ok(places)
}

/// H22: both halves or neither.
fn swap(input: &Input<'_>, head: &Head<'_>) -> Result<Vec<OutRecord>, Reason> {
    let half = |n: usize| {
        let patient = input.segments.patients.get(n).copied();
        patient.filter(|patient| patient.pv1.is_some())
    };
    let (Some(one), Some(two)) = (half(0), half(1)) else {
        let detail = "a swap needs two groups of PID and PV1";
        return Err(Reason::new("hl7-swap-incomplete", "PV1", "H22", detail));
    };
    if one.visit().is_some() && one.visit() == two.visit() {
        let detail = "both groups name the same visit";
        return Err(Reason::new("hl7-swap-incomplete", "PV1-19", "H22", detail));
    }
    [(one, 1), (two, 2)]
        .into_iter()
        .map(|(half, part)| visit(input, head, events::SWAP, half, &input.id.with_part(part)))
        .collect()
}

/// H23: one record for each NPU; a part number only if there are several.
fn bed_status(input: &Input<'_>, head: &Head<'_>) -> Result<Vec<OutRecord>, Reason> {
    let npu = &input.segments.npu;
    if npu.is_empty() {
        return Err(Reason::new(
            "hl7-no-npu",
            "NPU",
            "H23",
            "an A20 without NPU",
        ));
    }
    if npu.len() > NPU_SEGMENTS_MAX {
        let detail = format!("more than {NPU_SEGMENTS_MAX} NPU segments");
        return Err(Reason::new("hl7-too-many", "NPU", "H23", detail));
    }
    let several = npu.len() > 1;
    let mut records = Vec::with_capacity(npu.len());
    for (segment, part) in npu.iter().zip(1_u16..) {
        let id = match several {
            true => input.id.with_part(part),
            false => input.id.clone(),
        };
        records.push(one_bed(input, head, *segment, &id)?);
    }
    Ok(records)
}

fn one_bed(
    input: &Input<'_>,
    head: &Head<'_>,
    npu: Segment<'_>,
    id: &EventId,
) -> Result<OutRecord, Reason> {
    let bed = fields::place(npu, 1, "NPU-1")?
        .filter(Place::is_bed)
        .ok_or_else(|| {
            let detail = "point of care, room and bed are not all valued";
            Reason::new("hl7-no-bed", "NPU-1", "H23", detail)
        })?;
    let code = npu.component(2, 1);
    let condition = input.ctx.mappings.hl7.bed_status(&code).ok_or_else(|| {
        let detail = format!(
            "a code of {} characters that is not in the mapping's bed_status table",
            code.chars().count()
        );
        Reason::new("hl7-bed-status", "NPU-2", "H23", detail)
    })?;
    let value = location::write(&bed, condition, &input.ctx.ids)?;
    let key = bed.as_str().to_owned();
    Ok(record(
        input,
        head,
        FHIR_LOCATION,
        key,
        value,
        id,
        Flags::default(),
    ))
}

fn record(
    input: &Input<'_>,
    head: &Head<'_>,
    topic: &'static str,
    key: String,
    value: Vec<u8>,
    id: &EventId,
    flags: Flags,
) -> OutRecord {
    OutRecord {
        topic,
        key: key.into(),
        headers: headers::headers(input, head, id, flags),
        value: value.into(),
    }
}
