//! Floats and the integers that sort like them.

use std::fmt::Debug;

/// A float and the integer that sorts like it.
pub trait Number: Copy + Send + Sync + Debug + 'static {
    /// Ordered as the numbers are: -NaN, -∞, …, -0, +0, …, ∞, NaN.
    type Key: Copy + Ord + Send + Sync + Debug;
    /// The largest key.
    const TOP: Self::Key;
    /// The NaN that has it.
    const LAST: Self;
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
            const TOP: $key = <$key>::MAX;
            const LAST: Self = Self::from_bits(<$key>::MAX as $bits);
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
