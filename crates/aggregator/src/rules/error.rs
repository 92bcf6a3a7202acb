//! Why a rule cannot be had, or has no result.

use super::catalogue::catalogue;
use super::{TooManySteps, TooManySubsets};
use crate::stack::StackError;

/// Why a recipe is refused, or does not apply to a stack.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The rows cannot be used.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A recipe without a name.
    #[error("a recipe needs a name, such as trimmed-mean, or wrappers and a rule, such as nnm+krum")]
    NoName,
    /// A name that is not in the catalogue.
    #[error("there is no rule or wrapper {name:?}; {hint}")]
    UnknownName {
        /// As given.
        name: String,
        /// What would do.
        hint: String,
    },
    /// A rule with something behind it.
    #[error("{name} is a rule and comes last: {behind} behind it would never be asked")]
    RuleNotLast {
        /// The rule.
        name: &'static str,
        /// The name behind it.
        behind: String,
    },
    /// More names than anyone means.
    #[error("a recipe has at most {limit} wrappers")]
    TooManyWrappers {
        /// Most wrappers.
        limit: usize,
    },
    /// A parameter that no part of the recipe has.
    #[error("{recipe} has no parameter {name:?}; {hint}")]
    UnknownParameter {
        /// As given.
        name: String,
        /// The recipe.
        recipe: String,
        /// What would do.
        hint: String,
    },
    /// A parameter without a default.
    #[error("{recipe} needs {name}: {meaning}")]
    Missing {
        /// The parameter.
        name: &'static str,
        /// Rule or wrapper.
        recipe: &'static str,
        /// What it is.
        meaning: &'static str,
    },
    /// Two parameters of which one is enough.
    #[error("{recipe} takes {first} or {second}, not both")]
    Exclusive {
        /// One.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Rule or wrapper.
        recipe: &'static str,
    },
    /// A word where a number should be, and the like.
    #[error("{name} is {expected}, not {got}")]
    WrongKind {
        /// The parameter.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        got: &'static str,
    },
    /// A word that the parameter does not know.
    #[error("{name} is one of {allowed}, not {got:?}")]
    UnknownWord {
        /// The parameter.
        name: &'static str,
        /// As given.
        got: String,
        /// What would do.
        allowed: String,
    },
    /// A number outside of what makes sense.
    #[error("{name} = {value}: it must be {range}")]
    OutOfRange {
        /// The parameter.
        name: &'static str,
        /// As given.
        value: f64,
        /// What would do.
        range: &'static str,
    },
    /// A number that depends on how many rows there are.
    #[error("{name} = {value}: with {rows} rows it must be from {least} to {most}")]
    OutOfRows {
        /// The parameter.
        name: &'static str,
        /// As given.
        value: usize,
        /// Rows that the rule was given.
        rows: usize,
        /// Least that would do.
        least: usize,
        /// Most that would do.
        most: usize,
    },
    /// NaN or infinity in a vector.
    #[error("{name}: {value} at place {place}")]
    VectorNotFinite {
        /// The parameter.
        name: &'static str,
        /// Place in the vector.
        place: usize,
        /// The value.
        value: f64,
    },
    /// A vector of another length than the rows.
    #[error("{name} has {got} numbers, the updates have {expected}")]
    VectorLength {
        /// The parameter.
        name: &'static str,
        /// Parameters of an update.
        expected: usize,
        /// Length of the vector.
        got: usize,
    },
    /// A vector with values beyond the rows' type, or whose squares would overflow.
    #[error(
        "{name} has values too large for these updates: f32 holds magnitudes up to 3.4e38, rules with distances take up to 3e144"
    )]
    VectorTooLarge {
        /// The parameter.
        name: &'static str,
    },
    /// Not each row once.
    #[error("perm must hold each of 0 to {}, once", rows - 1)]
    NotAPermutation {
        /// Rows to be permuted, at least 1.
        rows: usize,
    },
    /// Too many liars for so few rows.
    #[error(
        "{recipe} with f = {f} needs at least {needed} rows, there are {rows}; {}",
        .most_f.map_or("no f would do".into(), |f| format!("f may be at most {f}"))
    )]
    TooFewRows {
        /// Rule or wrapper.
        recipe: &'static str,
        /// Number of rows that may lie.
        f: usize,
        /// Least number of rows.
        needed: usize,
        /// Rows that there are.
        rows: usize,
        /// Largest f for so many rows, if there is one.
        most_f: Option<usize>,
    },
    /// Too few rows for a rule of the program's own.
    #[error("{name} needs at least {least} rows, there are {rows}")]
    CustomTooFew {
        /// The rule.
        name: String,
        /// Rows that there are.
        rows: usize,
        /// Least number of rows.
        least: usize,
    },
    /// A rule of the program's own has no result, or cannot be made of its parameters.
    #[error("{name}: {why}")]
    Custom {
        /// The rule.
        name: String,
        /// What it says.
        why: String,
    },
    /// SMEA has too many subsets to compare.
    #[error(transparent)]
    TooManySubsets(#[from] TooManySubsets),
    /// MDA's search was given up.
    #[error(transparent)]
    TooManySteps(#[from] TooManySteps),
    /// Weights are asked for and not there.
    #[error(
        "{recipe} was asked to use declared weights, and there are none: give weights, or weights = uniform"
    )]
    NoWeights {
        /// Rule.
        recipe: &'static str,
    },
    /// Weights are asked for behind bucketing.
    #[error(
        "{recipe} cannot use declared weights behind bucketing: a bucket has no weight; use weights = uniform"
    )]
    WeightsOfBuckets {
        /// The recipe.
        recipe: String,
    },
    /// Not one weight for each row.
    #[error("{got} weights for {expected} updates")]
    WeightCount {
        /// Rows.
        expected: usize,
        /// Weights.
        got: usize,
    },
    /// A weight that is none.
    #[error("update {client} has weight {value}: weights are finite and not negative")]
    BadWeight {
        /// Row.
        client: usize,
        /// Its weight.
        value: f64,
    },
    /// Nobody counts.
    #[error("all weights are 0: at least one update must count")]
    ZeroWeight,
    /// Squares of such values would overflow.
    #[error(
        "update {client} has a value of magnitude {value:e}; rules with distances take magnitudes up to {limit:e}"
    )]
    TooLarge {
        /// Row.
        client: usize,
        /// Its largest magnitude.
        value: f64,
        /// The limit.
        limit: f64,
    },
    /// Parameters that blow the rows up beyond their type.
    #[error("the result is not finite: parameters of {recipe} are too large for these updates")]
    ResultNotFinite {
        /// The recipe.
        recipe: String,
    },
    /// A start that rows from files do not have.
    #[error(
        "v0 = previous is the result of the round before, and these rows belong to no round: use zeros, mean or a vector"
    )]
    NoPrevious,
    /// The server has no update of its own.
    #[error("{recipe} needs an update of the server's own in every round, and this round has none")]
    NoTrusted {
        /// Rule.
        recipe: &'static str,
    },
    /// A rule for one block, and a message of several.
    #[error("{recipe} is for messages of one block, and these have {blocks}: it says nothing of the others")]
    SeveralBlocks {
        /// The recipe.
        recipe: String,
        /// Blocks of a message.
        blocks: usize,
    },
    /// Rows are left out of a rule that needs whole updates.
    #[error(
        "absent rows cannot abstain from {recipe}, which looks at whole updates: coordinate-median, trimmed-mean, \
         meamed, average and weighted-average look at each coordinate by itself"
    )]
    NotCoordinatewise {
        /// The recipe.
        recipe: String,
    },
}

impl RuleError {
    /// The error for a parameter that is needed and not there.
    pub(super) fn missing(recipe: &'static str, name: &'static str) -> Self {
        let entries = catalogue().iter().filter(|e| e.name == recipe);
        let parameter = entries.flat_map(|e| e.parameters).find(|p| p.name == name);
        Self::Missing { name, recipe, meaning: parameter.map_or("", |p| p.meaning) }
    }

    /// Whether more rows would do, whatever they hold.
    pub fn is_too_few(&self) -> bool {
        match self {
            Self::TooFewRows { .. }
            | Self::CustomTooFew { .. }
            | Self::Stack(StackError::Empty { clients: 0, .. }) => true,
            Self::OutOfRows { value, most, .. } => value > most,
            _ => false,
        }
    }
}
