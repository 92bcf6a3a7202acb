//! Types of number as files store them.

use super::number::Dtype;
use safetensors::tensor::Dtype as Named;
use std::fmt;

/// The type of a tensor's elements in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// IEEE 754, 16 bits.
    F16,
    /// The upper half of an [`F32`](Self::F32).
    Bf16,
    /// IEEE 754, 32 bits.
    F32,
    /// IEEE 754, 64 bits.
    F64,
    /// An integer of 1, 2, 4 or 8 bytes.
    Integer {
        /// Whether it can be negative.
        signed: bool,
        /// Its size in bytes.
        bytes: usize,
    },
    /// A truth value in a byte.
    Bool,
    /// Any other, as its file calls it.
    Other(String),
}

impl Stored {
    /// From an npy header, and whether the most significant byte is first.
    pub(super) fn of_descr(descr: &str) -> (Self, bool) {
        let big = descr.starts_with('>');
        let stored = match descr.trim_start_matches(['<', '>', '|']) {
            "f2" => Self::F16,
            "f4" => Self::F32,
            "f8" => Self::F64,
            "i1" => Self::Integer { signed: true, bytes: 1 },
            "i2" => Self::Integer { signed: true, bytes: 2 },
            "i4" => Self::Integer { signed: true, bytes: 4 },
            "i8" => Self::Integer { signed: true, bytes: 8 },
            "u1" => Self::Integer { signed: false, bytes: 1 },
            "u2" => Self::Integer { signed: false, bytes: 2 },
            "u4" => Self::Integer { signed: false, bytes: 4 },
            "u8" => Self::Integer { signed: false, bytes: 8 },
            "b1" => Self::Bool,
            _ => Self::Other(descr.to_owned()),
        };
        (stored, big)
    }

    /// From a safetensors header.
    pub(super) fn of_named(named: Named) -> Self {
        match named {
            Named::F16 => Self::F16,
            Named::BF16 => Self::Bf16,
            Named::F32 => Self::F32,
            Named::F64 => Self::F64,
            Named::I8 => Self::Integer { signed: true, bytes: 1 },
            Named::I16 => Self::Integer { signed: true, bytes: 2 },
            Named::I32 => Self::Integer { signed: true, bytes: 4 },
            Named::I64 => Self::Integer { signed: true, bytes: 8 },
            Named::U8 => Self::Integer { signed: false, bytes: 1 },
            Named::U16 => Self::Integer { signed: false, bytes: 2 },
            Named::U32 => Self::Integer { signed: false, bytes: 4 },
            Named::U64 => Self::Integer { signed: false, bytes: 8 },
            Named::BOOL => Self::Bool,
            other => Self::Other(format!("{other:?}")),
        }
    }

    /// Size of an element in bytes, where it is known.
    pub(super) fn size(&self) -> Option<usize> {
        match self {
            Self::Bool => Some(1),
            Self::F16 | Self::Bf16 => Some(2),
            Self::F32 => Some(4),
            Self::F64 => Some(8),
            Self::Integer { bytes, .. } => Some(*bytes),
            Self::Other(_) => None,
        }
    }

    /// The type that these are averaged in: every value is one of that type. `None` for what is not averaged.
    pub(super) fn averaged(&self) -> Option<Dtype> {
        match self {
            Self::F16 | Self::Bf16 | Self::F32 => Some(Dtype::F32),
            Self::F64 => Some(Dtype::F64),
            Self::Integer { .. } | Self::Bool | Self::Other(_) => None,
        }
    }

    pub(super) fn is_integer(&self) -> bool {
        matches!(self, Self::Integer { .. } | Self::Bool)
    }

    /// As npy headers write it, least significant byte first.
    pub(super) fn descr(&self) -> String {
        let (kind, bytes) = match self {
            Self::Bool => ('b', 1),
            Self::F16 | Self::Bf16 => ('f', 2),
            Self::F32 => ('f', 4),
            Self::F64 => ('f', 8),
            Self::Integer { signed, bytes } => (if *signed { 'i' } else { 'u' }, *bytes),
            Self::Other(name) => return name.clone(),
        };
        format!("{}{kind}{bytes}", if bytes == 1 { '|' } else { '<' })
    }

    /// As safetensors headers write it.
    pub(super) fn named(&self) -> String {
        self.to_string().to_uppercase()
    }

    /// Whether the element `a` is less than `b`, both least significant byte first.
    pub(super) fn less(&self, a: &[u8], b: &[u8]) -> bool {
        let signed = matches!(self, Self::Integer { signed: true, .. });
        // With the sign turned over, two's complement is in the order of its bytes.
        let key = |bytes: &[u8]| {
            let mut key: Vec<u8> = bytes.iter().rev().copied().collect();
            key[0] ^= if signed { 0x80 } else { 0 };
            key
        };
        key(a) < key(b)
    }
}

impl From<Dtype> for Stored {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F64 => Self::F64,
        }
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F16 => f.write_str("f16"),
            Self::Bf16 => f.write_str("bf16"),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::Integer { signed, bytes } => {
                write!(f, "{}{}", if *signed { 'i' } else { 'u' }, 8 * bytes)
            }
            Self::Bool => f.write_str("bool"),
            Self::Other(name) => f.write_str(name),
        }
    }
}
