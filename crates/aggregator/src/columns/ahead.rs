//! Asking for columns before they are read, a few rows at a time.
//!
//! A CPU waits for about twenty lines of memory at once. More than that, asked for in one go, hold up what is being
//! read; spread over the work on the columns before, they arrive meanwhile.

use super::number::Number;
use super::vector::Vector;
use super::{Line, WIDTH};

/// Columns of a row ahead of those being worked on that are asked for: so many rows are more than the CPU's own
/// prefetching follows.
const AHEAD: usize = 2 * WIDTH;

/// Rows that have not been asked for.
pub(super) struct Ahead<'r, 'a, T> {
    rows: &'r [&'a [T]],
    at: usize,
}

impl<'r, 'a, T: Number> Ahead<'r, 'a, T> {
    /// For work on the sixteen columns from `at` on.
    pub(super) fn new(rows: &'r [&'a [T]], at: usize) -> Self {
        Self { rows, at: at + AHEAD }
    }

    /// Asks for the next `count` rows, if there are as many.
    #[inline(always)]
    pub(super) fn ask<V: Vector<T>>(&mut self, count: usize) {
        if let Some((rows, rest)) = self.rows.split_at_checked(count) {
            self.rows = rest;
            for row in rows {
                for bytes in (0..size_of::<Line<T::Key>>()).step_by(64) {
                    V::prefetch(row.as_ptr().wrapping_add(self.at).wrapping_byte_add(bytes));
                }
            }
        }
    }

    /// Asks for all that are left.
    #[inline(always)]
    pub(super) fn ask_rest<V: Vector<T>>(&mut self) {
        self.ask::<V>(self.rows.len());
    }
}
