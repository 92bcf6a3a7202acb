//! Rows in an order that follows from what they hold: who sent them, and in which order, decides nothing.
//!
//! Rules that choose among rows work on them in this order. Of distinct rows that tie the first by coordinate is
//! taken then, whoever sent it, and sums over rows have one order. It is that of `f64::total_cmp` from the first
//! coordinate on, in which -0 is less than 0.
//!
//! Rows are told apart group by group: those that agree so far are read on until one of them differs. Cost: rows that
//! differ early are hardly read, rows that are all the same once.

use super::combination::Measured;
use crate::stack::{Element, Stack};

/// Numbers that are compared before it is asked whether any of them differ.
const CHUNK: usize = 256;

/// A stack in canonical order.
#[derive(Debug)]
pub(super) struct Canonical<'a, T> {
    stack: Stack<'a, T>,
    /// The caller's row at each place.
    order: Vec<usize>,
}

impl<'a, T: Element> Canonical<'a, T> {
    /// Equal rows keep their order.
    pub(super) fn of(stack: &Stack<'a, T>) -> Self {
        Self::refined(stack, (0..stack.clients()).collect())
    }

    /// Equal rows are ordered by their weights: the lighter is first, so that a client gains nothing over its double
    /// by declaring more.
    pub(super) fn weighted(stack: &Stack<'a, T>, weights: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..stack.clients()).collect();
        order.sort_by(|a, b| weights[*a].total_cmp(&weights[*b]));
        Self::refined(stack, order)
    }

    fn refined(stack: &Stack<'a, T>, mut order: Vec<usize>) -> Self {
        sort(stack.rows(), &mut order);
        let rows = order.iter().map(|row| stack.rows()[*row]).collect();
        Self { stack: Stack::new(rows).expect("as many rows of the same length"), order }
    }

    pub(super) fn stack(&self) -> &Stack<'a, T> {
        &self.stack
    }

    /// What was measured of the caller's rows, of these.
    pub(super) fn measured(&self, rows: &Measured<'_, '_, T>) -> Measured<'_, 'a, T> {
        Measured { stack: &self.stack, magnitudes: self.sorted(&rows.magnitudes) }
    }

    /// What belongs to the caller's rows, by place.
    pub(super) fn sorted<V: Copy>(&self, of_rows: &[V]) -> Vec<V> {
        self.order.iter().map(|row| of_rows[*row]).collect()
    }

    /// What belongs to places, by the caller's rows.
    pub(super) fn back<V: Default>(&self, of_places: Vec<V>) -> Vec<V> {
        let mut of_rows: Vec<V> = (0..self.order.len()).map(|_| V::default()).collect();
        for (row, value) in self.order.iter().zip(of_places) {
            of_rows[*row] = value;
        }
        of_rows
    }

    /// The caller's rows at these places, one by one.
    pub(super) fn rows_at(&self, places: &[usize]) -> Vec<usize> {
        places.iter().map(|place| self.order[*place]).collect()
    }

    /// The caller's rows at these places, ascending.
    pub(super) fn set_at(&self, places: &[usize]) -> Vec<usize> {
        let mut rows = self.rows_at(places);
        rows.sort_unstable();
        rows
    }

    /// Where the caller's row is.
    pub(super) fn place_of(&self, row: usize) -> usize {
        self.order.iter().position(|r| *r == row).expect("every row has a place")
    }
}

fn sort<T: Element>(rows: &[&[T]], order: &mut [usize]) {
    // Rows from one place to another that agree in all columns before this one.
    let mut groups = vec![(0, order.len(), 0)];
    while let Some((from, to, column)) = groups.pop() {
        let group = &mut order[from..to];
        let first = rows[group[0]];
        let differs = group[1..].iter().fold(first.len(), |least, row| {
            difference(&first[column..least], &rows[*row][column..least]).map_or(least, |at| column + at)
        });
        if differs == first.len() {
            continue;
        }
        let value = |row: usize| rows[row][differs].to_f64();
        group.sort_by(|a, b| value(*a).total_cmp(&value(*b)));
        let mut start = from;
        for same in group.chunk_by(|a, b| value(*a).total_cmp(&value(*b)).is_eq()) {
            if same.len() > 1 {
                groups.push((start, start + same.len(), differs + 1));
            }
            start += same.len();
        }
    }
}

/// The first place at which two rows differ in any bit.
fn difference<T: Element>(a: &[T], b: &[T]) -> Option<usize> {
    let differ = |(a, b): (&T, &T)| a.to_f64().to_bits() != b.to_f64().to_bits();
    let chunks = a.chunks(CHUNK).zip(b.chunks(CHUNK));
    let any = |(a, b): (&[T], &[T])| a.iter().zip(b).fold(false, |any, pair| any | differ(pair));
    let chunk = chunks.into_iter().position(any)? * CHUNK;
    a[chunk..].iter().zip(&b[chunk..]).position(differ).map(|at| chunk + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_core::sampling::{index, shuffle};
    use sottovoce_core::{Address, Purpose};

    #[test]
    fn rows_are_sorted_by_all_their_numbers_and_equal_ones_by_weight_and_place() {
        for seed in 0..300 {
            let mut s = Address::new(seed, Purpose::Test).stream();
            let (n, d) = (1 + index(&mut s, 12), 1 + index(&mut s, 700));
            // Rows that share long beginnings, and some that share all.
            let mut rows: Vec<Vec<f32>> = vec![vec![1.0; d]; n];
            for row in &mut rows {
                let at = index(&mut s, 2 * d);
                if let Some(v) = row.get_mut(at) {
                    *v = [-1.0, -0.0, 0.0, 2.0][index(&mut s, 4)];
                }
            }
            let weights: Vec<f64> = (0..n).map(|_| index(&mut s, 2) as f64).collect();
            shuffle(&mut s, &mut rows);
            let stack = Stack::new(rows.iter().map(Vec::as_slice).collect()).unwrap();
            let compare = |a: &usize, b: &usize| {
                let columns = rows[*a].iter().zip(&rows[*b]).map(|(a, b)| a.total_cmp(b));
                columns.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            };
            let mut expected: Vec<usize> = (0..n).collect();
            expected.sort_by(compare);
            assert_eq!(Canonical::of(&stack).order, expected, "{seed}");
            expected.sort_by(|a, b| compare(a, b).then(weights[*a].total_cmp(&weights[*b])).then(a.cmp(b)));
            let sorted = Canonical::weighted(&stack, &weights);
            assert_eq!(sorted.order, expected, "{seed}");
            assert_eq!(sorted.back(sorted.order.clone()), (0..n).collect::<Vec<_>>(), "{seed}");
            assert_eq!(sorted.place_of(sorted.order[n / 2]), n / 2, "{seed}");
        }
    }
}
