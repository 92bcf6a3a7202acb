//! Nearest-neighbour mixing: each row becomes the mean of the rows nearest to it.
//!
//! Allouah, Farhadkhani, Guerraoui, Gupta, Pinot, Stephan, "Fixing by Mixing: A Recipe for Optimal Byzantine ML
//! under Heterogeneity", AISTATS 2023, algorithm 2.
//!
//! | symbol | meaning |
//! |---|---|
//! | `n`, `f` | rows, and how many of them may lie |
//!
//! The `n - f` nearest include the row itself; of rows at the same distance the first by coordinate counts. All sums are of
//! integers, so no order shows, and every row is within `2^-51` of the largest number of its neighbourhood: of the same
//! column, unless the numbers are `f32` below 2048, whose bits one grid for all columns holds. There a sum is that of all
//! rows without the `f` farthest, which in integers is exactly the sum of the others.
//!
//! Cost: all distances and two copies of the rows; then `n f` additions of 64-bit integers a coordinate on a common grid,
//! else `n (n - f)`, and a look at as many numbers.

use super::canonical::Canonical;
use super::combination::Measured;
use super::error::RuleError;
use super::krum::nearest;
use crate::distances::Pairwise;
use crate::grid::{Grid, by_column};
use crate::stack::{Element, Stack};
use rayon::prelude::*;
use std::ops::Range;

/// Coordinates that are worked on together: their pieces of a hundred rows, as integers, fit the second-level cache.
const BLOCK: usize = 1024;

/// Rows whose neighbourhoods are summed on the same grid.
struct Group {
    grid: Grid,
    /// Rows that fit the grid: those outside are no neighbours of the members.
    fit: Vec<usize>,
    /// Row, and its neighbours as a mark for each of `fit`.
    members: Vec<(usize, Vec<bool>)>,
}

/// Needs `n > 2f`.
pub(super) fn mixed<T: Element>(stack: &Stack<'_, T>, f: usize) -> Result<Vec<Vec<T>>, RuleError> {
    let measured = Measured::for_distances(stack)?;
    let sorted = Canonical::of(stack);
    Ok(sorted.back(mixed_in_order(&sorted.measured(&measured), f)))
}

fn mixed_in_order<T: Element>(measured: &Measured<'_, '_, T>, f: usize) -> Vec<Vec<T>> {
    let stack = measured.stack;
    let pairs = Pairwise::of(stack);
    let keep = stack.clients() - f;
    let (groups, alone) = neighbourhoods(measured, &pairs, keep);
    let blocks: Vec<Vec<Vec<T>>> = (0..stack.params().div_ceil(BLOCK))
        .into_par_iter()
        .map_init(
            || by_column::Scratch::new(BLOCK),
            |scratch, block| {
                let range = block * BLOCK..stack.params().min((block + 1) * BLOCK);
                let mut mixed = vec![Vec::new(); stack.clients()];
                groups.iter().for_each(|group| mix(group, stack, &range, keep, &mut mixed));
                for (row, near) in &alone {
                    let near = near.iter().map(|i| (&stack.rows()[*i][range.clone()], 1.0));
                    mixed[*row] = vec![T::from_f64(0.0); range.len()];
                    let finite = scratch.combine(near, keep as f64, 1.0, &mut mixed[*row]);
                    debug_assert!(finite, "values were measured");
                }
                mixed
            },
        )
        .collect();
    let join = |row: usize| blocks.iter().flat_map(|block| block[row].iter().copied()).collect();
    (0..stack.clients()).into_par_iter().map(join).collect()
}

/// Neighbourhoods that share a grid, and rows with their neighbours where each column needs its own. There is one grid for
/// each magnitude of neighbourhoods: one large row does not make the grid coarse for rows far from it.
fn neighbourhoods<T: Element>(
    rows: &Measured<'_, '_, T>,
    pairs: &Pairwise,
    keep: usize,
) -> (Vec<Group>, Vec<(usize, Vec<usize>)>) {
    let n = rows.rows();
    let (mut groups, mut alone): (Vec<Group>, _) = (Vec::new(), Vec::new());
    for row in 0..n {
        let nearest = nearest(pairs, row, keep);
        let mut coefficients = vec![0.0; n];
        nearest.iter().for_each(|i| coefficients[*i] = 1.0 / keep as f64);
        if !Grid::is_fine::<T>(rows.largest_product(&coefficients)) {
            alone.push((row, nearest));
            continue;
        }
        let mut near = vec![false; n];
        nearest.into_iter().for_each(|i| near[i] = true);
        let grid = rows.grid(&coefficients);
        let place = groups.iter().position(|group| group.grid == grid).unwrap_or_else(|| {
            groups.push(Group { grid, fit: Vec::new(), members: Vec::new() });
            groups.len() - 1
        });
        groups[place].members.push((row, near));
    }
    for group in &mut groups {
        let alone = |row: usize| {
            let mut coefficients = vec![0.0; n];
            coefficients[row] = 1.0 / keep as f64;
            rows.grid(&coefficients)
        };
        group.fit = (0..n).filter(|row| alone(*row).scale >= group.grid.scale).collect();
        for (_, near) in &mut group.members {
            *near = group.fit.iter().map(|row| near[*row]).collect();
        }
    }
    (groups, alone)
}

/// Pieces of the rows of one group.
fn mix<T: Element>(
    group: &Group,
    stack: &Stack<'_, T>,
    range: &Range<usize>,
    keep: usize,
    mixed: &mut [Vec<T>],
) {
    let len = range.len();
    let factor = group.grid.scale / keep as f64;
    let mut products = vec![0i64; group.fit.len() * len];
    for (row, products) in group.fit.iter().zip(products.chunks_exact_mut(len)) {
        T::add_products(products, &[&stack.rows()[*row][range.clone()]], &[factor]);
    }
    let mut all = vec![0i64; len];
    products.chunks_exact(len).for_each(|row| row.iter().zip(&mut all).for_each(|(p, all)| *all += p));
    let mut sums = vec![0i64; len];
    for (row, near) in &group.members {
        sums.copy_from_slice(&all);
        let far = near.iter().zip(products.chunks_exact(len)).filter(|(near, _)| !**near);
        far.for_each(|(_, row)| row.iter().zip(&mut sums).for_each(|(p, sum)| *sum -= p));
        mixed[*row] = sums.iter().map(|sum| T::from_f64(*sum as f64 / group.grid.scale)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_rational::BigRational;
    use sottovoce_core::sampling::{shuffle, uniform_f32};
    use sottovoce_core::{Address, Purpose};

    fn exact(value: f64) -> BigRational {
        BigRational::from_float(value).unwrap()
    }

    fn distance<T: Element>(a: &[T], b: &[T]) -> f64 {
        a.iter().zip(b).map(|(a, b)| (a.to_f64() - b.to_f64()) * (a.to_f64() - b.to_f64())).sum()
    }

    /// Every row against the mean of its neighbours in exact arithmetic, column by column; permuted rows have permuted means.
    fn holds<T: Element>(rows: &[Vec<T>], f: usize) {
        let of =
            |rows: &[Vec<T>]| mixed(&Stack::new(rows.iter().map(|r| &r[..]).collect()).unwrap(), f).unwrap();
        let got = of(rows);
        for (i, row) in rows.iter().enumerate() {
            let mut near: Vec<usize> = (0..rows.len()).collect();
            near.sort_by(|a, b| distance(row, &rows[*a]).total_cmp(&distance(row, &rows[*b])));
            near.truncate(rows.len() - f);
            for j in (0..row.len()).step_by(13) {
                let sum: BigRational = near.iter().map(|i| exact(rows[*i][j].to_f64())).sum();
                let expected = sum / exact(near.len() as f64);
                let error = exact(got[i][j].to_f64()) - &expected;
                let error = if error < exact(0.0) { -error } else { error };
                let largest = near.iter().map(|i| rows[*i][j].to_f64()).fold(0.0, f64::max);
                let bound = exact(largest * libm::exp2(-51.0))
                    + expected * exact(libm::exp2(f64::from(1 - T::PRECISION)));
                assert!(error <= bound, "row {i}, column {j}: {:?}", got[i][j]);
            }
        }
        let mut order: Vec<usize> = (0..rows.len()).collect();
        shuffle(&mut Address::new(8, Purpose::Test).stream(), &mut order);
        let permuted = of(&order.iter().map(|i| rows[*i].clone()).collect::<Vec<_>>());
        for (place, row) in order.iter().enumerate() {
            let bits = |row: &[T]| row.iter().map(|v| v.to_f64().to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&permuted[place]), bits(&got[*row]), "row {row}");
        }
    }

    /// Positive numbers around the magnitudes of `columns`, in as many columns as three blocks have; the last two rows are
    /// larger by a factor.
    fn drawn<T: Element>(seed: u64, columns: &[f64], liars: f64) -> Vec<Vec<T>> {
        let mut s = Address::new(seed, Purpose::Test).stream();
        let factor = |row: usize| if row < 9 { 1.0 } else { liars };
        let mut one = |row, j| {
            T::from_f64(f64::from(uniform_f32(&mut s, 1.0, 2.0)) * columns[j % columns.len()] * factor(row))
        };
        (0..11).map(|row| (0..2 * BLOCK + 7).map(|j| one(row, j)).collect()).collect()
    }

    /// A counter beside weights, as in the state of a batch normalisation, and rows far from the others.
    #[test]
    fn each_column_is_as_exact_as_if_it_stood_alone() {
        for (seed, liars) in [1.0, 3.0, 1e6, 1e80].into_iter().enumerate() {
            for columns in [&[1.0][..], &[1e9, 1.0, 1e-9], &[1e40, 1e-3]] {
                holds::<f64>(&drawn(seed as u64, columns, liars), 2);
            }
            for columns in [&[1.0][..], &[1e6, 1.0, 1e-6], &[1e20, 1e-3]] {
                holds::<f32>(&drawn(seed as u64, columns, liars.min(100.0)), 2);
            }
        }
    }
}
