//! What algorithms keep, as bytes: bincode, fixed width, little-endian, nothing behind the end.

use crate::digest::Summing;
use bincode::Options;
use serde::{Serialize, de::DeserializeOwned};

fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_little_endian().reject_trailing_bytes()
}

/// A state as bytes; none for a state that says nothing.
pub fn encode(state: &impl Serialize) -> Vec<u8> {
    codec().serialize(state).expect("an algorithm's state is numbers, which can be written to memory")
}

/// A state from its bytes. A length inside them cannot ask for more memory than they have bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    codec().with_limit(bytes.len() as u64).deserialize(bytes).ok()
}

/// Adds what [`encode`] gives to a checksum, without a copy of it.
pub(crate) fn sum(state: &impl Serialize, all: &mut Summing) {
    let written = codec()
        .serialized_size(state)
        .and_then(|bytes| all.written(bytes, |to| codec().serialize_into(to, state)).map(|_| ()));
    written.expect("an algorithm's state is numbers, which can be written anywhere");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_and_nothing_else() {
        let state = (7u64, vec![1u8, 2]);
        let bytes = encode(&state);
        assert_eq!(decode::<(u64, Vec<u8>)>(&bytes), Some(state));
        assert_eq!(decode::<(u64, Vec<u64>)>(&bytes), None);
        assert_eq!(decode::<(u64, Vec<u8>)>(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode::<(u64, Vec<u8>)>(&[&bytes[..], &[0]].concat()), None);
        assert!(encode(&()).is_empty());
    }
}
