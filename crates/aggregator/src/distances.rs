//! Norms, inner products and squared distances between rows, summed in one fixed order.
//!
//! Distances are sums of squared differences, not of norms and inner products, which lose the digits of rows that
//! nearly coincide. Rows are finite; then no result is NaN or infinite: beyond [`FARTHEST`] a squared distance is
//! given as that, which takes rows of `f64` farther apart than 2^450.
//!
//! The order of every sum is fixed: coordinates in blocks, blocks in stripes, the stripes one after the other. How many
//! stripes there are follows from the size of the stack, never from the number of threads, and a pair's sum knows
//! nothing of the other rows.
//!
//! Relative error: below 10⁻⁶ for `f32`, whose pairs are summed as `f32` within a block, in runs of eight terms and
//! groups of four runs, and then as `f64`; below 10⁻¹³ for `f64` up to 10⁸ coordinates. Differences of `f64` below 2^-480 lose digits.

use crate::distances::kernels::{BLOCK, Block};
use crate::stack::{Element, Stack};
use rayon::prelude::*;
use std::ops::Range;

mod kernels;

pub(crate) use kernels::Distances;

/// The largest squared distance: sums of these stay finite.
pub(crate) const FARTHEST: f64 = crate::grid::power_of_two(900);
/// Rows whose distances to all later ones are one task.
const BAND: usize = 128;
/// Stripes of the coordinates, if there are blocks enough.
const STRIPES: usize = 32;

/// Squared L2 distances between all rows: symmetric, zeros on the diagonal.
#[derive(Debug, Clone)]
pub(crate) struct Pairwise {
    clients: usize,
    squared: Vec<f64>,
}

impl Pairwise {
    pub(crate) fn of<T: Element>(stack: &Stack<'_, T>) -> Self {
        let (rows, clients) = (stack.rows(), stack.clients());
        let bands = clients.div_ceil(BAND);
        let mut squared = vec![0.0; clients * clients];
        squared.par_chunks_mut(BAND * clients).enumerate().for_each(|(band, sums)| {
            let band = band * BAND..clients.min((band + 1) * BAND);
            // Many bands need fewer stripes to keep all threads busy, and a stripe of many rows is large.
            let total = striped(stack.params(), STRIPES.div_ceil(bands), sums.len(), |range, sums| {
                T::add_distances(Block { rows, range, band: band.clone() }, sums);
            });
            sums.copy_from_slice(&total);
            sums.par_iter_mut().enumerate().for_each(|(at, sum)| {
                let (i, j) = (band.start + at / clients, at % clients);
                if i < j && !T::trusted(*sum) {
                    *sum = T::squared_distance(rows[i], rows[j]);
                }
            });
        });
        for i in 0..clients {
            for j in 0..i {
                squared[i * clients + j] = squared[j * clients + i];
            }
        }
        Self { clients, squared }
    }

    pub(crate) fn clients(&self) -> usize {
        self.clients
    }

    /// Squared distances from row `i` to all rows.
    pub(crate) fn from(&self, i: usize) -> &[f64] {
        &self.squared[i * self.clients..(i + 1) * self.clients]
    }

    /// Inner products of `rows` after their mean with `shares` (which sum to 1) is taken from each: by rows of
    /// `rows.len()`. Rows without a share do not move the mean.
    pub(crate) fn centred(&self, rows: &[usize], shares: &[f64]) -> Vec<f64> {
        let n = rows.len();
        // Squared distance to the mean, but for the spread that all rows share.
        let to_mean: Vec<f64> = rows
            .iter()
            .map(|i| {
                let from = self.from(*i);
                rows.iter().zip(shares).fold(0.0, |sum, (j, share)| sum + share * from[*j])
            })
            .collect();
        let spread = to_mean.iter().zip(shares).fold(0.0, |sum, (d, share)| sum + share * d);
        let mut products = Vec::with_capacity(n * n);
        for (i, to_i) in rows.iter().zip(&to_mean) {
            let from = self.from(*i);
            products
                .extend(rows.iter().zip(&to_mean).map(|(j, to_j)| (to_i + to_j - spread - from[*j]) / 2.0));
        }
        products
    }
}

/// Squared L2 norm of each row.
pub(crate) fn squared_norms<T: Element>(stack: &Stack<'_, T>) -> Vec<f64> {
    by_row(stack, |row, range| T::inner(&row[range.clone()], &row[range]))
}

/// Inner product of each row with `point`.
pub(crate) fn inner_products<T: Element>(stack: &Stack<'_, T>, point: &[T]) -> Vec<f64> {
    by_row(stack, |row, range| T::inner(&row[range.clone()], &point[range]))
}

/// Squared L2 distance of each row to `point`.
pub(crate) fn squared_distances_to<T: Element>(stack: &Stack<'_, T>, point: &[T]) -> Vec<f64> {
    by_row(stack, |row, range| T::squared_distance(&row[range.clone()], &point[range]))
}

/// One sum for each row.
fn by_row<T: Element>(stack: &Stack<'_, T>, of_range: impl Fn(&[T], Range<usize>) -> f64 + Sync) -> Vec<f64> {
    striped(stack.params(), STRIPES, stack.clients(), |range, sums| {
        for (sum, row) in sums.iter_mut().zip(stack.rows()) {
            *sum += of_range(row, range.clone());
        }
    })
}

/// Sums over all coordinates: `add` adds a block's to each, in the order of blocks and stripes.
fn striped(
    params: usize,
    stripes: usize,
    sums: usize,
    add: impl Fn(Range<usize>, &mut [f64]) + Sync,
) -> Vec<f64> {
    let blocks = params.div_ceil(BLOCK);
    let stripes = stripes.min(blocks);
    let parts: Vec<Vec<f64>> = (0..stripes)
        .into_par_iter()
        .map(|stripe| {
            let mut part = vec![0.0; sums];
            for block in stripe * blocks / stripes..(stripe + 1) * blocks / stripes {
                add(block * BLOCK..params.min((block + 1) * BLOCK), &mut part);
            }
            part
        })
        .collect();
    let mut total = vec![0.0; sums];
    for part in parts {
        total.iter_mut().zip(part).for_each(|(total, part)| *total = bounded(*total + part));
    }
    total
}

/// A sum that other sums can be made of: within [`FARTHEST`], NaN (from infinities) as its least.
fn bounded(sum: f64) -> f64 {
    if sum.is_nan() { -FARTHEST } else { sum.clamp(-FARTHEST, FARTHEST) }
}

#[cfg(test)]
mod tests;
