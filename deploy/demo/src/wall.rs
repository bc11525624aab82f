//! Wall times as the house writes them: HL7 timestamps with zone and RFC 3339, both from epoch
//! milliseconds. No clock is read here.

use jiff::{Timestamp, tz::TimeZone};

use crate::error::{Error, Result};

/// The zone of that IANA name.
pub(crate) fn zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|_| Error::Zone(name.to_owned()))
}

/// `yyyymmddhhmmss+zzzz`.
pub(crate) fn hl7_stamp(ms: i64, zone: &TimeZone) -> String {
    zoned(ms, zone).strftime("%Y%m%d%H%M%S%z").to_string()
}

/// RFC 3339 with milliseconds and numeric offset.
pub(crate) fn rfc3339(ms: i64, zone: &TimeZone) -> String {
    zoned(ms, zone)
        .strftime("%Y-%m-%dT%H:%M:%S%.3f%:z")
        .to_string()
}

/// A moment outside the calendar's range is written as its nearest end: a simulated house has no use
/// for an error there.
fn zoned(ms: i64, zone: &TimeZone) -> jiff::Zoned {
    let stamp = Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    stamp.to_zoned(zone.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_carry_the_zone_of_the_site() {
        let berlin = zone("Europe/Berlin").unwrap();
        assert_eq!(hl7_stamp(1_767_225_600_000, &berlin), "20260101010000+0100");
        assert_eq!(
            rfc3339(1_782_864_000_250, &berlin),
            "2026-07-01T02:00:00.250+02:00"
        );
        assert!(matches!(zone("Mars/Base"), Err(Error::Zone(_))));
    }
}
