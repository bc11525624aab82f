//! HL7 times -> moments.
//!
//! A time without a zone is local time of the site. Twice a year that is not enough: the hour that exists twice means
//! the one nearer to when the agent took the message in; the hour that does not exist is shifted by what the clock
//! was put forward, and flagged. Never guessed: a time without a day, or outside of sensible years, is no time.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use crate::limits::{YEAR_MAX, YEAR_MIN};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub ms: i64,
    pub precision_ms: i64,
    pub zone: ZoneFit,
}

/// How a local time fitted its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneFit {
    Exact,
    /// The hour does not exist there; shifted.
    Shifted,
    /// The hour exists twice there; the nearer one was taken.
    Twice,
}

/// H8: `YYYYMMDD[HH[MM[SS[.S...]]]][+-ZZZZ]`; `near_ms` is when the agent took the message in.
pub fn parse(text: &str, zone: &TimeZone, near_ms: i64) -> Option<Moment> {
    let text = text.trim();
    let (local, offset) = match text.rfind(['+', '-']) {
        Some(at) => {
            let (local, offset) = text.split_at_checked(at)?;
            (local, Some(parse_offset(offset)?))
        }
        None => (text, None),
    };
    let (datetime, precision_ms) = parse_local(local)?;
    if !(YEAR_MIN..=YEAR_MAX).contains(&datetime.year()) {
        return None;
    }
    let (ms, zone) = match offset {
        Some(offset) => (millis(offset, datetime)?, ZoneFit::Exact),
        None => resolve(datetime, zone, near_ms)?,
    };
    Some(Moment {
        ms,
        precision_ms,
        zone,
    })
}

/// H9: local time of the site.
fn resolve(local: DateTime, zone: &TimeZone, near_ms: i64) -> Option<(i64, ZoneFit)> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => Some((millis(offset, local)?, ZoneFit::Exact)),
        // Read with the clock as it was before: 02:30 becomes 03:30 summer time.
        AmbiguousOffset::Gap { before, .. } => Some((millis(before, local)?, ZoneFit::Shifted)),
        AmbiguousOffset::Fold { before, after } => {
            let (first, second) = (millis(before, local)?, millis(after, local)?);
            let nearer = if first.abs_diff(near_ms) <= second.abs_diff(near_ms) {
                first
            } else {
                second
            };
            Some((nearer, ZoneFit::Twice))
        }
    }
}

fn millis(offset: Offset, local: DateTime) -> Option<i64> {
    let moment = offset.to_timestamp(local).ok()?;
    Some(moment.as_millisecond())
}

fn parse_offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        (_, digits) => (-1, digits),
    };
    let [h1, h2, m1, m2] = digits.as_bytes() else {
        return None;
    };
    let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60)).ok()
}

fn number(digits: &[u8]) -> Option<i16> {
    digits.iter().try_fold(0_i16, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| i16::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

fn parse_local(text: &str) -> Option<(DateTime, i64)> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole.as_bytes(), Some(fraction.as_bytes())),
        None => (text.as_bytes(), None),
    };
    let precision_ms = match (whole.len(), fraction) {
        (8, None) => 86_400_000,
        (10, None) => 3_600_000,
        (12, None) => 60_000,
        (14, None) => 1_000,
        (14, Some(_)) => 1,
        _ => return None,
    };
    let (year, rest) = whole.split_at_checked(4)?;
    let mut pairs = rest.chunks(2).map(number);
    let mut next = |missing: i16| match pairs.next() {
        Some(pair) => pair.and_then(|n| i8::try_from(n).ok()),
        None => i8::try_from(missing).ok(),
    };
    let (month, day) = (next(1)?, next(1)?);
    let (hour, minute, second) = (next(0)?, next(0)?, next(0)?);
    // H8: leap seconds are taken as the second before.
    let second = if second == 60 { 59 } else { second };
    let nanos = fraction.map_or(Some(0), parse_fraction)?;
    let datetime = DateTime::new(number(year)?, month, day, hour, minute, second, nanos).ok()?;
    Some((datetime, precision_ms))
}

/// Cut to milliseconds.
fn parse_fraction(digits: &[u8]) -> Option<i32> {
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut padded = digits.iter().chain(b"00").copied();
    let three = [padded.next()?, padded.next()?, padded.next()?];
    Some(i32::from(number(&three)?) * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wardline_model::time::{parse_rfc3339, rfc3339};

    fn berlin(text: &str, near: &str) -> Option<(String, i64, ZoneFit)> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        parse(text, &zone, parse_rfc3339(near).unwrap())
            .map(|m| (rfc3339(m.ms), m.precision_ms, m.zone))
    }

    const NEAR: &str = "2026-03-01T12:00:00Z";

    #[test]
    fn h8_precision_follows_what_is_written() {
        for (text, utc, precision) in [
            ("20260301", "2026-02-28T23:00:00Z", 86_400_000),
            ("2026030110", "2026-03-01T09:00:00Z", 3_600_000),
            ("202603011015", "2026-03-01T09:15:00Z", 60_000),
            ("20260301101530", "2026-03-01T09:15:30Z", 1_000),
            ("20260301101530.25", "2026-03-01T09:15:30.250Z", 1),
            ("20260301101530.1239", "2026-03-01T09:15:30.123Z", 1),
            ("20260301101530+0000", "2026-03-01T10:15:30Z", 1_000),
            ("202603011015-0530", "2026-03-01T15:45:00Z", 60_000),
            (" 20260301101530 ", "2026-03-01T09:15:30Z", 1_000),
        ] {
            assert_eq!(
                berlin(text, NEAR),
                Some((utc.to_owned(), precision, ZoneFit::Exact)),
                "{text}"
            );
        }
    }

    #[test]
    fn h8_what_names_no_moment_is_no_time() {
        for text in [
            "",
            "2026",
            "202603",
            "20261301",
            "20260230",
            "2026030124",
            "202603011060",
            "20260301101561",
            "00010101",
            "99991231",
            "2026-03-01",
            "20260301T10",
            "2026030110153",
            "20260301101530.",
            "20260301101530.x",
            "20260301+01",
            "20260301+1500",
            "x",
            "２０２６０３０１",
        ] {
            assert_eq!(berlin(text, NEAR), None, "{text}");
        }
    }

    #[test]
    fn h9_the_double_hour_is_the_one_nearer_to_its_arrival() {
        for (near, utc) in [
            ("2026-10-25T00:31:00Z", "2026-10-25T00:30:00Z"),
            ("2026-10-25T01:31:00Z", "2026-10-25T01:30:00Z"),
            ("2026-10-26T09:00:00Z", "2026-10-25T01:30:00Z"),
        ] {
            let expected = Some((utc.to_owned(), 1_000, ZoneFit::Twice));
            assert_eq!(berlin("20261025023000", near), expected, "{near}");
        }
        let stated = berlin("20261025023000+0200", "2026-10-26T09:00:00Z").unwrap();
        assert_eq!(stated.0, "2026-10-25T00:30:00Z");
        assert_eq!(stated.2, ZoneFit::Exact);
    }

    #[test]
    fn h9_the_missing_hour_is_shifted_and_said() {
        let expected = Some(("2026-03-29T01:30:00Z".to_owned(), 1_000, ZoneFit::Shifted));
        assert_eq!(berlin("20260329023000", NEAR), expected);
    }
}
