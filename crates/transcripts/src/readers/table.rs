//! Tables: named columns and records of fields, whatever they come from.

use super::columns::Field;
use super::error::ReadError;
use super::lines::{BOM, Lines};
use super::records::{Broken, Records};
use super::report::{Place, Reason};
use super::row::{Draft, said};
use super::sink::{Halt, Sink};
use super::source::Format;
use std::io::BufRead;

/// Reads separated values.
pub(super) fn read(format: Format, input: &mut dyn BufRead, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    if format == Format::Tsv { tabs(input, sink) } else { separated(input, sink) }
}

/// What each column is for.
pub(super) struct Header {
    fields: Vec<Option<Field>>,
}

impl Header {
    /// Of a first row, which stands at `place`.
    pub(super) fn of(names: &[String], place: Place, sink: &mut Sink<'_, '_>) -> Result<Self, ReadError> {
        let columns = &sink.source.columns;
        let fields: Vec<Option<Field>> =
            names.iter().map(|name| columns.field_of(name).filter(|f| *f != Field::Turns)).collect();
        for field in Field::OF_TABLES {
            let mut of =
                names.iter().zip(&fields).filter(|(_, f)| **f == Some(field)).map(|(name, _)| name.trim());
            let (first, second) = (of.next(), of.next());
            let file = || sink.file.to_owned();
            if let (Some(first), Some(second)) = (first, second) {
                let (first, second) = (first.to_owned(), second.to_owned());
                return Err(ReadError::AmbiguousColumn { file: file(), place, field, first, second });
            }
            let named = columns.named(field).map(str::to_owned);
            if first.is_none() && matches!(field, Field::Text | Field::Intent) {
                return Err(ReadError::MissingColumn { file: file(), field, named });
            }
        }
        sink.all.fields.extend(fields.iter().flatten());
        Ok(Self { fields })
    }

    /// Offers a record with these fields.
    pub(super) fn offer(
        &self,
        place: Place,
        record: Vec<String>,
        sink: &mut Sink<'_, '_>,
    ) -> Result<(), Halt> {
        if record.len() != self.fields.len() {
            return sink.reject(place, Reason::WrongColumns);
        }
        let mut draft = Draft::default();
        for (field, value) in self.fields.iter().zip(record) {
            let Some(field) = field else { continue };
            // Text and label are there, if only empty: the sink tells.
            match field {
                Field::Text => draft.turns = said(Some(value)),
                Field::Intent => draft.intent = Some(value),
                _ if value.trim().is_empty() => {}
                Field::Client => draft.client = Some(value),
                Field::Lang => draft.language = Some(value),
                Field::Timestamp => draft.timestamp = Some(value),
                Field::Domain => draft.domain = Some(value),
                Field::Id => draft.id = Some(value),
                Field::Split => draft.split = Some(value),
                Field::Dialogue => draft.dialogue = Some(value),
                Field::Turn => draft.turn = value.trim().parse().ok(),
                Field::Turns => {}
            }
        }
        sink.offer(place, draft)
    }
}

/// Fields as text; nothing where one is not UTF-8.
fn texts(record: Vec<Vec<u8>>) -> Option<Vec<String>> {
    record.into_iter().map(|field| String::from_utf8(field).ok()).collect()
}

/// The separator of a header line: the one it has most of.
fn separator_of(header: &[u8]) -> u8 {
    let count = |b: u8| header.iter().filter(|c| **c == b).count();
    // The last of equals wins: a comma, then a semicolon.
    [b'|', b';', b','].into_iter().max_by_key(|b| count(*b)).unwrap_or(b',')
}

fn separated(input: &mut dyn BufRead, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    // Only the header is looked at before it is read: it lies in the first buffer.
    let head = input.fill_buf().map_err(|e| sink.io(e))?;
    let head = head.strip_prefix(BOM).unwrap_or(head);
    let mut lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end);
    let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let told = first.strip_prefix(b"sep=").and_then(|rest| rest.first()).copied();
    let separator = told.unwrap_or_else(|| separator_of(first));
    let mut records = Records::new(input, separator, sink.source.max_row_bytes);
    let mut header: Option<Header> = None;
    let mut skip = told.is_some();
    loop {
        let record = match records.next() {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(()),
            Err(Broken::Io(e)) => return Err(sink.io(e)),
            Err(Broken::StrayQuote { line, lines }) => {
                return Err(ReadError::StrayQuote { file: sink.file.to_owned(), line, lines }.into());
            }
        };
        let (line, record) = record;
        let place = Place::Line(line);
        let Some(record) = record else {
            sink.reject(place, Reason::TooLong)?;
            continue;
        };
        if record.len() == 1 && record[0].trim_ascii().is_empty() {
            continue; // a blank line
        }
        if std::mem::take(&mut skip) {
            continue;
        }
        let Some(record) = texts(record) else {
            sink.reject(place, Reason::InvalidUtf8)?;
            continue;
        };
        match &header {
            None => header = Some(Header::of(&record, place, sink)?),
            Some(header) => header.offer(place, record, sink)?,
        }
    }
}

/// Tab-separated lines. A line with too few fields and an open quote goes on in the next ones, as spreadsheets write a
/// line break within a field; other quotes are text.
fn tabs(input: &mut dyn BufRead, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    let limit = sink.source.max_row_bytes;
    let mut lines = Lines::new(input, limit);
    let mut header: Option<Header> = None;
    // A record that a quote keeps open.
    let mut open: Option<(u64, Vec<u8>)> = None;
    loop {
        let next = lines.next().map_err(|e| sink.io(e))?;
        let Some((line, bytes)) = next else {
            return match open {
                Some((at, _)) => {
                    let lines = lines.number() + 1 - at;
                    Err(ReadError::StrayQuote { file: sink.file.to_owned(), line: at, lines }.into())
                }
                None => Ok(()),
            };
        };
        let (at, record) = match (open.take(), bytes) {
            (None, None) => {
                sink.reject(Place::Line(line), Reason::TooLong)?;
                continue;
            }
            (None, Some(bytes)) => (line, bytes.to_vec()),
            (Some((at, begun)), bytes) => {
                let bytes = bytes.filter(|bytes| begun.len() + bytes.len() < limit);
                let Some(bytes) = bytes else {
                    let lines = line + 1 - at;
                    return Err(ReadError::StrayQuote { file: sink.file.to_owned(), line: at, lines }.into());
                };
                (at, [begun.as_slice(), b"\n", bytes].concat())
            }
        };
        let place = Place::Line(at);
        let Ok(text) = std::str::from_utf8(&record) else {
            sink.reject(place, Reason::InvalidUtf8)?;
            continue;
        };
        if text.trim().is_empty() {
            continue;
        }
        let (fields, is_open) = split_tabs(text);
        match &header {
            None => header = Some(Header::of(&fields, place, sink)?),
            Some(header) if is_open && fields.len() < header.fields.len() => open = Some((at, record)),
            Some(header) if at < line && fields.len() != header.fields.len() => {
                let lines = line + 1 - at;
                return Err(ReadError::StrayQuote { file: sink.file.to_owned(), line: at, lines }.into());
            }
            Some(header) => header.offer(place, fields, sink)?,
        }
    }
}

/// Fields of a tab-separated record, and whether a quote is open at its end. A field in quotes loses them only where it
/// could not be written without.
fn split_tabs(text: &str) -> (Vec<String>, bool) {
    let (mut fields, mut rest) = (Vec::new(), text);
    loop {
        let quoted = rest.strip_prefix('"').map(|inner| (inner, quoted_end(inner)));
        if let Some((inner, Some(end))) = quoted {
            let (field, behind) = (&inner[..end], &inner[end + 1..]);
            let needed = field.contains(['\t', '\n']) || field.contains("\"\"");
            if needed && (behind.is_empty() || behind.starts_with('\t')) {
                fields.push(field.replace("\"\"", "\""));
                match behind.strip_prefix('\t') {
                    Some(next) => rest = next,
                    None => return (fields, false),
                }
                continue;
            }
        }
        match rest.split_once('\t') {
            Some((field, next)) => {
                fields.push(field.to_owned());
                rest = next;
            }
            None => {
                let is_open = matches!(quoted, Some((_, None)));
                fields.push(rest.to_owned());
                return (fields, is_open);
            }
        }
    }
}

/// Where a quoted field ends: its first quote that is not doubled.
fn quoted_end(inner: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = inner[at..].find('"') {
        let quote = at + found;
        if !inner[quote + 1..].starts_with('"') {
            return Some(quote);
        }
        at = quote + 2;
    }
    None
}
