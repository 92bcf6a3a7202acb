//! The one encoding of an input: asked for, marked, or evident; never a mixture, never a replacement character.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

use super::StreamError;

/// An encoding that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextEncoding(pub(super) &'static Encoding);

impl TextEncoding {
    /// The encoding of a label of the WHATWG Encoding Standard, such as `gbk` or `utf-16le`; `None` if there is none or
    /// its lines cannot be told apart byte by byte (ISO-2022-JP).
    pub fn from_label(label: &str) -> Option<Self> {
        let encoding = Encoding::for_label(label.as_bytes())?;
        (encoding.is_ascii_compatible() || utf_16(encoding)).then_some(Self(encoding))
    }

    /// The name in the standard.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

pub(super) fn utf_16(encoding: &'static Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// The encoding of an input that begins with `head`, and the bytes of a mark to pass over. The mark of UTF-8 is part of
/// the text: it is written as it was read.
pub(super) fn settle(
    head: &[u8],
    asked: Option<TextEncoding>,
) -> Result<(&'static Encoding, usize), StreamError> {
    if head.starts_with(&[0xff, 0xfe, 0, 0]) || head.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(StreamError::Utf32);
    }
    if let Some((marked, len)) = Encoding::for_bom(head) {
        return match asked {
            Some(TextEncoding(asked)) if asked != marked => {
                Err(StreamError::OtherMark { mark: marked.name(), asked: asked.name() })
            }
            _ => Ok((marked, if marked == UTF_8 { 0 } else { len })),
        };
    }
    match asked {
        Some(TextEncoding(asked)) => Ok((asked, 0)),
        None if head.contains(&0) => Ok((order(head).ok_or(StreamError::Order)?, 0)),
        None => Ok((UTF_8, 0)),
    }
}

/// The order of UTF-16 without a mark: on which side of its pairs ASCII has its zero. A few Han characters look like
/// ASCII of the other order, so the evidence must be overwhelming.
fn order(head: &[u8]) -> Option<&'static Encoding> {
    let (mut little, mut big) = (0usize, 0usize);
    for pair in head.chunks_exact(2) {
        match pair {
            [1..=0x7f, 0] => little += 1,
            [0, 1..=0x7f] => big += 1,
            // Two zeros are no character of a text.
            [0, 0] => return None,
            _ => {}
        }
    }
    if little > 8 * big {
        Some(UTF_16LE)
    } else if big > 8 * little {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// A line as text, or the first byte of it that is none.
pub(super) fn decode<'l>(encoding: &'static Encoding, line: &'l [u8]) -> Result<Cow<'l, str>, usize> {
    if encoding == UTF_8 {
        return std::str::from_utf8(line).map(Cow::Borrowed).map_err(|e| e.valid_up_to());
    }
    let mut decoder = encoding.new_decoder_without_bom_handling();
    // What the decoder asks for is enough for the whole line; the length of a line is bounded.
    let room = decoder.max_utf8_buffer_length_without_replacement(line.len()).unwrap_or(0);
    let mut text = String::with_capacity(room);
    match decoder.decode_to_string_without_replacement(line, &mut text, true) {
        (DecoderResult::InputEmpty, _) => Ok(Cow::Owned(text)),
        (DecoderResult::Malformed(bad, after), read) => {
            Err(read.saturating_sub(usize::from(bad) + usize::from(after)))
        }
        (DecoderResult::OutputFull, read) => Err(read),
    }
}

/// An encoding in which a line is text that is not UTF-8.
pub(super) fn fits(line: &[u8]) -> Option<&'static str> {
    decode(GB18030, line).is_ok().then_some("gb18030")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(head: &[u8]) -> Result<(&'static str, usize), String> {
        settle(head, None).map(|(e, mark)| (e.name(), mark)).map_err(|e| e.to_string())
    }

    #[test]
    fn marks_and_zeros_tell_the_encoding() {
        assert_eq!(name(b"abc"), Ok(("UTF-8", 0)));
        assert_eq!(name(b"\xef\xbb\xbfabc"), Ok(("UTF-8", 0)));
        assert_eq!(name(b"\xff\xfea\0"), Ok(("UTF-16LE", 2)));
        assert_eq!(name(b"\xfe\xff\0a"), Ok(("UTF-16BE", 2)));
        assert_eq!(name(b"1\x003\0\n\0"), Ok(("UTF-16LE", 0)));
        assert_eq!(name(b"\x001\x003\0\n"), Ok(("UTF-16BE", 0)));
        for refused in [&b"\xff\xfe\0\0a\0\0\0"[..], b"\0\0\xfe\xff", b"\0\0\0\0", b"a\0\0b", b"ab\0"] {
            assert!(name(refused).is_err(), "{refused:?}");
        }
        // 一一一 and a line end, big-endian: read in the other order it is NNN and a letter.
        assert!(name(&[0x4e, 0, 0x4e, 0, 0x4e, 0, 0, 0x0a]).is_err());
    }

    #[test]
    fn the_first_bad_byte_is_named() {
        assert_eq!(decode(UTF_8, b"ab\xd6\xd0"), Err(2));
        assert_eq!(decode(GB18030, b"ab\xd6\xd0").as_deref(), Ok("ab中"));
        assert_eq!(decode(GB18030, b"\xd6\xd0\xff"), Err(2));
        assert_eq!(decode(UTF_16LE, b"a\0\x00\xd8b\0"), Err(2));
        assert_eq!(decode(UTF_16LE, b"a\0b"), Err(2));
        assert_eq!(fits(b"\xd6\xd0"), Some("gb18030"));
        assert_eq!(fits(b"\xff\xff"), None);
    }

    #[test]
    fn labels() {
        assert_eq!(TextEncoding::from_label("GBK").map(TextEncoding::name), Some("GBK"));
        assert_eq!(TextEncoding::from_label("utf-16").map(TextEncoding::name), Some("UTF-16LE"));
        for none in ["iso-2022-jp", "utf-32", "", "klingon"] {
            assert_eq!(TextEncoding::from_label(none), None, "{none}");
        }
    }
}
