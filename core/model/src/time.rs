//! Times as text. Inside the pipeline a moment is milliseconds since 1970-01-01 UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// RFC 3339 in UTC; milliseconds are left out when they are zero.
pub fn rfc3339(ms: i64) -> String {
    let format = if ms.rem_euclid(1000) == 0 {
        "%Y-%m-%dT%H:%M:%SZ"
    } else {
        "%Y-%m-%dT%H:%M:%S%.3fZ"
    };
    Timestamp::from_millisecond(ms)
        .map_or_else(|_| format!("@{ms}ms"), |t| t.strftime(format).to_string())
}

/// RFC 3339 with the offset that the zone has at that moment.
pub fn rfc3339_in(ms: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(t) => {
            let local = t.to_zoned(zone.clone());
            let sub = if ms.rem_euclid(1000) == 0 { "" } else { "%.3f" };
            local
                .strftime(&format!("%Y-%m-%dT%H:%M:%S{sub}%:z"))
                .to_string()
        }
        Err(_) => rfc3339(ms),
    }
}

/// Milliseconds of an RFC 3339 time with a zone or `Z`; `None` for anything else.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    text.trim()
        .parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip() {
        for text in ["2026-03-01T10:00:00Z", "2026-03-01T10:00:00.250Z"] {
            assert_eq!(rfc3339(parse_rfc3339(text).unwrap()), text);
        }
        assert_eq!(
            parse_rfc3339("2026-03-01T11:00:00+01:00"),
            parse_rfc3339("2026-03-01T10:00:00Z")
        );
        assert_eq!(parse_rfc3339("2026-03-01T11:00:00"), None);
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let ms = parse_rfc3339("2026-07-01T10:00:00.5Z").unwrap();
        assert_eq!(rfc3339_in(ms, &berlin), "2026-07-01T12:00:00.500+02:00");
    }
}
