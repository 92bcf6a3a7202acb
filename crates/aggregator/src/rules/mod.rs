//! Server-side rules: how updates become one when some of the clients may lie.
//!
//! A [`Recipe`] is wrappers and a rule, written as their names joined by `+`, outermost first: `nnm+krum`.
//! [`catalogue`] lists all of them with their parameters.
//!
//! What the rules have in common:
//! - rows are combined through integers (`grid`), and coefficients are functions of the set of rows: rules that choose
//!   among rows work on them in an order that follows from what they hold (`canonical`), so that permuted clients give
//!   the same bits; of rows that are equal the one with the least weight, then the first, is selected;
//! - NaN and infinity are an error that names client and coordinate;
//! - weights that clients declare count only where a rule is asked to use them, since a client may lie about them.

mod apply;
mod arc;
mod bucketing;
mod bulyan;
mod caf;
mod canonical;
mod catalogue;
mod centered_clipping;
mod clipping;
mod combination;
mod context;
mod custom;
mod error;
mod fltrust;
mod geometric_median;
mod krum;
mod mda;
pub(crate) mod meamed;
mod mean;
pub(crate) mod median;
mod monna;
mod needs;
mod nnm;
mod norm_bounding;
mod parameters;
mod recipe;
mod rounds;
#[cfg(test)]
mod selection_tests;
mod smea;
pub(crate) mod trimmed_mean;

pub use catalogue::{Entry, Kind, Parameter, catalogue};
pub use custom::{CustomRule, Updates};
pub use error::RuleError;
pub use mda::TooManySteps;
pub use parameters::Value;
pub use recipe::{MakeRule, Recipe};
pub use smea::TooManySubsets;

pub(crate) use context::{Context, InRound};
pub(crate) use geometric_median::Residuals;

/// What a recipe comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<T> {
    /// One row from a rule; a row for each client or bucket from wrappers without a rule.
    pub rows: Vec<Vec<T>>,
    /// Rows that the rule selected, in the rule's order: ascending, but for Bulyan, whose order is that of selection.
    pub selected: Option<Vec<usize>>,
    /// What FLTrust thinks of each row: from 0, not trusted, to 1, the direction of the server's update.
    pub trust: Option<Vec<f64>>,
}

impl<T> Default for Outcome<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), selected: None, trust: None }
    }
}
