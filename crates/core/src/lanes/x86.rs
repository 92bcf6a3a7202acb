//! Columns in the registers of x86-64.

use super::{Columns, LANES, Lanes};
use std::arch::x86_64::*;

/// Folds four columns: `i` and `i + 2`, then `i` and `i + 1`.
#[inline(always)]
fn fold4(v: __m128) -> f32 {
    // SAFETY: SSE2 is part of every x86-64.
    unsafe {
        let two = _mm_add_ps(v, _mm_movehl_ps(v, v));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }
}

/// SSE2, which every x86-64 has.
#[derive(Debug, Clone, Copy)]
pub struct Sse2;

/// Four registers of SSE2.
#[derive(Debug, Clone, Copy)]
pub struct Sse2Columns([__m128; 4]);

impl Lanes for Sse2 {
    type Columns = Sse2Columns;
    #[inline(always)]
    fn splat(self, x: f32) -> Sse2Columns {
        // SAFETY: SSE2 is part of every x86-64.
        Sse2Columns([unsafe { _mm_set1_ps(x) }; 4])
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Sse2Columns {
        // SAFETY: four numbers from 4i on lie inside the sixteen; unaligned loads.
        Sse2Columns(std::array::from_fn(|i| unsafe { _mm_loadu_ps(from.as_ptr().add(4 * i)) }))
    }
}

impl Columns for Sse2Columns {
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        for (i, v) in self.0.into_iter().enumerate() {
            // SAFETY: four numbers from 4i on lie inside the sixteen; unaligned stores.
            unsafe { _mm_storeu_ps(to.as_mut_ptr().add(4 * i), v) }
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64.
        Self(std::array::from_fn(|i| unsafe { _mm_add_ps(self.0[i], other.0[i]) }))
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64.
        Self(std::array::from_fn(|i| unsafe { _mm_sub_ps(self.0[i], other.0[i]) }))
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of every x86-64.
        Self(std::array::from_fn(|i| unsafe { _mm_mul_ps(self.0[i], other.0[i]) }))
    }
    #[inline(always)]
    fn fold(self) -> f32 {
        let [a, b, c, d] = self.0;
        // SAFETY: SSE2 is part of every x86-64.
        fold4(unsafe { _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d)) })
    }
}

/// AVX2, on a CPU that has it.
///
/// Nobody makes one by hand:
///
/// ```compile_fail,E0423
/// let made = sottovoce_core::lanes::Avx2(());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// The proof, if this CPU has AVX2.
    #[inline(always)]
    pub fn detect() -> Option<Self> {
        if is_x86_feature_detected!("avx2") { Some(Self(())) } else { None }
    }
}

/// Two registers of AVX2.
#[derive(Debug, Clone, Copy)]
pub struct Avx2Columns([__m256; 2]);

// SAFETY of these implementations: a proof exists only on a CPU with AVX2, and columns are made of a proof or of other
// columns; loads and stores are unaligned and stay inside the sixteen numbers.
impl Lanes for Avx2 {
    type Columns = Avx2Columns;
    #[inline(always)]
    fn splat(self, x: f32) -> Avx2Columns {
        // SAFETY: as said above the implementations.
        Avx2Columns([unsafe { _mm256_set1_ps(x) }; 2])
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Avx2Columns {
        let at = from.as_ptr();
        // SAFETY: as said above the implementations.
        unsafe { Avx2Columns([_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(8))]) }
    }
}

impl Columns for Avx2Columns {
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        let at = to.as_mut_ptr();
        // SAFETY: as said above the implementations.
        unsafe {
            _mm256_storeu_ps(at, self.0[0]);
            _mm256_storeu_ps(at.add(8), self.0[1]);
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as said above the implementations.
        unsafe { Self([_mm256_add_ps(self.0[0], other.0[0]), _mm256_add_ps(self.0[1], other.0[1])]) }
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: as said above the implementations.
        unsafe { Self([_mm256_sub_ps(self.0[0], other.0[0]), _mm256_sub_ps(self.0[1], other.0[1])]) }
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: as said above the implementations.
        unsafe { Self([_mm256_mul_ps(self.0[0], other.0[0]), _mm256_mul_ps(self.0[1], other.0[1])]) }
    }
    #[inline(always)]
    fn fold(self) -> f32 {
        // SAFETY: as said above the implementations.
        unsafe {
            let eight = _mm256_add_ps(self.0[0], self.0[1]);
            fold4(_mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight)))
        }
    }
}

/// AVX-512 F, VL, BW and DQ, on a CPU that has them.
///
/// Nobody makes one by hand:
///
/// ```compile_fail,E0423
/// let made = sottovoce_core::lanes::Avx512(());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Avx512(());

impl Avx512 {
    /// The proof, if this CPU has all four.
    #[inline(always)]
    pub fn detect() -> Option<Self> {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
        {
            Some(Self(()))
        } else {
            None
        }
    }
}

/// One register of AVX-512.
#[derive(Debug, Clone, Copy)]
pub struct Avx512Columns(__m512);

// SAFETY of these implementations: a proof exists only on a CPU with AVX-512 F and DQ, and columns are made of a proof or
// of other columns; loads and stores are unaligned and stay inside the sixteen numbers.
impl Lanes for Avx512 {
    type Columns = Avx512Columns;
    #[inline(always)]
    fn splat(self, x: f32) -> Avx512Columns {
        // SAFETY: as said above the implementations.
        Avx512Columns(unsafe { _mm512_set1_ps(x) })
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Avx512Columns {
        // SAFETY: as said above the implementations.
        Avx512Columns(unsafe { _mm512_loadu_ps(from.as_ptr()) })
    }
}

impl Columns for Avx512Columns {
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        // SAFETY: as said above the implementations.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as said above the implementations.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: as said above the implementations.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: as said above the implementations.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn fold(self) -> f32 {
        // SAFETY: as said above the implementations.
        unsafe {
            let eight = _mm256_add_ps(_mm512_castps512_ps256(self.0), _mm512_extractf32x8_ps::<1>(self.0));
            fold4(_mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight)))
        }
    }
}
