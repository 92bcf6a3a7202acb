//! Sixteen integer columns in vector registers, with the one operation of a sorting network.

use super::number::Number;
use super::{Line, WIDTH};
use sottovoce_core::lanes::Portable;

/// Proof that this CPU has one kind of vectors, and what they do. A vector holds some of the columns of a [`Line`].
pub(super) trait Vectors<T: Number>: Copy {
    /// Vectors in a line.
    const PARTS: usize;
    /// Columns of a vector.
    const COLUMNS: usize = WIDTH / Self::PARTS;
    /// A register, or an array.
    type Vector: Copy;
    /// The largest key in every column.
    fn top(self) -> Self::Vector;
    /// Vector `part` of the keys of numbers.
    fn keys(self, values: &[T; WIDTH], part: usize) -> Self::Vector;
    /// Vector `part` of a line.
    fn load(self, line: &Line<T::Key>, part: usize) -> Self::Vector;
    /// Writes vector `part` of a line.
    fn store(self, v: Self::Vector, line: &mut Line<T::Key>, part: usize);
    /// The smaller of each column.
    fn smaller(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The larger of each column.
    fn larger(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The smaller and the larger of each column.
    #[inline(always)]
    fn sort2(self, a: Self::Vector, b: Self::Vector) -> (Self::Vector, Self::Vector) {
        (self.smaller(a, b), self.larger(a, b))
    }
    /// The columns as `f64`, or as many integers of 64 bits.
    type Wide: Copy;
    /// Vector `part` of sixteen numbers.
    fn wide(self, numbers: &[f64; WIDTH], part: usize) -> Self::Wide;
    /// Adds the bits of `numbers * scale + round` to the integers `sums`. The scale counts for numbers that have one,
    /// see [`Number::scale`].
    fn add_bits(self, numbers: Self::Vector, sums: &mut Self::Wide, scale: &Self::Wide, round: &Self::Wide);
    /// Writes vector `part` of the integers.
    fn store_bits(self, sums: &Self::Wide, to: &mut [i64; WIDTH], part: usize);
    /// Asks for the cache line at an address, which may be any.
    fn prefetch(self, from: *const T);
}

/// Four columns as an array.
impl<T: Number> Vectors<T> for Portable {
    const PARTS: usize = WIDTH / 4;
    type Vector = [T::Key; 4];
    #[inline(always)]
    fn top(self) -> [T::Key; 4] {
        [T::TOP; 4]
    }
    #[inline(always)]
    fn keys(self, values: &[T; WIDTH], part: usize) -> [T::Key; 4] {
        std::array::from_fn(|i| values[4 * part + i].key())
    }
    #[inline(always)]
    fn load(self, line: &Line<T::Key>, part: usize) -> [T::Key; 4] {
        std::array::from_fn(|i| line.0[4 * part + i])
    }
    #[inline(always)]
    fn store(self, v: [T::Key; 4], line: &mut Line<T::Key>, part: usize) {
        line.0[4 * part..][..4].copy_from_slice(&v);
    }
    #[inline(always)]
    fn smaller(self, a: [T::Key; 4], b: [T::Key; 4]) -> [T::Key; 4] {
        std::array::from_fn(|i| a[i].min(b[i]))
    }
    #[inline(always)]
    fn larger(self, a: [T::Key; 4], b: [T::Key; 4]) -> [T::Key; 4] {
        std::array::from_fn(|i| a[i].max(b[i]))
    }
    type Wide = [f64; 4];
    #[inline(always)]
    fn wide(self, numbers: &[f64; WIDTH], part: usize) -> [f64; 4] {
        std::array::from_fn(|i| numbers[4 * part + i])
    }
    #[inline(always)]
    fn add_bits(self, numbers: [T::Key; 4], sums: &mut [f64; 4], scale: &[f64; 4], round: &[f64; 4]) {
        for i in 0..4 {
            let rounded = T::value(numbers[i]) * scale[i] + round[i];
            sums[i] = f64::from_bits(sums[i].to_bits().wrapping_add(rounded.to_bits()));
        }
    }
    #[inline(always)]
    fn store_bits(self, sums: &[f64; 4], to: &mut [i64; WIDTH], part: usize) {
        for i in 0..4 {
            to[4 * part + i] = sums[i].to_bits() as i64;
        }
    }
    #[inline(always)]
    fn prefetch(self, _: *const T) {}
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Line, Vectors, WIDTH};
    use sottovoce_core::lanes::{Avx2, Avx512};
    use std::arch::x86_64::*;

    // SAFETY of these implementations: each takes the proof that the CPU has the features; loads and stores are unaligned
    // and stay inside the line, because `part < PARTS`; a prefetch does nothing that could be noticed.
    macro_rules! vectors {
        (
            $proof:ty, $vector:ty, $float:ty, $key:ty, $set1:ident, $load:ident, $store:ident,
            $flip:expr, $smaller:expr, $larger:expr,
            [$double:ty; $doubles:literal], $load_pd:ident, $store_pd:ident, $widen:expr, $add_bits:expr
        ) => {
            impl Vectors<$float> for $proof {
                const PARTS: usize = size_of::<Line<$key>>() / size_of::<$vector>();
                type Vector = $vector;
                #[inline(always)]
                fn top(self) -> $vector {
                    // SAFETY: as said above the implementations.
                    unsafe { $set1(<$key>::MAX) }
                }
                #[inline(always)]
                fn keys(self, values: &[$float; WIDTH], part: usize) -> $vector {
                    let from = values[part * <Self as Vectors<$float>>::COLUMNS..]
                        [..<Self as Vectors<$float>>::COLUMNS]
                        .as_ptr();
                    // SAFETY: as said above the implementations.
                    unsafe { $flip($load(from.cast())) }
                }
                #[inline(always)]
                fn load(self, line: &Line<$key>, part: usize) -> $vector {
                    let from = line.0[part * <Self as Vectors<$float>>::COLUMNS..]
                        [..<Self as Vectors<$float>>::COLUMNS]
                        .as_ptr();
                    // SAFETY: as said above the implementations.
                    unsafe { $load(from.cast()) }
                }
                #[inline(always)]
                fn store(self, v: $vector, line: &mut Line<$key>, part: usize) {
                    let to = line.0[part * <Self as Vectors<$float>>::COLUMNS..]
                        [..<Self as Vectors<$float>>::COLUMNS]
                        .as_mut_ptr();
                    // SAFETY: as said above the implementations.
                    unsafe { $store(to.cast(), v) }
                }
                #[inline(always)]
                fn smaller(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: as said above the implementations.
                    unsafe { $smaller(a, b) }
                }
                #[inline(always)]
                fn larger(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: as said above the implementations.
                    unsafe { $larger(a, b) }
                }
                type Wide = [$double; $doubles];
                #[inline(always)]
                fn wide(self, numbers: &[f64; WIDTH], part: usize) -> Self::Wide {
                    let from = &numbers[part * <Self as Vectors<$float>>::COLUMNS..]
                        [..<Self as Vectors<$float>>::COLUMNS];
                    // SAFETY: as said above the implementations; a register takes as many numbers as are left.
                    let first = unsafe { $load_pd(from.as_ptr()) };
                    let mut wide = [first; $doubles];
                    for (wide, from) in wide.iter_mut().zip(from.chunks_exact(from.len() / $doubles)) {
                        // SAFETY: as above.
                        *wide = unsafe { $load_pd(from.as_ptr()) };
                    }
                    wide
                }
                #[inline(always)]
                fn add_bits(
                    self,
                    numbers: $vector,
                    sums: &mut Self::Wide,
                    scale: &Self::Wide,
                    round: &Self::Wide,
                ) {
                    // SAFETY: as said above the implementations.
                    let numbers: Self::Wide = unsafe { $widen($flip(numbers)) };
                    for i in 0..$doubles {
                        // SAFETY: as said above the implementations.
                        sums[i] = unsafe { $add_bits(sums[i], numbers[i], scale[i], round[i]) };
                    }
                }
                #[inline(always)]
                fn store_bits(self, sums: &Self::Wide, to: &mut [i64; WIDTH], part: usize) {
                    let to = &mut to[part * <Self as Vectors<$float>>::COLUMNS..]
                        [..<Self as Vectors<$float>>::COLUMNS];
                    for (to, sums) in
                        to.chunks_exact_mut(<Self as Vectors<$float>>::COLUMNS / $doubles).zip(sums)
                    {
                        // SAFETY: as said above the implementations; a register fills as many numbers as are left.
                        unsafe { $store_pd(to.as_mut_ptr().cast(), *sums) }
                    }
                }
                #[inline(always)]
                fn prefetch(self, from: *const $float) {
                    // SAFETY: as said above the implementations.
                    unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
                }
            }
        };
    }

    /// a ^ (b & c), the table of its values.
    const FLIP: i32 = 0b0111_1000;

    // Keys and numbers are made from each other by the same operation, see `Number::key`. Written with masks, the
    // compiler would make a slower one of it.
    vectors!(
        Avx512,
        __m512i,
        f32,
        i32,
        _mm512_set1_epi32,
        _mm512_loadu_si512,
        _mm512_storeu_si512,
        |v| _mm512_ternarylogic_epi32::<FLIP>(v, _mm512_srai_epi32::<31>(v), _mm512_set1_epi32(i32::MAX)),
        _mm512_min_epi32,
        _mm512_max_epi32,
        [__m512d; 2],
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        |v| {
            let v = _mm512_castsi512_ps(v);
            [_mm512_cvtps_pd(_mm512_castps512_ps256(v)), _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(v))]
        },
        |sum, number, _, round| {
            let bits = _mm512_castpd_si512(_mm512_add_pd(number, round));
            _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(sum), bits))
        }
    );
    vectors!(
        Avx512,
        __m512i,
        f64,
        i64,
        _mm512_set1_epi64,
        _mm512_loadu_si512,
        _mm512_storeu_si512,
        |v| _mm512_ternarylogic_epi64::<FLIP>(v, _mm512_srai_epi64::<63>(v), _mm512_set1_epi64(i64::MAX)),
        _mm512_min_epi64,
        _mm512_max_epi64,
        [__m512d; 1],
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        |v| [_mm512_castsi512_pd(v)],
        |sum, number, scale, round| {
            let bits = _mm512_castpd_si512(_mm512_add_pd(_mm512_mul_pd(number, scale), round));
            _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(sum), bits))
        }
    );
    vectors!(
        Avx2,
        __m256i,
        f32,
        i32,
        _mm256_set1_epi32,
        _mm256_loadu_si256,
        _mm256_storeu_si256,
        |v| _mm256_xor_si256(v, _mm256_srli_epi32::<1>(_mm256_srai_epi32::<31>(v))),
        _mm256_min_epi32,
        _mm256_max_epi32,
        [__m256d; 2],
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        |v| {
            let v = _mm256_castsi256_ps(v);
            [_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(v))]
        },
        |sum, number, _, round| {
            let bits = _mm256_castpd_si256(_mm256_add_pd(number, round));
            _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(sum), bits))
        }
    );
    vectors!(
        Avx2,
        __m256i,
        f64,
        i64,
        _mm256_set1_epi64x,
        _mm256_loadu_si256,
        _mm256_storeu_si256,
        |v| _mm256_xor_si256(v, _mm256_srli_epi64::<1>(_mm256_cmpgt_epi64(_mm256_setzero_si256(), v))),
        |a, b| _mm256_blendv_epi8(a, b, _mm256_cmpgt_epi64(a, b)),
        |a, b| _mm256_blendv_epi8(b, a, _mm256_cmpgt_epi64(a, b)),
        [__m256d; 1],
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        |v| [_mm256_castsi256_pd(v)],
        |sum, number, scale, round| {
            let bits = _mm256_castpd_si256(_mm256_add_pd(_mm256_mul_pd(number, scale), round));
            _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(sum), bits))
        }
    );
}
