//! Numbers as little-endian bytes, without a copy where the machine stores them that way.

use crate::dispatch;
use std::borrow::Cow;

/// A number of four bytes without padding: `f32`, `u32`.
pub trait Word: sealed::Sealed + Copy {
    /// Its bytes, the lowest first.
    fn le_bytes(self) -> [u8; 4];
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! word {
    ($($number:ty),*) => { $(
        impl sealed::Sealed for $number {}
        impl Word for $number {
            fn le_bytes(self) -> [u8; 4] {
                self.to_le_bytes()
            }
        }
    )* };
}

word!(f32, u32);

/// The little-endian bytes of `values`.
pub fn le_bytes<T: Word>(values: &[T]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        // SAFETY: any initialised word is four initialised bytes, u8 has no alignment, and the length in bytes
        // of an existing slice cannot overflow.
        Cow::Borrowed(unsafe {
            std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values))
        })
    } else {
        values.iter().flat_map(|v| v.le_bytes()).collect()
    }
}

/// The values behind little-endian bytes; a rest of fewer than four bytes is not read.
#[inline(always)]
pub fn f32s(bytes: &[u8]) -> impl ExactSizeIterator<Item = f32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c))
}

/// The numbers behind little-endian bytes; a rest of fewer than four bytes is not read.
#[inline(always)]
pub fn u32s(bytes: &[u8]) -> impl ExactSizeIterator<Item = u32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|c| u32::from_le_bytes(*c))
}

dispatch! {
    /// Largest bit pattern without the sign of the `f32` behind little-endian bytes: magnitudes order like their bits,
    /// infinity above all numbers and NaN above infinity.
    pub fn largest_magnitude(bytes: &[u8]) -> u32 {
        let mut largest = 0u32;
        for v in u32s(bytes) {
            let magnitude = v & 0x7fff_ffff;
            largest = if magnitude > largest { magnitude } else { largest };
        }
        largest
    }
}

dispatch! {
    /// Sum of the squares of the `f32` behind little-endian bytes: sixteen interleaved sums in `f64`, added at the end.
    pub fn squared_norm(bytes: &[u8]) -> f64 {
        let mut sums = [0.0f64; 16];
        let (blocks, rest) = bytes.as_chunks::<64>();
        for block in blocks {
            for (sum, v) in sums.iter_mut().zip(f32s(block)) {
                *sum += f64::from(v) * f64::from(v);
            }
        }
        let rest = f32s(rest).fold(0.0, |sum, v| sum + f64::from(v) * f64::from(v));
        sums.into_iter().fold(rest, |all, sum| all + sum)
    }
}
