//! Adaptive robust clipping: the largest rows are cut to the norm of the largest that is left.
//!
//! Allouah, Guerraoui, Gupta, Jellouli, Rizk, Stephan, "Adaptive Gradient Clipping for Robust Federated Learning",
//! ICLR 2025, algorithm 2.
//!
//! | symbol | meaning |
//! |---|---|
//! | `n`, `f` | rows, and how many of them may lie |
//! | `k` | rows that are cut: `⌊2f (n - f) / n⌋` |
//!
//! `k` is found in whole numbers. Cost: two passes over the rows and a copy of them.

use super::clipping::{factor, norms, scaled};
use super::combination::Measured;
use super::error::RuleError;
use crate::stack::{Element, Stack};

/// Needs `n > 2f`.
pub(super) fn clipped<T: Element>(stack: &Stack<'_, T>, f: usize) -> Result<Vec<Vec<T>>, RuleError> {
    Measured::for_distances(stack)?;
    let norms = norms(stack);
    let n = norms.len();
    let cut = 2 * f * (n - f) / n;
    let mut sorted = norms.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    // With n > 2f, 2f (n - f) < n (n - f), so that at least f + 1 rows are left.
    let bound = sorted[n - cut - 1];
    let factors: Vec<f64> = norms.into_iter().map(|norm| factor(norm, bound)).collect();
    Ok(scaled(stack, &factors))
}
