//! A rule that is not the library's.

use super::context::Context;
use super::error::RuleError;
use crate::stack::{Element, Stack};
use std::fmt;
use std::sync::Arc;

/// A rule from outside: what a round makes of its updates, asked where the library's own rules are.
///
/// It has to be a function of what it is given and nothing else; that permuted clients give the same bits, as they do with the
/// library's rules, is its own affair: rows come in the order of clients, so that a run gives the same bits either way.
pub trait CustomRule: Send + Sync {
    /// One row from many, of the same length and finite. An error, in words, leaves the round without a result.
    fn combine(&self, updates: &Updates<'_>) -> Result<Vec<f32>, String>;

    /// The fewest rows that it can work with.
    fn least_rows(&self) -> usize {
        1
    }
}

/// What a rule is asked about: the updates of a round that have a block of the message.
#[derive(Debug, Clone, Copy)]
pub struct Updates<'a> {
    /// All parameters of the block, one row an update, in the order of clients; finite numbers, zeros for rows of the layout
    /// that a client left out.
    pub rows: &'a [&'a [f32]],
    /// What each declares to weigh; none behind bucketing.
    pub weights: Option<&'a [f64]>,
    /// The run's seed.
    pub seed: u64,
    /// The round, from 0.
    pub round: u64,
    /// The block's place in the message: 0 for how the model moved.
    pub block: u64,
}

/// A rule of a program's own, in a recipe.
#[derive(Clone)]
pub(super) struct Custom {
    pub(super) name: String,
    pub(super) rule: Arc<dyn CustomRule>,
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.rule, &other.rule)
    }
}

impl Custom {
    /// Whether it can work with `n` rows.
    pub(super) fn check(&self, n: usize) -> Result<(), RuleError> {
        let least = self.rule.least_rows();
        if n >= least {
            return Ok(());
        }
        Err(RuleError::CustomTooFew { name: self.name.clone(), rows: n, least })
    }

    /// Its row.
    pub(super) fn apply<T: Element>(
        &self,
        stack: &Stack<'_, T>,
        context: &Context<'_>,
    ) -> Result<Vec<T>, RuleError> {
        stack.largest()?;
        let failed = |why: String| RuleError::Custom { name: self.name.clone(), why };
        let rows = T::singles(stack).ok_or_else(|| failed("it is for updates in single precision".into()))?;
        let at = context.round.ok_or_else(|| failed("it is for the rounds of a run".into()))?;
        let (seed, round, block) = (at.seed, at.round, at.block);
        let row = self.rule.combine(&Updates { rows, weights: context.weights, seed, round, block });
        let row = row.map_err(failed)?;
        if row.len() != stack.params() {
            return Err(failed(format!("its row has {} numbers of {}", row.len(), stack.params())));
        }
        Ok(row.into_iter().map(|v| T::from_f64(v.into())).collect())
    }
}
