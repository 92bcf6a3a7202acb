//! Minimum-diameter averaging: the n - f rows whose largest mutual distance is least.
//!
//! El Mhamdi, Guerraoui, Guirguis, Hoang, Rouault: Genuinely Distributed Byzantine Machine Learning, PODC 2020.
//!
//! | symbol | meaning |
//! |---|---|
//! | n, d | rows, numbers in a row |
//! | f | rows left out |
//! | δ | a diameter: one of the distances |
//!
//! Rows can be chosen within δ exactly if f rows touch every pair farther apart than δ, which is a vertex cover. Its
//! search branches on f, not on the number of subsets: 1.47^f steps at worst, far fewer for rows that are separated.
//! δ is found by bisection, and then rows are taken from the first on wherever a cover remains.
//!
//! Deviations: none; ties go to the first subset in lexicographic order, of rows ordered by coordinate.
//! Cost: the distances (n²d/2), then n²/64 for each step, of which there are at most [`STEPS`]; 2n² numbers.

use crate::distances::Pairwise;
use crate::stack::{Element, Stack};

/// Steps that a search may take.
pub(crate) const STEPS: usize = 1 << 20;

/// The search for a subset of least diameter was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "minimum-diameter averaging of {clients} updates without {f}: not found within {limit} steps; a smaller f would do"
)]
pub struct TooManySteps {
    /// Number of rows.
    pub clients: usize,
    /// Rows to leave out.
    pub f: usize,
    /// Steps allowed.
    pub limit: usize,
}

/// The rows of the subset of `n - f` (at least one) that has the least diameter, ascending.
pub(crate) fn select<T: Element>(stack: &Stack<'_, T>, f: usize) -> Result<Vec<usize>, TooManySteps> {
    subset(&Pairwise::of(stack), f.min(stack.clients() - 1), STEPS)
}

fn subset(pairs: &Pairwise, f: usize, limit: usize) -> Result<Vec<usize>, TooManySteps> {
    let n = pairs.clients();
    let given_up = || TooManySteps { clients: n, f, limit };
    let mut left = limit;
    let mut diameters: Vec<f64> = (0..n).flat_map(|i| pairs.from(i)[i..].iter().copied()).collect();
    diameters.sort_unstable_by(f64::total_cmp);
    diameters.dedup();
    // All rows lie within the largest, so the bisection ends inside.
    let (mut low, mut high) = (0, diameters.len() - 1);
    while low < high {
        let middle = (low + high) / 2;
        let far = Far::beyond(pairs, diameters[middle]);
        if far.covered(far.all(), f, &mut left).ok_or_else(given_up)? {
            high = middle
        } else {
            low = middle + 1
        }
    }
    let far = Far::beyond(pairs, diameters[low]);
    let (mut open, mut budget, mut chosen) = (far.all(), f, Vec::new());
    for i in 0..n {
        if chosen.len() == n - f {
            break;
        }
        if !has(&open, i) {
            continue;
        }
        drop_one(&mut open, i);
        let mut without = open.clone();
        let lost = far.drop_neighbours(&mut without, i);
        let fits =
            lost <= budget && far.covered(without.clone(), budget - lost, &mut left).ok_or_else(given_up)?;
        if fits {
            (open, budget) = (without, budget - lost);
            chosen.push(i);
        } else {
            budget -= 1;
        }
    }
    Ok(chosen)
}

/// Pairs of rows that are too far apart, as one set of bits for each row.
struct Far {
    clients: usize,
    words: usize,
    bits: Vec<u64>,
}

fn has(set: &[u64], i: usize) -> bool {
    set[i / 64] >> (i % 64) & 1 == 1
}

fn drop_one(set: &mut [u64], i: usize) {
    set[i / 64] &= !(1 << (i % 64));
}

impl Far {
    fn beyond(pairs: &Pairwise, diameter: f64) -> Self {
        let clients = pairs.clients();
        let words = clients.div_ceil(64);
        let mut bits = vec![0; clients * words];
        for i in 0..clients {
            for (j, distance) in pairs.from(i).iter().enumerate() {
                bits[i * words + j / 64] |= u64::from(*distance > diameter) << (j % 64);
            }
        }
        Self { clients, words, bits }
    }

    fn all(&self) -> Vec<u64> {
        let mut set = vec![0; self.words];
        (0..self.clients).for_each(|i| set[i / 64] |= 1 << (i % 64));
        set
    }

    fn of(&self, i: usize) -> &[u64] {
        &self.bits[i * self.words..(i + 1) * self.words]
    }

    fn degree(&self, open: &[u64], i: usize) -> usize {
        self.of(i).iter().zip(open).map(|(far, open)| (far & open).count_ones() as usize).sum()
    }

    /// Takes what is far from `i` out of `open`, and says how many that were.
    fn drop_neighbours(&self, open: &mut [u64], i: usize) -> usize {
        let lost = self.degree(open, i);
        open.iter_mut().zip(self.of(i)).for_each(|(open, far)| *open &= !far);
        lost
    }

    /// Whether `budget` rows touch all far pairs among `open`; `None` if `left` steps were not enough.
    fn covered(&self, mut open: Vec<u64>, mut budget: usize, left: &mut usize) -> Option<bool> {
        loop {
            *left = left.checked_sub(1)?;
            let (mut twice_pairs, mut most, mut at) = (0, 0, 0);
            for i in (0..self.clients).filter(|i| has(&open, *i)) {
                let degree = self.degree(&open, i);
                twice_pairs += degree;
                if degree > most {
                    (most, at) = (degree, i);
                }
            }
            if twice_pairs > 2 * budget * most {
                return Some(false);
            }
            if most <= 2 {
                return Some(self.chains(open) <= budget);
            }
            // Either the row itself is in the cover, or all that are far from it.
            drop_one(&mut open, at);
            if most > budget {
                budget -= 1;
                continue;
            }
            if self.covered(open.clone(), budget - 1, left)? {
                return Some(true);
            }
            budget -= self.drop_neighbours(&mut open, at);
        }
    }

    /// Size of the least cover where no row is far from more than two: of a path or ring of e pairs, half of e,
    /// rounded up.
    fn chains(&self, mut open: Vec<u64>) -> usize {
        let mut cover = 0;
        for start in 0..self.clients {
            if !has(&open, start) {
                continue;
            }
            let (mut twice_pairs, mut chain) = (0, vec![start]);
            let whole = open.clone();
            drop_one(&mut open, start);
            while let Some(i) = chain.pop() {
                twice_pairs += self.degree(&whole, i);
                for j in (0..self.clients).filter(|j| has(self.of(i), *j)) {
                    if has(&open, j) {
                        drop_one(&mut open, j);
                        chain.push(j);
                    }
                }
            }
            cover += (twice_pairs / 2).div_ceil(2);
        }
        cover
    }
}
