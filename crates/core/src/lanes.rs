//! Sixteen `f32` columns that move together: one AVX-512 register, two of AVX2, four of SSE2, or an array.
//!
//! All implementations give the same bits: each column is its own IEEE operation, products and sums are never
//! fused, and columns are folded in one fixed order. A kernel generic over [`Lanes`] is compiled for each of them
//! by [`dispatch!`](crate::dispatch).

use std::ops::AddAssign;

/// Number of columns.
pub const LANES: usize = 16;

/// Sixteen columns of `f32`.
pub trait Lanes: Copy {
    /// The same number in every column.
    fn splat(x: f32) -> Self;
    /// Columns from memory.
    fn load(from: &[f32; LANES]) -> Self;
    /// Columns to memory.
    fn store(self, to: &mut [f32; LANES]);
    /// Column-wise sum.
    fn add(self, other: Self) -> Self;
    /// Column-wise difference.
    fn sub(self, other: Self) -> Self;
    /// Column-wise product.
    fn mul(self, other: Self) -> Self;
    /// `self + a · b`, product and sum rounded one after the other.
    #[inline(always)]
    fn add_product(self, a: Self, b: Self) -> Self {
        self.add(a.mul(b))
    }
    /// Sum of all columns: column `i` and `i + 8`, then `i + 4`, `i + 2`, `i + 1`.
    fn fold(self) -> f32;
}

/// Sum of `N` columns, a power of two: each and its partner in the other half, until one is left.
#[inline(always)]
pub fn fold<T: Copy + AddAssign, const N: usize>(mut columns: [T; N]) -> T {
    let mut half = N / 2;
    while half > 0 {
        for i in 0..half {
            let partner = columns[i + half];
            columns[i] += partner;
        }
        half /= 2;
    }
    columns[0]
}

/// Columns as an array: for every CPU, and what the others are held against.
#[derive(Debug, Clone, Copy)]
pub struct Portable([f32; LANES]);

impl Lanes for Portable {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; LANES])
    }
    #[inline(always)]
    fn load(from: &[f32; LANES]) -> Self {
        Self(*from)
    }
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        *to = self.0;
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }
    #[inline(always)]
    fn fold(self) -> f32 {
        fold(self.0)
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512, Sse2};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, Lanes};
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

    /// Four registers of SSE2, which every x86-64 has.
    #[derive(Debug, Clone, Copy)]
    pub struct Sse2([__m128; 4]);

    impl Lanes for Sse2 {
        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: SSE2 is part of every x86-64.
            Self([unsafe { _mm_set1_ps(x) }; 4])
        }
        #[inline(always)]
        fn load(from: &[f32; LANES]) -> Self {
            // SAFETY: four numbers from 4i on lie inside the sixteen; unaligned loads.
            Self(std::array::from_fn(|i| unsafe { _mm_loadu_ps(from.as_ptr().add(4 * i)) }))
        }
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

    /// Two registers of AVX2. Only [`dispatch!`](crate::dispatch) names it, after asking the CPU.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx2([__m256; 2]);

    // SAFETY of this implementation: values of the type exist only in code that `dispatch!` reaches after it has
    // found AVX2; loads and stores are unaligned and stay inside the sixteen numbers.
    impl Lanes for Avx2 {
        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: as said above the implementation.
            Self([unsafe { _mm256_set1_ps(x) }; 2])
        }
        #[inline(always)]
        fn load(from: &[f32; LANES]) -> Self {
            let at = from.as_ptr();
            // SAFETY: as said above the implementation.
            unsafe { Self([_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(8))]) }
        }
        #[inline(always)]
        fn store(self, to: &mut [f32; LANES]) {
            let at = to.as_mut_ptr();
            // SAFETY: as said above the implementation.
            unsafe {
                _mm256_storeu_ps(at, self.0[0]);
                _mm256_storeu_ps(at.add(8), self.0[1]);
            }
        }
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: as said above the implementation.
            unsafe { Self([_mm256_add_ps(self.0[0], other.0[0]), _mm256_add_ps(self.0[1], other.0[1])]) }
        }
        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            // SAFETY: as said above the implementation.
            unsafe { Self([_mm256_sub_ps(self.0[0], other.0[0]), _mm256_sub_ps(self.0[1], other.0[1])]) }
        }
        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            // SAFETY: as said above the implementation.
            unsafe { Self([_mm256_mul_ps(self.0[0], other.0[0]), _mm256_mul_ps(self.0[1], other.0[1])]) }
        }
        #[inline(always)]
        fn fold(self) -> f32 {
            // SAFETY: as said above the implementation.
            unsafe {
                let eight = _mm256_add_ps(self.0[0], self.0[1]);
                fold4(_mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight)))
            }
        }
    }

    /// One register of AVX-512. Only [`dispatch!`](crate::dispatch) names it, after asking the CPU.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx512(__m512);

    // SAFETY of this implementation: values of the type exist only in code that `dispatch!` reaches after it has
    // found AVX-512 F and DQ; loads and stores are unaligned and stay inside the sixteen numbers.
    impl Lanes for Avx512 {
        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: as said above the implementation.
            Self(unsafe { _mm512_set1_ps(x) })
        }
        #[inline(always)]
        fn load(from: &[f32; LANES]) -> Self {
            // SAFETY: as said above the implementation.
            Self(unsafe { _mm512_loadu_ps(from.as_ptr()) })
        }
        #[inline(always)]
        fn store(self, to: &mut [f32; LANES]) {
            // SAFETY: as said above the implementation.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
        }
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: as said above the implementation.
            Self(unsafe { _mm512_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            // SAFETY: as said above the implementation.
            Self(unsafe { _mm512_sub_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            // SAFETY: as said above the implementation.
            Self(unsafe { _mm512_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn fold(self) -> f32 {
            // SAFETY: as said above the implementation.
            unsafe {
                let eight =
                    _mm256_add_ps(_mm512_castps512_ps256(self.0), _mm512_extractf32x8_ps::<1>(self.0));
                fold4(_mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight)))
            }
        }
    }
}

/// Compiles a kernel for AVX-512, AVX2 and the baseline, and calls the widest that the CPU has.
///
/// The kernel is generic over [`Lanes`] (`fn name<L>(…)`, with `L` standing for the columns, or `fn name<L, T: Trait>(…)`
/// with one more type) and consists of plain arithmetic and `#[inline(always)]` functions. It gives the same bits each time, because the compiler neither
/// fuses nor reorders floating-point operations.
///
/// ```
/// use sottovoce_core::lanes::{LANES, Lanes};
/// sottovoce_core::dispatch! {
///     /// Adds `x` to `acc`, sixteen columns at a time.
///     pub fn add<L>(acc: &mut [[f32; LANES]], x: &[[f32; LANES]]) {
///         for (a, b) in acc.iter_mut().zip(x) { L::load(a).add(L::load(b)).store(a); }
///     }
/// }
/// let mut acc = [[1.0; LANES]];
/// add(&mut acc, &[[2.0; LANES]]);
/// assert_eq!(acc, [[3.0; LANES]]);
/// ```
#[macro_export]
macro_rules! dispatch {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$lanes:ident $(, $g:ident: $bound:path)?>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name$(<$g: $bound>)?($($arg: $ty),*) $(-> $ret)? {
            // A kernel that the compiler vectorises by itself names no lanes.
            #[allow(clippy::too_many_arguments, clippy::extra_unused_type_parameters)]
            #[inline(always)]
            fn body<$lanes: $crate::lanes::Lanes $(, $g: $bound)?>($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2")]
                fn wide$(<$g: $bound>)?($($arg: $ty),*) $(-> $ret)? { body::<$crate::lanes::Avx512 $(, $g)?>($($arg),*) }
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx2")]
                fn medium$(<$g: $bound>)?($($arg: $ty),*) $(-> $ret)? { body::<$crate::lanes::Avx2 $(, $g)?>($($arg),*) }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                {
                    // SAFETY: the CPU has these features, as just detected.
                    return unsafe { wide$(::<$g>)?($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the CPU has this feature, as just detected.
                    return unsafe { medium$(::<$g>)?($($arg),*) };
                }
                body::<$crate::lanes::Sse2 $(, $g)?>($($arg),*)
            }
            #[cfg(not(target_arch = "x86_64"))]
            body::<$crate::lanes::Portable $(, $g)?>($($arg),*)
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::uniform_f32;
    use crate::stream::{Address, Purpose};

    #[inline(always)]
    fn everything<L: Lanes>(a: &[f32; LANES], b: &[f32; LANES], out: &mut [f32; LANES]) -> (f32, f32) {
        let (x, y) = (L::load(a), L::load(b));
        let z = x.add_product(y, L::splat(0.37)).mul(x).add(y).sub(x.mul(y));
        z.store(out);
        (z.fold(), x.fold())
    }

    type Kernel<'a> = dyn Fn(&[f32; LANES], &[f32; LANES], &mut [f32; LANES]) -> (f32, f32) + 'a;

    dispatch! {
        fn dispatched<L>(a: &[f32; LANES], b: &[f32; LANES], out: &mut [f32; LANES]) -> (f32, f32) {
            everything::<L>(a, b, out)
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn avx2(a: &[f32; LANES], b: &[f32; LANES], out: &mut [f32; LANES]) -> (f32, f32) {
        everything::<Avx2>(a, b, out)
    }

    #[test]
    fn every_implementation_gives_the_same_bits() {
        let mut s = Address::new(3, Purpose::Test).stream();
        let bits =
            |(out, (x, y)): ([f32; LANES], (f32, f32))| (out.map(f32::to_bits), x.to_bits(), y.to_bits());
        for _ in 0..500 {
            let mut draw = || std::array::from_fn(|_| uniform_f32(&mut s, -3.0, 3.0));
            let (a, b): ([f32; LANES], [f32; LANES]) = (draw(), draw());
            let run = |f: &Kernel<'_>| {
                let mut out = [0.0; LANES];
                let folds = f(&a, &b, &mut out);
                bits((out, folds))
            };
            let reference = run(&everything::<Portable>);
            assert_eq!(run(&dispatched), reference);
            #[cfg(target_arch = "x86_64")]
            {
                assert_eq!(run(&everything::<Sse2>), reference);
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the CPU has AVX2, as just detected.
                    assert_eq!(run(&|a, b, out| unsafe { avx2(a, b, out) }), reference);
                }
            }
        }
    }
}
