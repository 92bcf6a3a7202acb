//! Masking in a line of JSON: strings are unescaped, masked, and of their text only what is masked is written anew.

use std::collections::BTreeSet;

use serde::de::IgnoredAny;

use super::super::entity::{EntityKind, Span};
use super::super::redact::Redactor;

/// Levels that are followed.
pub(super) const DEPTH: usize = 512;

/// What of JSON is masked.
#[derive(Debug, Clone, Default)]
pub struct JsonParts {
    /// Strings under these keys, at any depth below them; every string, the names of keys too, if there are none.
    pub keys: BTreeSet<String>,
    /// Numbers that are found to be an identifier become strings with a placeholder.
    pub numbers: bool,
}

/// Why a line was not masked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Syntax { column: usize },
    TooDeep,
}

/// An object or array that is open.
struct Open {
    object: bool,
    /// Whether what is in it is masked.
    masked: bool,
    /// Whether its next string is a key.
    key_next: bool,
    /// The key before the value, without quotes, as written.
    key: (usize, usize),
}

/// Whether a line is empty or one JSON value; the bytes of a byte-order mark before it.
pub(super) fn check(line: &str) -> Result<usize, Refused> {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let mark = if line.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let value = line[mark..].trim_end_matches(blank);
    if !value.is_empty() {
        serde_json::from_str::<IgnoredAny>(value)
            .map_err(|e| Refused::Syntax { column: mark + e.column() })?;
    }
    Ok(mark)
}

/// Masks one line; every other byte stays. `found` is told each masked kind, and `left` counts numbers that look like
/// an identifier and were left.
pub(super) fn mask_line(
    redactor: &Redactor,
    parts: &JsonParts,
    line: &str,
    found: &mut Vec<EntityKind>,
    left: &mut u64,
) -> Result<String, Refused> {
    let mark = check(line)?;
    let mut out = String::with_capacity(line.len() + 16);
    // What was written of the line so far.
    let mut done = 0;
    let mut open: Vec<Open> = Vec::new();
    let mut at = mark;
    let bytes = line.as_bytes();
    while let Some(&b) = bytes.get(at) {
        match b {
            b'{' | b'[' if open.len() == DEPTH => return Err(Refused::TooDeep),
            b'{' | b'[' => {
                let object = b == b'{';
                let (masked, _) = context(&open, parts, line);
                open.push(Open { object, masked, key_next: object, key: (at, at) });
            }
            b'}' | b']' => {
                open.pop();
            }
            b',' => {
                if let Some(o) = open.last_mut() {
                    o.key_next = o.object;
                }
            }
            b'"' => {
                let (start, end) = (at + 1, string_end(bytes, at + 1));
                let raw = &line[start..end];
                let is_key = open.last().is_some_and(|o| o.key_next);
                let (masked, key) = match open.last() {
                    Some(o) if is_key => (o.masked, None),
                    _ => context(&open, parts, line),
                };
                if masked {
                    out.push_str(&line[done..start]);
                    mask_string(redactor, key, raw, &mut out, found);
                    done = end;
                }
                if is_key && let Some(o) = open.last_mut() {
                    (o.key_next, o.key) = (false, (start, end));
                }
                at = end;
            }
            b'-' | b'0'..=b'9' => {
                let len =
                    bytes[at..].iter().take_while(|b| b"+-.eE".contains(b) || b.is_ascii_digit()).count();
                let number = &line[at..at + len];
                let (masked, key) = context(&open, parts, line);
                if masked && let Some((kind, placeholder)) = identifier(redactor, key, number) {
                    if parts.numbers {
                        out.push_str(&line[done..at]);
                        out.push_str(&format!("\"{placeholder}\""));
                        found.push(kind);
                        done = at + len;
                    } else {
                        *left += 1;
                    }
                }
                at += len - 1;
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(&line[done..]);
    Ok(out)
}

/// Whether a value that begins here is masked, and the key of the nearest object: that of a list is also that of the
/// strings in it.
fn context<'l>(open: &[Open], parts: &JsonParts, line: &'l str) -> (bool, Option<&'l str>) {
    let key = open.iter().rev().find(|o| o.object).map(|o| &line[o.key.0..o.key.1]);
    let masked = match open.last() {
        None => parts.keys.is_empty(),
        Some(o) if o.masked || !o.object => o.masked,
        Some(_) => key.is_some_and(|k| parts.keys.contains(&unescape(k).0)),
    };
    (masked, key)
}

/// Where the string that begins at `at`, after its quote, ends.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    // The line is known to be JSON, so the quote comes; the bound is for the reader's peace.
    while at < bytes.len() && bytes[at] != b'"' {
        at += 1 + usize::from(bytes[at] == b'\\');
    }
    at.min(bytes.len())
}

/// The text of a string, and for each place where it is longer or shorter than what was written: the offset in the
/// text and the offset as written.
fn unescape(raw: &str) -> (String, Vec<(usize, usize)>) {
    let mut text = String::with_capacity(raw.len());
    let mut places = vec![(0, 0)];
    let mut at = 0;
    while let Some(next) = raw[at..].find('\\') {
        text.push_str(&raw[at..at + next]);
        at += next;
        let (c, len) = escape(&raw[at..]);
        places.push((text.len(), at));
        text.push(c);
        at += len;
        places.push((text.len(), at));
    }
    text.push_str(&raw[at..]);
    (text, places)
}

/// One escape of JSON, its backslash first; half of a surrogate pair is the replacement character.
fn escape(raw: &str) -> (char, usize) {
    let unit = |at: usize| raw.get(at..at + 4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    match raw.as_bytes().get(1) {
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'u') => {
            let units = [unit(2), raw.get(6..8).filter(|u| *u == "\\u").and_then(|_| unit(8))];
            let mut chars = char::decode_utf16(units.into_iter().map_while(|u| u));
            match chars.next() {
                Some(Ok(c)) => (c, 6 * c.len_utf16()),
                _ => (char::REPLACEMENT_CHARACTER, 6),
            }
        }
        Some(b) => (char::from(*b), 2),
        None => ('\\', 1),
    }
}

fn mask_string(
    redactor: &Redactor,
    key: Option<&str>,
    raw: &str,
    out: &mut String,
    found: &mut Vec<EntityKind>,
) {
    let (text, places) = unescape(raw);
    let spans = spans_of(redactor, key, &text);
    // Offsets fall between characters, and the places before and after each escape are known.
    let written = |offset: usize| {
        let (text_at, raw_at) = places[places.partition_point(|p| p.0 <= offset).saturating_sub(1)];
        raw_at + (offset - text_at)
    };
    let mut done = 0;
    for span in spans {
        out.push_str(&raw[done..written(span.start)]);
        out.push_str(&redactor.placeholder(span.kind, &text[span.start..span.end]));
        done = written(span.end);
        found.push(span.kind);
    }
    out.push_str(&raw[done..]);
}

/// What is masked in a text that stands under a key: a key such as `qq` or `姓名` announces what follows it.
fn spans_of(redactor: &Redactor, key: Option<&str>, text: &str) -> Vec<Span> {
    let label = key.map(label).filter(|l| redactor.detector().announced_by(l));
    let Some(label) = label else { return redactor.redact(text).spans };
    let both = format!("{label}{text}");
    let spans = redactor.redact(&both).spans.into_iter();
    let after = spans.filter(|s| s.end > label.len());
    after
        .map(|s| Span { start: s.start.saturating_sub(label.len()), end: s.end - label.len(), ..s })
        .collect()
}

/// A key as words before a value: `phoneNumber` is "phone number: ".
fn label(raw: &str) -> String {
    let mut label = String::new();
    let (key, _) = unescape(raw);
    // A key that long is text itself.
    for c in key.chars().take(48) {
        if c.is_uppercase() && label.ends_with(|b: char| b.is_lowercase()) {
            label.push(' ');
        }
        label.push(if matches!(c, '_' | '-') { ' ' } else { c });
    }
    label + ": "
}

/// The kind of a number that is an identifier as a whole, and its placeholder.
fn identifier(redactor: &Redactor, key: Option<&str>, number: &str) -> Option<(EntityKind, String)> {
    if number.len() < 7 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let spans = spans_of(redactor, key, number);
    let whole = spans.first().filter(|s| (s.start, s.end) == (0, number.len()))?;
    Some((whole.kind, redactor.placeholder(whole.kind, number)))
}

#[cfg(test)]
mod tests {
    use super::super::super::redact::Policy;
    use super::*;

    fn masked(parts: &JsonParts, line: &str) -> Result<String, Refused> {
        mask_line(&Redactor::new(Policy::default()), parts, line, &mut Vec::new(), &mut 0)
    }

    #[test]
    fn nothing_but_masked_text_changes() {
        let all = JsonParts::default();
        for same in [
            r#"{"id":1.10,"b":1e400,"a":12345678901234567890123,"z":-0.0e-0}"#,
            r#" { "b" :  [ 1 , null,true ] , "a":"\u4f60\/\"\\\ud83d" }	"#,
            r#""\ud83d\ude00""#,
            r#"{"a":{},"b":[],"c":[[]]}"#,
            "",
            "  \r",
            "\u{feff}{}",
            "17",
        ] {
            assert_eq!(masked(&all, same).as_deref(), Ok(same));
        }
        for (line, want) in [
            (r#"{"a":"\u624b\u673a13900004821\n"}"#, r#"{"a":"\u624b\u673a[CN_MOBILE]\n"}"#),
            (r#"{"a":"\ud83d 13900004821"}"#, r#"{"a":"\ud83d [CN_MOBILE]"}"#),
            (r#"{"a":"\u0031\u0033900004821\\"}"#, r#"{"a":"[CN_MOBILE]\\"}"#),
            (r#"{"13900004821":[{"x":"a@b.cn"}]}"#, r#"{"[CN_MOBILE]":[{"x":"[EMAIL]"}]}"#),
            (r#"{"qq":"100023456","list":["x"]}"#, r#"{"qq":"[QQ]","list":["x"]}"#),
            (r#"{"phoneNumber":["0494 92 82 32"]}"#, r#"{"phoneNumber":["[INTL_PHONE]"]}"#),
            (r#"{"姓名":"陈小美"}"#, r#"{"姓名":"[PERSON]"}"#),
            ("\u{feff}\"a@b.cn\"", "\u{feff}\"[EMAIL]\""),
        ] {
            assert_eq!(masked(&all, line).as_deref(), Ok(want));
            assert_eq!(masked(&all, want).as_deref(), Ok(want));
        }
    }

    #[test]
    fn keys_choose_strings_at_any_depth() {
        let parts = JsonParts { keys: ["text".to_owned(), "turns".to_owned()].into(), numbers: false };
        let line = r#"{"id":"a@b.cn","text":"a@b.cn","x":{"text":"a@b.cn","y":"a@b.cn"},"turns":[["a@b.cn",{"a@b.cn":"a@b.cn"}]]}"#;
        let want = r#"{"id":"a@b.cn","text":"[EMAIL]","x":{"text":"[EMAIL]","y":"a@b.cn"},"turns":[["[EMAIL]",{"[EMAIL]":"[EMAIL]"}]]}"#;
        assert_eq!(masked(&parts, line).as_deref(), Ok(want));
        // The key is compared as text, however it was written.
        assert_eq!(masked(&parts, r#"{"te\u0078t":"a@b.cn"}"#).as_deref(), Ok(r#"{"te\u0078t":"[EMAIL]"}"#));
    }

    #[test]
    fn numbers_are_left_and_counted_or_masked() {
        let line = r#"{"phone":13900004821,"n":[12345678],"x":1.3900004821e10}"#;
        let redactor = Redactor::new(Policy::default());
        let (mut found, mut left) = (Vec::new(), 0);
        let same = mask_line(&redactor, &JsonParts::default(), line, &mut found, &mut left);
        assert_eq!((same.as_deref(), found.len(), left), (Ok(line), 0, 1));
        let parts = JsonParts { numbers: true, ..JsonParts::default() };
        let want = r#"{"phone":"[CN_MOBILE]","n":[12345678],"x":1.3900004821e10}"#;
        assert_eq!(masked(&parts, line).as_deref(), Ok(want));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let all = JsonParts::default();
        for (line, column) in [("{\"a\":1", 6), ("{} x", 4), ("nul", 3), ("\u{feff}x", 4)] {
            assert_eq!(masked(&all, line), Err(Refused::Syntax { column }), "{line}");
        }
        let deep = "[".repeat(DEPTH + 1) + &"]".repeat(DEPTH + 1);
        assert_eq!(masked(&all, &deep), Err(Refused::TooDeep));
        assert!(masked(&all, &deep[1..deep.len() - 1]).is_ok());
    }
}
