//! Asking for columns before they are read, a few rows at a time.
//!
//! A CPU waits for about twenty lines of memory at once. More than that, asked for in one go, hold up what is being
//! read; spread over the work on the columns before, they arrive meanwhile.

use super::number::Number;
use super::vector::Vectors;
use super::{Line, WIDTH};

/// Columns of a row ahead of those being worked on that are asked for: so many rows are more than the CPU's own
/// prefetching follows.
const AHEAD: usize = 2 * WIDTH;

/// Of so many rows of a half that is made, one is a step.
pub(super) const EVERY: usize = 5;

/// Rows asked for with each four that are summed.
pub(super) const SUMMED: usize = 4;

/// Whether a step takes two rows, because one would leave some of `n` for the end, when `halves` are made of `size`
/// rows and then `kept` summed.
pub(super) fn in_pairs(n: usize, halves: usize, size: usize, kept: impl Iterator<Item = usize>) -> bool {
    let summed: usize = kept.map(|len| len / 4 * SUMMED).sum();
    n > summed + halves * size.div_ceil(EVERY)
}

/// Rows that have not been asked for.
pub(super) struct Ahead<'r, 'a, T> {
    rows: &'r [&'a [T]],
    at: usize,
    in_pairs: bool,
}

impl<'r, 'a, T: Number> Ahead<'r, 'a, T> {
    /// For work on the sixteen columns from `at` on, with one row a step or two.
    pub(super) fn new(rows: &'r [&'a [T]], at: usize, in_pairs: bool) -> Self {
        Self { rows, at: at + AHEAD, in_pairs }
    }

    /// Asks for the next `N` rows, if there are as many: a loop over a number that is not known costs as much as it does.
    #[inline(always)]
    pub(super) fn ask<V: Vectors<T>, const N: usize>(&mut self, vectors: V) {
        if let Some((rows, rest)) = self.rows.split_first_chunk::<N>() {
            self.rows = rest;
            self.prefetch(vectors, rows);
        }
    }

    /// Asks for the rows of one step of a split.
    #[inline(always)]
    pub(super) fn step<V: Vectors<T>>(&mut self, vectors: V) {
        if self.in_pairs {
            self.ask::<V, 2>(vectors);
        } else {
            self.ask::<V, 1>(vectors);
        }
    }

    /// Asks for all that are left.
    #[inline(always)]
    pub(super) fn ask_rest<V: Vectors<T>>(self, vectors: V) {
        self.prefetch(vectors, self.rows);
    }

    #[inline(always)]
    fn prefetch<V: Vectors<T>>(&self, vectors: V, rows: &[&[T]]) {
        for row in rows {
            for bytes in (0..size_of::<Line<T::Key>>()).step_by(64) {
                vectors.prefetch(row.as_ptr().wrapping_add(self.at).wrapping_byte_add(bytes));
            }
        }
    }
}
