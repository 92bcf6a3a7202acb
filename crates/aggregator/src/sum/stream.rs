//! Many dense updates added in one read of their bytes: each block of coordinates is checked and added while it is in
//! the cache, and what turns out to be damaged in the end is taken back.
//!
//! A block is a piece of the frame, so threads check blocks of one message independently. No value is added before its
//! piece was found to be finite and in range; the rest of what can be wrong, the checksum above all, is known when all
//! pieces are. Taking back is exact: products are rounded to nearest, ties to even, so those with the opposite factor are
//! the same integers with the opposite sign, and integers, wrapping or not, have no order.
//!
//! Cost: one read of the messages, and one read and write of the sums for all of them; a second read of what is refused.
//! Memory: 32 bytes for each piece.

use super::{ABSENT, Addends, PartialSum};
use crate::grid::kernels::{TOGETHER, add_again, add_f32};
use crate::grid::{BLOCK, group_size};
use rayon::prelude::*;
use sottovoce_core::Grid;
use sottovoce_core::wire::{PIECE, Piece, Unchecked};
use std::{array, ptr};

const _: () = assert!(PIECE == 4 * BLOCK, "a piece of the frame is a block of coordinates");

/// An update to add before its checksum is known, and the factor of its values.
pub(crate) type Early<'a> = (Unchecked<'a>, f64);

/// What is known of the pieces of some updates: block after block, in each a piece of every update.
#[derive(Debug)]
pub(crate) struct Seen {
    pieces: Vec<Piece>,
    updates: usize,
    /// The rows that the sum had before, if that was not all of them.
    rows: Option<Vec<u32>>,
}

impl Seen {
    /// The pieces of one update.
    pub(crate) fn of(&self, update: usize) -> impl Iterator<Item = Piece> {
        self.pieces.iter().skip(update).step_by(self.updates).copied()
    }
}

impl PartialSum {
    /// Adds updates, in parallel over blocks, as far as their pieces are finite and in range.
    pub(crate) fn add_early(&mut self, updates: &[Early<'_>]) -> Seen {
        let rows = (!self.dense && !updates.is_empty()).then(|| self.rows.clone());
        let mut seen = Seen { pieces: Vec::new(), updates: updates.len(), rows };
        if updates.is_empty() {
            return seen;
        }
        self.make_dense();
        let (grid, stale) = (self.grid, std::mem::take(&mut self.stale));
        seen.pieces.resize(self.sums.len().div_ceil(BLOCK) * updates.len(), Piece::default());
        let blocks = self.sums.par_chunks_mut(BLOCK).zip(seen.pieces.par_chunks_mut(updates.len()));
        blocks.enumerate().for_each(|(block, (sums, seen))| {
            if stale {
                sums.fill(0);
            }
            let size = group_size(updates.len());
            let mut groups = updates.chunks(size).zip(seen.chunks_mut(size)).peekable();
            while let Some((group, seen)) = groups.next() {
                let next = groups.peek().map_or((updates, block + 1), |(next, _)| (next, block));
                add_group(grid, sums, block, group, seen, next);
            }
        });
        seen
    }

    /// Takes back those of the updates that are `refused`, as if they had never been there.
    pub(crate) fn take_back(&mut self, updates: &[Early<'_>], seen: Seen, refused: &[usize]) {
        let grid = self.grid;
        if !refused.is_empty() {
            let blocks = self.sums.par_chunks_mut(BLOCK).zip(seen.pieces.par_chunks(updates.len()));
            blocks.enumerate().for_each(|(block, (sums, seen))| {
                for &i in refused {
                    let (update, factor) = &updates[i];
                    if grid.fits(seen[i].largest(), *factor) {
                        let values = &update.value_bytes()[4 * block * BLOCK..][..4 * sums.len()];
                        add_f32(sums, &Addends { rows: &[values], factors: &[-factor] });
                    }
                }
            });
        }
        if let Some(rows) = seen.rows.filter(|_| refused.len() == updates.len()) {
            self.narrow(&rows);
        }
    }

    /// Forgets all rows but these.
    fn narrow(&mut self, rows: &[u32]) {
        let (layout, all) = (self.layout.clone(), std::mem::take(&mut self.sums));
        self.starts.fill(ABSENT);
        self.rows.clear();
        self.dense = false;
        for (row, range) in rows.iter().zip(layout.ranges(rows.iter().copied())) {
            let start = self.place(*row, range.len());
            self.sums[start..].copy_from_slice(&all[range]);
        }
    }
}

/// Looks at a block of each update and adds what can be added; meanwhile asks for the blocks that are `next`.
fn add_group(
    grid: Grid,
    sums: &mut [i64],
    block: usize,
    group: &[Early<'_>],
    seen: &mut [Piece],
    next: (&[Early<'_>], usize),
) {
    let (mut rows, mut factors, mut count) = ([&[][..]; TOGETHER], [0.0; TOGETHER], 0);
    for ((update, factor), seen) in group.iter().zip(seen) {
        let values = &update.value_bytes()[4 * block * BLOCK..][..4 * sums.len()];
        *seen = Piece::of(values, values.len());
        if grid.fits(seen.largest(), *factor) {
            (rows[count], factors[count]) = (values, *factor);
            count += 1;
        }
    }
    let at = 4 * next.1 * BLOCK;
    let next = array::from_fn(|i| {
        next.0.get(i).map_or(ptr::null(), |(update, _)| update.value_bytes().as_ptr().wrapping_add(at))
    });
    add_again(sums, &Addends { rows: &rows[..count], factors: &factors[..count] }, &next);
}
