//! Sixteen integer columns in vector registers, with the one operation of a sorting network.

use super::number::Number;
use super::{Line, WIDTH};

/// Some of the columns of a [`Line`], in one register or an array.
pub(super) trait Vector<T: Number>: Copy {
    /// Vectors in a line.
    const PARTS: usize;
    /// The largest key in every column.
    fn top() -> Self;
    /// Vector `part` of the keys of numbers.
    fn keys(values: &[T; WIDTH], part: usize) -> Self;
    /// Vector `part` of a line.
    fn load(line: &Line<T::Key>, part: usize) -> Self;
    /// Writes vector `part` of a line.
    fn store(self, line: &mut Line<T::Key>, part: usize);
    /// The smaller of each column.
    fn smaller(self, other: Self) -> Self;
    /// The larger of each column.
    fn larger(self, other: Self) -> Self;
    /// The smaller and the larger of each column.
    #[inline(always)]
    fn sort2(self, other: Self) -> (Self, Self) {
        (self.smaller(other), self.larger(other))
    }
    /// The columns as `f64`, or as many integers of 64 bits.
    type Wide: Copy;
    /// Vector `part` of sixteen numbers.
    fn wide(numbers: &[f64; WIDTH], part: usize) -> Self::Wide;
    /// Adds the bits of `numbers * scale + round` to the integers `sums`. The scale counts for numbers that have one,
    /// see [`Number::scale`].
    fn add_bits(self, sums: &mut Self::Wide, scale: &Self::Wide, round: &Self::Wide);
    /// Writes vector `part` of the integers.
    fn store_bits(sums: &Self::Wide, to: &mut [i64; WIDTH], part: usize);
    /// Asks for the cache line at an address, which may be any.
    fn prefetch(from: *const T);
}

/// Four columns as an array: for every CPU, and what the others are held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable<K>([K; 4]);

impl<T: Number> Vector<T> for Portable<T::Key> {
    const PARTS: usize = WIDTH / 4;
    #[inline(always)]
    fn top() -> Self {
        Self([T::TOP; 4])
    }
    #[inline(always)]
    fn keys(values: &[T; WIDTH], part: usize) -> Self {
        Self(std::array::from_fn(|i| values[4 * part + i].key()))
    }
    #[inline(always)]
    fn load(line: &Line<T::Key>, part: usize) -> Self {
        Self(std::array::from_fn(|i| line.0[4 * part + i]))
    }
    #[inline(always)]
    fn store(self, line: &mut Line<T::Key>, part: usize) {
        line.0[4 * part..][..4].copy_from_slice(&self.0);
    }
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].min(other.0[i])))
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].max(other.0[i])))
    }
    type Wide = [f64; 4];
    #[inline(always)]
    fn wide(numbers: &[f64; WIDTH], part: usize) -> [f64; 4] {
        std::array::from_fn(|i| numbers[4 * part + i])
    }
    #[inline(always)]
    fn add_bits(self, sums: &mut [f64; 4], scale: &[f64; 4], round: &[f64; 4]) {
        for i in 0..4 {
            let rounded = T::value(self.0[i]) * scale[i] + round[i];
            sums[i] = f64::from_bits(sums[i].to_bits().wrapping_add(rounded.to_bits()));
        }
    }
    #[inline(always)]
    fn store_bits(sums: &[f64; 4], to: &mut [i64; WIDTH], part: usize) {
        for i in 0..4 {
            to[4 * part + i] = sums[i].to_bits() as i64;
        }
    }
    #[inline(always)]
    fn prefetch(_: *const T) {}
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Line, Vector, WIDTH};
    use std::arch::x86_64::*;
    use std::marker::PhantomData;

    /// One register of AVX-512. Only code that has asked the CPU names it.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super) struct Avx512<K>(__m512i, PhantomData<K>);

    /// One register of AVX2. Only code that has asked the CPU names it.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super) struct Avx2<K>(__m256i, PhantomData<K>);

    // SAFETY of these implementations: values of the types exist only in functions that are reached after the CPU was
    // asked for their features; loads and stores are unaligned and stay inside the line, because `part < PARTS`; a
    // prefetch does nothing that could be noticed.
    macro_rules! vector {
        (
            $vector:ident, $float:ty, $key:ty, $set1:ident, $load:ident, $store:ident,
            $flip:expr, $smaller:expr, $larger:expr,
            [$double:ty; $doubles:literal], $load_pd:ident, $store_pd:ident, $widen:expr, $add_bits:expr
        ) => {
            impl Vector<$float> for $vector<$key> {
                const PARTS: usize = size_of::<Line<$key>>() / size_of::<Self>();
                #[inline(always)]
                fn top() -> Self {
                    // SAFETY: as said above the implementations.
                    Self(unsafe { $set1(<$key>::MAX) }, PhantomData)
                }
                #[inline(always)]
                fn keys(values: &[$float; WIDTH], part: usize) -> Self {
                    let from = values[part * (WIDTH / Self::PARTS)..][..WIDTH / Self::PARTS].as_ptr();
                    // SAFETY: as said above the implementations.
                    Self(unsafe { $flip($load(from.cast())) }, PhantomData)
                }
                #[inline(always)]
                fn load(line: &Line<$key>, part: usize) -> Self {
                    let from = line.0[part * (WIDTH / Self::PARTS)..][..WIDTH / Self::PARTS].as_ptr();
                    // SAFETY: as said above the implementations.
                    Self(unsafe { $load(from.cast()) }, PhantomData)
                }
                #[inline(always)]
                fn store(self, line: &mut Line<$key>, part: usize) {
                    let to = line.0[part * (WIDTH / Self::PARTS)..][..WIDTH / Self::PARTS].as_mut_ptr();
                    // SAFETY: as said above the implementations.
                    unsafe { $store(to.cast(), self.0) }
                }
                #[inline(always)]
                fn smaller(self, other: Self) -> Self {
                    // SAFETY: as said above the implementations.
                    Self(unsafe { $smaller(self.0, other.0) }, PhantomData)
                }
                #[inline(always)]
                fn larger(self, other: Self) -> Self {
                    // SAFETY: as said above the implementations.
                    Self(unsafe { $larger(self.0, other.0) }, PhantomData)
                }
                type Wide = [$double; $doubles];
                #[inline(always)]
                fn wide(numbers: &[f64; WIDTH], part: usize) -> Self::Wide {
                    let from = &numbers[part * (WIDTH / Self::PARTS)..][..WIDTH / Self::PARTS];
                    let each = WIDTH / Self::PARTS / $doubles;
                    // SAFETY: as said above the implementations; a register takes as many numbers as are left.
                    std::array::from_fn(|i| unsafe { $load_pd(from[i * each..][..each].as_ptr()) })
                }
                #[inline(always)]
                fn add_bits(self, sums: &mut Self::Wide, scale: &Self::Wide, round: &Self::Wide) {
                    // SAFETY: as said above the implementations.
                    let numbers: Self::Wide = unsafe { $widen($flip(self.0)) };
                    for i in 0..$doubles {
                        // SAFETY: as said above the implementations.
                        sums[i] = unsafe { $add_bits(sums[i], numbers[i], scale[i], round[i]) };
                    }
                }
                #[inline(always)]
                fn store_bits(sums: &Self::Wide, to: &mut [i64; WIDTH], part: usize) {
                    let to = &mut to[part * (WIDTH / Self::PARTS)..][..WIDTH / Self::PARTS];
                    let each = WIDTH / Self::PARTS / $doubles;
                    for (to, sums) in to.chunks_exact_mut(each).zip(sums) {
                        // SAFETY: as said above the implementations; a register fills as many numbers as are left.
                        unsafe { $store_pd(to.as_mut_ptr().cast(), *sums) }
                    }
                }
                #[inline(always)]
                fn prefetch(from: *const $float) {
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
    vector!(
        Avx512,
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
    vector!(
        Avx512,
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
    vector!(
        Avx2,
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
    vector!(
        Avx2,
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
