//! The grid of the order-free sum: products are rounded to multiples of one power of two and added as integers.
//!
//! Integer addition is associative and commutative, so sums over a grid have the same bits for any order of rows,
//! any split over threads and any merge tree. Rounding is the addition of 1.5 · 2^52: to nearest, ties to even,
//! without a branch; it holds for magnitudes below 2^51 units.

pub(crate) mod by_column;
pub(crate) mod kernels;

use crate::stack::{Element, Stack};
pub(crate) use kernels::TOGETHER;
use rayon::prelude::*;
use sottovoce_core::{bytes, dispatch};
use std::array;
use std::borrow::Cow;
use std::ops::Range;

/// Products stay below this many units: the range in which adding [`ROUND`] rounds to integers.
pub(crate) const LARGEST: f64 = 2_251_799_813_685_248.0; // 2^51
pub(crate) const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 · 2^52
/// Coordinates that are worked on together: their sums stay in the second cache.
pub(crate) const BLOCK: usize = 8192;

/// Sums of products for one type of number.
pub trait Products: Copy + Send + Sync + PartialOrd + std::fmt::Debug + 'static {
    /// Bits of precision.
    const PRECISION: i32;
    /// Largest magnitude; infinity if a value is infinite or NaN.
    fn largest(values: &[Self]) -> f64;
    /// `sums[j] += Σᵢ round(rows[i][j] · factors[i])`, wrapping, for up to [`TOGETHER`] rows. Returns the largest
    /// magnitude of the values as [`largest`](Self::largest) does.
    fn add_products(sums: &mut [i64], rows: &[&[Self]], factors: &[f64]) -> f64;
    /// `out[j] = sums[j] / divisor · unit`.
    fn quotients(sums: &[i64], divisor: f64, unit: f64, out: &mut [Self]);
}

impl Products for f32 {
    const PRECISION: i32 = 24;
    fn largest(values: &[Self]) -> f64 {
        magnitude(bytes::largest_magnitude(&bytes::le_bytes(values)))
    }
    fn add_products(sums: &mut [i64], rows: &[&[Self]], factors: &[f64]) -> f64 {
        let bytes: [Cow<'_, [u8]>; TOGETHER] =
            array::from_fn(|i| rows.get(i).map_or(Cow::Borrowed(&[][..]), |row| bytes::le_bytes(row)));
        let rows: [&[u8]; TOGETHER] = array::from_fn(|i| &*bytes[i]);
        magnitude(kernels::add_f32(sums, &kernels::Rows { rows: &rows[..factors.len()], factors }))
    }
    fn quotients(sums: &[i64], divisor: f64, unit: f64, out: &mut [Self]) {
        quotients_f32(sums, divisor, unit, out);
    }
}

/// The magnitude with these bits; infinity for NaN.
fn magnitude(bits: u32) -> f64 {
    let value = f64::from(f32::from_bits(bits));
    if value.is_finite() { value } else { f64::INFINITY }
}

impl Products for f64 {
    const PRECISION: i32 = 53;
    fn largest(values: &[Self]) -> f64 {
        let value = Self::from_bits(largest_f64(values));
        if value.is_finite() { value } else { Self::INFINITY }
    }
    fn add_products(sums: &mut [i64], rows: &[&[Self]], factors: &[f64]) -> f64 {
        let mut largest: f64 = 0.0;
        for (row, factor) in rows.iter().zip(factors) {
            add_f64(sums, row, *factor);
            largest = largest.max(Self::largest(row));
        }
        largest
    }
    fn quotients(sums: &[i64], divisor: f64, unit: f64, out: &mut [Self]) {
        quotients_f64(sums, divisor, unit, out);
    }
}

dispatch! {
    fn quotients_f32(sums: &[i64], divisor: f64, unit: f64, out: &mut [f32]) {
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = (*sum as f64 / divisor * unit) as f32;
        }
    }
}

dispatch! {
    fn quotients_f64(sums: &[i64], divisor: f64, unit: f64, out: &mut [f64]) {
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = *sum as f64 / divisor * unit;
        }
    }
}

dispatch! {
    fn largest_f64(values: &[f64]) -> u64 {
        let mut largest = 0u64;
        for v in values {
            let magnitude = v.to_bits() & (u64::MAX >> 1);
            largest = if magnitude > largest { magnitude } else { largest };
        }
        largest
    }
}

dispatch! {
    fn add_f64(sums: &mut [i64], values: &[f64], factor: f64) {
        for (sum, value) in sums.iter_mut().zip(values) {
            let rounded = (value * factor + ROUND).to_bits() as i64;
            *sum = sum.wrapping_add(rounded.wrapping_sub(ROUND.to_bits() as i64));
        }
    }
}

/// Sizes of groups of at most [`TOGETHER`] rows, as equal as possible.
pub(crate) fn group_size(rows: usize) -> usize {
    rows.div_ceil(rows.div_ceil(TOGETHER).max(1)).max(1)
}

/// A grid on which up to `rows` products of magnitude up to `largest` can be added without overflow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    /// Units in 1: a power of two.
    pub(crate) scale: f64,
}

impl Grid {
    /// The grid of the streaming sum, which has to be known before the first value is: 2^-40.
    pub(crate) const STREAMING: Self = Self { scale: (1u64 << 40) as f64 };

    /// Whether `rows` products of magnitude up to `largest` can be added without overflow.
    pub(crate) fn holds(self, largest: f64, rows: usize) -> bool {
        largest * self.scale < LARGEST && (largest * self.scale + 1.0) * (rows as f64) < (1u64 << 62) as f64
    }

    /// `out[j] = sums[j] / divisor`, in the values' unit: the quotient is rounded once to `f64` and once to the type
    /// of the values.
    pub(crate) fn read<T: Products>(self, sums: &[i64], divisor: f64, out: &mut [T]) {
        T::quotients(sums, divisor, 1.0 / self.scale, out);
    }

    /// The finest grid, at most 2^-900, for `rows` products of magnitude up to `largest` (finite).
    pub(crate) fn fitting(largest: f64, rows: usize) -> Self {
        Self { scale: power_of_two((Self::room(rows) - Self::exponent(largest)).clamp(-1000, 900)) }
    }

    /// Bits of a product: products stay below 2^51 units, sums of `rows` of them below 2^62.
    fn room(rows: usize) -> i32 {
        51.min(62 - (usize::BITS - rows.leading_zeros()) as i32)
    }

    /// The least exponent, of those of normal numbers, with `largest` below 2^exponent.
    fn exponent(largest: f64) -> i32 {
        ((largest.to_bits() >> 52) & 0x7ff) as i32 - 1022
    }

    /// Whether a grid for products up to `largest` is as fine as every column needs: that of the streaming sum is, for
    /// values of this type.
    pub(crate) fn is_fine<T: Products>(largest: f64) -> bool {
        T::PRECISION <= 24 && largest < 2048.0
    }
}

/// 2^exponent, for exponents of normal numbers.
pub(crate) const fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// `sums[j] = Σᵢ round(rows[i][range][j] · factors[i])`. Returns the largest magnitude among the values.
pub(crate) fn sum_block<T: Element>(
    rows: &[&[T]],
    range: Range<usize>,
    factors: &[f64],
    sums: &mut [i64],
) -> f64 {
    sums.fill(0);
    let size = group_size(rows.len());
    let mut largest: f64 = 0.0;
    for (rows, factors) in rows.chunks(size).zip(factors.chunks(size)) {
        let pieces: [&[T]; TOGETHER] =
            array::from_fn(|i| rows.get(i).map_or(&[][..], |row| &row[range.clone()]));
        largest = largest.max(T::add_products(sums, &pieces[..rows.len()], factors));
    }
    largest
}

/// `out[j] = Σᵢ coefficients[i] · rows[i][range][j]`, each product rounded to `grid`: the same bits for any order of
/// rows. `sums` is scratch, at least as long as `range`.
pub(crate) fn combine_block<T: Element>(
    rows: &[&[T]],
    range: Range<usize>,
    coefficients: &[f64],
    grid: Grid,
    sums: &mut [i64],
    out: &mut [T],
) {
    let sums = &mut sums[..range.len()];
    let factors: Vec<f64> = coefficients.iter().map(|c| c * grid.scale).collect();
    sum_block(rows, range, &factors, sums);
    grid.read(sums, 1.0, out);
}

/// `Σᵢ coefficients[i] · row i`, in parallel over blocks; rows of coefficient 0 are not read. `largest` is the
/// stack's largest magnitude, and finite.
pub(crate) fn combine<T: Element>(stack: &Stack<'_, T>, coefficients: &[f64], largest: f64) -> Vec<T> {
    let (rows, coefficients): (Vec<&[T]>, Vec<f64>) =
        stack.rows().iter().zip(coefficients).filter(|(_, c)| **c != 0.0).map(|(row, c)| (*row, *c)).unzip();
    let most = coefficients.iter().fold(0.0, |most: f64, c| most.max(c.abs()));
    let grid = Grid::fitting(largest * most, rows.len());
    let mut out = vec![T::from_f64(0.0); stack.params()];
    if rows.is_empty() {
        return out;
    }
    if !Grid::is_fine::<T>(largest * most) {
        let finite = by_column::combine(&rows, &coefficients, 1.0, &mut out);
        debug_assert!(finite, "the caller has looked at the values");
        return out;
    }
    out.par_chunks_mut(BLOCK).enumerate().for_each_init(
        || vec![0i64; BLOCK],
        |sums, (block, out)| {
            let start = block * BLOCK;
            combine_block(&rows, start..start + out.len(), &coefficients, grid, sums, out);
        },
    );
    out
}
