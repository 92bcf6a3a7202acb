//! Columns of a stack, many at a time: what the coordinate-wise rules are made of.
//!
//! Sixteen columns are read as integers that sort like the floats they stand for, their rows told apart by rank with
//! comparators of one vector minimum and one maximum, and those of the ranks asked for folded into one number a
//! column. Rows are sorted in blocks that fit into registers; then a tournament of blocks finds the ranks
//! ([`selection`]), or all of them are merged ([`network`]), whichever takes fewer comparators. What a column comes to
//! depends on its sorted values alone, so the rows may come in any order.
//!
//! - Zeros: -0 counts as +0, and no result is -0.
//! - NaN and infinity end up first or last in a sorted block; that is where they are looked for.
//! - Means over ranks: more than two values are rounded to multiples of a power of two and summed as integers, so that
//!   no order shows. That is off by at most 2^-51 of the largest magnitude summed, or by n 2^-61 of it or by 2^-1074
//!   where that is more, and brought back between the smallest and the largest value summed.
//! - Means around the median are sums in `f64` in ascending order, brought back likewise.
//! - An `f64` column with a magnitude of 2^959 or more is summed as multiples of 2^64, so no sum overflows.
//!
//! n clients, d parameters: O(n d log² n) comparisons or fewer, for n up to some thousands faster than selection by
//! pivots; memory d + 64 n bytes a thread (128 n for `f64`).

mod ahead;
mod blocks;
mod fold;
mod network;
mod number;
mod selection;
mod sorters;
#[cfg(test)]
mod tests;
mod vector;

use ahead::Ahead;
use number::Number;
use selection::{SORTED, Selection};
use vector::Vectors;

use crate::stack::{Element, Stack, StackError};
use rayon::prelude::*;
use sottovoce_core::lanes::Portable;
#[cfg(target_arch = "x86_64")]
use sottovoce_core::lanes::{Avx2, Avx512};
use std::ops::Range;

/// Columns that are sorted together.
const WIDTH: usize = 16;
/// Columns of one parallel task.
const BLOCK: usize = 16 * WIDTH;

/// One row of sixteen columns, on one cache line for `f32` and two for `f64`.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Line<K>([K; WIDTH]);

/// What a column comes to: the mean of some of its values.
#[derive(Debug, Clone)]
pub struct Fold {
    /// How rows are told apart by rank, and which are summed.
    selection: Selection,
    /// Of sorted columns those values are summed that are nearest to the median, so many.
    around: Option<usize>,
}

/// Column-wise order statistics for one type of number.
pub trait Columns: Number {
    /// Folds the columns of `out` that begin at `start`; false if one of them holds NaN or infinity. `lines` is
    /// scratch.
    fn fold(
        rows: &[&[Self]],
        start: usize,
        by: &Fold,
        lines: &mut [Line<Self::Key>],
        out: &mut [Self],
    ) -> bool;
}

/// Everything that a kernel for one CPU needs.
struct Work<'a, T: Number> {
    rows: &'a [&'a [T]],
    start: usize,
    by: &'a Fold,
    lines: &'a mut [Line<T::Key>],
    out: &'a mut [T],
}

macro_rules! columns {
    ($($float:ty),*) => { $(
        impl Columns for $float {
            fn fold(
                rows: &[&[Self]],
                start: usize,
                by: &Fold,
                lines: &mut [Line<Self::Key>],
                out: &mut [Self],
            ) -> bool {
                fn on_this_cpu<const G: usize>(work: Work<'_, $float>) -> bool {
                    #[cfg(target_arch = "x86_64")]
                    {
                        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2")]
                        fn wide<const G: usize>(vectors: Avx512, work: Work<'_, $float>) -> bool {
                            fold_block::<$float, Avx512, G>(vectors, work)
                        }
                        #[target_feature(enable = "avx2")]
                        fn medium<const G: usize>(vectors: Avx2, work: Work<'_, $float>) -> bool {
                            fold_block::<$float, Avx2, G>(vectors, work)
                        }
                        if let Some(vectors) = Avx512::detect() {
                            // SAFETY: the CPU has these features: `vectors` proves it.
                            return unsafe { wide::<G>(vectors, work) };
                        }
                        if let Some(vectors) = Avx2::detect() {
                            // SAFETY: the CPU has this feature: `vectors` proves it.
                            return unsafe { medium::<G>(vectors, work) };
                        }
                    }
                    fold_block::<$float, Portable, G>(Portable, work)
                }
                let work = Work { rows, start, by, lines, out };
                match by.selection.size {
                    10 => on_this_cpu::<10>(work),
                    16 => on_this_cpu::<16>(work),
                    20 => on_this_cpu::<20>(work),
                    _ => on_this_cpu::<SORTED>(work),
                }
            }
        }
    )* };
}

columns!(f32, f64);

/// [`Columns::fold`] with one kind of vectors and blocks of `G` rows.
#[inline(always)]
fn fold_block<T: Number, V: Vectors<T>, const G: usize>(vectors: V, work: Work<'_, T>) -> bool {
    let Work { rows, start, by, lines, out } = work;
    for (i, out) in out.chunks_mut(WIDTH).enumerate() {
        let mut ahead = Ahead::new(rows, start + i * WIDTH, by.selection.in_pairs);
        if !arrange::<T, V, G>(vectors, rows, start + i * WIDTH, &by.selection.splits, lines, &mut ahead) {
            return false;
        }
        let folded = match by.around {
            Some(keep) if G == SORTED => {
                fold::around::<T, V>(vectors, &lines[..rows.len()], keep, &mut ahead)
            }
            _ => fold::mean::<T, V, T>(vectors, lines, &by.selection.kept, &mut ahead),
        };
        ahead.ask_rest(vectors);
        out.copy_from_slice(&folded[..out.len()]);
    }
    true
}

/// Tells the rows of the sixteen columns from `at` on apart by rank; false if one of them holds NaN or infinity.
#[inline(always)]
fn arrange<T: Number, V: Vectors<T>, const G: usize>(
    vectors: V,
    rows: &[&[T]],
    at: usize,
    splits: &[blocks::Split],
    lines: &mut [Line<T::Key>],
    ahead: &mut Ahead<'_, '_, T>,
) -> bool {
    if G == SORTED {
        network::sort::<T, V>(vectors, rows, at, lines, ahead);
        return fold::finite::<T>(&lines[0], &lines[rows.len() - 1]);
    }
    let (mut first, mut last) = (lines[0], lines[0]);
    for (i, (rows, lines)) in rows.chunks(G).zip(lines.as_chunks_mut::<G>().0).enumerate() {
        blocks::sort::<T, V, G>(vectors, rows, at, lines);
        for part in 0..V::PARTS {
            let (low, high) = (vectors.load(&lines[0], part), vectors.load(&lines[rows.len() - 1], part));
            let (low, high) = if i == 0 {
                (low, high)
            } else {
                (
                    vectors.smaller(low, vectors.load(&first, part)),
                    vectors.larger(high, vectors.load(&last, part)),
                )
            };
            vectors.store(low, &mut first, part);
            vectors.store(high, &mut last, part);
        }
    }
    for split in splits {
        blocks::split::<T, V, G>(vectors, lines, split, ahead);
    }
    fold::finite::<T>(&first, &last)
}

/// Folds every column of the stack.
fn fold_columns<T: Element>(stack: &Stack<'_, T>, by: &Fold) -> Result<Vec<T>, StackError> {
    let mut out = vec![T::from_f64(0.0); stack.params()];
    let scratch = || vec![Line([T::TOP; WIDTH]); by.selection.lines];
    // Rows often begin at the same place of a cache line: sixteen columns then lie on one line of each row, not on two.
    let lead = stack.rows()[0].as_ptr().align_offset(64).min(out.len());
    let (first, rest) = out.split_at_mut(lead);
    let fold = |lines: &mut Vec<_>, start, out| T::fold(stack.rows(), start, by, lines, out).then_some(());
    let finite = fold(&mut scratch(), 0, first).and_then(|()| {
        let blocks = rest.par_chunks_mut(BLOCK).enumerate();
        blocks.try_for_each_init(scratch, |lines, (i, out)| fold(lines, lead + i * BLOCK, out))
    });
    match finite {
        Some(()) => Ok(out),
        // A second pass, so that the first such value by row is named, not the first that a thread met.
        None => Err(stack.largest().expect_err("a column with such a value was found")),
    }
}

/// The mean of the sorted values `ranks` of each column: a range that is not empty, within the number of rows.
pub(crate) fn mean_of_ranks<T: Element>(
    stack: &Stack<'_, T>,
    ranks: Range<usize>,
) -> Result<Vec<T>, StackError> {
    fold_columns(stack, &Fold { selection: Selection::cheapest(stack.clients(), ranks), around: None })
}

/// The mean, in each column, of the `keep` values nearest to the median (the midpoint, for an even number of rows);
/// `keep` is at least 1 and at most the number of rows.
///
/// Of two values at the same distance the smaller is the nearer, so the order of rows has no say. Distances are
/// differences in `f64`.
pub(crate) fn mean_around_median<T: Element>(
    stack: &Stack<'_, T>,
    keep: usize,
) -> Result<Vec<T>, StackError> {
    let n = stack.clients();
    fold_columns(stack, &Fold { selection: Selection::sorted(n, 0..n), around: Some(keep) })
}
