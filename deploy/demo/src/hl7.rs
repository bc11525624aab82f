//! HL7 v2.5 ADT messages, written field by field.
//!
//! The builder writes what it is told and nothing else, so that a test can also build what no sane
//! hospital would send. Identity is synthetic: every personal text contains one of
//! [`PRIVATE_MARKS`], which makes a leak findable by searching for them.

use jiff::tz::TimeZone;

use crate::wall;

/// Texts of which at least one is in every personal field that this crate writes.
pub const PRIVATE_MARKS: [&str; 5] = ["ZZFAMILY", "ZZGIVEN", "ZZSTREET", "ZZSTAFF", "ZZDIAG"];

const FAMILY: [&str; 12] = [
    "Ahorn",
    "Birke",
    "Distel",
    "Efeu",
    "Fichte",
    "Ginster",
    "Holunder",
    "Iris",
    "Jasmin",
    "Klee",
    "Linde",
    "M\u{fc}llerin",
];
const GIVEN: [&str; 10] = [
    "Ada", "Ben", "Cleo", "Dora", "Emil", "Finn", "Greta", "Hugo", "Ida", "Jan",
];
/// Longest PV1 that is written: up to PV1-45.
const PV1_FIELDS: usize = 46;

/// A time in a message: a moment that is written in the site's zone, or any text as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stamp {
    Ms(i64),
    Text(String),
}

impl From<i64> for Stamp {
    fn from(ms: i64) -> Self {
        Stamp::Ms(ms)
    }
}

impl From<&str> for Stamp {
    fn from(text: &str) -> Self {
        Stamp::Text(text.to_owned())
    }
}

/// A patient who exists nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    pub number: String,
    pub family: String,
    pub given: String,
    pub birth: String,
    pub sex: &'static str,
    pub street: String,
}

impl Patient {
    /// The `n`-th synthetic patient: always the same one for the same number.
    pub fn synthetic(n: u32) -> Patient {
        let pick = |list: &'static [&'static str], by: u32| {
            list.get(usize::try_from(by).unwrap_or(0) % list.len())
                .copied()
                .unwrap_or("Anon")
        };
        Patient {
            number: format!("P{n:06}"),
            family: format!("ZZFAMILY-{}", pick(&FAMILY, n.wrapping_mul(7))),
            given: format!("ZZGIVEN-{}", pick(&GIVEN, n.wrapping_mul(3))),
            birth: format!("{}{:02}{:02}", 1930 + n % 75, 1 + n % 12, 1 + n % 28),
            sex: if n.is_multiple_of(2) { "F" } else { "M" },
            street: format!("ZZSTREET {}", 1 + n % 99),
        }
    }

    fn pid(&self, set: usize, facility: &str) -> String {
        let Patient {
            number,
            family,
            given,
            birth,
            sex,
            street,
        } = self;
        format!(
            "PID|{set}||{number}^^^{facility}^MR||{family}^{given}||{birth}|{sex}|||{street}^^Teststadt^^00000"
        )
    }
}

/// One PID/PV1 pair of a message; A17 has two.
#[derive(Debug, Clone, Default)]
struct Group {
    patient: Option<Patient>,
    visit: String,
    class: String,
    bed: String,
    prior: String,
    pending: String,
    admitted: Option<Stamp>,
    discharged: Option<Stamp>,
}

/// Builds one ADT message. Start with [`AdtBuilder::new`], set what the event needs, then [`AdtBuilder::build`].
#[derive(Debug, Clone)]
pub struct AdtBuilder {
    event: String,
    control_id: String,
    application: String,
    facility: String,
    version: String,
    zone: TimeZone,
    sent: Option<Stamp>,
    recorded: Option<Stamp>,
    occurred: Option<Stamp>,
    first: Group,
    second: Option<Group>,
    bed_status: Option<(String, String)>,
    extra: Vec<String>,
}

impl AdtBuilder {
    /// A message of that event type (`A01`), from `DEMOHIS|ST-MARY`, version 2.5, times in UTC.
    pub fn new(event: impl Into<String>, control_id: impl Into<String>) -> Self {
        AdtBuilder {
            event: event.into(),
            control_id: control_id.into(),
            application: "DEMOHIS".to_owned(),
            facility: "ST-MARY".to_owned(),
            version: "2.5".to_owned(),
            zone: TimeZone::UTC,
            sent: None,
            recorded: None,
            occurred: None,
            first: Group {
                class: "I".to_owned(),
                ..Group::default()
            },
            second: None,
            bed_status: None,
            extra: Vec::new(),
        }
    }

    /// MSH-10.
    pub fn control_id(mut self, id: impl Into<String>) -> Self {
        self.control_id = id.into();
        self
    }

    /// MSH-3 and MSH-4; the facility is also the assigning authority of numbers.
    pub fn sender(mut self, application: impl Into<String>, facility: impl Into<String>) -> Self {
        self.application = application.into();
        self.facility = facility.into();
        self
    }

    /// MSH-12.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Zone in which moments are written.
    pub fn zone(mut self, zone: &TimeZone) -> Self {
        self.zone = zone.clone();
        self
    }

    /// MSH-7; if not set, EVN-2.
    pub fn sent(mut self, at: impl Into<Stamp>) -> Self {
        self.sent = Some(at.into());
        self
    }

    /// EVN-2, when it was recorded. For a cancel: when it was cancelled.
    pub fn evn2(mut self, at: impl Into<Stamp>) -> Self {
        self.recorded = Some(at.into());
        self
    }

    /// EVN-6, when it happened. For a cancel: when the cancelled event happened.
    pub fn evn6(mut self, at: impl Into<Stamp>) -> Self {
        self.occurred = Some(at.into());
        self
    }

    /// PV1-19.1.
    pub fn visit(mut self, visit: impl Into<String>) -> Self {
        self.first.visit = visit.into();
        self
    }

    /// PV1-2: `I`, `E`, `O`, `P`.
    pub fn class(mut self, class: impl Into<String>) -> Self {
        self.first.class = class.into();
        self
    }

    pub fn patient(mut self, patient: Patient) -> Self {
        self.first.patient = Some(patient);
        self
    }

    /// PV1-3, `PoC^Room^Bed`.
    pub fn bed(mut self, bed: impl Into<String>) -> Self {
        self.first.bed = bed.into();
        self
    }

    /// PV1-6.
    pub fn prior_bed(mut self, bed: impl Into<String>) -> Self {
        self.first.prior = bed.into();
        self
    }

    /// PV1-42.
    pub fn pending_bed(mut self, bed: impl Into<String>) -> Self {
        self.first.pending = bed.into();
        self
    }

    /// PV1-44.
    pub fn admitted(mut self, at: impl Into<Stamp>) -> Self {
        self.first.admitted = Some(at.into());
        self
    }

    /// PV1-45.
    pub fn discharged(mut self, at: impl Into<Stamp>) -> Self {
        self.first.discharged = Some(at.into());
        self
    }

    /// The second PID/PV1 pair of an A17: that visit and its bed after the swap.
    pub fn swap_with(
        mut self,
        visit: impl Into<String>,
        bed: impl Into<String>,
        patient: Option<Patient>,
    ) -> Self {
        self.second = Some(Group {
            visit: visit.into(),
            bed: bed.into(),
            class: "I".to_owned(),
            patient,
            ..Group::default()
        });
        self
    }

    /// NPU-1 and NPU-2 of an A20. Such a message is about no patient: PID and PV1 are left out.
    pub fn bed_status(mut self, bed: impl Into<String>, code: impl Into<String>) -> Self {
        self.bed_status = Some((bed.into(), code.into()));
        self
    }

    /// One more segment at the end, as it stands.
    pub fn segment(mut self, segment: impl Into<String>) -> Self {
        self.extra.push(segment.into());
        self
    }

    /// The message, segments ended by CR, without framing.
    pub fn build(&self) -> Vec<u8> {
        let mut segments = vec![self.msh(), self.evn()];
        if let Some((bed, code)) = &self.bed_status {
            segments.push(format!("NPU|{bed}|{code}"));
        } else {
            self.group(1, &self.first, &mut segments);
            if let Some(second) = &self.second {
                self.group(2, second, &mut segments);
            }
        }
        segments.extend(self.extra.iter().cloned());
        let mut text = segments.join("\r");
        text.push('\r');
        text.into_bytes()
    }

    fn msh(&self) -> String {
        let sent = self.stamp(self.sent.as_ref().or(self.recorded.as_ref()));
        let AdtBuilder {
            event,
            control_id,
            application,
            facility,
            version,
            ..
        } = self;
        let structure = structure(event);
        format!(
            "MSH|^~\\&|{application}|{facility}|WARDLINE|{facility}|{sent}||ADT^{event}^{structure}|{control_id}|P|{version}|||AL|NE||UNICODE UTF-8"
        )
    }

    fn evn(&self) -> String {
        let recorded = self.stamp(self.recorded.as_ref());
        let occurred = self.stamp(self.occurred.as_ref());
        format!("EVN|{}|{recorded}|||ZZSTAFF-7^Clerk|{occurred}", self.event)
    }

    fn group(&self, set: usize, group: &Group, segments: &mut Vec<String>) {
        if let Some(patient) = &group.patient {
            segments.push(patient.pid(set, &self.facility));
        }
        segments.push(self.pv1(set, group));
    }

    fn pv1(&self, set: usize, group: &Group) -> String {
        let mut fields = vec![String::new(); PV1_FIELDS];
        let mut put = |at: usize, text: String| {
            if let Some(field) = fields.get_mut(at) {
                *field = text;
            }
        };
        put(0, "PV1".to_owned());
        put(1, set.to_string());
        put(2, group.class.clone());
        put(3, group.bed.clone());
        put(6, group.prior.clone());
        put(7, "ZZSTAFF-12^Doctor".to_owned());
        if !group.visit.is_empty() {
            put(19, format!("{}^^^{}", group.visit, self.facility));
        }
        put(42, group.pending.clone());
        put(44, self.stamp(group.admitted.as_ref()));
        put(45, self.stamp(group.discharged.as_ref()));
        let line = fields.join("|");
        line.trim_end_matches('|').to_owned()
    }

    fn stamp(&self, stamp: Option<&Stamp>) -> String {
        match stamp {
            Some(Stamp::Ms(ms)) => wall::hl7_stamp(*ms, &self.zone),
            Some(Stamp::Text(text)) => text.clone(),
            None => String::new(),
        }
    }
}

/// MSH-9.3, the abstract message structure that several events share (HL7 v2.5, chapter 3).
fn structure(event: &str) -> String {
    let shared = match event {
        "A04" | "A08" | "A13" => "A01",
        "A14" | "A28" | "A31" => "A05",
        "A07" => "A06",
        "A10" | "A11" => "A09",
        "A22" | "A23" | "A25" | "A26" | "A27" | "A29" => "A21",
        "A53" => "A52",
        own => own,
    };
    format!("ADT_{shared}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(builder: &AdtBuilder) -> String {
        String::from_utf8(builder.build()).unwrap()
    }

    #[test]
    fn admission_has_every_field_in_its_place() {
        let builder = AdtBuilder::new("A04", "D1")
            .visit("V000123")
            .bed("ED^1^1")
            .pending_bed("WARD-A^101^1")
            .evn2(1_767_225_600_000)
            .evn6(1_767_225_540_000)
            .patient(Patient::synthetic(5));
        let text = text(&builder);
        let segments: Vec<Vec<&str>> = text
            .trim_end()
            .split('\r')
            .map(|s| s.split('|').collect())
            .collect();
        assert_eq!(segments[0][8], "ADT^A04^ADT_A01");
        assert_eq!(segments[0][9], "D1");
        assert_eq!(segments[0][11], "2.5");
        assert_eq!(segments[0][17], "UNICODE UTF-8");
        assert_eq!(segments[0][6], "20260101000000+0000");
        assert_eq!(segments[1][2], "20260101000000+0000");
        assert_eq!(segments[1][6], "20251231235900+0000");
        assert_eq!(segments[2][0], "PID");
        assert_eq!(segments[3][3], "ED^1^1");
        assert_eq!(segments[3][19], "V000123^^^ST-MARY");
        assert_eq!(segments[3][42], "WARD-A^101^1");
    }

    #[test]
    fn swap_has_two_groups_and_bed_status_has_none() {
        let swap = text(
            &AdtBuilder::new("A17", "D2")
                .visit("V1")
                .bed("A^1^1")
                .swap_with("V2", "A^1^2", None),
        );
        assert_eq!(swap.matches("PV1|").count(), 2);
        let status = text(&AdtBuilder::new("A20", "D3").bed_status("A^1^1", "H"));
        assert!(status.contains("NPU|A^1^1|H\r"));
        assert!(!status.contains("PV1|") && !status.contains("PID|"));
    }

    #[test]
    fn p9_every_personal_field_carries_a_mark() {
        let patient = Patient::synthetic(3);
        assert!(patient.family.starts_with(PRIVATE_MARKS[0]));
        assert!(patient.given.starts_with(PRIVATE_MARKS[1]));
        assert!(patient.street.starts_with(PRIVATE_MARKS[2]));
    }
}
