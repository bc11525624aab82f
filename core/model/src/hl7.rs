//! HL7 v2 as text: delimiters, segments, fields, components. No meaning and no mapping.
//!
//! The agent uses it to read MSH and answer; the bridge uses it to map whole messages. Tolerant where practice is:
//! CR, LF or CRLF between segments, a byte order mark or blank lines before MSH, unknown segments.

/// The five characters that MSH-1 and MSH-2 declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiters {
    pub field: char,
    pub component: char,
    pub repetition: char,
    pub escape: char,
    pub subcomponent: char,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Hl7Error {
    #[error("message does not begin with an MSH segment")]
    NoHeader,
    #[error(
        "MSH-1 and MSH-2 do not declare five distinct delimiters that are neither letters, digits nor control characters"
    )]
    Delimiters,
}

#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    delimiters: Delimiters,
    text: &'a str,
}

#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    delimiters: Delimiters,
    line: &'a str,
}

impl<'a> Message<'a> {
    pub fn parse(text: &'a str) -> Result<Self, Hl7Error> {
        let text = text.trim_start_matches(['\u{feff}', '\r', '\n', ' ']);
        let head = text.strip_prefix("MSH").ok_or(Hl7Error::NoHeader)?;
        let mut chars = head.chars();
        let field = chars.next().ok_or(Hl7Error::Delimiters)?;
        let line_end = head.find(['\r', '\n']).unwrap_or(head.len());
        let after = head
            .get(field.len_utf8()..line_end)
            .ok_or(Hl7Error::Delimiters)?;
        let encoding = after.split(field).next().unwrap_or_default();
        let delimiters = Delimiters::declared(field, encoding).ok_or(Hl7Error::Delimiters)?;
        Ok(Self { delimiters, text })
    }

    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + use<'a> {
        let delimiters = self.delimiters;
        self.text
            .split(['\r', '\n'])
            .filter(|line| !line.trim().is_empty())
            .map(move |line| Segment { delimiters, line })
    }

    /// The first segment of that name.
    pub fn segment(&self, name: &str) -> Option<Segment<'a>> {
        self.segments().find(|s| s.name() == name)
    }
}

impl Delimiters {
    /// MSH-2 may leave out the later ones (`^~\&` by convention); some senders add a sixth, the truncation character.
    fn declared(field: char, encoding: &str) -> Option<Self> {
        let mut chars = encoding.chars();
        let delimiters = Self {
            field,
            component: chars.next()?,
            repetition: chars.next().unwrap_or('~'),
            escape: chars.next().unwrap_or('\\'),
            subcomponent: chars.next().unwrap_or('&'),
        };
        let all = [
            field,
            delimiters.component,
            delimiters.repetition,
            delimiters.escape,
            delimiters.subcomponent,
        ];
        let usable = all
            .iter()
            .all(|c| !c.is_alphanumeric() && !c.is_control() && *c != ' ');
        let distinct = all
            .iter()
            .enumerate()
            .all(|(i, c)| !all.iter().skip(i + 1).any(|d| d == c));
        (usable && distinct && encoding.chars().count() <= 5).then_some(delimiters)
    }

    /// Resolves escape sequences; unknown ones are dropped, as the standard asks.
    pub fn unescape(&self, text: &str) -> String {
        if !text.contains(self.escape) {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(self.escape) {
            out.push_str(before);
            let Some((code, tail)) = after.split_once(self.escape) else {
                out.push(self.escape);
                rest = after;
                continue;
            };
            match code {
                "F" => out.push(self.field),
                "S" => out.push(self.component),
                "T" => out.push(self.subcomponent),
                "R" => out.push(self.repetition),
                "E" => out.push(self.escape),
                ".br" => out.push('\n'),
                _ => {}
            }
            rest = tail;
        }
        out.push_str(rest);
        out
    }
}

impl<'a> Segment<'a> {
    pub fn name(&self) -> &'a str {
        self.line.get(..3).unwrap_or(self.line)
    }

    /// Field `n` as it stands (all repetitions), empty when absent. MSH counts its own delimiter as field 1.
    pub fn field(&self, n: usize) -> &'a str {
        let shift = usize::from(self.name() == "MSH");
        if shift == 1 && n == 1 {
            return self.line.get(3..4).unwrap_or_default();
        }
        self.line
            .split(self.delimiters.field)
            .nth(n.saturating_sub(shift))
            .unwrap_or_default()
    }

    /// Component `c` (from 1) of the first repetition of field `n`, unescaped; `""` (explicit null) counts as empty.
    pub fn component(&self, n: usize, c: usize) -> String {
        let first = self
            .field(n)
            .split(self.delimiters.repetition)
            .next()
            .unwrap_or_default();
        self.component_of(first, c)
    }

    /// Component `c` (from 1) of any field text of this message.
    pub fn component_of(&self, field: &str, c: usize) -> String {
        let part = field
            .split(self.delimiters.component)
            .nth(c.saturating_sub(1))
            .unwrap_or_default();
        let first = part
            .split(self.delimiters.subcomponent)
            .next()
            .unwrap_or_default()
            .trim();
        if first == "\"\"" {
            String::new()
        } else {
            self.delimiters.unescape(first)
        }
    }

    pub fn repetitions(&self, n: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        self.field(n).split(self.delimiters.repetition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADT: &str = "\u{feff}MSH|^~\\&|HIS|STM|W||20260301100000||ADT^A01|77|P|2.5\r\nEVN|A01|20260301100000\nPID|1||4^^^A~5^^^B||Doe\\T\\Roe\rPV1|1|I|ICU^1^2||||\"\"";

    #[test]
    fn segments_fields_components() {
        let m = Message::parse(ADT).unwrap();
        let msh = m.segment("MSH").unwrap();
        assert_eq!(
            (msh.field(1), msh.field(2), msh.field(3), msh.field(10)),
            ("|", "^~\\&", "HIS", "77")
        );
        assert_eq!(
            (msh.component(9, 1), msh.component(9, 2)),
            ("ADT".into(), "A01".into())
        );
        let names: Vec<_> = m.segments().map(|s| s.name()).collect();
        assert_eq!(names, ["MSH", "EVN", "PID", "PV1"]);
        let pid = m.segment("PID").unwrap();
        assert_eq!(pid.component(5, 1), "Doe&Roe");
        assert_eq!(pid.repetitions(3).collect::<Vec<_>>(), ["4^^^A", "5^^^B"]);
        let pv1 = m.segment("PV1").unwrap();
        assert_eq!(
            (pv1.component(3, 2), pv1.component(7, 1), pv1.field(99)),
            ("1".into(), String::new(), "")
        );
    }

    #[test]
    fn delimiters_are_checked() {
        assert_eq!(Message::parse("PID|1").unwrap_err(), Hl7Error::NoHeader);
        for bad in [
            "MSH",
            "MSH|",
            "MSH||",
            "MSH|^^\\&|",
            "MSHA^~\\&A",
            "MSH|^~\\&#x|",
        ] {
            assert_eq!(
                Message::parse(bad).unwrap_err(),
                Hl7Error::Delimiters,
                "{bad}"
            );
        }
        assert!(Message::parse("MSH$%~\\&$A").is_ok());
        assert!(Message::parse("MSH|^~\\&#|A").is_ok());
    }

    #[test]
    fn unescape_is_total() {
        let d = Message::parse("MSH|^~\\&|").unwrap().delimiters();
        assert_eq!(d.unescape("a\\F\\b\\S\\c\\E\\d"), "a|b^c\\d");
        assert_eq!(d.unescape("open\\F"), "open\\F");
        assert_eq!(d.unescape("\\X41\\x"), "x");
    }
}
