//! A matrix of `f32` in an `.npy` file, read row by row: vectors that somebody else made.

use super::error::{ArrayError, Fault};
use super::npy::Header;
use super::number::{Dtype, Number};
use super::source::{Mapped, Source};
use std::path::Path;

/// A matrix in a mapped file.
#[derive(Debug)]
pub struct Matrix {
    source: Source<f32>,
    shape: [usize; 2],
}

impl Matrix {
    /// Opens an `.npy` file of two dimensions, `f32`, little-endian, in C order.
    pub fn open(path: &Path) -> Result<Self, ArrayError> {
        let file = Mapped::open(path)?;
        let read = || {
            let header = Header::parse(file.bytes())?;
            let dtype = header.dtype()?;
            if dtype != Dtype::F32 || header.transposed() {
                let order = if header.transposed() { " in Fortran order" } else { "" };
                return Err(Fault::Rows32 { found: format!("{dtype}{order}") });
            }
            header.count(f32::DTYPE.size(), file.bytes().len())?;
            let shape = <[usize; 2]>::try_from(&header.shape[..]);
            let shape = shape.map_err(|_| Fault::NoVectors { dims: header.shape.len() })?;
            if shape.contains(&0) { Err(Fault::Empty) } else { Ok((header.start, shape)) }
        };
        let (start, shape) = read().map_err(|f| file.fault(f))?;
        Ok(Self { source: Source::new(file, start), shape })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.shape[0]
    }

    /// Numbers in a row.
    pub fn cols(&self) -> usize {
        self.shape[1]
    }

    /// Row `i`, if there is one.
    pub fn row(&self, i: usize) -> Option<&[f32]> {
        self.source.numbers().chunks_exact(self.cols()).nth(i)
    }
}

#[cfg(test)]
mod tests {
    use super::super::npy::header;
    use super::*;
    use std::fs;

    fn open(dtype: Dtype, shape: &[usize], numbers: usize) -> Result<Matrix, ArrayError> {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("m.npy");
        let mut file = header(&dtype.into(), shape);
        (0..numbers).for_each(|i| file.extend((i as f32).to_le_bytes()));
        fs::write(&path, file).expect("a file can be written");
        Matrix::open(&path)
    }

    #[test]
    fn rows_are_read_and_other_arrays_refused() {
        let matrix = open(Dtype::F32, &[3, 2], 6).expect("a matrix");
        assert_eq!((matrix.rows(), matrix.cols(), matrix.row(3)), (3, 2, None));
        assert_eq!(matrix.row(2), Some(&[4.0, 5.0][..]));
        for (dtype, shape, numbers, said) in [
            (Dtype::F64, &[3, 2][..], 12, "f64"),
            (Dtype::F32, &[6], 6, "1 dimensions"),
            (Dtype::F32, &[1, 2, 3], 6, "3 dimensions"),
            (Dtype::F32, &[0, 2], 0, "no numbers"),
            (Dtype::F32, &[3, 2], 5, "24 bytes"),
        ] {
            let error = open(dtype, shape, numbers).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
