//! What a sorted column comes to: one number.

use super::{Line, WIDTH};
use std::fmt::Debug;

/// A float and the integer that sorts like it.
pub trait Number: Copy + Send + Sync + Debug + 'static {
    /// Ordered as the numbers are: -NaN, -∞, …, -0, +0, …, ∞, NaN.
    type Key: Copy + Ord + Send + Debug;
    /// 2^-64 for a column whose sum could overflow `f64`, else 1.
    fn scale(largest: f64) -> f64;
    /// The key.
    fn key(self) -> Self::Key;
    /// The number of a key, as `f64`.
    fn value(key: Self::Key) -> f64;
    /// Whether a key is that of a finite number.
    fn finite(key: Self::Key) -> bool;
    /// The nearest of this type.
    fn nearest(value: f64) -> Self;
}

macro_rules! number {
    ($float:ty, $bits:ty, $key:ty, $scale:expr) => {
        impl Number for $float {
            type Key = $key;
            #[inline(always)]
            fn scale(largest: f64) -> f64 {
                $scale(largest)
            }
            #[inline(always)]
            fn key(self) -> $key {
                let bits = self.to_bits() as $key;
                bits ^ ((bits >> (<$key>::BITS - 1)) & <$key>::MAX)
            }
            #[inline(always)]
            fn value(key: $key) -> f64 {
                f64::from(<$float>::from_bits((key ^ ((key >> (<$key>::BITS - 1)) & <$key>::MAX)) as $bits))
            }
            #[inline(always)]
            fn finite(key: $key) -> bool {
                key >= (-<$float>::MAX).key() && key <= <$float>::MAX.key()
            }
            #[inline(always)]
            fn nearest(value: f64) -> Self {
                value as $float
            }
        }
    };
}

number!(f32, u32, i32, |_| 1.0);
number!(f64, u64, i64, |largest| if largest >= HUGE { TINY_SCALE } else { 1.0 });

const HUGE: f64 = f64::from_bits((959 + 1023) << 52); // 2^959
const TINY_SCALE: f64 = f64::from_bits((1023 - 64) << 52); // 2^-64

/// How to fold a sorted column.
#[derive(Debug, Clone, Copy)]
pub enum Fold {
    /// Mean of the values of ranks `from..to`.
    Mean { from: usize, to: usize },
    /// Mean of the `keep` values nearest to the median.
    Around { keep: usize },
}

/// Whether all values of the sorted columns are finite.
#[inline(always)]
pub(super) fn finite<T: Number>(sorted: &[Line<T::Key>]) -> bool {
    let (first, last) = (sorted[0], sorted[sorted.len() - 1]);
    (0..WIDTH).fold(true, |all, c| all & T::finite(first.0[c]) & T::finite(last.0[c]))
}

/// Folds sorted columns of finite values.
#[inline(always)]
pub(super) fn fold<T: Number>(sorted: &[Line<T::Key>], by: Fold) -> [T; WIDTH] {
    match by {
        Fold::Mean { from, to } => mean::<T, T>(&sorted[from..to]),
        Fold::Around { keep } => around::<T>(sorted, keep),
    }
}

type Columns = [f64; WIDTH];

#[inline(always)]
fn values<T: Number>(line: &Line<T::Key>) -> Columns {
    std::array::from_fn(|c| T::value(line.0[c]))
}

/// [`Number::scale`] for columns of values between `smallest` and `largest`.
#[inline(always)]
fn scales<T: Number>(smallest: &Columns, largest: &Columns) -> Columns {
    std::array::from_fn(|c| T::scale(smallest[c].abs().max(largest[c].abs())))
}

/// Mean of each column.
#[inline(always)]
fn mean<T: Number, Out: Number>(sorted: &[Line<T::Key>]) -> [Out; WIDTH] {
    let (smallest, largest) = (values::<T>(&sorted[0]), values::<T>(&sorted[sorted.len() - 1]));
    let scales = scales::<T>(&smallest, &largest);
    let mut sums = [0.0; WIDTH];
    for line in sorted {
        for c in 0..WIDTH {
            sums[c] += T::value(line.0[c]) * scales[c];
        }
    }
    quotients(&sums, sorted.len(), &scales, &smallest, &largest)
}

/// Mean of the `keep` values nearest to the median.
#[inline(always)]
fn around<T: Number>(sorted: &[Line<T::Key>], keep: usize) -> [T; WIDTH] {
    let n = sorted.len();
    let extremes = scales::<T>(&values::<T>(&sorted[0]), &values::<T>(&sorted[n - 1]));
    let middle = mean::<T, f64>(&sorted[(n - 1) / 2..n / 2 + 1]);
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
