//! Nearest-neighbour mixing: each row becomes the mean of the rows nearest to it.
//!
//! Allouah, Farhadkhani, Guerraoui, Gupta, Pinot, Stephan, "Fixing by Mixing: A Recipe for Optimal Byzantine ML
//! under Heterogeneity", AISTATS 2023, algorithm 2.
//!
//! | symbol | meaning |
//! |---|---|
//! | `n`, `f` | rows, and how many of them may lie |
//!
//! The `n - f` nearest include the row itself; of rows at the same distance the first by coordinate counts. A sum is that of all
//! rows without the `f` farthest, which in integers is exactly the sum of the others. Cost: all distances, then
//! `n f` additions of 64-bit integers a coordinate, and two copies of the rows.

use super::canonical::Canonical;
use super::combination::Measured;
use super::error::RuleError;
use super::krum::nearest;
use crate::distances::Pairwise;
use crate::grid::Grid;
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
    let groups = groups(measured, &pairs, keep);
    let blocks: Vec<Vec<Vec<T>>> = (0..stack.params().div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let range = block * BLOCK..stack.params().min((block + 1) * BLOCK);
            let mut mixed = vec![Vec::new(); stack.clients()];
            groups.iter().for_each(|group| mix(group, stack, &range, keep, &mut mixed));
            mixed
        })
        .collect();
    let join = |row: usize| blocks.iter().flat_map(|block| block[row].iter().copied()).collect();
    (0..stack.clients()).into_par_iter().map(join).collect()
}

/// One grid for each magnitude of neighbourhoods: one large row does not make the grid coarse for rows far from it.
fn groups<T: Element>(rows: &Measured<'_, '_, T>, pairs: &Pairwise, keep: usize) -> Vec<Group> {
    let n = rows.rows();
    let mut groups: Vec<Group> = Vec::new();
    for row in 0..n {
        let mut near = vec![false; n];
        nearest(pairs, row, keep).into_iter().for_each(|i| near[i] = true);
        let coefficients: Vec<f64> =
            near.iter().map(|near| f64::from(u8::from(*near)) / keep as f64).collect();
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
    groups
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
