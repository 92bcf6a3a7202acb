//! A checksum for each row of a model, so that a round pays for the rows that it changed and not for the model.
//!
//! The multiply-and-add of XXH3's inner loop over blocks of 16 values, eight lanes of 64 bits wide. With `x` the bits of
//! a value, `l` a lane, `b` a block (the last one filled up with zeros) and all sums modulo 2³² or 2⁶⁴, for each block:
//!
//! ```text
//! product[l] ← rotate(product[l], 5) + (x[b][l] ⊕ (KEY[l] + b·STEP)) · (x[b][l + 8] ⊕ (KEY[l + 8] + b·STEP))
//! plain[l]   ← plain[l] + x[b][l] + 2³² · x[b][l + 8]
//! sum        = fold over l of mix(· ⊕ product[l] ⊕ rotate(plain[l], 29)), from mix(row ⊕ values · 2³²)
//! mix(h)     = (h · PRIME) ⊕ (h · PRIME >> 32)
//! ```
//! It finds accidents: a single value that changed always shows in `plain`. The rotation keeps the compiler from running
//! across blocks instead of lanes, which would gather every value by itself.

use crate::dispatch;
use crate::layout::Layout;

const LANES: usize = 8;
const STEP: u32 = 0x85eb_ca77;
const PRIME: u64 = 0x9e37_79b1_85eb_ca87;
/// The first 64 bytes of the fractional part of π.
#[rustfmt::skip]
const KEY: [u32; 2 * LANES] = [
    0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344, 0xa409_3822, 0x299f_31d0, 0x082e_fa98, 0xec4e_6c89,
    0x4528_21e6, 0x38d0_1377, 0xbe54_66cf, 0x34e9_0c6c, 0xc0ac_29b7, 0xc97c_50dd, 0x3f84_d5b5, 0xb547_0917,
];

/// Eight bytes for each row; none while they do not speak for all rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowSums {
    pub(crate) sums: Vec<[u8; 8]>,
}

impl RowSums {
    /// Rows may have changed.
    pub(crate) fn forget(&mut self) {
        self.sums.clear();
    }

    /// Whether there is a sum for every row.
    pub(crate) fn settled(&self) -> bool {
        !self.sums.is_empty()
    }
}

dispatch! {
    /// The sums of `rows` (ascending) of all parameters `values`.
    pub(crate) fn row_sums(layout: &Layout, values: &[f32], rows: &[u32]) -> Vec<[u8; 8]> {
        let mut sums = Vec::with_capacity(rows.len());
        // A loop, because a closure would be compiled for the baseline.
        for (row, range) in rows.iter().zip(layout.ranges(rows.iter().copied())) {
            sums.push(row_sum(*row, &values[range]).to_le_bytes());
        }
        sums
    }
}

#[inline(always)]
pub(crate) fn row_sum(row: u32, values: &[f32]) -> u64 {
    let (mut product, mut plain, mut key) = ([0u64; LANES], [0u64; LANES], KEY);
    let (blocks, rest) = values.as_chunks::<{ 2 * LANES }>();
    for block in blocks {
        add(block, &mut key, &mut product, &mut plain);
    }
    if !rest.is_empty() {
        let mut block = [0.0; 2 * LANES];
        block[..rest.len()].copy_from_slice(rest);
        add(&block, &mut key, &mut product, &mut plain);
    }
    let mut sum = mix(u64::from(row) ^ (values.len() as u64) << 32);
    for (product, plain) in product.into_iter().zip(plain) {
        sum = mix(sum ^ product ^ plain.rotate_left(29));
    }
    sum
}

#[inline(always)]
fn add(
    block: &[f32; 2 * LANES],
    key: &mut [u32; 2 * LANES],
    product: &mut [u64; LANES],
    plain: &mut [u64; LANES],
) {
    for l in 0..LANES {
        let (low, high) = (block[l].to_bits(), block[l + LANES].to_bits());
        let keyed = u64::from(low ^ key[l]) * u64::from(high ^ key[l + LANES]);
        product[l] = product[l].rotate_left(5).wrapping_add(keyed);
        plain[l] = plain[l].wrapping_add(u64::from(low) | u64::from(high) << 32);
    }
    for k in key {
        *k = k.wrapping_add(STEP);
    }
}

#[inline(always)]
fn mix(h: u64) -> u64 {
    let h = h.wrapping_mul(PRIME);
    h ^ h >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(row: u32, values: &[f32]) -> u64 {
        let layout = Layout::new(&[("row", row as usize + 1, values.len())]).unwrap();
        let mut all = vec![0.0; layout.params()];
        all[row as usize * values.len()..].copy_from_slice(values);
        u64::from_le_bytes(row_sums(&layout, &all, &[row])[0])
    }

    const GOLDEN: [u64; 3] = [0x5fa1_5e9a_3af6_b80a, 0x13b1_e468_3590_e17b, 0xb802_f841_81b4_2035];

    /// Independent generator: the formula of this module's header in Python's integers.
    #[test]
    fn golden_values() {
        assert_eq!(sum(0, &[0.0]), GOLDEN[0]);
        assert_eq!(sum(7, &[1.0, -2.5, 3.25]), GOLDEN[1]);
        let long: Vec<f32> = (0..60).map(|i| i as f32 / 8.0 - 3.0).collect();
        assert_eq!(sum(3, &long), GOLDEN[2]);
    }

    #[test]
    fn every_bit_place_and_length_counts() {
        let values: Vec<f32> = (0..37).map(|i| i as f32).collect();
        let mut seen = vec![sum(0, &values), sum(1, &values), sum(0, &values[..36])];
        for i in 0..values.len() {
            for bit in 0..32 {
                let mut changed = values.clone();
                changed[i] = f32::from_bits(changed[i].to_bits() ^ 1 << bit);
                seen.push(sum(0, &changed));
            }
            for j in 0..i {
                let mut swapped = values.clone();
                swapped.swap(i, j);
                seen.push(sum(0, &swapped));
            }
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all);
    }
}
