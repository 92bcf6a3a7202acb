//! Numbers that an algorithm keeps: a vector that checkpoints and the store of client states copy in one piece.

use crate::bytes;
use crate::row_block::RowBlock;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A vector of `f32` that is written as its little-endian bytes. Empty until somebody needs it, which stands for zeros.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values(pub Vec<f32>);

impl Values {
    /// As many numbers as that, zeros where there were none.
    pub fn at_least(&mut self, len: usize) -> &mut [f32] {
        if self.0.len() < len {
            self.0.resize(len, 0.0);
        }
        &mut self.0
    }

    /// Multiplies all of them.
    pub fn scale(&mut self, factor: f32) {
        self.0.iter_mut().for_each(|v| *v *= factor);
    }

    /// Adds `factor · block` to the places of the block's rows; zeros everywhere before.
    pub fn add_scaled(&mut self, factor: f32, block: &RowBlock) {
        self.at_least(block.layout().params());
        let mut rest = block.values();
        for range in block.ranges() {
            let (row, tail) = rest.split_at(range.len());
            rest = tail;
            for (v, d) in self.0[range].iter_mut().zip(row) {
                *v += factor * *d;
            }
        }
    }
}

impl Deref for Values {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Values {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl From<Vec<f32>> for Values {
    fn from(values: Vec<f32>) -> Self {
        Self(values)
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&bytes::le_bytes(&self.0))
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Values;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of numbers")
            }
            fn visit_bytes<E: Error>(self, all: &[u8]) -> Result<Values, E> {
                if !all.len().is_multiple_of(4) {
                    return Err(E::invalid_length(all.len(), &self));
                }
                Ok(Values(bytes::f32s(all).collect()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
