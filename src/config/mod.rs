//! What an experiment is made of, as written in a TOML file.
//!
//! A [`Config`] is as the file says it; [`Config::check`] refuses what cannot be, before any work starts, and names
//! the key, its value and what is allowed.

pub mod aggregation;
pub mod catalogue;
mod check;
mod custom;
mod date;
mod error;
mod load;
pub(crate) mod ranges;
mod wording;

pub use aggregation::{AggregationConfig, GridConfig, ParameterConfig, RootConfig, WeightsConfig};
pub use check::Invalid;
pub use custom::{Custom, Part};
pub(crate) use date::date;
pub use error::{ConfigError, InFile};
pub use load::{load, load_with, parse, parse_with, read};

use crate::Parts;
use crate::parts::SharedAlgorithm;
use serde::{Deserialize, Serialize};
use sottovoce_aggregator::{Recipe, RuleError};
use sottovoce_algorithms::AlgorithmConfig;
use sottovoce_core::{Digest, Transform};
use sottovoce_models::{FeatureConfig, LocalTraining};
use sottovoce_privacy::TransformConfig;
use sottovoce_simulation::world::Availability;
use sottovoce_simulation::{Cohort, Pace, WorldConfig};
use sottovoce_transcripts::deident::Tier;
use sottovoce_transcripts::partition::Scheme;
use sottovoce_transcripts::readers::{Columns, Format, Unit};
use sottovoce_transcripts::retention::Undated;
use sottovoce_transcripts::{Language, SyntheticConfig};
use std::path::PathBuf;

/// An experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the run is called in tables.
    pub name: String,
    /// All randomness comes from it; there is no default.
    pub seed: u64,
    /// Where transcripts come from.
    pub data: DataConfig,
    /// How the training transcripts are dealt out. Without it: by their natural client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Scheme>,
    /// Masking of personal data before anything is learned from it.
    #[serde(default)]
    pub deidentify: DeidentifyConfig,
    /// Time limit of transcripts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionConfig>,
    /// Text to features.
    #[serde(default)]
    pub features: FeatureConfig,
    /// The classifier.
    pub model: ModelConfig,
    /// A client's training in a round.
    pub local: LocalTraining,
    /// The federated algorithm.
    #[serde(default)]
    pub algorithm: Part<AlgorithmConfig>,
    /// What is done to updates before they leave, first to last.
    #[serde(default)]
    pub transforms: Vec<Part<TransformConfig>>,
    /// How updates become one.
    #[serde(default, skip_serializing_if = "AggregationConfig::is_default")]
    pub aggregation: AggregationConfig,
    /// How many rounds, and with whom.
    pub rounds: RoundsConfig,
    /// Devices that are slow, absent and fail, in virtual time; without it nothing takes time and everybody is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<WorldConfig>,
    /// What is measured.
    #[serde(default)]
    pub evaluation: EvaluationConfig,
    /// Training without federation on the same data, for comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baselines: Option<BaselinesConfig>,
    /// What `custom` parts are looked for in.
    #[serde(skip)]
    #[schemars(skip)]
    pub parts: Parts,
}

/// Where transcripts come from: files, or the synthetic corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// A folder with train, validation and test files, or one file. Relative paths start at the working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The files' format; found from their content where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Column names of tables, keys of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Columns>,
    /// Encoding of the files, such as `gb18030`, `big5` or `windows-1252`. Without it UTF-8, UTF-16 and GB18030 are found
    /// from the whole file, and others refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Language of rows that do not say theirs, a BCP 47 tag; found from their script where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// What is one transcript: each labelled utterance, or each dialogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// More folders or files, read after `path`: several data sets become one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<PathBuf>,
    /// Treats domains as the natural clients (companies, product lines), whatever client key the rows have.
    #[serde(default)]
    pub clients_are_domains: bool,
    /// Transcripts of these intents are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_intents: Vec<String>,
    /// Share of the training transcripts in files that becomes part of the validation split, drawn one by one.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub validation_share: f64,
    /// Share of each intent that becomes test examples: of rows without a split, and where it is given of the training
    /// transcripts as well. Rows without a split give 0.2 where it is absent, 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "maximum" = 0.5))]
    pub test_share: Option<f64>,
    /// Trains on the validation split as well, where early stopping does not need it.
    #[serde(default)]
    pub train_on_validation: bool,
    /// Makes the first row that cannot be used an error.
    #[serde(default)]
    pub strict: bool,
    /// Largest share of rows that may be unusable.
    #[serde(default = "one_percent", skip_serializing_if = "is_one_percent")]
    #[schemars(extend("minimum" = 0, "maximum" = 1))]
    pub max_rejected: f64,
    /// Longest row, bytes; a longer one cannot be used.
    #[serde(default = "a_mebibyte", skip_serializing_if = "is_a_mebibyte")]
    #[schemars(extend("minimum" = 1024, "maximum" = 1073741824))]
    pub max_row_bytes: u64,
    /// The synthetic corpus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<SyntheticConfig>,
    /// Held-out transcripts of the synthetic corpus.
    #[serde(default = "test_examples")]
    pub test_examples: u64,
}

fn test_examples() -> u64 {
    2000
}

fn one_percent() -> f64 {
    0.01
}

fn is_one_percent(share: &f64) -> bool {
    *share == one_percent()
}

fn a_mebibyte() -> u64 {
    1 << 20
}

fn is_a_mebibyte(bytes: &u64) -> bool {
    *bytes == a_mebibyte()
}

/// Masking of personal data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeidentifyConfig {
    /// Whether text is masked at all.
    pub enabled: bool,
    /// Which tiers of rules mask.
    pub tiers: Vec<Tier>,
}

impl Default for DeidentifyConfig {
    fn default() -> Self {
        Self { enabled: true, tiers: vec![Tier::Hard, Tier::Context, Tier::Soft, Tier::Stretch] }
    }
}

/// Time limit of transcripts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    /// Longest age in days.
    pub retention_days: u32,
    /// The run's date, `YYYY-MM-DD`, midnight UTC.
    pub date: String,
    /// What happens to transcripts without a time.
    #[serde(default)]
    pub undated: Undated,
}

/// The classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ModelConfig {
    /// Sparse softmax regression.
    SoftmaxRegression {},
    /// A table of vectors, their sum or mean, a linear layer.
    EmbeddingBag {
        /// Numbers in a vector, 1 to 4,096.
        dim: u32,
        /// Bound of the table's uniform start, positive; 1 / dim where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table_init: Option<f32>,
    },
    /// An embedding bag whose table is frozen, but for a correction of low rank.
    LowRank {
        /// Rank of the correction: what a client sends of each row that it touches, 1 to 4,096.
        #[serde(default = "eight")]
        rank: u32,
        /// Numbers in a vector, 1 to 4,096.
        #[serde(default = "sixty_four")]
        dim: u32,
        /// A file with the frozen table: `.safetensors` for `model.safetensors` of a run with an embedding bag and these
        /// features, any other name for an `.npy` file of `f32`, `features.buckets` rows of `dim` numbers. A relative path
        /// starts at the working directory. Without it the table is random, that of the seed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table: Option<PathBuf>,
        /// Bound of a random table, positive; √(3 / dim) where absent, so that vectors have a norm of about 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table_init: Option<f32>,
    },
    /// One hidden layer over sentence vectors that were made outside. Features are not used.
    Mlp {
        /// An `.npy` file of `f32`: a row for each transcript that is read, in the order of the files and their rows, those
        /// that retention or `data.exclude_intents` leave out among them. Rows are scaled to norm 1. A relative path starts
        /// at the working directory.
        vectors: PathBuf,
        /// Numbers in a vector, the file's columns, 1 to 65,536.
        dim: u32,
        /// Hidden values, 1 to 4,096.
        #[serde(default = "sixty_four")]
        hidden: u32,
    },
    /// Convolutions over a sequence of token vectors, their maxima, a linear layer. Needs `features.sequence`.
    TextCnn {
        /// Numbers in a vector, 1 to 4,096.
        #[serde(default = "thirty_two")]
        dim: u32,
        /// Neighbouring tokens that a filter sees: one to eight different widths, each 1 to 32.
        #[serde(default = "two_to_four")]
        widths: Vec<u32>,
        /// Filters of each width, 1 to 4,096.
        #[serde(default = "thirty_two")]
        filters: u32,
        /// Bound of the table's uniform start, positive; 0.25 where absent, as in the paper.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table_init: Option<f32>,
    },
    /// A model of the program's own, by the name that it has registered.
    Custom(Custom),
}

fn eight() -> u32 {
    8
}

fn sixty_four() -> u32 {
    64
}

fn thirty_two() -> u32 {
    32
}

fn two_to_four() -> Vec<u32> {
    vec![2, 3, 4]
}

/// How many rounds, and with whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoundsConfig {
    /// Number of rounds.
    pub count: u64,
    /// Who takes part in a round.
    pub cohort: Cohort,
    /// How the server waits for answers.
    #[serde(default, skip_serializing_if = "is_plain")]
    pub pace: Pace,
    /// Probability with which a client of the cohort drops out before it trains, 0 up to, not including, 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f64,
    /// Evaluates after every so many rounds and after the last; 0 for the last only.
    #[serde(default = "every_round")]
    pub evaluate_every: u64,
    /// Stops when evaluation no longer gains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Writes a checkpoint into the run directory after every so many rounds, and after the last one; 0 for the last one
    /// alone.
    #[serde(default = "every_tenth_round")]
    pub checkpoint_every: u64,
    /// Memory for what clients keep between rounds, in MiB; a temporary file takes the rest.
    #[serde(default = "a_gibibyte", skip_serializing_if = "is_a_gibibyte")]
    pub state_memory_mb: u64,
    /// Most examples that a client may claim; the largest shard where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_cap: Option<u64>,
}

fn is_plain(pace: &Pace) -> bool {
    *pace == Pace::default()
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn a_gibibyte() -> u64 {
    1024
}

fn is_a_gibibyte(mb: &u64) -> bool {
    *mb == a_gibibyte()
}

fn every_round() -> u64 {
    1
}

fn every_tenth_round() -> u64 {
    10
}

/// Stops when accuracy on the validation split no longer gains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Evaluations without a gain before the run stops.
    pub patience: u64,
    /// Least gain in accuracy that counts.
    #[serde(default)]
    pub min_gain: f64,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationConfig {
    /// The intent that means "none of the others"; its recall is reported, and accuracy without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_scope: Option<String>,
    /// Most clients that are asked to evaluate the final model on their own held-out examples; 0 for none.
    pub clients: u64,
    /// Accuracies of which is reported after how many rounds, bytes and seconds an evaluation between rounds first reached
    /// them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<f64>,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self { out_of_scope: None, clients: 1000, targets: Vec::new() }
    }
}

/// Training without federation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselinesConfig {
    /// Everything in one place.
    #[serde(default = "yes")]
    pub centralised: bool,
    /// Every client alone, for at most this many clients; 0 for none.
    #[serde(default = "a_hundred")]
    pub local_only_clients: u64,
    /// Most training examples of the centralised baseline on a synthetic population, taken client by client.
    #[serde(default = "a_million")]
    pub max_examples: u64,
    /// How they train.
    pub training: LocalTraining,
}

fn yes() -> bool {
    true
}
fn a_hundred() -> u64 {
    100
}
fn a_million() -> u64 {
    1_000_000
}

impl Config {
    /// The algorithm.
    ///
    /// # Errors
    /// If it is one that the program does not have, or its parameters are not its own.
    pub fn algorithm(&self) -> Result<SharedAlgorithm, Invalid> {
        match &self.algorithm {
            Part::Known(known) => Ok(known.shared()),
            Part::Custom(custom) => {
                let of = |why| check::invalid("algorithm.name", format!("{:?}", custom.name), why);
                self.parts.make_algorithm(custom).map_err(of)
            }
        }
    }

    /// What updates go through before they leave, first to last.
    ///
    /// # Errors
    /// If a parameter is out of range, or one is a transform that the program does not have.
    pub fn transforms(&self) -> Result<Vec<Box<dyn Transform>>, Invalid> {
        let build = |(i, part): (usize, &Part<TransformConfig>)| match part {
            Part::Known(known) => known.build().map_err(|e| {
                check::invalid(
                    format!("transforms.{i}.{}", e.key),
                    e.value,
                    format!("expected {}", e.expected),
                )
            }),
            Part::Custom(custom) => {
                let of =
                    |why| check::invalid(format!("transforms.{i}.name"), format!("{:?}", custom.name), why);
                self.parts.make_transform(custom).map_err(of)
            }
        };
        self.transforms.iter().enumerate().map(build).collect()
    }

    /// The rule of aggregation; `None` for the mean.
    pub fn recipe(&self) -> Result<Option<Recipe>, RuleError> {
        self.aggregation.recipe(&self.parts)
    }

    /// Whether clients count alike, whatever the number of their examples.
    pub fn weighs_alike(&self) -> bool {
        match self.aggregation.weights {
            Some(weights) => weights == WeightsConfig::Alike,
            None => matches!(self.rounds.cohort, Cohort::BySize { .. }),
        }
    }

    /// The effective configuration as TOML: every default written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("numbers, strings and tables can be written as TOML")
    }

    /// Digest of the effective configuration. Paths do not count: what lies there has digests of its own.
    pub fn digest(&self) -> Digest {
        let mut anywhere = self.clone();
        for path in anywhere.data.path.iter_mut().chain(&mut anywhere.data.also) {
            *path = PathBuf::from("files");
        }
        if let Some(RootConfig::Files { path }) = &mut anywhere.aggregation.root {
            *path = PathBuf::from("files");
        }
        match &mut anywhere.model {
            ModelConfig::Mlp { vectors: path, .. } | ModelConfig::LowRank { table: Some(path), .. } => {
                *path = PathBuf::from("files");
            }
            _ => {}
        }
        if let Some(Availability::Trace { path, .. }) =
            anywhere.world.as_mut().and_then(|world| world.availability.as_mut())
        {
            *path = PathBuf::from("files");
        }
        Digest::of(anywhere.to_toml().as_bytes())
    }
}
