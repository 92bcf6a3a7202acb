//! The weighted mean of a stack: the same bits for any order of its rows, at the speed of memory.
//!
//! Products `weight · value / cap`, with `cap` the largest weight raised to a power of two, are rounded to a grid and
//! added as integers. The grid is a function of the values alone:
//! - 2⁻⁴⁰, that of the streaming [`PartialSum`](crate::PartialSum), where the values are `f32` and the largest
//!   magnitude lies in 2⁻⁸ … 2¹¹; then one pass over the stack makes the mean and finds NaN and infinity;
//! - otherwise, for each column, the finest on which its sum cannot overflow: 2⁻⁵¹ of the column's largest magnitude for up
//!   to 2,047 rows, a bit less each time that number doubles. No finite value is refused, and a large number makes the
//!   mean of no other column less exact.
//!
//! With `unit` the grid's distance, the mean lies within `rows · unit/2 · cap / Σ weight` of the exact one before it
//! is rounded to the type of the values: for equal weights and up to 2,047 rows at most 2⁻⁴¹ for `f32` on the first
//! grid, and 2⁻⁵² of the column's largest magnitude on the others.
//!
//! Cost: one read of the stack and one write of the mean; for `f64`, or outside the range above, a second read, from the
//! second cache. Memory: the mean and 64 KiB a thread.

use crate::grid::{BLOCK, Grid, by_column, sum_block};
use crate::stack::{Element, Stack, StackError};
use rayon::prelude::*;

/// Largest magnitude that a stack of `f32` may have for the grid of the streaming sum, and the smallest for which it
/// leaves 32 bits.
const STREAMING: std::ops::Range<f64> = 1.0 / 256.0..2048.0;

/// The largest weight that [`mean`] takes.
pub const MAX_WEIGHT: u64 = 1 << 41;

/// `Σ weights[i] · row i / Σ weights[i]`. One weight for each row, at most [`MAX_WEIGHT`], not all of them 0.
///
/// # Panics
/// If the number or the size of the weights is another.
pub fn mean<T: Element>(stack: &Stack<'_, T>, weights: &[u64]) -> Result<Vec<T>, StackError> {
    let mut means = vec![T::from_f64(0.0); stack.params()];
    mean_into(stack, weights, &mut means)?;
    Ok(means)
}

/// The same, written over `means`: fresh memory costs as much as the mean of a few updates.
///
/// # Panics
/// If the number or the size of the weights, or the length of `means`, is another.
pub fn mean_into<T: Element>(
    stack: &Stack<'_, T>,
    weights: &[u64],
    means: &mut [T],
) -> Result<(), StackError> {
    assert_eq!(means.len(), stack.params(), "one mean for each parameter");
    assert_eq!(weights.len(), stack.clients(), "one weight for each row");
    let total: u128 = weights.iter().map(|w| u128::from(*w)).sum();
    let most = weights.iter().copied().max().unwrap_or(0);
    assert!(total > 0 && most <= MAX_WEIGHT, "weights of at most {MAX_WEIGHT}, not all of them 0");
    let cap = most.next_power_of_two();
    let shares: Vec<f64> = weights.iter().map(|w| *w as f64 / cap as f64).collect();
    let divisor = total as f64 / cap as f64;

    if T::PRECISION <= 24 {
        let largest = on_grid(stack, &shares, divisor, Grid::STREAMING, means);
        if largest.is_finite()
            && (STREAMING.contains(&largest) || largest == 0.0)
            && Grid::STREAMING.holds(largest, stack.clients())
        {
            return Ok(());
        }
    }
    if !by_column::combine(stack.rows(), &shares, divisor, means) {
        return Err(stack.largest().expect_err("a value that is not finite was found"));
    }
    // The largest number of a type may lie half a unit below the grid, and its mean must not become infinite.
    means.par_iter_mut().enumerate().filter(|(_, mean)| !mean.to_f64().is_finite()).for_each(
        |(column, mean)| {
            let most = stack.rows().iter().fold(0.0, |most: f64, row| most.max(row[column].to_f64().abs()));
            *mean = T::from_f64(most.copysign(mean.to_f64()));
        },
    );
    Ok(())
}

/// The mean on one grid. Returns the largest magnitude of the stack: if that does not fit the grid, `means` are
/// nothing.
fn on_grid<T: Element>(
    stack: &Stack<'_, T>,
    shares: &[f64],
    divisor: f64,
    grid: Grid,
    means: &mut [T],
) -> f64 {
    let factors: Vec<f64> = shares.iter().map(|s| s * grid.scale).collect();
    let largest: Vec<f64> = means
        .par_chunks_mut(BLOCK)
        .enumerate()
        .map_init(
            || vec![0i64; BLOCK],
            |sums, (block, means)| {
                let range = block * BLOCK..block * BLOCK + means.len();
                let sums = &mut sums[..range.len()];
                let largest = sum_block(stack.rows(), range, &factors, sums);
                grid.read(sums, divisor, means);
                largest
            },
        )
        .collect();
    largest.into_iter().fold(0.0, f64::max)
}
