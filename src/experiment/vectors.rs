//! Sentence vectors that were made outside, one for each transcript that is read.

use crate::arrays::{ArrayError, Matrix};
use crate::config::{Config, ModelConfig};
use std::path::PathBuf;

/// Why there is not one good vector for each transcript.
#[derive(Debug, thiserror::Error)]
pub enum VectorError {
    /// The file is not a matrix of `f32`.
    #[error("model.vectors: {0}")]
    Array(#[from] ArrayError),
    /// Vectors of another length than the model reads.
    #[error("model.vectors: {}: vectors of {got} numbers, but model.dim = {expected}", path.display())]
    Dim {
        /// The file.
        path: PathBuf,
        /// As configured.
        expected: u32,
        /// Columns of the file.
        got: usize,
    },
    /// More or fewer vectors than transcripts.
    #[error(
        "model.vectors: {}: {rows} rows for {transcripts} transcripts; each transcript that is read needs its own, in \
         the order of the files and their rows; `sottovoce data inspect` shows what is read",
        path.display()
    )]
    Rows {
        /// The file.
        path: PathBuf,
        /// Rows of the file.
        rows: usize,
        /// Transcripts that were read.
        transcripts: usize,
    },
    /// NaN or infinity.
    #[error("model.vectors: {}: {value} in row {row}, column {column}, both counted from 0", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Row.
        row: usize,
        /// Column.
        column: usize,
        /// The number.
        value: f32,
    },
}

/// The vectors of a configuration.
pub(super) struct Vectors {
    path: PathBuf,
    matrix: Matrix,
}

impl Vectors {
    /// Opens the vectors of a configuration, if its model reads such.
    pub(super) fn open(config: &Config) -> Result<Option<Self>, VectorError> {
        let ModelConfig::Mlp { vectors, dim, .. } = &config.model else { return Ok(None) };
        let (path, matrix) = (vectors.clone(), Matrix::open(vectors)?);
        if matrix.cols() != *dim as usize {
            return Err(VectorError::Dim { path, expected: *dim, got: matrix.cols() });
        }
        Ok(Some(Self { path, matrix }))
    }

    /// The vector of a transcript, by its number among those read, scaled to norm 1; zeros stay zeros. `None` behind the
    /// last row, of which [`Vectors::all_read`] tells.
    pub(super) fn unit(&self, transcript: usize) -> Result<Option<Vec<f32>>, VectorError> {
        let Some(row) = self.matrix.row(transcript) else { return Ok(None) };
        let mut squares = 0.0f64;
        for (column, value) in row.iter().enumerate() {
            if !value.is_finite() {
                let (path, value) = (self.path.clone(), *value);
                return Err(VectorError::NotFinite { path, row: transcript, column, value });
            }
            squares += f64::from(*value) * f64::from(*value);
        }
        let norm = if squares > 0.0 { squares.sqrt() } else { 1.0 };
        Ok(Some(row.iter().map(|v| (f64::from(*v) / norm) as f32).collect()))
    }

    /// Whether so many transcripts are as many as there are vectors.
    pub(super) fn all_read(&self, transcripts: usize) -> Result<(), VectorError> {
        let (path, rows) = (self.path.clone(), self.matrix.rows());
        if rows == transcripts { Ok(()) } else { Err(VectorError::Rows { path, rows, transcripts }) }
    }
}
