//! Sixteen `f32` columns that move together: one AVX-512 register, two of AVX2, four of SSE2, or an array.
//!
//! All implementations give the same bits: each column is its own IEEE operation, products and sums are never
//! fused, and columns are folded in one fixed order. A kernel generic over [`Lanes`] is compiled for each of them
//! by [`dispatch!`](crate::dispatch).
//!
//! Columns are made by a proof that the CPU has the instructions which move them, and nothing but the CPU's own answer
//! makes that proof: safe code cannot run an instruction that the CPU does not have.

use std::ops::AddAssign;

/// Number of columns.
pub const LANES: usize = 16;

/// Proof that this CPU moves columns in one way or another; makes them.
pub trait Lanes: Copy {
    /// The columns.
    type Columns: Columns;
    /// The same number in every column.
    fn splat(self, x: f32) -> Self::Columns;
    /// Columns from memory.
    fn load(self, from: &[f32; LANES]) -> Self::Columns;
}

/// Sixteen columns of `f32`.
pub trait Columns: Copy {
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

/// Plain code, for every CPU: columns are an array. What the others are held against.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

impl Lanes for Portable {
    type Columns = [f32; LANES];
    #[inline(always)]
    fn splat(self, x: f32) -> [f32; LANES] {
        [x; LANES]
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> [f32; LANES] {
        *from
    }
}

impl Columns for [f32; LANES] {
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        *to = self;
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] + other[i])
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] - other[i])
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] * other[i])
    }
    #[inline(always)]
    fn fold(self) -> f32 {
        fold(self)
    }
}

#[cfg(target_arch = "x86_64")]
mod x86;
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512, Sse2};

/// Compiles a kernel for AVX-512, AVX2 and the baseline, and calls the widest that the CPU has.
///
/// The kernel is generic over [`Lanes`] and takes the proof as its first parameter, which callers leave out:
/// `fn name<L>(lanes: L, …)`, or `fn name<L, T: Trait>(lanes: L, …)` with one more type. One that the compiler vectorises
/// by itself needs neither: `fn name(…)`, `fn name<T: Trait>(…)`.
///
/// It consists of plain arithmetic, loops and `#[inline(always)]` functions. A closure is compiled for the baseline: where
/// it is not inlined, as in `array::from_fn` or `map` over columns, every instruction in it is a call and columns go
/// through memory. All kernels give the same bits, because the compiler neither fuses nor reorders floating-point
/// operations.
///
/// ```
/// use sottovoce_core::lanes::{Columns, LANES};
/// sottovoce_core::dispatch! {
///     /// Adds `x` to `acc`, sixteen columns at a time.
///     pub fn add<L>(lanes: L, acc: &mut [[f32; LANES]], x: &[[f32; LANES]]) {
///         for (a, b) in acc.iter_mut().zip(x) { lanes.load(a).add(lanes.load(b)).store(a); }
///     }
/// }
/// let mut acc = [[1.0; LANES]];
/// add(&mut acc, &[[2.0; LANES]]);
/// assert_eq!(acc, [[3.0; LANES]]);
/// ```
#[macro_export]
macro_rules! dispatch {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$lanes:ident $(, $g:ident: $bound:path)?>($proof:ident: $of:ident $(, $arg:ident: $ty:ty)* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name$(<$g: $bound>)?($($arg: $ty),*) $(-> $ret)? {
            #[allow(clippy::too_many_arguments)]
            #[inline(always)]
            fn body<$lanes: $crate::lanes::Lanes $(, $g: $bound)?>($proof: $of $(, $arg: $ty)*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::lanes::{Avx2, Avx512, Sse2};
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2")]
                fn wide$(<$g: $bound>)?(lanes: Avx512 $(, $arg: $ty)*) $(-> $ret)? { body::<Avx512 $(, $g)?>(lanes $(, $arg)*) }
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx2")]
                fn medium$(<$g: $bound>)?(lanes: Avx2 $(, $arg: $ty)*) $(-> $ret)? { body::<Avx2 $(, $g)?>(lanes $(, $arg)*) }
                if let Some(lanes) = Avx512::detect() {
                    // SAFETY: the CPU has these features: `lanes` proves it.
                    return unsafe { wide$(::<$g>)?(lanes $(, $arg)*) };
                }
                if let Some(lanes) = Avx2::detect() {
                    // SAFETY: the CPU has this feature: `lanes` proves it.
                    return unsafe { medium$(::<$g>)?(lanes $(, $arg)*) };
                }
                body::<Sse2 $(, $g)?>(Sse2 $(, $arg)*)
            }
            #[cfg(not(target_arch = "x86_64"))]
            body::<$crate::lanes::Portable $(, $g)?>($crate::lanes::Portable $(, $arg)*)
        }
    };
    ($(#[$meta:meta])* $vis:vis fn $name:ident$(<$g:ident: $bound:path>)?($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $crate::dispatch! {
            $(#[$meta])* $vis fn $name<Lanes $(, $g: $bound)?>(_lanes: Lanes $(, $arg: $ty)*) $(-> $ret)? $body
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::uniform_f32;
    use crate::stream::{Address, Purpose};

    #[inline(always)]
    fn everything<L: Lanes>(
        lanes: L,
        a: &[f32; LANES],
        b: &[f32; LANES],
        out: &mut [f32; LANES],
    ) -> (f32, f32) {
        let (x, y) = (lanes.load(a), lanes.load(b));
        let z = x.add_product(y, lanes.splat(0.37)).mul(x).add(y).sub(x.mul(y));
        z.store(out);
        (z.fold(), x.fold())
    }

    dispatch! {
        fn dispatched<L>(lanes: L, a: &[f32; LANES], b: &[f32; LANES], out: &mut [f32; LANES]) -> (f32, f32) {
            everything(lanes, a, b, out)
        }
    }

    #[test]
    fn every_implementation_gives_the_same_bits() {
        let mut s = Address::new(3, Purpose::Test).stream();
        for _ in 0..500 {
            let mut draw = || std::array::from_fn(|_| uniform_f32(&mut s, -3.0, 3.0));
            let (a, b): ([f32; LANES], [f32; LANES]) = (draw(), draw());
            let run = |f: &dyn Fn(&mut [f32; LANES]) -> (f32, f32)| {
                let mut out = [0.0; LANES];
                let (x, y) = f(&mut out);
                (out.map(f32::to_bits), x.to_bits(), y.to_bits())
            };
            let reference = run(&|out| everything(Portable, &a, &b, out));
            assert_eq!(run(&|out| dispatched(&a, &b, out)), reference);
            #[cfg(target_arch = "x86_64")]
            {
                assert_eq!(run(&|out| everything(Sse2, &a, &b, out)), reference);
                if let Some(lanes) = Avx2::detect() {
                    assert_eq!(run(&|out| everything(lanes, &a, &b, out)), reference);
                }
                if let Some(lanes) = Avx512::detect() {
                    assert_eq!(run(&|out| everything(lanes, &a, &b, out)), reference);
                }
            }
        }
    }
}
