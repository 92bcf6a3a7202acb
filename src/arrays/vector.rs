//! A list of numbers in an `.npy` file: weights, a trusted update.

use super::error::{ArrayError, Fault};
use super::npy::Header;
use super::source::Mapped;
use std::path::Path;

/// Reads a one-dimensional `.npy` file of floating-point numbers or integers.
pub fn vector(path: &Path) -> Result<Vec<f64>, ArrayError> {
    let file = Mapped::open(path)?;
    let read = || {
        let header = Header::parse(file.bytes())?;
        let (size, number) = reader(&header.descr)?;
        header.count(size, file.bytes().len())?;
        if header.shape.len() != 1 {
            return Err(Fault::NotAList { dims: header.shape.len() });
        }
        Ok(file.bytes()[header.start..].chunks_exact(size).map(number).collect())
    };
    read().map_err(|f| file.fault(f))
}

/// Reads a number from its bytes.
type Reader = fn(&[u8]) -> f64;

/// Size of a number of this type in bytes, and how it is read.
fn reader(descr: &str) -> Result<(usize, Reader), Fault> {
    macro_rules! number {
        ($type:ty) => {
            (size_of::<$type>(), |bytes| {
                <$type>::from_le_bytes(bytes.try_into().expect("chunks have the size of the type")) as f64
            })
        };
    }
    Ok(match descr {
        "<f4" => number!(f32),
        "<f8" => number!(f64),
        "|i1" => number!(i8),
        "|u1" => number!(u8),
        "<i2" => number!(i16),
        "<u2" => number!(u16),
        "<i4" => number!(i32),
        "<u4" => number!(u32),
        "<i8" => number!(i64),
        "<u8" => number!(u64),
        d if d.starts_with('>') => return Err(Fault::BigEndian { found: descr.to_owned() }),
        _ => return Err(Fault::Type { tensor: None, found: descr.to_owned() }),
    })
}
