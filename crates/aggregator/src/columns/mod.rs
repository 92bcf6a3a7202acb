//! Columns of a stack, sorted many at a time: what the coordinate-wise rules are made of.
//!
//! Sixteen columns are copied into a contiguous scratch as integers that sort like the floats they stand for, sorted
//! with a network whose comparators are one vector minimum and one maximum, and folded into one number each. What a
//! column comes to depends on its sorted values alone, so the rows may come in any order.
//!
//! - Zeros: -0 counts as +0, and no result is -0.
//! - NaN and infinity end up first or last in a sorted column; that is where they are looked for.
//! - Means are sums in `f64` in ascending order, brought back between the smallest and the largest value summed. An
//!   `f64` column with a magnitude of 2^959 or more is summed as multiples of 2^64, so no sum overflows.
//!
//! n clients, d parameters: O(n d log² n) comparisons, for n up to some thousands faster than selection; memory
//! d + 64 n bytes a thread (128 n for `f64`).

mod fold;
mod network;
#[cfg(test)]
mod tests;
mod vector;

use fold::Number;

use crate::stack::{Element, Stack, StackError};
use fold::Fold;
use rayon::prelude::*;
use std::ops::Range;

/// Columns that are sorted together.
const WIDTH: usize = 16;
/// Columns of one parallel task.
const BLOCK: usize = 16 * WIDTH;

/// One row of sixteen columns, on one cache line for `f32` and two for `f64`.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Line<K>([K; WIDTH]);

/// Column-wise order statistics for one type of number.
pub trait Columns: Number {
    /// Folds the columns of `out` that begin at `start`; false if one of them holds NaN or infinity. `lines` is
    /// scratch, as long as `rows`.
    fn fold(
        rows: &[&[Self]],
        start: usize,
        by: Fold,
        lines: &mut [Line<Self::Key>],
        out: &mut [Self],
    ) -> bool;
}

macro_rules! columns {
    ($float:ty, $avx512:ty, $avx2:ty) => {
        impl Columns for $float {
            fn fold(
                rows: &[&[Self]],
                start: usize,
                by: Fold,
                lines: &mut [Line<Self::Key>],
                out: &mut [Self],
            ) -> bool {
                type Lines<'a> = &'a mut [Line<<$float as Number>::Key>];
                #[cfg(target_arch = "x86_64")]
                {
                    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2")]
                    fn wide(
                        rows: &[&[$float]],
                        start: usize,
                        by: Fold,
                        lines: Lines<'_>,
                        out: &mut [$float],
                    ) -> bool {
                        fold_block::<$float, $avx512>(rows, start, by, lines, out)
                    }
                    #[target_feature(enable = "avx2")]
                    fn medium(
                        rows: &[&[$float]],
                        start: usize,
                        by: Fold,
                        lines: Lines<'_>,
                        out: &mut [$float],
                    ) -> bool {
                        fold_block::<$float, $avx2>(rows, start, by, lines, out)
                    }
                    if is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512vl")
                        && is_x86_feature_detected!("avx512bw")
                        && is_x86_feature_detected!("avx512dq")
                    {
                        // SAFETY: the CPU has these features, as just detected.
                        return unsafe { wide(rows, start, by, lines, out) };
                    }
                    if is_x86_feature_detected!("avx2") {
                        // SAFETY: the CPU has this feature, as just detected.
                        return unsafe { medium(rows, start, by, lines, out) };
                    }
                }
                fold_block::<$float, vector::Portable<<$float as Number>::Key>>(rows, start, by, lines, out)
            }
        }
    };
}

columns!(f32, vector::Avx512<i32>, vector::Avx2<i32>);
columns!(f64, vector::Avx512<i64>, vector::Avx2<i64>);

/// [`Columns::fold`] with vectors of type `V`.
#[inline(always)]
fn fold_block<T: Number, V: vector::Vector<T::Key>>(
    rows: &[&[T]],
    start: usize,
    by: Fold,
    lines: &mut [Line<T::Key>],
    out: &mut [T],
) -> bool {
    for (i, out) in out.chunks_mut(WIDTH).enumerate() {
        let at = start + i * WIDTH;
        for (line, row) in lines.iter_mut().zip(rows) {
            match row[at..].first_chunk::<WIDTH>() {
                Some(values) => line.0 = values.map(T::key),
                None => {
                    line.0 = [T::nearest(0.0).key(); WIDTH];
                    for (key, value) in line.0.iter_mut().zip(&row[at..]) {
                        *key = value.key();
                    }
                }
            }
        }
        network::sort::<T::Key, V>(lines);
        if !fold::finite::<T>(lines) {
            return false;
        }
        let folded = fold::fold::<T>(lines, by);
        out.copy_from_slice(&folded[..out.len()]);
    }
    true
}

/// Folds every column of the stack.
fn fold_columns<T: Element>(stack: &Stack<'_, T>, by: Fold) -> Result<Vec<T>, StackError> {
    let mut out = vec![T::from_f64(0.0); stack.params()];
    let scratch = || vec![Line([T::nearest(0.0).key(); WIDTH]); stack.clients()];
    let finite = out.par_chunks_mut(BLOCK).enumerate().try_for_each_init(scratch, |lines, (i, out)| {
        T::fold(stack.rows(), i * BLOCK, by, lines, out).then_some(())
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
    fold_columns(stack, Fold::Mean { from: ranks.start, to: ranks.end })
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
    fold_columns(stack, Fold::Around { keep })
}
