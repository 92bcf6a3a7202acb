//! Krum and Multi-Krum: the rows that lie closest to their nearest others.
//!
//! Blanchard, El Mhamdi, Guerraoui, Stainer: Machine Learning with Adversaries, NeurIPS 2017.
//!
//! | symbol | meaning |
//! |---|---|
//! | n, d | rows, numbers in a row |
//! | k | neighbours: n - f - 2 in the paper |
//! | m | rows that Multi-Krum selects |
//!
//! Deviations: k is given, because implementations differ. Ties go to the first row by coordinate. With fewer than k others,
//! all of them count.
//! Cost: the distances (n²d/2), then n² log n; n² numbers.

use crate::distances::Pairwise;
use crate::stack::{Element, Stack};

/// Sum of squared distances from each row of `alive` to its `neighbours` nearest others among `alive`, added from
/// the smallest on, so that the order of rows changes no bit. In the order of `alive`.
pub(crate) fn scores(pairs: &Pairwise, alive: &[usize], neighbours: usize) -> Vec<f64> {
    let mut others = Vec::with_capacity(alive.len());
    alive
        .iter()
        .map(|&i| {
            let from = pairs.from(i);
            others.clear();
            others.extend(alive.iter().filter(|j| **j != i).map(|j| from[*j]));
            others.sort_unstable_by(f64::total_cmp);
            others.iter().take(neighbours).fold(0.0, |sum, d| sum + d)
        })
        .collect()
}

/// The row of least score.
pub(crate) fn select<T: Element>(stack: &Stack<'_, T>, neighbours: usize) -> usize {
    multi_krum(stack, 1, neighbours)[0]
}

/// The `m` rows of least score, ascending. At least one, at most all.
pub(crate) fn multi_krum<T: Element>(stack: &Stack<'_, T>, m: usize, neighbours: usize) -> Vec<usize> {
    let all: Vec<usize> = (0..stack.clients()).collect();
    least(&scores(&Pairwise::of(stack), &all, neighbours), m.max(1))
}

/// The `k` rows nearest to row `i`, ascending; itself is the first of them, then ties go to the lowest index.
pub(crate) fn nearest(pairs: &Pairwise, i: usize, k: usize) -> Vec<usize> {
    nearest_by(pairs.from(i).to_vec(), i, k)
}

/// The same for distances that are given.
pub(crate) fn nearest_by(mut distances: Vec<f64>, i: usize, k: usize) -> Vec<usize> {
    distances[i] = -1.0;
    least(&distances, k)
}

/// Places of the `m` least keys, ascending; ties go to the lowest place.
fn least(keys: &[f64], m: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..keys.len()).collect();
    places.sort_unstable_by(|a, b| keys[*a].total_cmp(&keys[*b]).then(a.cmp(b)));
    places.truncate(m);
    places.sort_unstable();
    places
}
