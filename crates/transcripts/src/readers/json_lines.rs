//! JSON Lines: one object a line.

use super::columns::Columns;
use super::json::{Row, RowSeed, offer};
use super::lines::Lines;
use super::report::{Place, Reason};
use super::sink::{Halt, Sink};
use serde::de::DeserializeSeed;
use std::io::BufRead;

pub(super) fn read(input: &mut dyn BufRead, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    let mut lines = Lines::new(input, sink.source.max_row_bytes);
    while let Some((line, bytes)) = lines.next().map_err(|e| sink.io(e))? {
        let place = Place::Line(line);
        match bytes.map(|b| parse(b, &sink.source.columns)) {
            None => sink.reject(place, Reason::TooLong)?,
            Some(Ok(None)) => {}
            Some(Ok(Some(row))) => offer(place, row, sink)?,
            Some(Err(reason)) => sink.reject(place, reason)?,
        }
    }
    Ok(())
}

/// A row, or nothing for a blank line.
fn parse(bytes: &[u8], columns: &Columns) -> Result<Option<Row>, Reason> {
    let text = std::str::from_utf8(bytes).map_err(|_| Reason::InvalidUtf8)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut de = serde_json::Deserializer::from_str(text);
    let row = RowSeed(columns).deserialize(&mut de).and_then(|row| de.end().map(|()| row));
    row.map(Some).map_err(|e| if e.is_data() { Reason::BadShape } else { Reason::BadJson })
}
