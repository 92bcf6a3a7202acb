//! What a file is, from its first bytes: the keys of its first JSON value, or its header line.

use super::lines::BOM;
use super::multidogo;
use super::source::Format;

/// How much of a file is looked at, bytes.
pub(super) const LOOK: usize = 1 << 16;

/// The format that these first bytes show, if they show one.
pub(super) fn format_of(bytes: &[u8]) -> Option<Format> {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    match bytes.trim_ascii_start().first()? {
        b'{' | b'[' => json(bytes),
        _ => table(bytes),
    }
}

fn table(bytes: &[u8]) -> Option<Format> {
    let line = bytes.split(|b| *b == b'\n').next()?;
    let header = std::str::from_utf8(line).ok()?.trim_end_matches('\r');
    if header == multidogo::HEADER {
        Some(Format::Multidogo)
    } else if header == "text,category" {
        Some(Format::Banking77)
    } else if header.contains('\t') {
        Some(Format::Tsv)
    } else if header.contains(',') {
        Some(Format::Csv)
    } else {
        None
    }
}

/// Structure seen so far: brackets that opened before the first scalar, and keys by depth.
fn json(bytes: &[u8]) -> Option<Format> {
    let (opening, keys) = outline(bytes);
    let has =
        |depth: usize, name: &str| keys.iter().any(|(d, k)| *d == depth && k.as_slice() == name.as_bytes());
    if opening.starts_with(b"[{") || opening.starts_with(b"{[{") {
        let depth = if opening[0] == b'[' { 2 } else { 3 };
        if has(depth, "convo_id") {
            return Some(Format::Abcd);
        }
        if has(2, "dialogue_id") && opening[0] == b'[' {
            return Some(Format::Sgd);
        }
    }
    if opening.starts_with(b"{[[") {
        return Some(Format::Clinc150);
    }
    if opening.starts_with(b"{{") && (has(2, "messages") || has(2, "sys-usr")) {
        return Some(Format::Crosswoz);
    }
    (opening[0] == b'{').then_some(Format::JsonLines)
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
            ("{\"text\": \"a\", \"intent\": \"b\"}\n", Some(Format::JsonLines)),
            ("{\"turns\": [{\"speaker\": \"customer\"}], \"id\": 1}", Some(Format::JsonLines)),
            ("{ \"oos_val\": [\n [ \"a\", \"oos\"]]}", Some(Format::Clinc150)),
            ("{\"1\": {\"sys-usr\": [1, 2], \"messages\": []}}", Some(Format::Crosswoz)),
            ("[ {\"services\": [], \"dialogue_id\": \"1\"}]", Some(Format::Sgd)),
            ("[{\"convo_id\": 1}]", Some(Format::Abcd)),
            ("{\"train\": [{\"scenario\": {}, \"convo_id\": 1}]}", Some(Format::Abcd)),
            ("\u{feff}text,category\r\n", Some(Format::Banking77)),
            ("id,text,intent\n", Some(Format::Csv)),
            ("text\tintent\n", Some(Format::Tsv)),
            ("hello there\n", None),
            ("[1, 2]", None),
            ("", None),
        ] {
            assert_eq!(format_of(text.as_bytes()), format, "{text}");
        }
        assert_eq!(format_of(b"\xFF\xFEt\0e\0"), None);
        assert_eq!(format_of(b"{\"a\\"), Some(Format::JsonLines), "an escape cut off at the end");
    }
}
