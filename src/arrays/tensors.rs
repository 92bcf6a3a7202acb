//! Headers of safetensors files: which tensor lies where, all of one type.

use super::error::Fault;
use super::number::Dtype;
use safetensors::tensor::{Dtype as Stored, Metadata};
use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of the header's length.
const LENGTH: usize = 8;
/// Longest header that the format allows, in bytes.
const LONGEST: u64 = 100_000_000;

/// A tensor's name, shape and place among the numbers of its file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// First number, counted from the first of the file.
    pub(super) from: usize,
    /// Numbers.
    pub(super) count: usize,
}

/// The tensors of a file in the order in which they lie there, without gaps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Index {
    pub(super) tensors: Vec<Tensor>,
    pub(super) dtype: Dtype,
    /// Where the numbers begin in the file.
    pub(super) start: usize,
    /// Numbers in all tensors.
    pub(super) count: usize,
}

impl Index {
    /// Reads the header of a file and holds it against the file's length.
    pub(super) fn parse(file: &[u8]) -> Result<Self, Fault> {
        let short = |claimed| Fault::Truncated { claimed };
        let (length, rest) = file.split_first_chunk::<LENGTH>().ok_or(short(LENGTH as u64))?;
        let length = u64::from_le_bytes(*length);
        if length > LONGEST {
            return Err(Fault::Index { what: format!("claims {length} bytes, more than the format allows") });
        }
        let text = usize::try_from(length).ok().and_then(|n| rest.get(..n)).ok_or(short(length))?;
        // This checks offsets and shapes against each other; the length of the file is left to do.
        let header: Metadata =
            serde_json::from_slice(text).map_err(|e| Fault::Index { what: e.to_string() })?;
        let start = LENGTH + text.len();
        let (expected, got) = (header.data_len() as u64, (file.len() - start) as u64);
        if expected != got {
            return Err(Fault::Length { expected, got });
        }
        let mut named: Vec<_> = header.offset_keys();
        // Empty tensors share a place: their names decide, not chance.
        named.sort_by_cached_key(|name| (header.info(name).map(|i| i.data_offsets), name.clone()));
        let mut dtype = None;
        let mut tensors = Vec::with_capacity(named.len());
        for name in named {
            let info = header.info(&name).expect("a name that the header has just listed");
            let got = match info.dtype {
                Stored::F32 => Dtype::F32,
                Stored::F64 => Dtype::F64,
                other => return Err(Fault::Type { tensor: Some(name), found: format!("{other:?}") }),
            };
            let expected = *dtype.get_or_insert(got);
            if got != expected {
                return Err(Fault::MixedTypes { tensor: name, expected, got });
            }
            let (from, to) = info.data_offsets;
            let (from, count) = (from / got.size(), (to - from) / got.size());
            tensors.push(Tensor { name, shape: info.shape.clone(), from, count });
        }
        let dtype = dtype.ok_or(Fault::Empty)?;
        Ok(Self { tensors, dtype, start, count: got as usize / dtype.size() })
    }

    /// Holds another file's tensors against these: same names, same shapes. `None` if they also lie in the same order,
    /// so that their numbers can be taken as they are; otherwise where each of these lies there.
    pub(super) fn places_in(&self, other: &Self) -> Result<Option<Vec<Range<usize>>>, Fault> {
        if self.tensors == other.tensors {
            return Ok(None);
        }
        let mut theirs: BTreeMap<&str, &Tensor> =
            other.tensors.iter().map(|t| (t.name.as_str(), t)).collect();
        let mut places = Vec::with_capacity(self.tensors.len());
        for t in &self.tensors {
            let Some(o) = theirs.remove(t.name.as_str()) else {
                return Err(Fault::OtherTensors { tensor: t.name.clone(), missing: true });
            };
            if o.shape != t.shape {
                let (expected, got) = (t.shape.clone(), o.shape.clone());
                return Err(Fault::TensorShape { tensor: t.name.clone(), expected, got });
            }
            places.push(o.from..o.from + o.count);
        }
        match theirs.into_keys().next() {
            Some(name) => Err(Fault::OtherTensors { tensor: name.to_owned(), missing: false }),
            None => Ok(Some(places)),
        }
    }

    /// The tensor that holds the number `at`.
    pub(super) fn holding(&self, at: usize) -> Option<&Tensor> {
        self.tensors.iter().find(|t| (t.from..t.from + t.count).contains(&at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
    }

    #[test]
    fn tensors_come_in_the_order_of_their_numbers() {
        let header = r#"{"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
            "a":{"dtype":"F32","shape":[3,1],"data_offsets":[8,20]},
            "z":{"dtype":"F32","shape":[0],"data_offsets":[8,8]},
            "y":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}}"#;
        let index = Index::parse(&file(header, 20)).expect("a good file");
        let names: Vec<&str> = index.tensors.iter().map(|t| t.name.as_str()).collect();
        assert_eq!((names.join(""), index.count), ("byza".to_owned(), 5));
        assert_eq!(index.holding(2).map(|t| t.name.as_str()), Some("a"));
    }

    #[test]
    fn no_header_is_believed_more_than_its_file() {
        let tensor = |shape: &str, offsets: &str| {
            format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#)
        };
        let good = file(&tensor("[2]", "[0,8]"), 8);
        for length in 0..good.len() {
            assert!(Index::parse(&good[..length]).is_err(), "{length}");
        }
        for header in [
            tensor("[4611686018427387904]", "[0,18446744073709551615]"),
            tensor("[1152921504606846976]", "[0,4611686018427387904]"),
            tensor("[2]", "[8,0]"),
            tensor("[2]", "[8,16]"),
            tensor("[3]", "[0,8]"),
            "[".repeat(100_000),
            "{}".to_owned(),
            "{\"a\":".repeat(100_000),
        ] {
            assert!(Index::parse(&file(&header, 8)).is_err(), "{header:.80}");
        }
        let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
        assert!(matches!(Index::parse(&huge), Err(Fault::Index { .. })));
    }
}
