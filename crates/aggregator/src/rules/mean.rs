//! The mean, weighted or not: what clients are worth, and the sum of their updates in these proportions.
//!
//! McMahan, Moore, Ramage, Hampson, Agüera y Arcas, "Communication-Efficient Learning of Deep Networks from
//! Decentralized Data", AISTATS 2017. One client can move it anywhere.
//!
//! Weights that are not integers are rounded to multiples of 2^-40 of the largest one's power of two, so that their sum
//! has no order either. Cost: one pass over the rows; see [`crate::mean`](mod@crate::mean).

use super::combination::shares;
use super::error::RuleError;
use crate::mean::{MAX_WEIGHT, mean_into};
use crate::stack::{Element, Stack};

/// Which weights count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Choice {
    Uniform,
    /// Those that clients declare; without any there is no result.
    Declared,
    /// Those that clients declare, if they do.
    IfDeclared,
}

/// Which weights count, and how much one may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weighting {
    pub(super) choice: Choice,
    /// Declared weights above it count as it.
    pub(super) cap: Option<f64>,
}

impl Weighting {
    /// Each row's share: not negative, summing to 1.
    pub(super) fn shares(
        &self,
        recipe: &'static str,
        rows: usize,
        declared: Option<&[f64]>,
    ) -> Result<Vec<f64>, RuleError> {
        Ok(shares(&self.weights(recipe, rows, declared)?))
    }

    /// Each row's weight: finite, not negative, not all of them 0.
    fn weights(
        &self,
        recipe: &'static str,
        rows: usize,
        declared: Option<&[f64]>,
    ) -> Result<Vec<f64>, RuleError> {
        let declared = match (self.choice, declared) {
            (Choice::Uniform, _) | (Choice::IfDeclared, None) => return Ok(vec![1.0; rows]),
            (Choice::Declared, None) => return Err(RuleError::NoWeights { recipe }),
            (Choice::Declared | Choice::IfDeclared, Some(declared)) => declared,
        };
        if declared.len() != rows {
            return Err(RuleError::WeightCount { expected: rows, got: declared.len() });
        }
        if let Some(client) = declared.iter().position(|w| !w.is_finite() || *w < 0.0) {
            return Err(RuleError::BadWeight { client, value: declared[client] });
        }
        if declared.iter().all(|w| *w == 0.0) {
            return Err(RuleError::ZeroWeight);
        }
        let cap = self.cap.unwrap_or(f64::INFINITY);
        Ok(declared.iter().map(|w| w.min(cap)).collect())
    }
}

/// Writes the mean over `means`, with these weights as they are declared.
pub(super) fn mean<T: Element>(
    stack: &Stack<'_, T>,
    weighting: Weighting,
    declared: Option<&[f64]>,
    means: &mut [T],
) -> Result<(), RuleError> {
    let weights = weighting.weights("the mean", stack.clients(), declared)?;
    Ok(mean_into(stack, &integers(&weights), means)?)
}

/// Weights as integers in the same proportions.
fn integers(weights: &[f64]) -> Vec<u64> {
    let largest = weights.iter().fold(0.0, |most: f64, w| most.max(*w));
    if largest <= MAX_WEIGHT as f64 && weights.iter().all(|w| w.fract() == 0.0) {
        return weights.iter().map(|w| *w as u64).collect();
    }
    // largest < 2^exponent
    let (_, exponent) = libm::frexp(largest);
    weights.iter().map(|w| libm::rint(libm::ldexp(*w, 41 - exponent)) as u64).collect()
}
