//! What the values of a column come to: one number.

use super::ahead::{Ahead, SUMMED};
use super::number::Number;
use super::vector::Vectors;
use super::{Line, WIDTH};
use std::ops::Range;

/// Whether all values of sorted columns are finite, by the `first` and the `last` row.
#[inline(always)]
pub(super) fn finite<T: Number>(first: &Line<T::Key>, last: &Line<T::Key>) -> bool {
    (0..WIDTH).fold(true, |all, c| all & T::finite(first.0[c]) & T::finite(last.0[c]))
}

// Loops over columns are written out: closures are compiled without the features of the CPU.
type Columns = [f64; WIDTH];

#[inline(always)]
fn values<T: Number>(line: &Line<T::Key>) -> Columns {
    let mut values = [0.0; WIDTH];
    for (value, key) in values.iter_mut().zip(&line.0) {
        *value = T::value(*key);
    }
    values
}

/// [`Number::scale`] for columns of values between `smallest` and `largest`.
#[inline(always)]
fn scales<T: Number>(smallest: &Columns, largest: &Columns) -> Columns {
    let mut scales = [1.0; WIDTH];
    for c in 0..WIDTH {
        scales[c] = T::scale(smallest[c].abs().max(largest[c].abs()));
    }
    scales
}

/// Mean of each column over some of the lines, which may come in any order; meanwhile asks for rows `ahead`.
#[inline(always)]
pub(super) fn mean<T: Number, V: Vectors<T>, Out: Number>(
    vectors: V,
    lines: &[Line<T::Key>],
    kept: &[Range<usize>],
    ahead: &mut Ahead<'_, '_, T>,
) -> [Out; WIDTH] {
    let count = kept.iter().map(ExactSizeIterator::len).sum();
    let (smallest, largest) = extremes::<T, V>(vectors, lines, kept);
    let (smallest, largest) = (values::<T>(&smallest), values::<T>(&largest));
    let scales = scales::<T>(&smallest, &largest);
    let sums = if count <= 2 {
        let mut sums = [0.0; WIDTH];
        for line in kept.iter().flat_map(|kept| &lines[kept.clone()]) {
            for c in 0..WIDTH {
                sums[c] += T::value(line.0[c]) * scales[c];
            }
        }
        sums
    } else {
        let mut round = [0.0; WIDTH];
        for c in 0..WIDTH {
            round[c] = rounding(smallest[c].abs().max(largest[c].abs()) * scales[c], count);
        }
        sums::<T, V>(vectors, lines, kept, &scales, &round, count, ahead)
    };
    quotients(&sums, count, &scales, &smallest, &largest)
}

/// The smallest and the largest key of each column in some of the lines.
#[inline(always)]
fn extremes<T: Number, V: Vectors<T>>(
    vectors: V,
    lines: &[Line<T::Key>],
    kept: &[Range<usize>],
) -> (Line<T::Key>, Line<T::Key>) {
    let first = lines[kept[0].start];
    let (mut smallest, mut largest) = (first, first);
    for part in 0..V::PARTS {
        let (mut low, mut high) = (vectors.load(&first, part), vectors.load(&first, part));
        for kept in kept {
            let (fours, rest) = lines[kept.clone()].as_chunks::<4>();
            for four in fours {
                let [a, b, c, d] = four;
                let (a, b, c, d) = (
                    vectors.load(a, part),
                    vectors.load(b, part),
                    vectors.load(c, part),
                    vectors.load(d, part),
                );
                let (ab, cd) = (vectors.sort2(a, b), vectors.sort2(c, d));
                low = vectors.smaller(low, vectors.smaller(ab.0, cd.0));
                high = vectors.larger(high, vectors.larger(ab.1, cd.1));
            }
            for line in rest {
                let keys = vectors.load(line, part);
                (low, high) = (vectors.smaller(low, keys), vectors.larger(high, keys));
            }
        }
        vectors.store(low, &mut smallest, part);
        vectors.store(high, &mut largest, part);
    }
    (smallest, largest)
}

/// Sums of `count` scaled values of each column, each rounded as [`rounding`] says.
#[inline(always)]
fn sums<T: Number, V: Vectors<T>>(
    vectors: V,
    lines: &[Line<T::Key>],
    kept: &[Range<usize>],
    scales: &Columns,
    round: &Columns,
    count: usize,
    ahead: &mut Ahead<'_, '_, T>,
) -> Columns {
    let mut bits = [0; WIDTH];
    for part in 0..V::PARTS {
        let (scale, round) = (vectors.wide(scales, part), vectors.wide(round, part));
        let mut sums = vectors.wide(&[0.0; WIDTH], part);
        for kept in kept {
            let (fours, rest) = lines[kept.clone()].as_chunks::<4>();
            for four in fours {
                ahead.ask::<V, SUMMED>(vectors);
                for line in four {
                    vectors.add_bits(vectors.load(line, part), &mut sums, &scale, &round);
                }
            }
            for line in rest {
                vectors.add_bits(vectors.load(line, part), &mut sums, &scale, &round);
            }
        }
        vectors.store_bits(&sums, &mut bits, part);
    }
    let mut sums = [0.0; WIDTH];
    for c in 0..WIDTH {
        let excess = (round[c].to_bits() as i64).wrapping_mul(count as i64);
        let unit = f64::from_bits(round[c].to_bits() + 1) - round[c];
        sums[c] = bits[c].wrapping_sub(excess) as f64 * unit;
    }
    sums
}

/// The number 1.5 · 2^52 q, whose sum with a value is rounded to a multiple of q and has bits that count these
/// multiples: q is the smallest power of two for which `count` values up to `largest` in magnitude can be added so.
#[inline(always)]
fn rounding(largest: f64, count: usize) -> f64 {
    // Values stay below 2^51 multiples, sums of `count` of them below 2^62.
    let room = 51.min(62 - (usize::BITS - count.leading_zeros()) as u64);
    let exponent = (largest.to_bits() >> 52) + 1;
    f64::from_bits((exponent + 52 - room) << 52 | 1 << 51)
}

/// Mean of the `keep` values of sorted columns that are nearest to the median.
#[inline(always)]
pub(super) fn around<T: Number, V: Vectors<T>>(
    vectors: V,
    sorted: &[Line<T::Key>],
    keep: usize,
    ahead: &mut Ahead<'_, '_, T>,
) -> [T; WIDTH] {
    let n = sorted.len();
    let extremes = scales::<T>(&values::<T>(&sorted[0]), &values::<T>(&sorted[n - 1]));
    let middle = mean::<T, V, f64>(vectors, sorted, std::slice::from_ref(&((n - 1) / 2..n / 2 + 1)), ahead);
    // The nearest values are neighbours in the sorted column. They begin behind every value that is further from the
    // median than the one `keep` ranks above it. Counted in `f64`, which vectorises. Halving keeps distances of huge values finite.
    let mut begin = [0.0; WIDTH];
    for (low, high) in sorted[..n - keep].iter().zip(&sorted[keep..]) {
        for c in 0..WIDTH {
            let half = if extremes[c] < 1.0 { 0.5 } else { 1.0 };
            let below = middle[c] * half - T::value(low.0[c]) * half;
            let above = T::value(high.0[c]) * half - middle[c] * half;
            begin[c] += if below > above { 1.0 } else { 0.0 };
        }
    }
    let (mut smallest, mut largest) = ([0.0; WIDTH], [0.0; WIDTH]);
    for (rank, line) in sorted.iter().enumerate() {
        for c in 0..WIDTH {
            let value = T::value(line.0[c]);
            smallest[c] = if rank as f64 == begin[c] { value } else { smallest[c] };
            largest[c] = if (rank + 1) as f64 == begin[c] + keep as f64 { value } else { largest[c] };
        }
    }
    let scales = scales::<T>(&smallest, &largest);
    let mut sums = [0.0; WIDTH];
    for (rank, line) in sorted.iter().enumerate() {
        for c in 0..WIDTH {
            let place = rank as f64 - begin[c];
            let kept = (place >= 0.0) & (place < keep as f64);
            sums[c] += if kept { T::value(line.0[c]) * scales[c] } else { 0.0 };
        }
    }
    quotients(&sums, keep, &scales, &smallest, &largest)
}

/// Means of `count` values between `smallest` and `largest`, from their scaled sums.
#[inline(always)]
fn quotients<T: Number>(
    sums: &Columns,
    count: usize,
    scales: &Columns,
    smallest: &Columns,
    largest: &Columns,
) -> [T; WIDTH] {
    let mut means = [T::nearest(0.0); WIDTH];
    for c in 0..WIDTH {
        let mean = sums[c] / count as f64 / scales[c];
        let mean = if mean < smallest[c] { smallest[c] } else { mean };
        let mean = if mean > largest[c] { largest[c] } else { mean };
        // -0 becomes +0.
        means[c] = T::nearest(mean + 0.0);
    }
    means
}
