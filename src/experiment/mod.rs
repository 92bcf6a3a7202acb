//! An experiment from beginning to end: data, rounds, evaluation, baselines, artefacts.

mod against;
pub mod data;
pub mod diff;
pub(crate) mod directory;
pub mod egress;
pub mod evidence;
pub mod fields;
pub mod inputs;
pub mod inspect;
pub mod journal;
pub mod lock;
mod manifest;
pub mod origin;
pub mod outside;
pub mod record;
mod root;
pub mod run;
pub mod starter;
mod stopwatch;
pub mod summary;
pub mod sums;
mod totals;
pub mod vectors;
pub mod verify;

pub use data::Data;
pub use lock::{Lock, LockError};
pub use origin::Origin;
pub use outside::TableError;
pub use record::Record;
pub use root::RootError;
pub use run::{Experiment, Observer, Progress, Stage};
pub use stopwatch::Stopwatch;
pub use summary::{Ended, Summary};
pub use vectors::VectorError;

use crate::config::Invalid;
use sottovoce_aggregator::RuleError;
use sottovoce_core::LayoutError;
use sottovoce_models::NotFinite;
use sottovoce_simulation::world::TraceError;
use sottovoce_simulation::{CheckpointError, RoundError};
use sottovoce_transcripts::partition::PartitionError;
use sottovoce_transcripts::readers::ReadError;
use sottovoce_transcripts::synthetic::SyntheticError;
use std::io;
use std::path::{Path, PathBuf};

/// Why an experiment has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// A file cannot be read, or a row of it cannot be used and the configuration is strict.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The data cannot be dealt out as configured.
    #[error("partition: {0}")]
    Partition(#[from] PartitionError),
    /// The synthetic corpus refuses its configuration.
    #[error("data.synthetic: {0}")]
    Synthetic(#[from] SyntheticError),
    /// Nothing to learn from.
    #[error("no training transcript is left: {why}")]
    NoTrainingData {
        /// What became of those that were read.
        why: String,
    },
    /// Nothing to evaluate on.
    #[error(
        "no test transcript; add a test file to data.path, or rows whose split is test, or draw them from training with \
         data.test_share = 0.2, which takes from intents with several texts"
    )]
    NoTestData,
    /// A key names an intent that the data do not have.
    #[error("{key} = {name:?}: no transcript has this intent{}", near.as_ref().map_or(String::new(), |n| format!("; did you mean {n:?}?")))]
    UnknownIntent {
        /// The key.
        key: &'static str,
        /// As configured.
        name: String,
        /// The intent that looks most like it.
        near: Option<String>,
    },
    /// Early stopping without a split to look at.
    #[error("rounds.early_stopping needs a validation split, and the data have none")]
    NoValidation,
    /// A client may not claim as many examples as a shard has.
    #[error("rounds.weight_cap = {cap}, but a client has {largest} examples; raise it or leave it out")]
    WeightCap {
        /// As configured.
        cap: u64,
        /// Examples of the largest shard.
        largest: u64,
    },
    /// More clients in a cohort than there are.
    #[error("rounds.cohort.size = {size}, but {clients} clients have training data")]
    CohortTooLarge {
        /// As configured.
        size: u64,
        /// Clients with training data.
        clients: u64,
    },
    /// A file does not say when devices are there.
    #[error("{}: {source}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TraceError,
    },
    /// There is not one good vector for each transcript.
    #[error(transparent)]
    Vectors(#[from] VectorError),
    /// There is no good frozen table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The server has no good data of its own.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The rule gets fewer updates than it needs, in every round.
    #[error("aggregation.rule: {0}")]
    Rule(RuleError),
    /// Text for a model that reads vectors.
    #[error("the model of this run reads sentence vectors; it cannot classify text")]
    NeedsVectors,
    /// A part that a configuration names and the program does not have, or that refuses its parameters.
    #[error(transparent)]
    Part(#[from] Invalid),
    /// The model is too large.
    #[error("model: {0}")]
    Model(#[from] LayoutError),
    /// A configuration, or a file of a model, that asks for more memory than any model here takes.
    #[error(
        "model: {params} parameters, at most {} are taken; lower features.buckets or the model's sizes",
        data::MOST_PARAMS
    )]
    ModelTooLarge {
        /// Parameters asked for.
        params: usize,
    },
    /// A round failed.
    #[error(transparent)]
    Round(#[from] RoundError),
    /// A client's own model cannot be had.
    #[error("a client's own model: {0}")]
    Personal(sottovoce_core::ClientError),
    /// A baseline diverged.
    #[error("a baseline diverged ({} at parameter {}); lower baselines.training.optimiser.lr", .0.value, .0.at)]
    Baseline(NotFinite),
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A lock cannot be written or read.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An artefact cannot be written or read.
    #[error("{}: {source}", path.display())]
    Artefact {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of a journal that is none.
    #[error("{}: line {line} is no line of such a journal; something else has changed it", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// A run that is held against another one is another.
    #[error("{0}")]
    Differs(Box<verify::Difference>),
    /// The run directory is of another configuration.
    #[error(
        "{}: was begun with another configuration: {keys}; choose another folder, or go on under this one from the \
         checkpoint with --allow-config-change", path.display()
    )]
    OtherConfiguration {
        /// The folder.
        path: PathBuf,
        /// What differs.
        keys: String,
    },
    /// The run directory is of other data.
    #[error(
        "{}: was begun on other data: {what} is {there} there and {here} here; bring the data back, or begin anew in \
         another folder", path.display()
    )]
    OtherData {
        /// The folder.
        path: PathBuf,
        /// The file, or what was made of the files.
        what: String,
        /// Its digest there.
        there: String,
        /// Its digest here.
        here: String,
    },
    /// The run directory holds something else.
    #[error("{}: {what}", path.display())]
    RunDirectory {
        /// The folder.
        path: PathBuf,
        /// What is wrong and what to do.
        what: &'static str,
    },
}

impl From<verify::Difference> for ExperimentError {
    fn from(difference: verify::Difference) -> Self {
        Self::Differs(Box::new(difference))
    }
}

impl ExperimentError {
    /// What the system said of a file.
    pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |source| Self::Artefact { path: path.to_owned(), source }
    }
}
