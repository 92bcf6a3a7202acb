//! What a file is, from its first bytes: the keys of its first JSON value, or its header line.

use super::columns::{Columns, Field};
use super::foreign::{self, Foreign};
use super::lines::BOM;
use super::multidogo;
use super::source::Format;

/// How much of a file is looked at, bytes.
pub(super) const LOOK: usize = 1 << 16;

/// What the first bytes show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sniffed {
    Format(Format),
    /// Known, and not read.
    Foreign(Foreign),
    Unknown,
}

/// What these first bytes of a text are, in UTF-8.
pub(super) fn format_of(bytes: &[u8]) -> Sniffed {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    match bytes.trim_ascii_start().first() {
        None => Sniffed::Unknown,
        Some(b'{' | b'[') => json(bytes.trim_ascii_start()),
        Some(_) => match foreign::text(&String::from_utf8_lossy(bytes)) {
            Some(foreign) => Sniffed::Foreign(foreign),
            None => table(bytes).map_or(Sniffed::Unknown, Sniffed::Format),
        },
    }
}

fn table(bytes: &[u8]) -> Option<Format> {
    let line = bytes.split(|b| *b == b'\n').find(|line| !line.trim_ascii().is_empty())?;
    let header = std::str::from_utf8(line).ok()?.trim_end_matches('\r');
    if header == multidogo::HEADER {
        Some(Format::Multidogo)
    } else if header == "text,category" {
        Some(Format::Banking77)
    } else if header.contains('\t') {
        Some(Format::Tsv)
    } else if header.starts_with("sep=") || header.contains([',', ';', '|']) {
        Some(Format::Csv)
    } else {
        None
    }
}

/// Structure seen so far: brackets that opened before the first scalar, and keys by depth.
fn json(bytes: &[u8]) -> Sniffed {
    let (opening, keys) = outline(bytes);
    let has =
        |depth: usize, name: &str| keys.iter().any(|(d, k)| *d == depth && k.as_slice() == name.as_bytes());
    if let Some(foreign) = foreign::json(&opening, &has) {
        return Sniffed::Foreign(foreign);
    }
    let format = |format| Sniffed::Format(format);
    if opening.starts_with(b"[{") || opening.starts_with(b"{[{") {
        let depth = if opening[0] == b'[' { 2 } else { 3 };
        if has(depth, "convo_id") {
            return format(Format::Abcd);
        }
        if has(2, "dialogue_id") && has(2, "turns") && opening[0] == b'[' {
            return format(Format::Sgd);
        }
    }
    if opening.starts_with(b"{[[") {
        return format(Format::Clinc150);
    }
    if opening.starts_with(b"{{") && (has(2, "messages") || has(2, "sys-usr")) {
        return format(Format::Crosswoz);
    }
    if opening.starts_with(b"[{") {
        return format(Format::Json);
    }
    if opening[0] == b'[' {
        return Sniffed::Unknown;
    }
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let whole = match serde_json::from_slice::<serde::de::IgnoredAny>(first) {
        Err(e) => !e.is_eof(),
        Ok(_) => true,
    };
    // Keys of the first object only: those of lines behind it are as deep.
    let own = if whole { outline(first).1 } else { keys };
    let of_a_row = |(_, key): &&(usize, Vec<u8>)| {
        let field = std::str::from_utf8(key).ok().and_then(|key| Columns::default().field_of(key));
        matches!(field, Some(Field::Text | Field::Turns))
    };
    let row_at = |depth: usize| own.iter().filter(|(d, _)| *d == depth).any(|key| of_a_row(&key));
    if !row_at(1) && row_at(3) {
        return format(Format::Json);
    }
    let second = bytes[first.len()..].trim_ascii_start().first();
    if whole || second.is_none_or(|b| *b == b'{') || first.len() == bytes.len() {
        return format(Format::JsonLines);
    }
    Sniffed::Foreign(foreign::DOCUMENT)
}

/// The brackets before the first value that is not one (keys passed over), and keys of depths 1 to 3.
fn outline(bytes: &[u8]) -> (Vec<u8>, Vec<(usize, Vec<u8>)>) {
    let (mut opening, mut keys, mut depth, mut open) = (Vec::new(), Vec::new(), 0usize, true);
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b @ (b'{' | b'[') => {
                depth += 1;
                if open {
                    opening.push(b);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                open = false;
            }
            b'"' => {
                let start = at + 1;
                at = start;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                let rest = bytes.get(at + 1..).unwrap_or_default().trim_ascii_start();
                if rest.first() == Some(&b':') {
                    if depth <= 3 {
                        keys.push((depth, bytes[start..at].to_vec()));
                    }
                } else {
                    open = false;
                }
            }
            b if b.is_ascii_alphanumeric() => open = false,
            _ => {}
        }
        at += 1;
    }
    (opening, keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_tell_formats_apart_whatever_the_white_space() {
        for (text, format) in [
            ("{\"text\": \"a\", \"intent\": \"b\"}\n", Format::JsonLines),
            ("{\"turns\": [{\"speaker\": \"customer\"}], \"id\": 1}", Format::JsonLines),
            ("{\"messages\": [{\"role\": \"user\"}]}\n{\"messages\": []}", Format::JsonLines),
            ("{\"text\": \"broken\n{\"text\": \"a\"}", Format::JsonLines),
            ("{ \"oos_val\": [\n [ \"a\", \"oos\"]]}", Format::Clinc150),
            ("{\"1\": {\"sys-usr\": [1, 2], \"messages\": []}}", Format::Crosswoz),
            ("[ {\"services\": [], \"dialogue_id\": \"1\", \"turns\": []}]", Format::Sgd),
            ("[{\"convo_id\": 1}]", Format::Abcd),
            ("{\"train\": [{\"scenario\": {}, \"convo_id\": 1}]}", Format::Abcd),
            ("[\n  {\"text\": \"a\", \"label\": 1}]", Format::Json),
            ("{\"train\": [\n {\"text\": \"a\"}]}", Format::Json),
            ("\u{feff}text,category\r\n", Format::Banking77),
            ("id,text,intent\n", Format::Csv),
            ("text;intent\n", Format::Csv),
            ("sep=;\ntext;intent\n", Format::Csv),
            ("text\tintent\n", Format::Tsv),
        ] {
            assert_eq!(format_of(text.as_bytes()), Sniffed::Format(format), "{text}");
        }
        for text in ["hello there\n", "[1, 2]", ""] {
            assert_eq!(format_of(text.as_bytes()), Sniffed::Unknown, "{text}");
        }
        assert_eq!(format_of(b"{\"a\\"), Sniffed::Format(Format::JsonLines), "an escape cut off at the end");
    }

    #[test]
    fn what_is_not_read_is_called_by_its_name() {
        for (text, name) in [
            ("{\n \"luis_schema_version\": \"3.2\", \"utterances\": []}", "LUIS"),
            ("{\"rasa_nlu_data\": {\"common_examples\": []}}", "Rasa"),
            ("version: \"3.1\"\nnlu:\n- intent: greet\n", "Rasa"),
            ("## intent:greet\n- hi, there\n", "Rasa"),
            (
                "[{\"id\": \"1\", \"data\": [{\"text\": \"hi\", \"userDefined\": false}], \"count\": 0}]",
                "Dialogflow",
            ),
            ("__label__greet hello, you\n", "fastText"),
            ("{\n \"text\": \"a\",\n \"intent\": \"b\"\n}\n", "several lines"),
            ("<?xml version=\"1.0\"?>\n<a/>", "XML"),
        ] {
            let Sniffed::Foreign((what, _)) = format_of(text.as_bytes()) else { panic!("{text}") };
            assert!(what.contains(name), "{text}: {what}");
        }
    }
}
