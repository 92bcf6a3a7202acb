//! Sixteen integer columns in vector registers, with the one operation of a sorting network.

use super::{Line, WIDTH};

/// Some of the columns of a [`Line`], in one register or an array.
pub(super) trait Vector<K>: Copy {
    /// Vectors in a line.
    const PARTS: usize;
    /// The largest key in every column.
    fn top() -> Self;
    /// Vector `part` of a line.
    fn load(line: &Line<K>, part: usize) -> Self;
    /// Writes vector `part` of a line.
    fn store(self, line: &mut Line<K>, part: usize);
    /// The smaller and the larger of each column.
    fn sort2(self, other: Self) -> (Self, Self);
}

/// Columns as an array: for every CPU, and what the others are held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable<K>([K; WIDTH]);

macro_rules! portable {
    ($key:ty) => {
        impl Vector<$key> for Portable<$key> {
            const PARTS: usize = 1;
            #[inline(always)]
            fn top() -> Self {
                Self([<$key>::MAX; WIDTH])
            }
            #[inline(always)]
            fn load(line: &Line<$key>, _: usize) -> Self {
                Self(line.0)
            }
            #[inline(always)]
            fn store(self, line: &mut Line<$key>, _: usize) {
                line.0 = self.0;
            }
            #[inline(always)]
            fn sort2(self, other: Self) -> (Self, Self) {
                let smaller = std::array::from_fn(|i| self.0[i].min(other.0[i]));
                let larger = std::array::from_fn(|i| self.0[i].max(other.0[i]));
                (Self(smaller), Self(larger))
            }
        }
    };
}

portable!(i32);
portable!(i64);

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
    // asked for their features; loads and stores are unaligned and stay inside the line, because `part < PARTS`.
    macro_rules! vector {
        ($vector:ident, $key:ty, $set1:ident, $load:ident, $store:ident, $sort2:expr) => {
            impl Vector<$key> for $vector<$key> {
                const PARTS: usize = size_of::<Line<$key>>() / size_of::<Self>();
                #[inline(always)]
                fn top() -> Self {
                    // SAFETY: as said above the implementations.
                    Self(unsafe { $set1(<$key>::MAX) }, PhantomData)
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
                fn sort2(self, other: Self) -> (Self, Self) {
                    // SAFETY: as said above the implementations.
                    let (smaller, larger) = unsafe { $sort2(self.0, other.0) };
                    (Self(smaller, PhantomData), Self(larger, PhantomData))
                }
            }
        };
    }

    vector!(Avx512, i32, _mm512_set1_epi32, _mm512_loadu_si512, _mm512_storeu_si512, |a, b| {
        (_mm512_min_epi32(a, b), _mm512_max_epi32(a, b))
    });
    vector!(Avx512, i64, _mm512_set1_epi64, _mm512_loadu_si512, _mm512_storeu_si512, |a, b| {
        (_mm512_min_epi64(a, b), _mm512_max_epi64(a, b))
    });
    vector!(Avx2, i32, _mm256_set1_epi32, _mm256_loadu_si256, _mm256_storeu_si256, |a, b| {
        (_mm256_min_epi32(a, b), _mm256_max_epi32(a, b))
    });
    vector!(Avx2, i64, _mm256_set1_epi64x, _mm256_loadu_si256, _mm256_storeu_si256, |a, b| {
        let greater = _mm256_cmpgt_epi64(a, b);
        (_mm256_blendv_epi8(a, b, greater), _mm256_blendv_epi8(b, a, greater))
    });
}
