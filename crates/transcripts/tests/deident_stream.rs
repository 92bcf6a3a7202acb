//! Masking streams: encodings, limits, JSON byte for byte, and what was written before an error.

use std::io::{self, Read};

use sottovoce_transcripts::deident::stream::{
    JsonParts, LINE_LIMIT, StreamError, StreamOptions, StreamRedactor, TextEncoding,
};
use sottovoce_transcripts::deident::{EntityKind, Policy, PseudonymKey, Redactor, rules_digest};

/// What was written, and how it ended.
fn run(options: StreamOptions, input: impl Read) -> (String, Result<(), StreamError>) {
    let redactor = Redactor::new(Policy::default());
    let mut stream = StreamRedactor::new(&redactor, options);
    let mut out = Vec::new();
    let done = stream.mask("input", input, &mut out);
    (String::from_utf8(out).expect("the output is UTF-8"), done)
}

fn plain(input: &[u8]) -> (String, Result<(), StreamError>) {
    run(StreamOptions::default(), input)
}

fn encoded(label: &str, input: &[u8]) -> (String, Result<(), StreamError>) {
    let encoding = Some(TextEncoding::from_label(label).expect("a known label"));
    run(StreamOptions { encoding, ..StreamOptions::default() }, input)
}

fn json(input: &[u8]) -> (String, Result<(), StreamError>) {
    run(StreamOptions { json: Some(JsonParts::default()), ..StreamOptions::default() }, input)
}

/// Gives out a few bytes at a time, as a pipe may.
struct Drops<'a>(&'a [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.1.min(self.0.len()).min(into.len());
        into[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

fn utf_16(text: &str, little: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|u| if little { u.to_le_bytes() } else { u.to_be_bytes() }).collect()
}

const TEXT: &str = "我的手机号13900004821，李\r\nli@example.com\n一上";
const MASKED: &str = "我的手机号[CN_MOBILE]，李\r\n[EMAIL]\n一上";
/// `TEXT` in GBK, made with iconv.
const GBK: &[u8] = b"\xce\xd2\xb5\xc4\xca\xd6\xbb\xfa\xba\xc513900004821\xa3\xac\xc0\xee\r\nli@example.com\n\xd2\xbb\xc9\xcf";

#[test]
fn every_encoding_is_read_whole_in_pieces_of_any_size() {
    let marked = |mark: &[u8], body: Vec<u8>| [mark, &body].concat();
    for step in [1, 2, 3, 7, 1 << 20] {
        let read = |bytes: &[u8], encoding| run(StreamOptions { encoding, json: None }, Drops(bytes, step));
        let mut cases = vec![
            (TEXT.as_bytes().to_vec(), None, MASKED.to_owned()),
            (marked(b"\xef\xbb\xbf", TEXT.into()), None, format!("\u{feff}{MASKED}")),
            (marked(b"\xff\xfe", utf_16(TEXT, true)), None, MASKED.to_owned()),
            (marked(b"\xfe\xff", utf_16(TEXT, false)), None, MASKED.to_owned()),
            (utf_16(TEXT, true), Some("utf-16le"), MASKED.to_owned()),
            (utf_16(TEXT, false), Some("utf-16be"), MASKED.to_owned()),
            (GBK.to_vec(), Some("gbk"), MASKED.to_owned()),
            (GBK.to_vec(), Some("gb18030"), MASKED.to_owned()),
        ];
        if step > 7 {
            // Enough comes at once to see the zeros.
            cases.push((utf_16(TEXT, true), None, MASKED.to_owned()));
            cases.push((utf_16(TEXT, false), None, MASKED.to_owned()));
        }
        for (bytes, label, want) in cases {
            let encoding = label.and_then(TextEncoding::from_label);
            let (out, done) = read(&bytes, encoding);
            assert!(done.is_ok() && out == want, "{step} {label:?} {out:?} {done:?}");
        }
    }
}

#[test]
fn what_is_not_text_of_one_encoding_ends_the_stream() {
    let (out, done) = plain(GBK);
    assert_eq!(out, "", "the first piece is refused as a whole");
    let Err(e @ StreamError::NotText { line: 1, byte: 0, fits: Some("gb18030"), .. }) = done else {
        panic!("{done:?}");
    };
    assert!(e.help().is_some_and(|h| h.contains("--encoding gb18030")));

    // 谢谢 in GBK is UTF-8 by accident; what follows is not, and then nothing of it may have been written.
    let thanks = b"\xd0\xbb\xd0\xbb\n\xce\xd2 13900004821\n";
    assert!(std::str::from_utf8(&thanks[..4]).is_ok());
    let (out, done) = plain(thanks);
    assert!(out.is_empty() && matches!(done, Err(StreamError::NotText { line: 2, byte: 5, .. })), "{done:?}");
    // In drops the first line is gone before the second is seen, but the second never passes.
    let (out, done) = run(StreamOptions::default(), Drops(thanks, 5));
    assert!(out.lines().count() == 1 && !out.contains("139") && done.is_err());

    for (bytes, what) in [
        (&b"ok\n\xff 13900004821\n"[..], "a byte that is none"),
        (b"ok\n13900004821 \xe4\xb8", "half a character at the end"),
        (b"1\x003900004821\n", "NUL"),
        (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
        (b"\0\0\0\0\0", "zeros"),
        (b"\xff\xfea\0\x00\xd8b\0", "half a surrogate pair"),
        (b"\xff\xfea\0b", "half a unit"),
    ] {
        let (out, done) = plain(bytes);
        assert!(
            done.is_err() && !out.contains("139") && !out.contains('\u{fffd}'),
            "{what}: {out:?} {done:?}"
        );
    }
    // NUL that comes when the encoding is settled, and NUL in one that was asked for.
    for (options, bytes) in
        [("", &b"abcd\n1\x003900004821\n"[..]), ("gbk", b"abcd\n\xd6\xd0\x003900004821\n")]
    {
        let encoding = TextEncoding::from_label(options);
        let (out, done) = run(StreamOptions { encoding, json: None }, Drops(bytes, 5));
        assert!(out == "abcd\n" && matches!(done, Err(StreamError::Nul { line: 2, .. })), "{out:?} {done:?}");
    }
    assert!(encoded("gbk", b"\xef\xbb\xbf\xe4\xb8\xad").1.is_err(), "the mark says another encoding");
    assert!(matches!(encoded("utf-8", GBK).1, Err(StreamError::NotText { .. })));
    let (out, done) = encoded("gbk", b"\xd6\xd0\n\xff13900004821\n");
    assert!(
        !out.contains("139") && matches!(done, Err(StreamError::NotText { line: 2, byte: 3, .. })),
        "{done:?}"
    );
}

#[test]
fn lines_of_any_length_are_bounded() {
    let (out, done) = plain(&vec![b'x'; 1000]);
    assert!(done.is_ok() && out.len() == 1000);
    // Longer than any buffer for a line may become, but not endless: a limit that is lost must fail here, not there.
    let endless = io::repeat(b'1').take(3 * LINE_LIMIT as u64);
    let (out, done) = run(StreamOptions::default(), endless);
    assert!(out.is_empty() && matches!(done, Err(StreamError::LineTooLong { line: 1, limit: LINE_LIMIT })));
    let endless = (&b"first\n"[..]).chain(io::repeat(b' ').take(3 * LINE_LIMIT as u64));
    let (_, done) = run(StreamOptions { json: Some(JsonParts::default()), ..Default::default() }, endless);
    assert!(matches!(done, Err(StreamError::NotJson { line: 1, .. })), "{done:?}");
    let longest = [vec![b' '; LINE_LIMIT - 1], b"\nx 13900004821".to_vec()].concat();
    let (out, done) = plain(&longest);
    assert!(done.is_ok() && out.ends_with("\nx [CN_MOBILE]"));
    assert!(plain(&[b" ", &longest[..]].concat()).1.is_err());
}

#[test]
fn json_lines_keep_every_byte_that_is_not_masked() {
    let input = "{\"id\":1.10,\"z\":1e400,\"a\":12345678901234567890123,\"text\":\"ok\"}\n\n\
        {\"text\":\"\\ud83d 13900004821\",\"b\":[ 1,2 ]}\r\n{\"t\":\"\\u624b\\u673a13900004821\\n\"}";
    let want = "{\"id\":1.10,\"z\":1e400,\"a\":12345678901234567890123,\"text\":\"ok\"}\n\n\
        {\"text\":\"\\ud83d [CN_MOBILE]\",\"b\":[ 1,2 ]}\r\n{\"t\":\"\\u624b\\u673a[CN_MOBILE]\\n\"}";
    let (out, done) = json(input.as_bytes());
    assert!(done.is_ok() && out == want, "{out}");
    assert_eq!(json(want.as_bytes()).0, want);
    assert_eq!(json(format!("\u{feff}{input}").as_bytes()).0, format!("\u{feff}{want}"));
    let (out, done) = json(b"{\"a\":1}\n{\"a\":13900004821");
    assert!(out.is_empty() || !out.contains("139"));
    assert!(matches!(done, Err(StreamError::NotJson { line: 2, column: 16 })), "{done:?}");
    // Without the promise of JSON its escapes hide nothing either.
    let (out, _) = plain(input.as_bytes());
    assert!(!out.contains("139") && out.contains("\\u624b\\u673a[CN_MOBILE]\\n"), "{out}");
}

#[test]
fn waiting_input_finds_every_line_written() {
    /// Two lines, and before the second the output must hold the first.
    struct Talk<'a>(u8, &'a std::cell::RefCell<Vec<u8>>);
    impl Read for Talk<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            let line: &[u8] = match self.0 {
                1 => b"a@b.cn\n",
                2 => {
                    assert_eq!(*self.1.borrow(), b"[EMAIL]\n");
                    b"half"
                }
                _ => b"",
            };
            into[..line.len()].copy_from_slice(line);
            Ok(line.len())
        }
    }
    struct Shared<'a>(&'a std::cell::RefCell<Vec<u8>>);
    impl io::Write for Shared<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let out = std::cell::RefCell::new(Vec::new());
    let redactor = Redactor::new(Policy::default());
    let mut stream = StreamRedactor::new(&redactor, StreamOptions::default());
    stream.mask("talk", Talk(0, &out), Shared(&out)).expect("text");
    assert_eq!(*out.borrow(), b"[EMAIL]\nhalf");
}

#[test]
fn the_report_says_where_and_never_what() {
    let redactor = Redactor::new(Policy::default().keyed(PseudonymKey::new(b"the key of the test")));
    let mut stream = StreamRedactor::new(&redactor, StreamOptions::default());
    let first = "我叫欧阳静，13900004821\nnothing\n13900004821 13900004822\n".repeat(30);
    let mut out = Vec::new();
    stream.mask("first.txt", first.as_bytes(), &mut out).expect("text");
    stream.mask("second.txt", &b"a@b.cn"[..], &mut out).expect("text");
    let report = stream.report();
    assert!(report.complete && report.error.is_none() && report.pseudonyms);
    assert_eq!(report.rules, rules_digest());
    let mobile = &report.found[&EntityKind::CnMobile];
    assert_eq!((mobile.count, mobile.places.len(), mobile.more_lines), (90, 20, 40));
    assert_eq!((mobile.places[0].line, mobile.places[1].line), (1, 3));
    assert_eq!((report.inputs[0].lines, report.inputs[0].lines_changed), (90, 60));
    assert_eq!(report.inputs[0].blake3, blake3::hash(first.as_bytes()).to_hex().to_string());
    let mail = &report.found[&EntityKind::Email];
    assert_eq!((mail.count, mail.places[0].input, mail.places[0].line), (1, 1, 1));
    let (text, json) = (report.to_string(), serde_json::to_string(report).expect("a report is JSON"));
    for said in [&text, &json] {
        assert!(said.contains("CN_MOBILE") && said.contains("first.txt") && said.contains(&report.rules));
        for value in ["13900004821", "欧阳静", "a@b.cn", "the key of the test"] {
            assert!(!said.contains(value), "{value}");
        }
    }
    assert!(stream.mask("third.txt", &b"\xff"[..], &mut out).is_err());
    let report = stream.report();
    assert!(
        !report.complete && report.error.as_deref().is_some_and(|e| e.contains("third.txt: line 1, byte 0"))
    );
}
