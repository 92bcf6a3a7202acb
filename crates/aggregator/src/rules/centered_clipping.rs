//! Centered clipping: steps from a centre by the mean of the differences, each cut to a radius.
//!
//! Karimireddy, He, Jaggi, "Learning from History for Byzantine Robust Optimization", ICML 2021, algorithm 2.
//!
//! | symbol | meaning |
//! |---|---|
//! | `v` | the centre; at the start `v0`, in the paper the result of the round before |
//! | `τ` | radius |
//! | `L` | steps |
//!
//! `v ← v + (1/n) Σᵢ (xᵢ - v) min(1, τ / ‖xᵢ - v‖)`. In a run `v0` is the
//! last result unless something else is said, kept between rounds for each block; rows that belong to no run begin at
//! zeros. Cost: two passes over the rows a step.

use super::clipping::factor;
use super::combination::{Measured, sum};
use super::error::RuleError;
use crate::distances::squared_distances_to;
use crate::stack::{Element, Stack};

pub(super) fn centered_clipping<T: Element>(
    stack: &Stack<'_, T>,
    start: Vec<T>,
    radius: f64,
    steps: usize,
) -> Result<Vec<T>, RuleError> {
    Measured::for_distances(stack)?;
    let n = stack.clients() as f64;
    let mut centre = start;
    for _ in 0..steps {
        let distances = squared_distances_to(stack, &centre);
        let mut coefficients: Vec<f64> =
            distances.into_iter().map(|d| factor(d.sqrt(), radius) / n).collect();
        coefficients.push(1.0 - sum(coefficients.iter().copied()));
        // The centre takes part as one more row, so that its share is rounded like theirs.
        let mut rows = stack.rows().to_vec();
        rows.push(&centre);
        let rows = Stack::new(rows)?;
        let next = Measured::for_distances(&rows)?.combine(&coefficients);
        if next == centre {
            break;
        }
        centre = next;
    }
    Ok(centre)
}
