//! How updates become one: the rule, its parameters, what it makes of what is missing.

use crate::Parts;
use serde::{Deserialize, Serialize};
use sottovoce_aggregator::rules::Value;
use sottovoce_aggregator::{Absent, Recipe, RuleError};
use sottovoce_core::Grid;
use sottovoce_core::grid::GridError;
use sottovoce_simulation::TooFew;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How updates become one, and which are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AggregationConfig {
    /// A rule, with wrappers in front of it joined by `+`; `mean` is the weighted mean, which keeps one sum. Any other
    /// keeps all updates of a round in memory.
    pub rule: String,
    /// The rule's parameters by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, ParameterConfig>,
    /// Largest Euclidean norm of an update, or of each block where it has several; longer ones are refused. Numbers beside the
    /// blocks do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm_bound: Option<f64>,
    /// What the mean rounds values to, and how large they may be: the integers that are summed, and that masks would be added
    /// to.
    #[serde(skip_serializing_if = "GridConfig::is_default")]
    pub grid: GridConfig,
    /// What updates weigh by. Without it: by examples, but alike where `rounds.cohort.kind` is `by_size`, which has counted
    /// the examples already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsConfig>,
    /// What a rule makes of rows that a client did not send.
    #[serde(skip_serializing_if = "is_zeros")]
    pub absent_rows: Absent,
    /// What happens where a rule gets too few updates.
    #[serde(skip_serializing_if = "is_skip")]
    pub too_few: TooFew,
    /// Data of the server's own, for rules that trust its update (`fltrust`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<RootConfig>,
}

/// The grid of the mean: `value · weight / cap` is rounded to a multiple of `2^-bits`, and refused from `2^range` on; `cap`
/// is the largest weight, raised to a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GridConfig {
    /// Binary digits behind the point. With those of `range` at most 51.
    #[schemars(extend("minimum" = 0, "maximum" = 51))]
    pub bits: u32,
    /// Magnitudes are below 2 to this.
    #[schemars(extend("minimum" = 0, "maximum" = 51))]
    pub range: u32,
}

impl Default for GridConfig {
    fn default() -> Self {
        let grid = Grid::default();
        Self { bits: grid.bits(), range: grid.range() }
    }
}

impl GridConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The grid.
    pub fn grid(self) -> Result<Grid, GridError> {
        Grid::new(self.bits, self.range)
    }
}

/// What updates weigh by in the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeightsConfig {
    /// By the training examples of their clients.
    Examples,
    /// Alike.
    Alike,
}

/// Data of the server's own: files, or transcripts of the synthetic corpus that belong to no client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected a table with a path, or with a number of transcripts"
)]
pub enum RootConfig {
    /// A folder or a file that is read as `data.path` is, all its splits together. A relative path starts at the working
    /// directory.
    Files {
        /// Where.
        path: PathBuf,
    },
    /// So many transcripts of the synthetic corpus.
    Synthetic {
        /// How many, 1 to 1,000,000.
        transcripts: u32,
    },
}

fn is_zeros(absent: &Absent) -> bool {
    *absent == Absent::default()
}

fn is_skip(too_few: &TooFew) -> bool {
    *too_few == TooFew::default()
}

impl AggregationConfig {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The rule; `None` for the mean.
    pub(super) fn recipe(&self, parts: &Parts) -> Result<Option<Recipe>, RuleError> {
        if self.rule == "mean" && self.params.is_empty() {
            return Ok(None);
        }
        let params = self.params.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        Recipe::with_custom(&self.rule, &params, &|name| parts.make_rule(name)).map(Some)
    }
}

impl Default for AggregationConfig {
    fn default() -> Self {
        Self {
            rule: "mean".to_owned(),
            params: BTreeMap::new(),
            norm_bound: None,
            grid: GridConfig::default(),
            weights: None,
            absent_rows: Absent::default(),
            too_few: TooFew::default(),
            root: None,
        }
    }
}

/// A rule's parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged, expecting = "expected a number, a word or a list of numbers")]
pub enum ParameterConfig {
    /// A number.
    Number(f64),
    /// A word.
    Word(String),
    /// Numbers.
    Vector(Vec<f64>),
}

impl From<ParameterConfig> for Value {
    fn from(value: ParameterConfig) -> Self {
        match value {
            ParameterConfig::Number(v) => Self::Number(v),
            ParameterConfig::Word(v) => Self::Word(v),
            ParameterConfig::Vector(v) => Self::Vector(v),
        }
    }
}
