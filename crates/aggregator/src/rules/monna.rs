//! MoNNA: the mean of the rows nearest to one that is trusted.
//!
//! Farhadkhani, Guerraoui, Gupta, Hoang, Pinot, Stephan, "Robust Collaborative Learning with Linear Gradient
//! Overhead", ICML 2023, algorithm 1 (nearest-neighbour averaging).
//!
//! | symbol | meaning |
//! |---|---|
//! | `n`, `f` | rows, and how many of them may lie |
//! | `idx` | the trusted row, counted from 0; in the paper a node's own |
//!
//! The `n - f` nearest begin with the trusted row; of rows at the same distance the first by coordinate counts.
//! Cost: three passes over the rows.

use super::canonical::Canonical;
use super::combination::Measured;
use super::error::RuleError;
use super::krum;
use crate::distances::squared_distances_to;
use crate::stack::{Element, Stack};

/// Needs `f < n` and `trusted < n`.
pub(super) fn monna<T: Element>(
    stack: &Stack<'_, T>,
    f: usize,
    trusted: usize,
) -> Result<(Vec<T>, Vec<usize>), RuleError> {
    let measured = Measured::for_distances(stack)?;
    let sorted = Canonical::of(stack);
    let distances = squared_distances_to(sorted.stack(), stack.rows()[trusted]);
    let nearest = krum::nearest_by(distances, sorted.place_of(trusted), stack.clients() - f);
    let nearest = sorted.set_at(&nearest);
    Ok((measured.mean_of(&nearest), nearest))
}
