//! Formats that are known and not read, so that somebody who comes with one learns what would do.

/// What a file is, and what to do instead.
pub(super) type Foreign = (&'static str, &'static str);

const TO_CSV: &str = "save it as CSV with a header line, or as JSON Lines";
const TO_LINES: &str = "write one JSON object a line with text and intent, or CSV with these columns";
const UNPACK: &str = "unpack it, or pack it with gzip, zstd or zip";

/// By the first bytes, whatever the encoding.
pub(super) fn binary(head: &[u8]) -> Option<Foreign> {
    let known: &[(&[u8], Foreign)] = &[
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ("an old Office file (.xls, .doc)", "save it as .xlsx or CSV")),
        (
            b"SQLite format 3\0",
            ("an SQLite database", "export the table: sqlite3 -header -csv FILE 'select …'"),
        ),
        (b"%PDF-", ("a PDF", TO_CSV)),
        (b"{\\rtf", ("an RTF document", TO_CSV)),
        (
            b"\x93NUMPY",
            ("a NumPy array", "text is read from tables and JSON; vectors are named in model.vectors"),
        ),
        (b"ARROW1", ("an Arrow (Feather) file", "save it as Parquet, JSON Lines or CSV")),
        (b"\x89HDF", ("an HDF5 file", TO_CSV)),
        (b"Obj\x01", ("an Avro file", "save it as Parquet, JSON Lines or CSV")),
        (b"ORC", ("an ORC file", "save it as Parquet, JSON Lines or CSV")),
        (b"\x80\x03", ("a Python pickle", TO_LINES)),
        (b"\x80\x04", ("a Python pickle", TO_LINES)),
        (b"\x80\x05", ("a Python pickle", TO_LINES)),
        (b"BZh", ("packed with bzip2", UNPACK)),
        (b"\xfd7zXZ\0", ("packed with xz", UNPACK)),
        (b"7z\xbc\xaf\x27\x1c", ("a 7z archive", UNPACK)),
        (b"Rar!", ("a RAR archive", UNPACK)),
        (b"\x04\x22\x4d\x18", ("packed with lz4", UNPACK)),
        (b"\xff\xfe\0\0", ("UTF-32", "save it as UTF-8")),
        (b"\0\0\xfe\xff", ("UTF-32", "save it as UTF-8")),
    ];
    if head.get(257..262) == Some(b"ustar") {
        return Some(("a tar archive", UNPACK));
    }
    known.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, foreign)| *foreign)
}

/// By the files of a zip archive.
pub(super) fn in_zip(has: &dyn Fn(&str) -> bool) -> Option<Foreign> {
    if has("word/document.xml") {
        return Some(("a Word document", TO_CSV));
    }
    if has("ppt/presentation.xml") {
        return Some(("a presentation", TO_CSV));
    }
    if has("content.xml") && has("mimetype") {
        return Some(("an OpenDocument file", "save it as .xlsx or CSV"));
    }
    None
}

/// By the first lines of a text.
pub(super) fn text(text: &str) -> Option<Foreign> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let line = |start: &str| text.starts_with(start) || text.lines().any(|line| line.starts_with(start));
    if text.starts_with("__label__") {
        return Some(("fastText lines (__label__…)", "write the label and the text as two columns of a CSV"));
    }
    if text.starts_with("## intent:") || (line("nlu:") && line("- intent:")) || text.starts_with("nlu:") {
        return Some((
            "Rasa training data",
            "convert them: rasa data convert nlu -f json, then one example a line",
        ));
    }
    if text.starts_with("version:")
        && (line("nlu:") || line("stories:") || line("rules:") || line("intents:"))
    {
        return Some((
            "Rasa training data",
            "convert them: rasa data convert nlu -f json, then one example a line",
        ));
    }
    if text.starts_with("<?xml") || text.starts_with("<!DOCTYPE") || text.starts_with("<html") {
        return Some(("XML or HTML", TO_CSV));
    }
    None
}

/// By the keys of a JSON document; `has(depth, key)` counts brackets from 1.
pub(super) fn json(opening: &[u8], has: &dyn Fn(usize, &str) -> bool) -> Option<Foreign> {
    if has(1, "luis_schema_version") {
        return Some((
            "a LUIS application",
            "write its utterances, one JSON object a line with text and intent",
        ));
    }
    if has(1, "rasa_nlu_data") {
        return Some(("Rasa training data", "write its common_examples, one JSON object a line"));
    }
    let dialogflow = has(2, "userDefined") || has(2, "isTemplate") || (has(2, "data") && !has(2, "text"));
    if (opening.starts_with(b"[{") && dialogflow) || (has(1, "webhookUsed") && has(1, "responses")) {
        return Some((
            "a Dialogflow intent",
            "write its phrases, one JSON object a line with text and intent",
        ));
    }
    None
}

/// One JSON object that goes over several lines.
pub(super) const DOCUMENT: Foreign = (
    "one JSON object over several lines, not JSON Lines",
    "write one object a line (jq -c), or an array of objects",
);
