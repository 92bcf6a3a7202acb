//! Static clipping: each row is scaled down to a norm that it must not exceed.
//!
//! Goes back to Pascanu, Mikolov, Bengio, "On the Difficulty of Training Recurrent Neural Networks", ICML 2013,
//! algorithm 1.
//!
//! | symbol | meaning |
//! |---|---|
//! | `c` | largest L2 norm |
//!
//! Cost: two passes over the rows and a copy of them.

use super::combination::Measured;
use super::error::RuleError;
use crate::distances::squared_norms;
use crate::stack::{Element, Stack};
use rayon::prelude::*;

/// L2 norms of the rows.
pub(super) fn norms<T: Element>(stack: &Stack<'_, T>) -> Vec<f64> {
    squared_norms(stack).into_iter().map(f64::sqrt).collect()
}

/// `min(1, bound / ‖xᵢ‖)`.
pub(super) fn factors<T: Element>(stack: &Stack<'_, T>, bound: f64) -> Vec<f64> {
    norms(stack).into_iter().map(|norm| factor(norm, bound)).collect()
}

/// What scales a vector of this norm down to the bound.
pub(super) fn factor(norm: f64, bound: f64) -> f64 {
    if norm > bound { bound / norm } else { 1.0 }
}

/// Each row times its factor.
pub(super) fn scaled<T: Element>(stack: &Stack<'_, T>, factors: &[f64]) -> Vec<Vec<T>> {
    let scale = |(row, factor): (&&[T], &f64)| row.iter().map(|v| T::from_f64(v.to_f64() * factor)).collect();
    stack.rows().par_iter().zip(factors).map(scale).collect()
}

pub(super) fn clipped<T: Element>(stack: &Stack<'_, T>, bound: f64) -> Result<Vec<Vec<T>>, RuleError> {
    Measured::for_distances(stack)?;
    Ok(scaled(stack, &factors(stack, bound)))
}
