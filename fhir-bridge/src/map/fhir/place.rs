//! A place in the hospital as HL7's PL names it: point of care, room, bed.
//!
//! Kept true: the text never loses a component that was valued, so a bed never becomes its ward on the way;
//! it has at most 80 characters and none that would break a topic key or a screen.

use wardline_model::limits::LOCATION_CHARS_MAX;

/// The finest component that is valued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finest {
    Ward,
    Room,
    Bed,
}

impl Finest {
    /// HL7's location-physical-type.
    pub fn code(self) -> &'static str {
        match self {
            Finest::Ward => "wa",
            Finest::Room => "ro",
            Finest::Bed => "bd",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    text: String,
    finest: Finest,
    /// All three components are valued.
    is_bed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("it has {0} characters; {LOCATION_CHARS_MAX} are allowed")]
    TooLong(usize),
    #[error("it has more than the three components point of care, room and bed")]
    TooMany,
    #[error("a component holds a control character or a caret")]
    Characters,
    #[error("point of care, room and bed are not all valued")]
    NoBed,
}

impl Place {
    /// `Ok(None)` when no component is valued.
    pub fn new(care: &str, room: &str, bed: &str) -> Result<Option<Self>, PlaceError> {
        let parts = [care, room, bed].map(str::trim);
        let odd = |c: char| c == '^' || c.is_control();
        if parts.iter().any(|part| part.contains(odd)) {
            return Err(PlaceError::Characters);
        }
        let finest = match parts {
            ["", "", ""] => return Ok(None),
            [_, "", ""] => Finest::Ward,
            [_, _, ""] => Finest::Room,
            _ => Finest::Bed,
        };
        let joined = parts.join("^");
        let text = joined.trim_end_matches('^');
        let chars = text.chars().count();
        if chars > LOCATION_CHARS_MAX {
            return Err(PlaceError::TooLong(chars));
        }
        Ok(Some(Self {
            text: text.to_owned(),
            finest,
            is_bed: parts.iter().all(|part| !part.is_empty()),
        }))
    }

    /// Reads `PoC^Room^Bed`; all three must be valued.
    pub fn parse_bed(text: &str) -> Result<Self, PlaceError> {
        let mut parts = text.split('^');
        let (care, room, bed) = (parts.next(), parts.next(), parts.next());
        if parts.next().is_some() {
            return Err(PlaceError::TooMany);
        }
        let place = Self::new(
            care.unwrap_or_default(),
            room.unwrap_or_default(),
            bed.unwrap_or_default(),
        )?;
        place.filter(Place::is_bed).ok_or(PlaceError::NoBed)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn finest(&self) -> Finest {
        self.finest
    }

    pub fn is_bed(&self) -> bool {
        self.is_bed
    }

    /// The room that a bed stands in.
    pub fn room(&self) -> Option<Self> {
        let (room, _) = self.text.rsplit_once('^').filter(|_| self.is_bed)?;
        Some(Self {
            text: room.to_owned(),
            finest: Finest::Room,
            is_bed: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h13_the_finest_component_decides() {
        for (parts, text, finest, is_bed) in [
            (["ICU", "1", "2"], "ICU^1^2", Finest::Bed, true),
            (["ICU", "", "2"], "ICU^^2", Finest::Bed, false),
            (["ICU", "1", ""], "ICU^1", Finest::Room, false),
            (["ED", "", ""], "ED", Finest::Ward, false),
            (["", "", "2"], "^^2", Finest::Bed, false),
        ] {
            let place = Place::new(parts[0], parts[1], parts[2]).unwrap().unwrap();
            assert_eq!(
                (place.as_str(), place.finest(), place.is_bed()),
                (text, finest, is_bed)
            );
        }
        assert_eq!(Place::new("", " ", ""), Ok(None));
    }

    #[test]
    fn h14_what_cannot_be_a_place_says_why() {
        assert_eq!(Place::new("a^b", "", ""), Err(PlaceError::Characters));
        assert_eq!(Place::new("a\nb", "", ""), Err(PlaceError::Characters));
        let long = "x".repeat(81);
        assert_eq!(Place::new(&long, "", ""), Err(PlaceError::TooLong(81)));
        assert_eq!(Place::parse_bed("A^1^2^3"), Err(PlaceError::TooMany));
        for text in ["", "A", "A^1", "A^1^", "^1^2", "A^^2"] {
            assert_eq!(Place::parse_bed(text), Err(PlaceError::NoBed), "{text}");
        }
    }

    #[test]
    fn h23_a_bed_knows_its_room() {
        let bed = Place::parse_bed("ICU^1^2").unwrap();
        assert_eq!(bed.room().unwrap().as_str(), "ICU^1");
        assert_eq!(bed.room().unwrap().room(), None);
    }
}
