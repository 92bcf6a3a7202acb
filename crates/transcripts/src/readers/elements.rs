//! The elements of a large JSON document, one at a time: the document itself is never held.
//!
//! An element is parsed on its own, so one of a wrong shape is rejected and the next one read; what breaks the
//! document's syntax ends the file.

use super::error::ReadError;
use super::sink::{Halt, Sink};
use super::source::Format;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, Read};

/// What the values of a top-level object are. The elements of a top-level array are always taken one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// Each value is an element.
    Elements,
    /// Each value is an array of elements.
    Arrays,
    /// Each value that is an array holds elements; others say something about the whole.
    Lists,
}

/// One element: its number in the file, from 0, and the top-level key it stands under.
pub(super) struct Element<'a> {
    pub(super) index: u64,
    pub(super) key: Option<&'a str>,
    pub(super) value: Value,
}

/// Calls `each` for every element of the document.
pub(super) fn walk(
    format: Format,
    values: Values,
    input: &mut dyn BufRead,
    sink: &mut Sink<'_, '_>,
    each: &mut dyn FnMut(Element<'_>, &mut Sink<'_, '_>) -> Result<(), Halt>,
) -> Result<(), Halt> {
    let limit = sink.source.max_row_bytes;
    let left = Cell::new(limit);
    let mut walk = Walk { left: &left, limit, index: 0, halt: None, sink, each };
    let mut de = serde_json::Deserializer::from_reader(Budget { input, left: &left });
    let done = de.deserialize_any(Document { walk: &mut walk, values }).and_then(|()| de.end());
    let Walk { index: element, halt, sink, .. } = walk;
    if let Some(halt) = halt {
        return Err(halt);
    }
    let Err(error) = done else {
        return Ok(());
    };
    let file = sink.file.to_owned();
    if left.get() == 0 && error.is_io() {
        return Err(ReadError::ElementTooLong { file, element, limit }.into());
    }
    if error.is_io() {
        return Err(sink.io(error.into()));
    }
    // The parser's own message may quote the document, so only the position is kept.
    Err(ReadError::Document { file, format, line: error.line(), column: error.column() }.into())
}

/// Fails once the bytes allowed for one element are used up, before the parser could hold more.
struct Budget<'a> {
    input: &'a mut dyn BufRead,
    left: &'a Cell<usize>,
}

impl Read for Budget<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other("element too long"));
        }
        let most = buffer.len().min(self.left.get());
        let n = self.input.read(&mut buffer[..most])?;
        self.left.set(self.left.get() - n);
        Ok(n)
    }
}

struct Walk<'a, 's, 'v> {
    left: &'a Cell<usize>,
    limit: usize,
    index: u64,
    halt: Option<Halt>,
    sink: &'a mut Sink<'s, 'v>,
    each: &'a mut dyn FnMut(Element<'_>, &mut Sink<'_, '_>) -> Result<(), Halt>,
}

impl Walk<'_, '_, '_> {
    fn visit<E: serde::de::Error>(&mut self, key: Option<&str>, value: Value) -> Result<(), E> {
        let index = self.index;
        self.index += 1;
        self.left.set(self.limit);
        (self.each)(Element { index, key, value }, self.sink).map_err(|halt| {
            self.halt = Some(halt);
            E::custom("halted")
        })
    }
}

struct Document<'w, 'a, 's, 'v> {
    walk: &'w mut Walk<'a, 's, 'v>,
    values: Values,
}

impl<'de> Visitor<'de> for Document<'_, '_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        Array { walk: self.walk, key: None, or_other: false }.visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.values {
                Values::Arrays | Values::Lists => {
                    let or_other = self.values == Values::Lists;
                    map.next_value_seed(Array { walk: self.walk, key: Some(&key), or_other })?;
                }
                Values::Elements => {
                    let value = map.next_value()?;
                    self.walk.visit(Some(&key), value)?;
                }
            }
        }
        Ok(())
    }
}

struct Array<'w, 'k, 'a, 's, 'v> {
    walk: &'w mut Walk<'a, 's, 'v>,
    key: Option<&'k str>,
    /// Whether something else than an array is skipped.
    or_other: bool,
}

impl<'de> DeserializeSeed<'de> for Array<'_, '_, '_, '_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<(), D::Error> {
        if self.or_other { de.deserialize_any(self) } else { de.deserialize_seq(self) }
    }
}

impl<'de> Visitor<'de> for Array<'_, '_, '_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element()? {
            self.walk.visit(self.key, value)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if !self.or_other {
            return Err(serde::de::Error::custom("not an array"));
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar()
    }
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }
    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }
}

impl Array<'_, '_, '_, '_, '_> {
    fn scalar<E: serde::de::Error>(self) -> Result<(), E> {
        if self.or_other { Ok(()) } else { Err(E::custom("not an array")) }
    }
}

/// An element as a type; `None` where its shape is another.
pub(super) fn typed<T: for<'de> Deserialize<'de>>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}
