//! How the text of a file is encoded: one encoding from its first byte to its last.
//!
//! A file is UTF-8 if all of it is. That a part of it is says nothing: 谢谢 in GBK is two Cyrillic letters in UTF-8. One
//! that is not is GB18030 if all of it can be and its letters speak for it; anything else has to be named.

use super::error::ReadError;
use super::sink::Halt;
use chardetng::{EncodingDetector, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use std::fmt;
use std::io::{self, Read};

/// Bytes read at once.
const CHUNK: usize = 1 << 16;
/// A file with so many sound UTF-8 sequences for each broken one is UTF-8 with broken rows.
const SOUND: u64 = 20;

/// Opens a file from its beginning and hands it to a function.
pub(super) type With<'w> =
    dyn FnMut(&mut dyn FnMut(&mut dyn Read) -> Result<(), Halt>) -> Result<(), Halt> + 'w;

/// The encoding of that name.
pub(super) fn named(name: &str) -> Result<&'static Encoding, ReadError> {
    Encoding::for_label(name.trim().as_bytes())
        .ok_or_else(|| ReadError::NoSuchEncoding { name: name.to_owned() })
}

/// The encoding that the first bytes show by themselves: a mark, or UTF-16 without one.
pub(super) fn shown(head: &[u8]) -> Option<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(head) {
        return Some(encoding);
    }
    let pairs = || head.chunks_exact(2).take(4);
    if head.len() < 8 {
        None
    } else if pairs().all(|p| p[0] != 0 && p[1] == 0) {
        Some(UTF_16LE)
    } else if pairs().all(|p| p[0] == 0 && p[1] != 0) {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// The encoding of a whole file, found by reading it once or, where it is not UTF-8, twice.
pub(super) fn of_file(file: &str, with: &mut With<'_>) -> Result<&'static Encoding, Halt> {
    let mut utf8 = Utf8Check::default();
    with(&mut |input| chunks(file, input, &mut |bytes, _| utf8.feed(bytes)))?;
    utf8.end();
    if utf8.broken == 0 || utf8.sound / SOUND > utf8.broken {
        return Ok(UTF_8);
    }
    let mut detector = EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    let (mut decoder, mut text) = (GB18030.new_decoder_without_bom_handling(), String::new());
    let mut is_gb = true;
    with(&mut |input| {
        chunks(file, input, &mut |bytes, last| {
            detector.feed(bytes, last);
            is_gb = is_gb && decodes(&mut decoder, bytes, last, &mut text);
        })
    })?;
    let looks = detector.guess(None, Utf8Detection::Deny);
    if is_gb && looks.name() == "GBK" {
        return Ok(GB18030);
    }
    Err(ReadError::Encoding { file: file.to_owned(), looks: looks.name() }.into())
}

fn chunks(file: &str, input: &mut dyn Read, each: &mut dyn FnMut(&[u8], bool)) -> Result<(), Halt> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => each(&buffer[..n], false),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(ReadError::of_io(file, e).into()),
        }
    }
    each(&[], true);
    Ok(())
}

fn decodes(decoder: &mut Decoder, mut bytes: &[u8], last: bool, text: &mut String) -> bool {
    loop {
        text.clear();
        text.reserve(CHUNK);
        match decoder.decode_to_string_without_replacement(bytes, text, last) {
            (DecoderResult::InputEmpty, _) => return true,
            (DecoderResult::OutputFull, read) => bytes = &bytes[read..],
            (DecoderResult::Malformed(..), _) => return false,
        }
    }
}

/// Counts sound sequences of several bytes, and broken ones, across the borders of chunks.
#[derive(Default)]
struct Utf8Check {
    sound: u64,
    broken: u64,
    open: Vec<u8>,
}

impl Utf8Check {
    fn feed(&mut self, bytes: &[u8]) {
        if self.open.is_empty() && bytes.is_ascii() {
            return;
        }
        let joined = [self.open.as_slice(), bytes].concat();
        self.open.clear();
        let mut rest = joined.as_slice();
        loop {
            let count = |sound: &[u8]| sound.iter().filter(|b| **b >= 0xc0).count() as u64;
            match std::str::from_utf8(rest) {
                Ok(sound) => {
                    self.sound += count(sound.as_bytes());
                    return;
                }
                Err(e) => {
                    self.sound += count(&rest[..e.valid_up_to()]);
                    rest = &rest[e.valid_up_to()..];
                    let Some(length) = e.error_len() else {
                        self.open = rest.to_vec();
                        return;
                    };
                    self.broken += 1;
                    rest = &rest[length..];
                }
            }
        }
    }

    fn end(&mut self) {
        self.broken += u64::from(!self.open.is_empty());
    }
}

/// Bytes that the encoding does not have.
#[derive(Debug)]
pub(super) struct NotIn(pub(super) &'static str);

impl fmt::Display for NotIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not {}", self.0)
    }
}

impl std::error::Error for NotIn {}

/// A stream of another encoding as UTF-8.
pub(super) struct Decoded<R> {
    input: R,
    decoder: Decoder,
    raw: Vec<u8>,
    /// What of `raw` is not decoded yet.
    open: std::ops::Range<usize>,
    text: Vec<u8>,
    ready: std::ops::Range<usize>,
    last: bool,
    done: bool,
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(input: R, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_with_bom_removal();
        let (raw, text) = (vec![0; CHUNK], vec![0; CHUNK]);
        Self { input, decoder, raw, open: 0..0, text, ready: 0..0, last: false, done: false }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() && !self.done {
            if self.open.is_empty() && !self.last {
                let n = self.input.read(&mut self.raw)?;
                (self.open, self.last) = (0..n, n == 0);
            }
            let bytes = &self.raw[self.open.clone()];
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(bytes, &mut self.text, self.last);
            self.open.start += read;
            self.ready = 0..written;
            match result {
                DecoderResult::InputEmpty => self.done = self.last,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        NotIn(self.decoder.encoding().name()),
                    ));
                }
            }
        }
        let n = buffer.len().min(self.ready.len());
        buffer[..n].copy_from_slice(&self.text[self.ready.start..self.ready.start + n]);
        self.ready.start += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Result<&'static str, &'static str> {
        match of_file("f", &mut |read| read(&mut &bytes[..])) {
            Ok(encoding) => Ok(encoding.name()),
            Err(Halt::Error(ReadError::Encoding { looks, .. })) => Err(looks),
            Err(_) => panic!("another error"),
        }
    }

    fn encoded(text: &str, encoding: &'static Encoding) -> Vec<u8> {
        encoding.encode(text).0.into_owned()
    }

    const CHINESE: &str =
        "text,intent\n谢谢,thanks\n我要退款,refund\n登录不了账号怎么办,login\n快递到哪里了,delivery\n";

    #[test]
    fn a_file_has_one_encoding_or_none() {
        assert_eq!(of(CHINESE.as_bytes()), Ok("UTF-8"));
        assert_eq!(of(b"text,intent\nhi,greet\n"), Ok("UTF-8"));
        assert_eq!(of(&encoded(CHINESE, GB18030)), Ok("gb18030"));
        // The accident that must not decide: only a part of the file is UTF-8.
        let thanks = encoded("谢谢,thanks\n", GB18030);
        assert!(std::str::from_utf8(&thanks).is_ok());
        let short = encoded("text,intent\n谢谢,thanks\n我要退款,refund\nok,yes\n", GB18030);
        assert_eq!(of(&short), Ok("gb18030"));
        // Few broken rows among many sound ones are broken rows.
        let mut damaged = CHINESE.repeat(9).into_bytes();
        damaged.extend(b"\xff\xfe,x\n");
        assert_eq!(of(&damaged), Ok("UTF-8"));
        for (name, text) in [
            (
                "windows-1252",
                "text,intent\nje voudrais être remboursé,refund\nça marche déjà très bien,yes\n",
            ),
            (
                "Big5",
                "text,intent\n我要退款,refund\n請問我的包裹什麼時候會到,delivery\n登入帳號發生問題,login\n",
            ),
            ("Shift_JIS", "text,intent\n返金してください,refund\nログインできません,login\n"),
            (
                "EUC-KR",
                "text,intent\n환불해 주세요,refund\n로그인이 안 됩니다,login\n배송은 언제 되나요,delivery\n",
            ),
            ("windows-1251", "text,intent\nверните мои деньги пожалуйста,refund\nне могу войти,login\n"),
        ] {
            let encoding = named(name).unwrap_or_else(|_| panic!("{name}"));
            let got = of(&encoded(text, encoding));
            assert!(got.is_err(), "{name} was taken for {got:?}");
        }
    }

    #[test]
    fn marks_and_the_zeros_of_ascii_show_utf_16() {
        let le: Vec<u8> = CHINESE.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = CHINESE.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, mark, name) in [(le, [0xff, 0xfe], "UTF-16LE"), (be, [0xfe, 0xff], "UTF-16BE")] {
            let encoding = shown(&bytes).unwrap();
            assert_eq!(encoding.name(), name);
            let marked = [&mark[..], &bytes].concat();
            assert_eq!(shown(&marked).unwrap().name(), name);
            for bytes in [bytes, marked] {
                let mut text = String::new();
                Decoded::new(&bytes[..], encoding).read_to_string(&mut text).unwrap();
                assert_eq!(text, CHINESE);
                // Cut off within a character.
                let cut =
                    Decoded::new(&bytes[..bytes.len() - 1], encoding).read_to_string(&mut String::new());
                assert!(cut.is_err());
            }
        }
        assert!(shown(CHINESE.as_bytes()).is_none() && shown(b"").is_none());
    }
}
