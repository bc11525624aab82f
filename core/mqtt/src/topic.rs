//! Which topic names and filters are well-formed.
//!
//! A name with a wildcard or NUL breaks the protocol; a name that is only too long is refused like any other
//! message that is not taken here. Filters are exact: what subscribers get here is addressed to them by name.

/// What is wrong with a topic name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameFault {
    /// Not UTF-8.
    Utf8,
    /// Empty, or holds a wildcard or NUL.
    Invalid,
    /// Longer than this listener takes.
    TooLong,
}

/// What is wrong with a topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FilterFault {
    /// Empty, too long, holds NUL, or misplaces a wildcard.
    Invalid,
    /// A wildcard subscription, which is not available.
    Wildcard,
    /// A shared subscription, which is not available.
    Shared,
}

/// The topic name in `bytes`, if it is one.
pub(crate) fn name(bytes: &[u8], bytes_max: usize) -> Result<&str, NameFault> {
    if bytes.is_empty() || bytes.iter().any(|b| matches!(b, b'+' | b'#' | 0)) {
        return Err(NameFault::Invalid);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| NameFault::Utf8)?;
    if bytes.len() > bytes_max {
        return Err(NameFault::TooLong);
    }
    Ok(text)
}

/// Checks a topic filter.
pub(crate) fn filter(text: &str, bytes_max: usize) -> Result<(), FilterFault> {
    if text.is_empty() || text.len() > bytes_max || text.contains('\0') {
        return Err(FilterFault::Invalid);
    }
    let mut wildcard = false;
    let mut levels = text.split('/').peekable();
    while let Some(level) = levels.next() {
        match level {
            "+" => wildcard = true,
            "#" if levels.peek().is_none() => wildcard = true,
            _ if level.contains(['+', '#']) => return Err(FilterFault::Invalid),
            _ => {}
        }
    }
    if text.starts_with("$share/") {
        return Err(FilterFault::Shared);
    }
    if wildcard {
        Err(FilterFault::Wildcard)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m24_topic_names() {
        assert_eq!(
            name(b"devices/icu/vent-1/state", 64),
            Ok("devices/icu/vent-1/state")
        );
        assert_eq!(name("ä/ö".as_bytes(), 64), Ok("ä/ö"));
        assert_eq!(name(b"/", 64), Ok("/"));
        for bad in [b"".as_slice(), b"a/+/b", b"a/#", b"#", b"a+b", b"a\0b"] {
            assert_eq!(name(bad, 64), Err(NameFault::Invalid), "{bad:?}");
        }
        assert_eq!(name(&[b'a', 0xff], 64), Err(NameFault::Utf8));
        assert_eq!(name(&[b'a', 0xed, 0xa0, 0x80], 64), Err(NameFault::Utf8));
        assert_eq!(name(b"abcde", 4), Err(NameFault::TooLong));
    }

    #[test]
    fn m25_topic_filters() {
        assert_eq!(filter("a/b/c", 64), Ok(()));
        assert_eq!(filter("$SYS/x", 64), Ok(()));
        for bad in ["", "a#", "#/a", "a/b+", "+a", "a/#/b", "a\0"] {
            assert_eq!(filter(bad, 64), Err(FilterFault::Invalid), "{bad}");
        }
        for wild in ["#", "+", "a/+/b", "a/#"] {
            assert_eq!(filter(wild, 64), Err(FilterFault::Wildcard), "{wild}");
        }
        assert_eq!(filter("$share/g/a", 64), Err(FilterFault::Shared));
        assert_eq!(filter("abcde", 4), Err(FilterFault::Invalid));
    }
}
