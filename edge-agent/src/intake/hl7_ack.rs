//! The answer to one HL7 v2 message, from its MSH alone. Pure.
//!
//! The agent does not interpret messages: it says whether they are on disk, and whether their header can be read.
//! Header bytes are taken one to one as characters and written back one to one, so whatever is echoed is byte for byte
//! what came, in the sender's character set. docs/specs/mllp.md has the rule table (ML10 to ML16).

use wardline_model::hl7::Message;

use crate::limits::{ACK_FIELD_CHARS_MAX, MLLP_HEAD_BYTES};

/// What became of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Stored,
    Refused(Reject),
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    TooLarge,
    Full,
    Unavailable,
}

/// What is wrong with the header: the field of MSH (0 = the segment itself) and the code of HL7 table 0357.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub field: u8,
    pub code: u16,
    pub text: &'static str,
}

const NO_HEADER: Fault = Fault {
    field: 0,
    code: 100,
    text: "Segment sequence error",
};
const DELIMITERS: Fault = Fault {
    field: 2,
    code: 102,
    text: "Data type error",
};
const NO_TYPE: Fault = Fault {
    field: 9,
    code: 101,
    text: "Required field missing",
};
const NO_CONTROL_ID: Fault = Fault {
    field: 10,
    code: 101,
    text: "Required field missing",
};
const CHARSET: Fault = Fault {
    field: 18,
    code: 103,
    text: "Table value not found",
};
const NOT_TAKEN: (u16, &str) = (207, "Application internal error");

/// When an acknowledgement is wanted (MSH-15, MSH-16; HL7 table 0155).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Absent,
    Always,
    Never,
    Errors,
    Success,
}

/// What the answer needs to know of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    field: char,
    encoding: String,
    sender: [String; 2],
    receiver: [String; 2],
    event: String,
    control_id: String,
    processing: String,
    version: String,
    charset: String,
    accept: When,
    application: When,
    pub fault: Option<Fault>,
}

impl Header {
    /// The message's header can be read: it will be told apart from what is only kept for people.
    pub fn understood(&self) -> bool {
        self.fault.is_none()
    }

    fn unreadable(fault: Fault) -> Self {
        Self {
            field: '|',
            encoding: "^~\\&".to_owned(),
            sender: Default::default(),
            receiver: Default::default(),
            event: String::new(),
            control_id: String::new(),
            processing: "P".to_owned(),
            version: "2.5".to_owned(),
            charset: String::new(),
            accept: When::Absent,
            application: When::Absent,
            fault: Some(fault),
        }
    }

    /// Reads MSH leniently; never fails.
    pub fn read(raw: &[u8]) -> Self {
        let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
        let start = raw
            .iter()
            .position(|b| !matches!(b, b'\r' | b'\n' | b' '))
            .unwrap_or(raw.len());
        let raw = raw.get(start..).unwrap_or_default();
        let line = raw
            .split(|b| matches!(b, b'\r' | b'\n'))
            .next()
            .unwrap_or_default();
        let text: String = line
            .iter()
            .take(MLLP_HEAD_BYTES)
            .map(|b| char::from(*b))
            .collect();
        let message = match Message::parse(&text) {
            Ok(message) => message,
            Err(wardline_model::hl7::Hl7Error::NoHeader) => return Self::unreadable(NO_HEADER),
            Err(wardline_model::hl7::Hl7Error::Delimiters) => return Self::unreadable(DELIMITERS),
        };
        let Some(msh) = message.segment("MSH") else {
            return Self::unreadable(NO_HEADER);
        };
        let echo = |n: usize| echoable(msh.field(n));
        let first = |n: usize| msh.component(n, 1);
        let charset = msh
            .repetitions(18)
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        let fault = if first(9).is_empty() {
            Some(NO_TYPE)
        } else if msh.field(10).trim().is_empty() {
            Some(NO_CONTROL_ID)
        } else if !known_charset(&charset) {
            Some(CHARSET)
        } else {
            None
        };
        Self {
            field: message.delimiters().field,
            encoding: echo(2),
            sender: [echo(3), echo(4)],
            receiver: [echo(5), echo(6)],
            event: echoable(&msh.component(9, 2)),
            control_id: echo(10),
            processing: echo(11),
            version: echo(12),
            charset: echo(18),
            accept: when(&first(15)),
            application: when(&first(16)),
            fault,
        }
    }
}

/// Control characters would break the answer's own framing.
fn echoable(text: &str) -> String {
    text.chars()
        .filter(|c| *c >= ' ')
        .take(ACK_FIELD_CHARS_MAX)
        .collect()
}

/// Table 0211, as far as one byte never means two things.
fn known_charset(name: &str) -> bool {
    ["", "\"\"", "ASCII", "8859/1", "UNICODE UTF-8", "UTF-8"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

fn when(code: &str) -> When {
    match code.trim().to_ascii_uppercase().as_str() {
        "" => When::Absent,
        "NE" => When::Never,
        "ER" => When::Errors,
        "SU" => When::Success,
        // An unknown wish is answered: a sender that gets one answer too many loses nothing.
        _ => When::Always,
    }
}

/// MSA-1, or `None` when the sender wants no answer in this case.
fn code(header: &Header, outcome: Outcome) -> Option<&'static str> {
    let commit = ["CA", "CE", "CR"];
    let application = ["AA", "AE", "AR"];
    let (codes, wanted) = match (header.accept, header.application) {
        (When::Absent, When::Absent) => (application, When::Always),
        (When::Absent | When::Never, wanted) => (application, wanted),
        (wanted, _) => (commit, wanted),
    };
    let [accepted, error, rejected] = codes;
    let code = match outcome {
        Outcome::Refused(_) => rejected,
        Outcome::Stored if header.fault.is_some() => error,
        Outcome::Stored => accepted,
    };
    let success = code == accepted;
    let answer = match wanted {
        When::Always => true,
        When::Absent | When::Never => false,
        When::Errors => !success,
        When::Success => success,
    };
    answer.then_some(code)
}

/// What stands in the answer besides the message's own words.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// Our MSH-10.
    pub control_id: &'a str,
    /// Our MSH-7, `YYYYMMDDHHMMSS+0000`.
    pub time: &'a str,
}

/// The acknowledgement without its frame, or `None` when the sender wants none.
pub fn answer(header: &Header, outcome: Outcome, own: Own<'_>) -> Option<Vec<u8>> {
    let code = code(header, outcome)?;
    let f = header.field;
    let c = header.encoding.chars().next().unwrap_or('^');
    let kind = if header.event.is_empty() {
        "ACK".to_owned()
    } else {
        format!("ACK{c}{0}{c}ACK", header.event)
    };
    let [to_app, to_facility] = &header.sender;
    let [from_app, from_facility] = &header.receiver;
    let mut text = format!(
        "MSH{f}{}{f}{from_app}{f}{from_facility}{f}{to_app}{f}{to_facility}{f}{}{f}{f}{kind}{f}{}{f}{}{f}{}",
        header.encoding, own.time, own.control_id, header.processing, header.version
    );
    if !header.charset.is_empty() {
        for _ in 12..18 {
            text.push(f);
        }
        text.push_str(&header.charset);
    }
    text.push_str(&format!("\rMSA{f}{code}{f}{}\r", header.control_id));
    if let Some(error) = error_segment(header, outcome, f, c) {
        text.push_str(&error);
        text.push('\r');
    }
    // Every character stands for one byte, as it was read.
    Some(
        text.chars()
            .map(|ch| u8::try_from(u32::from(ch)).unwrap_or(b'?'))
            .collect(),
    )
}

/// ERR as of version 2.5 (location and code apart), or before (all in ERR-1).
fn error_segment(header: &Header, outcome: Outcome, f: char, c: char) -> Option<String> {
    let (field, (code, text)) = match (outcome, header.fault) {
        (Outcome::Refused(_), _) => (0, NOT_TAKEN),
        (Outcome::Stored, Some(fault)) => (fault.field, (fault.code, fault.text)),
        (Outcome::Stored, None) => return None,
    };
    let place = match field {
        0 => format!("MSH{c}1"),
        n => format!("MSH{c}1{c}{n}"),
    };
    let sub = header.encoding.chars().nth(3).unwrap_or('&');
    Some(if before_2_5(&header.version) {
        let place = if field == 0 {
            format!("MSH{c}1{c}")
        } else {
            place
        };
        format!("ERR{f}{place}{c}{code}{sub}{text}{sub}HL70357")
    } else {
        let why = match outcome {
            Outcome::Refused(Reject::TooLarge) => "message too large",
            Outcome::Refused(Reject::Full) => "store full, send again later",
            Outcome::Refused(Reject::Unavailable) => "not available, send again later",
            Outcome::Stored => "kept for people to look at",
        };
        format!("ERR{f}{f}{place}{f}{code}{c}{text}{c}HL70357{f}E{f}{f}{f}{f}{why}")
    })
}

fn before_2_5(version: &str) -> bool {
    ["2.1", "2.2", "2.3", "2.4"]
        .iter()
        .any(|old| version.starts_with(old))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Own<'_> = Own {
        control_id: "W1",
        time: "20260301100000+0000",
    };

    fn msh(rest: &str) -> String {
        format!("MSH|^~\\&|HIS|STM|WARD|LINE|20260301||ADT^A01^ADT_A01|77|P|{rest}\rEVN|A01\r")
    }

    fn reply(message: &[u8], outcome: Outcome) -> Option<String> {
        answer(&Header::read(message), outcome, OWN)
            .map(|bytes| bytes.iter().map(|b| char::from(*b)).collect())
    }

    #[test]
    fn ml10_the_answer_swaps_sides_and_names_the_message() {
        let text = reply(msh("2.5").as_bytes(), Outcome::Stored).unwrap();
        assert_eq!(
            text,
            "MSH|^~\\&|WARD|LINE|HIS|STM|20260301100000+0000||ACK^A01^ACK|W1|P|2.5\rMSA|AA|77\r"
        );
    }

    #[test]
    fn ml11_the_table_of_acknowledgement_modes() {
        let full = Outcome::Refused(Reject::Full);
        let bad = "|||X|Y||8859/15";
        // MSH-15, MSH-16 -> stored, stored but not understood, refused
        let rows: &[(&str, &str, [Option<&str>; 3])] = &[
            ("", "", [Some("AA"), Some("AE"), Some("AR")]),
            ("AL", "", [Some("CA"), Some("CE"), Some("CR")]),
            ("AL", "AL", [Some("CA"), Some("CE"), Some("CR")]),
            ("AL", "NE", [Some("CA"), Some("CE"), Some("CR")]),
            ("ER", "AL", [None, Some("CE"), Some("CR")]),
            ("SU", "AL", [Some("CA"), None, None]),
            ("NE", "AL", [Some("AA"), Some("AE"), Some("AR")]),
            ("", "AL", [Some("AA"), Some("AE"), Some("AR")]),
            ("", "ER", [None, Some("AE"), Some("AR")]),
            ("NE", "SU", [Some("AA"), None, None]),
            ("NE", "NE", [None, None, None]),
            ("NE", "", [None, None, None]),
            ("", "NE", [None, None, None]),
            ("ZZ", "", [Some("CA"), Some("CE"), Some("CR")]),
        ];
        for (accept, application, expected) in rows {
            let good = msh(&format!("2.5|||{accept}|{application}"));
            let odd = msh(&format!(
                "2.5{}",
                bad.replace('X', accept).replace('Y', application)
            ));
            let got = [
                code(&Header::read(good.as_bytes()), Outcome::Stored),
                code(&Header::read(odd.as_bytes()), Outcome::Stored),
                code(&Header::read(good.as_bytes()), full),
            ];
            assert_eq!(&got, expected, "MSH-15 {accept} MSH-16 {application}");
        }
    }

    #[test]
    fn ml12_faults_name_segment_field_and_code() {
        let rows: &[(&[u8], &str, &str)] = &[
            (
                b"PID|1\r",
                "MSA|AE|\r",
                "ERR||MSH^1|100^Segment sequence error^HL70357|E",
            ),
            (b"", "MSA|AE|\r", "ERR||MSH^1|100^"),
            (b"MSH|^^\\&|A\r", "MSA|AE|\r", "ERR||MSH^1^2|102^"),
            (
                b"MSH|^~\\&|A|B|C|D|1|||9|P|2.5\r",
                "MSA|AE|9\r",
                "ERR||MSH^1^9|101^Required field missing",
            ),
            (
                b"MSH|^~\\&|A|B|C|D|1||ADT^A01||P|2.5\r",
                "MSA|AE|\r",
                "ERR||MSH^1^10|101^",
            ),
            (
                b"MSH|^~\\&|A|B|C|D|1||ADT^A01|9|P|2.5||||||UNICODE\r",
                "MSA|AE|9\r",
                "ERR||MSH^1^18|103^Table value not found^HL70357|E",
            ),
            (
                b"MSH|^~\\&|A|B|C|D|1||ADT^A01|9|P|2.3||||||X\r",
                "MSA|AE|9\r",
                "ERR|MSH^1^18^103&Table value not found&HL70357\r",
            ),
        ];
        for (message, msa, err) in rows {
            let header = Header::read(message);
            assert!(!header.understood());
            let text = reply(message, Outcome::Stored).unwrap();
            assert!(text.contains(msa) && text.contains(err), "{text:?}");
        }
        let text = reply(msh("2.5").as_bytes(), Outcome::Refused(Reject::TooLarge)).unwrap();
        assert!(
            text.contains("MSA|AR|77\rERR||MSH^1|207^") && text.contains("too large"),
            "{text:?}"
        );
    }

    #[test]
    fn ml13_character_sets() {
        for good in [
            "",
            "ASCII",
            "8859/1",
            "UNICODE UTF-8",
            "unicode utf-8",
            "\"\"",
            "8859/1~UNICODE UTF-8",
        ] {
            assert!(
                Header::read(msh(&format!("2.5||||||{good}")).as_bytes()).understood(),
                "{good}"
            );
        }
        for bad in ["8859/15", "UNICODE UTF-16", "GB 18030-2000", "ISO IR87"] {
            assert!(
                !Header::read(msh(&format!("2.5||||||{bad}")).as_bytes()).understood(),
                "{bad}"
            );
        }
    }

    #[test]
    fn ml14_what_is_echoed_is_byte_for_byte_what_came() {
        let latin = b"MSH|^~\\&|H\xe4us|ST|W|L|1||ADT^A01|\xfc7|P|2.5||||||8859/1\rPID|1\r";
        let bytes = answer(&Header::read(latin), Outcome::Stored, OWN).unwrap();
        assert!(
            bytes.windows(4).any(|w| w == b"H\xe4us") && bytes.windows(3).any(|w| w == b"|\xfc7")
        );
        assert!(bytes.windows(7).any(|w| w == b"|8859/1"));
        let utf8 = "\u{feff}MSH$%~\\&$Häus$ST$W$L$1$$ADT%A01$ü7$P$2.5\r".as_bytes();
        let bytes = answer(&Header::read(utf8), Outcome::Stored, OWN).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.contains("$Häus$ST$")
                && text.contains("MSA$AA$ü7\r")
                && text.contains("ACK%A01%ACK"),
            "{text}"
        );
    }

    proptest::proptest! {
        #[test]
        fn p8_any_bytes_get_an_answer_that_keeps_its_frame(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), with_header: bool) {
            let mut message = if with_header { b"MSH|^~\\&|".to_vec() } else { Vec::new() };
            message.extend(bytes);
            for outcome in [Outcome::Stored, Outcome::Refused(Reject::Full)] {
                if let Some(answer) = answer(&Header::read(&message), outcome, OWN) {
                    proptest::prop_assert!(!answer.iter().any(|b| matches!(b, 0x0b | 0x1c)));
                    proptest::prop_assert!(answer.starts_with(b"MSH"));
                }
            }
        }
    }
}
