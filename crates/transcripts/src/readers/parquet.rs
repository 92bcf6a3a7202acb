//! Parquet, row by row. A row becomes a JSON object and is read as one; names of classes that Hugging Face keeps beside
//! the columns become the labels.

use super::columns::Field;
use super::error::ReadError;
use super::json::{RowSeed, offer};
use super::report::{Place, Reason};
use super::sink::{Halt, Sink};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field as Datum;
use serde::de::DeserializeSeed;
use serde_json::{Map, Value};
use std::cell::Cell;
use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// First bytes of a file.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// Largest column of a group of rows, unpacked: pages of it are held in memory.
const MAX_COLUMN: i64 = 1 << 30;

pub(super) fn read(file: File, sink: &mut Sink<'_, '_>) -> Result<(), Halt> {
    let damaged = || ReadError::Foreign {
        file: sink.file.to_owned(),
        what: "a damaged Parquet file, or of a kind",
        instead: "write it again, or save it as JSON Lines",
    };
    let reader = guarded(|| SerializedFileReader::new(file)).ok_or_else(damaged)?;
    let metadata = reader.metadata();
    let columns = || metadata.row_groups().iter().flat_map(|group| group.columns());
    if columns().any(|column| !(0..=MAX_COLUMN).contains(&column.uncompressed_size())) {
        return Err(damaged().into());
    }
    let pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    let told = pairs.filter(|pair| pair.key == "huggingface").find_map(|pair| pair.value.as_deref());
    let classes = told.and_then(|json| serde_json::from_str::<Value>(json).ok()).unwrap_or_default();
    let names = &sink.source.columns;
    for needed in [Field::Text, Field::Intent] {
        let has = |field| {
            let top = metadata.file_metadata().schema().get_fields();
            top.iter().any(|column| names.field_of(column.name()) == Some(field))
        };
        if !has(needed) && !has(Field::Turns) {
            let named = names.named(needed).map(str::to_owned);
            return Err(ReadError::MissingColumn { file: sink.file.to_owned(), field: needed, named }.into());
        }
    }
    let mut rows = guarded(|| reader.get_row_iter(None)).ok_or_else(damaged)?;
    for index in 0u64.. {
        let place = Place::Element { index, turn: None };
        let Some(row) = guarded(|| rows.next().transpose()).ok_or_else(damaged)? else { break };
        let mut object = Map::new();
        for (name, cell) in row.get_column_iter() {
            object.insert(name.clone(), labelled(name, json(cell), &classes));
        }
        match RowSeed(&sink.source.columns).deserialize(Value::Object(object)) {
            Ok(row) => offer(place, row, sink)?,
            Err(_) => sink.reject(place, Reason::BadShape)?,
        }
    }
    Ok(())
}

/// What the crate answers. It panics on some damaged files, which are no more than that: nothing of a reader that did is
/// used again, and nothing is said of it but that the file is damaged.
fn guarded<T>(read: impl FnOnce() -> ::parquet::errors::Result<T>) -> Option<T> {
    static QUIET: Once = Once::new();
    thread_local!(static READING: Cell<bool> = const { Cell::new(false) });
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |about| {
            if !READING.get() {
                before(about);
            }
        }));
    });
    READING.set(true);
    let read = panic::catch_unwind(AssertUnwindSafe(read));
    READING.set(false);
    read.ok()?.ok()
}

/// The name of a class for its number, where the file has names for this column.
fn labelled(column: &str, value: Value, classes: &Value) -> Value {
    let feature = &classes["info"]["features"][column];
    let name = value.as_u64().and_then(|n| feature["names"].get(usize::try_from(n).ok()?));
    match name {
        Some(name) if feature["_type"] == "ClassLabel" => name.clone(),
        _ => value,
    }
}

fn json(cell: &Datum) -> Value {
    match cell {
        Datum::Null => Value::Null,
        Datum::Bool(v) => (*v).into(),
        Datum::Byte(v) => (*v).into(),
        Datum::Short(v) => (*v).into(),
        Datum::Int(v) => (*v).into(),
        Datum::Long(v) | Datum::TimestampMillis(v) | Datum::TimestampMicros(v) => (*v).into(),
        Datum::UByte(v) => (*v).into(),
        Datum::UShort(v) => (*v).into(),
        Datum::UInt(v) => (*v).into(),
        Datum::ULong(v) => (*v).into(),
        Datum::Float(v) => (*v).into(),
        Datum::Double(v) => (*v).into(),
        Datum::Str(v) => v.as_str().into(),
        Datum::Date(days) => (i64::from(*days) * 86_400).into(),
        Datum::Group(row) => {
            Value::Object(row.get_column_iter().map(|(name, cell)| (name.clone(), json(cell))).collect())
        }
        Datum::ListInternal(list) => list.elements().iter().map(json).collect(),
        // Bytes that say nothing of being text, decimals, times of the day, maps: no column that is read has them.
        _ => Value::Null,
    }
}
