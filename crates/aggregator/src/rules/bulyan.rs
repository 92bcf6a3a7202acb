//! Bulyan's first phase: rows selected one after the other by Krum.
//!
//! El Mhamdi, Guerraoui, Rouault: The Hidden Vulnerability of Distributed Learning in Byzantium, ICML 2018.
//!
//! | symbol | meaning |
//! |---|---|
//! | n, d | rows, numbers in a row |
//! | f | rows that may lie; the paper asks for n ≥ 4f + 3 |
//! | θ | rows selected: n - 2f in the paper |
//! | R | rows that are not selected yet |
//!
//! Deviations: Krum on R counts max(1, |R| - f - 2) neighbours, since |R| - f - 2 runs out before R does; scores may be
//! those of all rows, computed once, which is another rule. The paper leaves ties open, and with one neighbour two rows
//! that are nearest to each other always tie: the row nearest to one that is selected already is taken, and of such
//! the first by coordinate.
//! Cost: the distances (n²d/2), n² log n to sort them, then θn²; 2n² numbers.

use crate::distances::Pairwise;
use crate::stack::{Element, Stack};

/// Which scores select.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scores {
    /// Those of Krum among the rows that are left: the paper's.
    Recomputed,
    /// Those of Krum among all rows.
    Once,
}

/// The `theta` rows selected (at most all), in the order of selection.
pub(crate) fn select<T: Element>(stack: &Stack<'_, T>, f: usize, theta: usize, scores: Scores) -> Vec<usize> {
    let pairs = Pairwise::of(stack);
    let n = pairs.clients();
    let by_distance: Vec<Vec<usize>> = (0..n)
        .map(|i| {
            let from = pairs.from(i);
            let mut others: Vec<usize> = (0..n).filter(|j| *j != i).collect();
            others.sort_unstable_by(|a, b| from[*a].total_cmp(&from[*b]));
            others
        })
        .collect();
    let mut alive = vec![true; n];
    let score = |i: usize, alive: &[bool], left: usize| {
        let neighbours = left.saturating_sub(f + 2).max(1);
        let nearest = by_distance[i].iter().filter(|j| alive[**j]).take(neighbours);
        nearest.fold(0.0, |sum, j| sum + pairs.from(i)[*j])
    };
    let once: Vec<f64> = (0..n).map(|i| score(i, &alive, n)).collect();
    let mut selected = Vec::new();
    let mut to_selected = vec![f64::INFINITY; n];
    for left in (1..=n).rev().take(theta) {
        let candidates = (0..n).filter(|i| alive[*i]).map(|i| match scores {
            Scores::Recomputed => (score(i, &alive, left), i),
            Scores::Once => (once[i], i),
        });
        let nearer = |a: usize, b: usize| to_selected[a].total_cmp(&to_selected[b]);
        let (_, best) = candidates
            .min_by(|a, b| a.0.total_cmp(&b.0).then_with(|| nearer(a.1, b.1)))
            .expect("`left` rows are alive, at least one");
        alive[best] = false;
        selected.push(best);
        to_selected.iter_mut().zip(pairs.from(best)).for_each(|(least, d)| *least = least.min(*d));
    }
    selected
}
