//! Excel workbooks: the first sheet, or the sheets that are called after splits.

use super::error::ReadError;
use super::report::{Place, Reason};
use super::sink::{Halt, Hints, Sink};
use super::source::split_named;
use super::table::Header;
use calamine::{Cell, DataRef, Reader, Xlsx};
use std::io::{Read, Seek};

pub(super) fn read<R: Read + Seek>(input: R, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    let file = sink.file.to_owned();
    let damaged = || ReadError::Foreign {
        file: file.clone(),
        what: "a damaged or encrypted workbook",
        instead: "save it again without a password, or as CSV",
    };
    let mut book = Xlsx::new(input).map_err(|_| damaged())?;
    let names = book.sheet_names();
    let of_splits: Vec<String> = names.iter().filter(|name| split_named(name).is_some()).cloned().collect();
    let (used, unused): (Vec<String>, Vec<String>) = if of_splits.is_empty() {
        (names.iter().take(1).cloned().collect(), names.iter().skip(1).cloned().collect())
    } else {
        names.into_iter().partition(|name| of_splits.contains(name))
    };
    for sheet in &used {
        // Rows of several sheets have the same numbers.
        let inside = |name: &str| if used.len() > 1 { format!("{name}!{sheet}") } else { name.to_owned() };
        let (file, label) = (inside(sink.file), inside(sink.label));
        let hints = Hints { split: split_named(sheet).or(sink.hints.split), ..sink.hints };
        let mut of_sheet = Sink::new(sink.source, [&file, &label], hints, &mut *sink.all, &mut *sink.content);
        let mut cells = book.worksheet_cells_reader(sheet).map_err(|_| damaged())?;
        let mut table = Sheet::default();
        while let Some(cell) = cells.next_cell().map_err(|_| damaged())? {
            table.take(&cell, &mut of_sheet)?;
        }
        table.end(&mut of_sheet)?;
    }
    for sheet in unused {
        let cells = book.worksheet_cells_reader(&sheet).map_err(|_| damaged())?.next_cell();
        if cells.is_ok_and(|cell| cell.is_some()) {
            sink.all.report.assumed.not_read.push(format!("{file}: sheet {sheet:?}"));
        }
    }
    Ok(())
}

/// A sheet while its cells come, row by row.
#[derive(Default)]
struct Sheet {
    header: Option<Header>,
    /// Columns of the header: the row that it was in may begin behind the first.
    width: usize,
    /// The row that is open, from 1.
    row: u64,
    cells: Vec<String>,
    /// A cell that shows an error.
    broken: bool,
    held: usize,
}

impl Sheet {
    fn take(&mut self, cell: &Cell<DataRef<'_>>, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
        let (row, column) = cell.get_position();
        let row = u64::from(row) + 1;
        if row != self.row {
            self.end(sink)?;
            self.row = row;
        }
        let text = match cell.get_value() {
            DataRef::Empty => return Ok(()),
            DataRef::Error(_) => {
                self.broken = true;
                return Ok(());
            }
            value => text(value),
        };
        self.held += text.len();
        let column = column as usize;
        if self.header.is_some() && column >= self.width {
            return Ok(()); // beside the table
        }
        if self.cells.len() <= column {
            self.cells.resize(column + 1, String::new());
        }
        self.cells[column] = text;
        Ok(())
    }

    /// The open row is whole.
    fn end(&mut self, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
        let mut cells = std::mem::take(&mut self.cells);
        let (broken, held) = (std::mem::take(&mut self.broken), std::mem::take(&mut self.held));
        let place = Place::Line(self.row);
        if cells.iter().all(|cell| cell.trim().is_empty()) && !broken {
            return Ok(());
        }
        let Some(header) = &self.header else {
            self.width = cells.len();
            self.header = Some(Header::of(&cells, place, sink)?);
            return Ok(());
        };
        if broken {
            return sink.reject(place, Reason::BadShape);
        }
        if held > sink.source.max_row_bytes {
            return sink.reject(place, Reason::TooLong);
        }
        cells.resize(self.width, String::new());
        header.offer(place, cells, sink)
    }
}

/// A cell as its text: whole numbers without a fraction, days and times as ISO 8601.
fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::DateTime(time) if time.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
        }
        // A span of time, in days.
        DataRef::DateTime(time) => time.as_f64().to_string(),
        DataRef::Float(x) => x.to_string(),
        DataRef::Int(n) => n.to_string(),
        DataRef::Bool(b) => b.to_string(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        _ => String::new(),
    }
}
