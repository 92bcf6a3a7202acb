//! Headers of safetensors files, read and written: which tensor lies where.

use super::error::Fault;
use super::kind::LONGEST;
use super::layout::Piece;
use super::select::Select;
use super::stored::Stored;
use super::tensor::{Bytes, Contents, Tensor};
use safetensors::tensor::Metadata;
use serde::Serialize;
use std::collections::BTreeMap;

/// Bytes of the header's length.
const LENGTH: usize = 8;

/// Reads the header of a file and holds it against the file's length.
fn header(file: &[u8]) -> Result<(Metadata, usize), Fault> {
    let short = |claimed| Fault::Truncated { claimed };
    let (length, rest) = file.split_first_chunk::<LENGTH>().ok_or(short(LENGTH as u64))?;
    let length = u64::from_le_bytes(*length);
    if length > LONGEST {
        return Err(Fault::Index { what: format!("claims {length} bytes, more than the format allows") });
    }
    let text = usize::try_from(length).ok().and_then(|n| rest.get(..n)).ok_or(short(length))?;
    // This checks offsets and shapes against each other; the length of the file is left to do.
    let header: Metadata = serde_json::from_slice(text).map_err(|e| Fault::Index { what: e.to_string() })?;
    let start = LENGTH + text.len();
    let (expected, got) = (header.data_len() as u64, (file.len() - start) as u64);
    if expected == got { Ok((header, start)) } else { Err(Fault::Length { expected, got }) }
}

/// Names of the tensors.
pub(super) fn names(file: &[u8]) -> Result<Vec<String>, Fault> {
    Ok(header(file)?.0.offset_keys())
}

/// The tensors that count, in the order in which they lie in the file.
pub(super) fn contents(file: &[u8], select: &Select) -> Result<Contents, Fault> {
    let (header, start) = header(file)?;
    let mut named: Vec<_> = header.offset_keys();
    // Empty tensors share a place: their names decide, not chance.
    named.sort_by_cached_key(|name| (header.info(name).map(|i| i.data_offsets), name.clone()));
    let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut contents = Contents { metadata, start, ..Contents::default() };
    for name in named {
        if !select.takes(&name) {
            contents.left_out.push(name);
            continue;
        }
        let info = header.info(&name).expect("a name that the header has just listed");
        let stored = Stored::of_named(info.dtype);
        let (from, to) = info.data_offsets;
        let Some(size) = stored.size() else {
            return Err(Fault::Type { tensor: Some(name), found: stored.to_string() });
        };
        contents.tensors.push(Tensor {
            name,
            stored,
            big_endian: false,
            transposed: false,
            shape: info.shape.clone(),
            count: (to - from) / size,
            bytes: Bytes::At(start + from..start + to),
        });
    }
    Ok(contents)
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("words and numbers can be written as JSON")
}

/// The header of tensors that follow each other.
pub(super) fn written(metadata: &BTreeMap<String, String>, tensors: &[Piece<'_>]) -> Vec<u8> {
    let mut entries = Vec::new();
    if !metadata.is_empty() {
        entries.push(format!("\"__metadata__\":{}", json(metadata)));
    }
    let mut from = 0;
    for (name, stored, shape, bytes) in tensors {
        let to = from + bytes.len();
        let (name, dtype) = (json(name), stored.named());
        let shape = json(shape);
        entries.push(format!(
            "{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{from},{to}]}}"
        ));
        from = to;
    }
    let mut text = format!("{{{}}}", entries.join(","));
    // Numbers begin at a multiple of 8, so that they are aligned where the file is mapped.
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(LENGTH) - text.len()));
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
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
        let contents = contents(&file(header, 20), &Select::default()).expect("a good file");
        let names: Vec<&str> = contents.tensors.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names.join(""), "byza");
        assert_eq!(contents.tensors[3].bytes, Bytes::At(contents.start + 8..contents.start + 20));
    }

    #[test]
    fn no_header_is_believed_more_than_its_file() {
        let tensor = |shape: &str, offsets: &str| {
            format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#)
        };
        let good = file(&tensor("[2]", "[0,8]"), 8);
        for length in 0..good.len() {
            assert!(super::header(&good[..length]).is_err(), "{length}");
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
            assert!(super::header(&file(&header, 8)).is_err(), "{header:.80}");
        }
        let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
        assert!(matches!(super::header(&huge), Err(Fault::Index { .. })));
    }
}
