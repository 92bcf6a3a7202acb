//! The other reproducible sum, for comparison: binned accumulators after Demmel and Nguyen (Parallel Reproducible
//! Summation, IEEE Transactions on Computers 64(7), 2015), and the fixed grid written the same way.
//!
//! Both take the products `weight · value` of several rows at a time, sixteen columns side by side, in plain arithmetic
//! that the compiler vectorises. The binned sum is at its cheapest here: two bins, fixed in advance, no search for the
//! largest magnitude and no carry between bins. A sum over the whole range of `f32` needs those as well.

use sottovoce_core::dispatch;

const COLUMNS: usize = 16;
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 · 2^52

/// Two bins for each column, 40 bits apart.
pub(crate) struct Bins {
    high: Vec<[f64; COLUMNS]>,
    low: Vec<[f64; COLUMNS]>,
}

impl Bins {
    /// Bins for `columns` columns of products below 2^11.
    pub(crate) fn new(columns: usize) -> Self {
        // 1.5 · 2^52 units of 2^0 and of 2^-40: adding to them splits a number there.
        let (high, low) = (ROUND, ROUND / (1u64 << 40) as f64);
        let blocks = columns / COLUMNS;
        Self { high: vec![[high; COLUMNS]; blocks], low: vec![[low; COLUMNS]; blocks] }
    }

    pub(crate) fn add(&mut self, rows: &[&[f32]], factors: &[f64]) {
        add_binned(&mut self.high, &mut self.low, rows, factors);
    }
}

dispatch! {
    fn add_binned(high: &mut [[f64; COLUMNS]], low: &mut [[f64; COLUMNS]], rows: &[&[f32]], factors: &[f64]) {
        for (block, (high, low)) in high.iter_mut().zip(low).enumerate() {
            for (row, factor) in rows.iter().zip(factors) {
                let values = &row[block * COLUMNS..(block + 1) * COLUMNS];
                for ((v, high), low) in values.iter().zip(&mut *high).zip(&mut *low) {
                    let product = f64::from(*v) * factor;
                    // The last bit is set so that no tie depends on what the bin holds already.
                    let sum = *high + f64::from_bits(product.to_bits() | 1);
                    let rest = product + (*high - sum);
                    *high = sum;
                    *low += f64::from_bits(rest.to_bits() | 1);
                }
            }
        }
    }
}

dispatch! {
    /// `sums += round(rows · factors)`, the fixed grid in the same form.
    pub(crate) fn add_fixed(sums: &mut [[i64; COLUMNS]], rows: &[&[f32]], factors: &[f64]) {
        for (block, sums) in sums.iter_mut().enumerate() {
            for (row, factor) in rows.iter().zip(factors) {
                let values = &row[block * COLUMNS..(block + 1) * COLUMNS];
                for (v, sum) in values.iter().zip(&mut *sums) {
                    *sum = sum.wrapping_add((f64::from(*v) * factor + ROUND).to_bits() as i64);
                }
            }
        }
    }
}
