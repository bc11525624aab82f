//! H19, the allow-list: the only places of an ADT message that are ever read.

use wardline_model::hl7::{Message, Segment};
use wardline_model::limits::LOCATION_CHARS_MAX;

use crate::limits::{NPU_SEGMENTS_MAX, PATIENTS_MAX};
use crate::map::fhir::Place;
use crate::map::fhir::place::PlaceError;
use wardline_model::sideline::Reason;

/// The segments that are read, found in one pass.
#[derive(Debug, Clone, Default)]
pub struct Segments<'a> {
    pub msh: Option<Segment<'a>>,
    pub evn: Option<Segment<'a>>,
    pub mrg: Option<Segment<'a>>,
    /// One group for each PID, or for a PV1 without one.
    pub patients: Vec<Patient<'a>>,
    pub npu: Vec<Segment<'a>>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Patient<'a> {
    pub pid: Option<Segment<'a>>,
    pub pv1: Option<Segment<'a>>,
}

impl<'a> Segments<'a> {
    /// H3: segments that are not known are no fault.
    pub fn of(message: &Message<'a>) -> Self {
        let mut found = Self::default();
        for segment in message.segments() {
            match segment.name() {
                "MSH" => found.msh = found.msh.or(Some(segment)),
                "EVN" => found.evn = found.evn.or(Some(segment)),
                "MRG" => found.mrg = found.mrg.or(Some(segment)),
                "PID" if found.patients.len() < PATIENTS_MAX => found.patients.push(Patient {
                    pid: Some(segment),
                    pv1: None,
                }),
                "PV1" => found.add_pv1(segment),
                "NPU" if found.npu.len() <= NPU_SEGMENTS_MAX => found.npu.push(segment),
                _ => {}
            }
        }
        found
    }

    fn add_pv1(&mut self, segment: Segment<'a>) {
        let groups = self.patients.len();
        match self.patients.last_mut() {
            Some(patient) if patient.pv1.is_none() => patient.pv1 = Some(segment),
            _ if groups < PATIENTS_MAX => self.patients.push(Patient {
                pid: None,
                pv1: Some(segment),
            }),
            _ => {}
        }
    }
}

/// A number and who assigned it (CX.1, CX.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    pub id: String,
    pub authority: String,
}

pub fn number(segment: Option<Segment<'_>>, field: usize) -> Option<Number> {
    let segment = segment?;
    let id = segment.component(field, 1);
    (!id.is_empty()).then(|| Number {
        id,
        authority: segment.component(field, 4),
    })
}

impl Patient<'_> {
    /// H11: PV1-19, else PID-18.
    pub fn visit(&self) -> Option<Number> {
        number(self.pv1, 19).or_else(|| number(self.pid, 18))
    }

    /// H12: PID-3, first repetition.
    pub fn patient(&self) -> Option<Number> {
        number(self.pid, 3)
    }

    /// H15: PV1-2.
    pub fn class(&self) -> String {
        self.pv1.map(|pv1| pv1.component(2, 1)).unwrap_or_default()
    }

    pub fn place(&self, field: usize, name: &'static str) -> Result<Option<Place>, Reason> {
        self.pv1.map_or(Ok(None), |pv1| place(pv1, field, name))
    }
}

/// H13, H14: a PL field; empty is `None`.
pub fn place(
    segment: Segment<'_>,
    field: usize,
    name: &'static str,
) -> Result<Option<Place>, Reason> {
    let first = segment.repetitions(field).next().unwrap_or_default();
    let chars = first.chars().count();
    let place = if chars > LOCATION_CHARS_MAX {
        Err(PlaceError::TooLong(chars))
    } else {
        let part = |c| segment.component(field, c);
        Place::new(&part(1), &part(2), &part(3))
    };
    place.map_err(|error| {
        let cause = match error {
            PlaceError::TooLong(_) => "hl7-location-too-long",
            _ => "hl7-location",
        };
        Reason::new(cause, name, "H14", error.to_string())
    })
}
