//! The two types of number that updates are averaged in.

use super::stored::Stored;
use half::{bf16, f16};
use serde::Serialize;
use sottovoce_aggregator::Element;
use std::borrow::Cow;
use std::fmt;

/// Type of the numbers in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE 754, 32 bits.
    F32,
    /// IEEE 754, 64 bits.
    F64,
}

impl Dtype {
    /// Size of a number in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// A number as it lies in files: little-endian.
pub trait Number: Element {
    /// Its type.
    const DTYPE: Dtype;
    /// The numbers behind `bytes` where they lie; `None` if they are not aligned, or this machine is big-endian.
    fn in_place(bytes: &[u8]) -> Option<&[Self]>;
    /// The numbers behind `bytes`; a rest shorter than a number is not read.
    fn copied(bytes: &[u8]) -> Vec<Self>;
    /// The numbers behind `bytes`, whose elements are `stored`, a type that is averaged in this one.
    fn decoded(stored: &Stored, big_endian: bool, bytes: &[u8]) -> Vec<Self>;
    /// The bytes of `values`.
    fn le_bytes(values: &[Self]) -> Cow<'_, [u8]>;
}

macro_rules! number {
    ($float:ty, $dtype:expr, $decoded:expr) => {
        impl Number for $float {
            const DTYPE: Dtype = $dtype;

            fn in_place(bytes: &[u8]) -> Option<&[Self]> {
                if cfg!(target_endian = "big") {
                    return None;
                }
                // SAFETY: every pattern of bits is a number of this type.
                let (before, numbers, after) = unsafe { bytes.align_to::<$float>() };
                (before.is_empty() && after.is_empty()).then_some(numbers)
            }

            fn copied(bytes: &[u8]) -> Vec<Self> {
                let (numbers, _) = bytes.as_chunks::<{ size_of::<$float>() }>();
                numbers.iter().map(|n| <$float>::from_le_bytes(*n)).collect()
            }

            fn decoded(stored: &Stored, big_endian: bool, bytes: &[u8]) -> Vec<Self> {
                $decoded(stored, big_endian, bytes)
            }

            fn le_bytes(values: &[Self]) -> Cow<'_, [u8]> {
                if cfg!(target_endian = "big") {
                    return values.iter().flat_map(|v| v.to_le_bytes()).collect();
                }
                let (from, length) = (values.as_ptr().cast::<u8>(), size_of_val(values));
                // SAFETY: an initialised number is initialised bytes, u8 has no alignment, and the length in bytes
                // of an existing slice cannot overflow.
                let bytes = unsafe { std::slice::from_raw_parts(from, length) };
                Cow::Borrowed(bytes)
            }
        }
    };
}

number!(f32, Dtype::F32, |stored: &Stored, big, bytes| match stored {
    Stored::F16 => each(bytes, big, |b| f16::from_le_bytes(b).to_f32()),
    Stored::Bf16 => each(bytes, big, |b| bf16::from_le_bytes(b).to_f32()),
    _ => each(bytes, big, f32::from_le_bytes),
});
number!(f64, Dtype::F64, |_: &Stored, big, bytes| each(bytes, big, f64::from_le_bytes));

fn each<const N: usize, T>(bytes: &[u8], big_endian: bool, number: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (elements, _) = bytes.as_chunks::<N>();
    let ordered = |mut bytes: [u8; N]| {
        if big_endian {
            bytes.reverse();
        }
        number(bytes)
    };
    elements.iter().map(|bytes| ordered(*bytes)).collect()
}
