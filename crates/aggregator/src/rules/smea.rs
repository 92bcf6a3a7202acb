//! Smallest-maximum-eigenvalue averaging: the n - f rows whose covariance has the least top eigenvalue.
//!
//! Allouah, Guerraoui, Gupta, Pinot, Stephan: On the Privacy-Robustness-Utility Trilemma in Distributed Learning,
//! ICML 2023.
//!
//! | symbol | meaning |
//! |---|---|
//! | n, d | rows, numbers in a row |
//! | f | rows left out |
//! | λ | top eigenvalue of Σ (x - μ)(x - μ)ᵀ over a subset with mean μ |
//!
//! All subsets have the same size, so λ orders them as the covariance's does; and it never shrinks when a row joins, so
//! a partial subset that has reached the least λ known is not continued. Σ (x - μ)(x - μ)ᵀ is the sum of wwᵀ over
//! w = √(k/(k+1)) (x - mean of the k rows before), so the Gram matrix of the w, and its Cholesky factor that says
//! whether λ is below the bound, grow by one row with each row that joins.
//!
//! Deviations: λ within one part in 10¹² counts as equal, since rounding decides below that; then the first subset in
//! lexicographic order, of rows ordered by coordinate, is taken. At most [`SUBSETS`] subsets.
//! Cost: the distances (n²d/2), then up to C(n, f) times n³/6; 2n² numbers.

use super::krum;
use crate::distances::Pairwise;
use crate::spectrum;
use crate::stack::{Element, Stack};

/// Subsets that a search may have before it.
pub(crate) const SUBSETS: u64 = 1_000_000;

/// There are too many subsets to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "smallest-maximum-eigenvalue averaging of {clients} updates without {f}: more than {limit} subsets; \
     a smaller f, fewer updates or the rule caf would do"
)]
pub struct TooManySubsets {
    /// Number of rows.
    pub clients: usize,
    /// Rows to leave out.
    pub f: usize,
    /// Subsets allowed.
    pub limit: u64,
}

/// The rows of the subset of `n - f` (at least one) whose covariance has the least top eigenvalue, ascending.
pub(crate) fn select<T: Element>(stack: &Stack<'_, T>, f: usize) -> Result<Vec<usize>, TooManySubsets> {
    let clients = stack.clients();
    let f = f.min(clients - 1);
    few_subsets(clients, f)?;
    let pairs = Pairwise::of(stack);
    let size = clients - f;
    let all: Vec<usize> = (0..clients).collect();
    let scores = krum::scores(&pairs, &all, size - 1);
    let centre = all.into_iter().min_by(|a, b| scores[*a].total_cmp(&scores[*b])).expect("there are rows");
    let near = krum::nearest(&pairs, centre, size);
    // A little above λ of these, so that the first of equals is met again; and above 0, which rows that coincide have.
    let bound = (top(&pairs, &near) * (1.0 + 1e-9)).max(f64::MIN_POSITIVE);
    let mut search =
        Search { pairs: &pairs, size, bound, best: near, chosen: Vec::new(), factor: Vec::new() };
    search.extend(0);
    Ok(search.best)
}

/// Whether a search among `clients` rows without `f`, at most as many, ends in time.
pub(super) fn few_subsets(clients: usize, f: usize) -> Result<(), TooManySubsets> {
    if subsets(clients, f) > SUBSETS {
        return Err(TooManySubsets { clients, f, limit: SUBSETS });
    }
    Ok(())
}

/// C(n, f), or more than [`SUBSETS`] if that is what it is.
fn subsets(n: usize, f: usize) -> u64 {
    let f = f.min(n - f) as u64;
    // After i factors this is C(n - f + i, i), which only grows.
    let grow = |count: u64, i: u64| if count > SUBSETS { count } else { count * (n as u64 - f + i) / i };
    (1..=f).fold(1, grow)
}

/// λ of `rows`.
fn top(pairs: &Pairwise, rows: &[usize]) -> f64 {
    let n = rows.len();
    spectrum::largest(&pairs.centred(rows, &vec![1.0 / n as f64; n]), n).0
}

struct Search<'a> {
    pairs: &'a Pairwise,
    size: usize,
    /// λ has to be below this.
    bound: f64,
    best: Vec<usize>,
    chosen: Vec<usize>,
    /// Rows of the Cholesky factor of `bound · I - G`, for the chosen rows but the first.
    factor: Vec<Vec<f64>>,
}

impl Search<'_> {
    /// Continues the chosen rows with rows from `next` on, in lexicographic order.
    fn extend(&mut self, next: usize) {
        if self.chosen.len() == self.size {
            let top = top(self.pairs, &self.chosen);
            if top < self.bound {
                self.bound = top * (1.0 - 1e-12);
                self.best.clone_from(&self.chosen);
            }
            return;
        }
        let missing = self.size - self.chosen.len();
        for i in next..=self.pairs.clients() - missing {
            if self.push(i) {
                self.extend(i + 1);
                self.chosen.pop();
                self.factor.truncate(self.chosen.len().saturating_sub(1));
            }
        }
    }

    /// Chooses row `i`, unless λ would reach the bound. Rows of the factor that were made under an earlier, larger
    /// bound let more pass, never less.
    fn push(&mut self, i: usize) -> bool {
        let from = self.pairs.from(i);
        // λ of two rows is half their squared distance.
        if self.chosen.iter().any(|j| from[*j] / 2.0 >= self.bound) {
            return false;
        }
        if self.chosen.is_empty() || self.grow(i) {
            self.chosen.push(i);
            return true;
        }
        false
    }

    /// Adds the factor's row for `i` behind at least one chosen row, unless λ has reached the bound.
    fn grow(&mut self, i: usize) -> bool {
        let m = self.chosen.len();
        let from = self.pairs.from(i);
        let sum_to_chosen =
            |row: usize| self.chosen.iter().fold(0.0, |sum, j| sum + self.pairs.from(row)[*j]);
        let mut row: Vec<f64> = Vec::with_capacity(m);
        // Distances from the first k chosen rows to i, and to all that are chosen.
        let (mut to_i, mut to_chosen) = (0.0, 0.0);
        for k in 1..=m {
            to_i += from[self.chosen[k - 1]];
            to_chosen += sum_to_chosen(self.chosen[k - 1]);
            // The row that joined the first k: its w times that of i is an entry of G.
            let joined = self.chosen.get(k).copied().unwrap_or(i);
            let (k_rows, m_rows) = (k as f64, m as f64);
            let twice =
                to_i / k_rows + sum_to_chosen(joined) / m_rows - from[joined] - to_chosen / (k_rows * m_rows);
            let entry = (k_rows / (k_rows + 1.0) * (m_rows / (m_rows + 1.0))).sqrt() * twice / 2.0;
            let of_joined = if k < m { &self.factor[k - 1] } else { &row };
            let known = row.iter().zip(of_joined).fold(0.0, |sum, (a, b)| sum + a * b);
            if k < m {
                row.push((-entry - known) / of_joined[k - 1]);
                continue;
            }
            let left = self.bound - entry - known;
            // NaN, from what has overflowed, is not below the bound either.
            if left.is_nan() || left <= 0.0 {
                return false;
            }
            row.push(left.sqrt());
        }
        self.factor.push(row);
        true
    }
}
