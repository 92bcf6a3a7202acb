//! A table of vectors that is never trained: somebody else's, or a random one that is computed where it is read.
//!
//! A number of the random table is a function of seed, row and column: two keys of the seed (the first 64 bits of its stream
//! for tensor 0, which draws nothing else), two words of the row from them, and the column's number through the
//! finaliser of MurmurHash3 (Appleby 2011), the second word mixed in half way, so that two rows are not the same numbers
//! in another place. Ten integer operations for a number, all columns at once: a row of 64 takes 12 ns with AVX-512, as
//! long as reading it from a table does, and there is no table to keep or to send. It is no stream for anything else: nobody has tested more of it than is tested here.

use sottovoce_core::math::add;
use sottovoce_core::{Address, Purpose};
use std::sync::Arc;

/// A table that stays what it is.
#[derive(Debug, Clone)]
pub struct FrozenTable(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Random { keys: [u32; 2], step: f32 },
    Given(Arc<[f32]>),
}

impl FrozenTable {
    /// A table of any number of rows and columns, uniform in `±bound`.
    pub fn random(seed: u64, bound: f32) -> Self {
        let mut stream = Address::new(seed, Purpose::Init).stream();
        Self(Kind::Random { keys: [stream.next_u32(), stream.next_u32()], step: bound / 8_388_608.0 })
    }

    /// The vectors of a table, row after row.
    pub fn given(vectors: Arc<[f32]>) -> Self {
        Self(Kind::Given(vectors))
    }

    /// Whether it is a table of that many numbers.
    pub(crate) fn has(&self, numbers: usize) -> bool {
        match &self.0 {
            Kind::Random { .. } => true,
            Kind::Given(vectors) => vectors.len() == numbers,
        }
    }

    /// Adds a row to `into`, which has as many numbers as the table has columns.
    #[inline(always)]
    pub(crate) fn add_row(&self, row: u32, into: &mut [f32]) {
        let dim = into.len();
        match &self.0 {
            Kind::Random { keys, step } => add_random(*keys, *step, row, into),
            Kind::Given(vectors) => add(into, &vectors[row as usize * dim..][..dim]),
        }
    }
}

/// Column by column 24 random bits as a multiple of `step`, `bound · 2⁻²³`.
#[inline(always)]
fn add_random(keys: [u32; 2], step: f32, row: u32, into: &mut [f32]) {
    let [first, second] = keys.map(|key| finalise(row ^ key, 0));
    for (column, v) in (0u32..).zip(into) {
        let bits = finalise(first.wrapping_add(column.wrapping_mul(0x9e37_79b9)), second);
        *v += ((bits as i32) >> 8) as f32 * step;
    }
}

#[inline(always)]
fn finalise(mut hash: u32, between: u32) -> u32 {
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b) ^ between;
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: usize = 32;

    fn table(seed: u64, rows: u32) -> Vec<f64> {
        let frozen = FrozenTable::random(seed, 1.0);
        let row = |row| {
            let mut values = [0.0; COLUMNS];
            frozen.add_row(row, &mut values);
            values.map(f64::from)
        };
        (0..rows).flat_map(row).collect()
    }

    /// Five standard deviations of what independent uniform numbers would show.
    #[test]
    fn numbers_are_uniform_and_neighbours_are_strangers() {
        const ROWS: u32 = 4096;
        let (one, other) = (table(7, ROWS), table(8, ROWS));
        let n = one.len() as f64;
        assert!(one.iter().all(|v| (-1.0..1.0).contains(v)));
        let mean = |of: &dyn Fn(usize) -> f64| (0..one.len()).map(of).sum::<f64>() / n;
        let spread = n.sqrt();
        assert!(mean(&|i| one[i]).abs() < 5.0 * 0.578 / spread);
        assert!((mean(&|i| one[i] * one[i]) - 1.0 / 3.0).abs() < 5.0 * 0.299 / spread);
        let wrapped = |i: usize| one[i % one.len()];
        for distance in [1, 2, 31, 32, 33, 64, 31 * 32, 32 * 32, 2048 * 32] {
            let product = mean(&|i| one[i] * wrapped(i + distance));
            assert!(product.abs() < 5.0 / 3.0 / spread, "{distance}: {product}");
        }
        assert!(mean(&|i| one[i] * other[i]).abs() < 5.0 / 3.0 / spread);
        // Each of 64 intervals gets its share.
        let mut counts = [0u32; 64];
        one.iter().for_each(|v| counts[((v + 1.0) * 32.0) as usize] += 1);
        assert!(counts.iter().all(|c| (f64::from(*c) - n / 64.0).abs() < 5.0 * (n / 64.0).sqrt()));
    }

    #[test]
    fn a_row_is_the_same_however_many_columns_are_read() {
        let frozen = FrozenTable::random(3, 0.25);
        let (mut short, mut long) = ([1.0f32; 5], [1.0f32; 90]);
        frozen.add_row(u32::MAX, &mut short);
        frozen.add_row(u32::MAX, &mut long);
        assert!(short == long[..5] && long.iter().all(|v| (0.75..1.25).contains(v)));
    }
}
