//! Combinations of rows in which every column has a grid of its own: a large number, as of a counter beside weights, does not
//! make the grid coarse for the others.
//!
//! The grid of a column is a function of the products in it, so the bits are the same for any order of rows. A result lies
//! within `2^-51` of the column's largest product for each row, up to 2,047 of them, and a bit less each time that number
//! doubles.

use super::{Grid, ROUND, power_of_two};
use crate::stack::Element;
use rayon::prelude::*;
use sottovoce_core::dispatch;

/// Bytes of a block of columns over all rows: it is read twice, the second time from the second cache.
const CACHED: usize = 1 << 18;
/// Columns of a block, at least and at most.
const COLUMNS: std::ops::RangeInclusive<usize> = 64..=2048;

/// `out[j] = Σᵢ coefficients[i] · rows[i][j] / divisor`. False, and `out` is nothing, if a value is not finite.
///
/// # Panics
/// If there are no rows, or not one coefficient for each.
pub(crate) fn combine<T: Element>(rows: &[&[T]], coefficients: &[f64], divisor: f64, out: &mut [T]) -> bool {
    assert!(rows.len() == coefficients.len() && !rows.is_empty(), "a coefficient for each row");
    // With coefficients of at most 1 no product overflows; what they are divided by is a power of two.
    let most = coefficients.iter().fold(0.0, |most: f64, c| most.max(c.abs()));
    let factor = power_of_two(Grid::exponent(most).clamp(-900, 900));
    let coefficients: Vec<f64> = coefficients.iter().map(|c| c / factor).collect();
    let width = (CACHED / (rows.len() * size_of::<T>())).clamp(*COLUMNS.start(), *COLUMNS.end());
    let finite: Vec<bool> = out
        .par_chunks_mut(width)
        .enumerate()
        .map_init(
            || Scratch::new(width),
            |scratch, (block, out)| {
                let range = block * width..block * width + out.len();
                let pieces = rows.iter().map(|row| &row[range.clone()]).zip(coefficients.iter().copied());
                scratch.combine(pieces, divisor, factor, out)
            },
        )
        .collect();
    finite.into_iter().all(|finite| finite)
}

/// What a block of columns needs: the largest magnitude of a product, the units in 1, and the sum of each column.
pub(crate) struct Scratch {
    largest: Vec<u64>,
    scales: Vec<f64>,
    sums: Vec<i64>,
}

impl Scratch {
    /// For up to that many columns.
    pub(crate) fn new(columns: usize) -> Self {
        Self { largest: vec![0; columns], scales: vec![0.0; columns], sums: vec![0; columns] }
    }

    /// `out[j] = factor · Σᵢ coefficients[i] · rows[i][j] / divisor`, rows as long as `out`, the factor a power of two and
    /// coefficients of at most 1. False, and `out` is nothing, if a value is not finite.
    pub(crate) fn combine<'a, T: Element>(
        &mut self,
        rows: impl ExactSizeIterator<Item = (&'a [T], f64)> + Clone,
        divisor: f64,
        factor: f64,
        out: &mut [T],
    ) -> bool {
        let room = Grid::room(rows.len());
        let largest = &mut self.largest[..out.len()];
        let (scales, sums) = (&mut self.scales[..out.len()], &mut self.sums[..out.len()]);
        largest.fill(0);
        for (row, coefficient) in rows.clone() {
            magnitudes(largest, row, coefficient);
        }
        let finite = largest.iter().all(|bits| f64::from_bits(*bits).is_finite());
        for (scale, bits) in scales.iter_mut().zip(&*largest) {
            let exponent = Grid::exponent(f64::from_bits(*bits));
            *scale = power_of_two((room - exponent).clamp(-1000, 900));
        }
        sums.fill(0);
        for (row, coefficient) in rows {
            add(sums, row, scales, coefficient);
        }
        for ((out, sum), scale) in out.iter_mut().zip(sums).zip(scales) {
            *out = T::from_f64(*sum as f64 / divisor / *scale * factor);
        }
        finite
    }
}

dispatch! {
    /// The largest magnitude of a product in each column, as bits: infinity and NaN lie above all numbers.
    fn magnitudes<T: Element>(largest: &mut [u64], values: &[T], coefficient: f64) {
        for (largest, value) in largest.iter_mut().zip(values) {
            let value = value.to_f64();
            let [own, product] = [value, value * coefficient].map(|v| v.to_bits() & (u64::MAX >> 1));
            // A value that is not finite stays so, whatever it is multiplied with.
            let magnitude = if own < f64::INFINITY.to_bits() { product } else { own };
            *largest = if magnitude > *largest { magnitude } else { *largest };
        }
    }
}

dispatch! {
    fn add<T: Element>(sums: &mut [i64], values: &[T], scales: &[f64], coefficient: f64) {
        for ((sum, value), scale) in sums.iter_mut().zip(values).zip(scales) {
            let rounded = (value.to_f64() * scale * coefficient + ROUND).to_bits() as i64;
            *sum = sum.wrapping_add(rounded.wrapping_sub(ROUND.to_bits() as i64));
        }
    }
}
