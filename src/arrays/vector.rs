//! A list of numbers in an `.npy` file: weights, a trusted update.

use super::error::{ArrayError, Fault};
use super::npy;
use super::number::Number;
use super::source::Mapped;
use super::stored::Stored;
use std::path::Path;

/// Reads a one-dimensional `.npy` file of floating-point numbers or integers.
pub fn vector(path: &Path) -> Result<Vec<f64>, ArrayError> {
    let file = Mapped::open(path)?;
    let read = || {
        let tensor = npy::tensor(file.bytes(), "")?;
        if tensor.shape.len() != 1 {
            return Err(Fault::NotAList { dims: tensor.shape.len() });
        }
        let plain = tensor.plain(file.bytes());
        match &tensor.stored {
            Stored::F64 => Ok(f64::copied(&plain)),
            Stored::Integer { signed, bytes } => {
                Ok(plain.chunks_exact(*bytes).map(|n| integer(n, *signed)).collect())
            }
            Stored::Bool | Stored::Other(_) => {
                Err(Fault::Type { tensor: None, found: tensor.stored.to_string() })
            }
            Stored::F16 | Stored::Bf16 | Stored::F32 => {
                Ok(tensor.numbers::<f32>(file.bytes()).into_iter().map(f64::from).collect())
            }
        }
    };
    read().map_err(|f| file.fault(f))
}

/// An integer from its bytes, least significant first.
fn integer(bytes: &[u8], signed: bool) -> f64 {
    let negative = signed && bytes[bytes.len() - 1] >= 0x80;
    let mut whole = [if negative { 0xff } else { 0 }; 16];
    whole[..bytes.len()].copy_from_slice(bytes);
    i128::from_le_bytes(whole) as f64
}
