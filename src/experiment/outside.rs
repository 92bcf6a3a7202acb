//! What a run reads beside transcripts: when devices are there, and a frozen table.

use crate::Parts;
use crate::arrays::{ArrayError, Matrix};
use crate::config::{Config, ModelConfig};
use crate::experiment::ExperimentError;
use crate::saved::SavedModel;
use sottovoce_core::{Checksum, Summing, bytes};
use sottovoce_models::FeatureConfig;
use sottovoce_simulation::Trace;
use sottovoce_simulation::world::Availability;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a run reads beside transcripts.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// When devices are there, where a file says so.
    pub trace: Option<Trace>,
    /// The frozen table of a low-rank model, row after row, where a file has it.
    pub table: Option<Arc<[f32]>>,
    checksums: Vec<Checksum>,
}

impl Outside {
    /// Reads the files that a configuration names.
    pub fn read(config: &Config) -> Result<Self, ExperimentError> {
        let mut outside = Self::default();
        let availability = config.world.as_ref().and_then(|world| world.availability.as_ref());
        if let Some(Availability::Trace { path, repeat_seconds }) = availability {
            let text = fs::read_to_string(path).map_err(ExperimentError::at(path))?;
            let trace = Trace::parse(&text, *repeat_seconds);
            outside.trace =
                Some(trace.map_err(|source| ExperimentError::Trace { path: path.clone(), source })?);
            outside.checksums.push(Checksum::of(text.as_bytes()));
        }
        if let ModelConfig::LowRank { table: Some(path), dim, .. } = &config.model {
            let table = table(path, &config.features, *dim as usize)?;
            outside.checksums.push(Checksum::of(&bytes::le_bytes(&table)));
            outside.table = Some(table.into());
        }
        Ok(outside)
    }

    /// Adds the checksum of each file to `all`.
    pub fn sum(&self, all: &mut Summing) {
        for checksum in &self.checksums {
            all.bytes(&checksum.0);
        }
    }
}

/// Why a file has no table for a model.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file is not a matrix of `f32`.
    #[error("model.table: {0}")]
    Array(#[from] ArrayError),
    /// Another number of rows or columns.
    #[error(
        "model.table: {}: {} rows of {} numbers, but features.buckets = {} and model.dim = {}",
        path.display(), got[0], got[1], expected[0], expected[1]
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// Rows and columns as configured.
        expected: [usize; 2],
        /// Those of the file.
        got: [usize; 2],
    },
    /// A saved model that has no such table.
    #[error("model.table: {}: the model of that run has no table of vectors; take one with an embedding bag", path.display())]
    OtherModel {
        /// The file.
        path: PathBuf,
    },
    /// A saved model whose rows mean something else.
    #[error(
        "model.table: {}: the features of that run are others, so its rows mean something else; its [features] are\n{theirs}",
        path.display()
    )]
    Features {
        /// The file.
        path: PathBuf,
        /// As TOML.
        theirs: String,
    },
    /// NaN or infinity.
    #[error("model.table: {}: {value} in row {row}, column {column}, both counted from 0", path.display())]
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

/// The vectors of a table, from the first tensor of a saved embedding bag or from an `.npy` file.
fn table(path: &Path, features: &FeatureConfig, dim: usize) -> Result<Vec<f32>, ExperimentError> {
    let (got, values) = if path.extension() == Some(OsStr::new("safetensors")) {
        let saved = SavedModel::read(path, &Parts::none())?;
        let other = saved.config();
        let ModelConfig::EmbeddingBag { dim, .. } = other.model else {
            return Err(TableError::OtherModel { path: path.to_owned() }.into());
        };
        if other.features != *features {
            let theirs = toml::to_string(&other.features).expect("features can be written as TOML");
            return Err(TableError::Features { path: path.to_owned(), theirs }.into());
        }
        let values = saved.params().values();
        let range = saved.params().layout().tensors()[0].range();
        ([range.len() / dim as usize, dim as usize], values[range].to_vec())
    } else {
        let matrix = Matrix::open(path).map_err(TableError::Array)?;
        let rows = (0..matrix.rows()).filter_map(|row| matrix.row(row)).flatten();
        ([matrix.rows(), matrix.cols()], rows.copied().collect())
    };
    let (path, expected) = (path.to_owned(), [features.buckets as usize, dim]);
    if got != expected {
        return Err(TableError::Shape { path, expected, got }.into());
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(at) => {
            let (row, column, value) = (at / dim, at % dim, values[at]);
            Err(TableError::NotFinite { path, row, column, value }.into())
        }
        None => Ok(values),
    }
}
