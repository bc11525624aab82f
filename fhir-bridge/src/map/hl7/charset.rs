//! Bytes -> text by MSH-18. Bytes that the declared character set does not have are replaced and reported:
//! a wrong byte in a name must not keep a patient out of a bed.

use std::borrow::Cow;

use encoding_rs::mem::decode_latin1;
use wardline_model::hl7::Message;

use wardline_model::sideline::Reason;

const BOM: &[u8] = &[0xef, 0xbb, 0xbf];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<'a> {
    pub text: Cow<'a, str>,
    pub replaced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    /// Nothing declared: UTF-8 if it is that, else 8859/1.
    Undeclared,
    Utf8,
    Latin1,
    Ascii,
}

/// H1; the mark of H2 is skipped.
///
/// # Errors
/// An unknown character set (H1).
pub fn decode(raw: &[u8]) -> Result<Decoded<'_>, Reason> {
    let body = raw.strip_prefix(BOM).unwrap_or(raw);
    let exact = |text| Decoded {
        text,
        replaced: false,
    };
    // The rest of the messages, nearly all: plain ASCII is the same in each of these sets.
    if body.is_ascii() && declared(body)?.is_some() {
        return Ok(exact(String::from_utf8_lossy(body)));
    }
    Ok(match declared(body)?.unwrap_or(Charset::Undeclared) {
        Charset::Latin1 => exact(decode_latin1(body)),
        Charset::Undeclared => match std::str::from_utf8(body) {
            Ok(text) => exact(Cow::Borrowed(text)),
            Err(_) => exact(decode_latin1(body)),
        },
        Charset::Utf8 => {
            let text = String::from_utf8_lossy(body);
            let replaced = matches!(text, Cow::Owned(_));
            Decoded { text, replaced }
        }
        Charset::Ascii => Decoded {
            replaced: !body.is_ascii(),
            text: ascii(body),
        },
    })
}

fn ascii(body: &[u8]) -> Cow<'_, str> {
    let char_of = |byte: &u8| match byte.is_ascii() {
        true => char::from(*byte),
        false => char::REPLACEMENT_CHARACTER,
    };
    Cow::Owned(body.iter().map(char_of).collect())
}

/// `None` when there is no readable header; the parser says so then.
fn declared(body: &[u8]) -> Result<Option<Charset>, Reason> {
    let start = body
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n' | b' '))
        .unwrap_or(body.len());
    let body = body.get(start..).unwrap_or_default();
    let end = body
        .iter()
        .position(|byte| matches!(byte, b'\r' | b'\n'))
        .unwrap_or(body.len());
    let line = decode_latin1(body.get(..end).unwrap_or_default());
    let Ok(message) = Message::parse(&line) else {
        return Ok(None);
    };
    let Some(header) = message.segments().next() else {
        return Ok(None);
    };
    let name = header.component(18, 1);
    match name.trim().to_ascii_uppercase().as_str() {
        "" => Ok(Some(Charset::Undeclared)),
        "UNICODE UTF-8" | "UTF-8" | "UTF8" | "UNICODE" => Ok(Some(Charset::Utf8)),
        "8859/1" | "ISO-8859-1" | "ISO8859-1" => Ok(Some(Charset::Latin1)),
        "ASCII" => Ok(Some(Charset::Ascii)),
        _ => Err(Reason::new(
            "hl7-charset",
            "MSH-18",
            "H1",
            "not one of UNICODE UTF-8, 8859/1, ASCII",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(charset: &str, tail: &[u8]) -> Vec<u8> {
        let head = format!("MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5||||||{charset}\rPID|1||");
        [head.as_bytes(), tail].concat()
    }

    #[test]
    fn h1_each_character_set_is_read() {
        for (charset, bytes, tail, replaced) in [
            ("", "Mü".as_bytes(), "Mü", false),
            ("", b"M\xfc", "Mü", false),
            ("UNICODE UTF-8", "Mü".as_bytes(), "Mü", false),
            ("UNICODE UTF-8", b"M\xfc", "M\u{fffd}", true),
            ("8859/1", b"M\xfc", "Mü", false),
            ("ASCII", b"M\xfc", "M\u{fffd}", true),
            ("ASCII~8859/1", b"M", "M", false),
        ] {
            let raw = message(charset, bytes);
            let decoded = decode(&raw).unwrap();
            assert!(decoded.text.ends_with(tail), "{charset}: {}", decoded.text);
            assert_eq!(decoded.replaced, replaced, "{charset}");
        }
    }

    #[test]
    fn h1_an_unknown_character_set_is_refused() {
        let error = decode(&message("KS X 1001", b"x")).unwrap_err();
        assert_eq!(
            (error.cause.as_ref(), error.place.as_ref()),
            ("hl7-charset", "MSH-18")
        );
    }

    #[test]
    fn h2_a_byte_order_mark_and_blank_lines_are_skipped() {
        let raw = [BOM, b"\r\n", &message("8859/1", b"\xfc")].concat();
        assert!(decode(&raw).unwrap().text.ends_with('ü'));
        assert!(decode(b"\xff\xfe").is_ok());
    }
}
