//! Products on the grid, for several rows at once: one pass over the sums, one look at every value.
//!
//! A product is made in `f64` and rounded by adding 1.5 · 2^52; the bits of the result are added as they are, and
//! the bits of 1.5 · 2^52 are taken off once for each row. Every operation is exact or rounded on its own, so all
//! implementations give the same bits.

use super::ROUND;
use sottovoce_core::bytes;

/// Rows that one call takes: as many streams as the memory system follows.
pub(crate) const TOGETHER: usize = 10;

/// What is to be added: little-endian values, all rows as long as the sums, and a factor for each.
pub(crate) struct Rows<'r, 'a> {
    pub(crate) rows: &'r [&'a [u8]],
    pub(crate) factors: &'r [f64],
}

/// `sums[j] += Σᵢ round(rows[i][j] · factors[i])`, wrapping. Returns the largest bit pattern without the sign among
/// the values: infinity and NaN lie above all numbers.
pub(crate) fn add_f32(sums: &mut [i64], from: &Rows<'_, '_>) -> u32 {
    assert!(from.rows.len() == from.factors.len() && from.rows.iter().all(|r| r.len() == 4 * sums.len()));
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
            // SAFETY: the CPU has these features, as just detected; lengths were checked above.
            return unsafe { x86::wide(sums, from) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has this feature, as just detected; lengths were checked above.
            return unsafe { x86::medium(sums, from) };
        }
    }
    plain(sums, from, 0)
}

/// The same from column `start` on, for every CPU.
fn plain(sums: &mut [i64], from: &Rows<'_, '_>, start: usize) -> u32 {
    let mut largest = 0;
    for (row, factor) in from.rows.iter().zip(from.factors) {
        let values = &row[4 * start..];
        for (sum, value) in sums[start..].iter_mut().zip(bytes::f32s(values)) {
            let rounded = (f64::from(value) * factor + ROUND).to_bits() as i64;
            *sum = sum.wrapping_add(rounded.wrapping_sub(ROUND.to_bits() as i64));
        }
        largest = largest.max(bytes::largest_magnitude(values));
    }
    largest
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{ROUND, Rows, plain};
    use std::arch::x86_64::*;

    /// Bytes ahead of the one being read that are asked for. The CPU's own prefetching loses track of ten streams.
    const AHEAD: usize = 512;

    /// What the bits of [`ROUND`] come to, added once for each row.
    fn excess(from: &Rows<'_, '_>) -> i64 {
        (ROUND.to_bits() as i64).wrapping_mul(from.rows.len() as i64)
    }

    /// Sixteen columns at a time.
    ///
    /// # Safety
    /// Every row has four bytes for each sum.
    #[target_feature(enable = "avx512f,avx512dq")]
    pub(super) unsafe fn wide(sums: &mut [i64], from: &Rows<'_, '_>) -> u32 {
        let blocks = sums.len() / 16;
        let (round, mask) = (_mm512_set1_pd(ROUND), _mm512_set1_epi32(0x7fff_ffff));
        let excess = _mm512_set1_epi64(excess(from));
        let mut largest = _mm512_setzero_si512();
        for block in 0..blocks {
            let at = sums[16 * block..16 * block + 16].as_mut_ptr();
            // SAFETY: `at` points to sixteen sums; unaligned loads.
            let (mut low, mut high) =
                unsafe { (_mm512_loadu_si512(at.cast()), _mm512_loadu_si512(at.add(8).cast())) };
            low = _mm512_sub_epi64(low, excess);
            high = _mm512_sub_epi64(high, excess);
            for (row, factor) in from.rows.iter().zip(from.factors) {
                // SAFETY: 64 bytes from here on lie inside the row, as the caller promises; a prefetch may point
                // anywhere; unaligned loads.
                let (values, first, second) = unsafe {
                    let values = row.as_ptr().add(64 * block);
                    _mm_prefetch::<_MM_HINT_T0>(values.wrapping_add(AHEAD).cast());
                    let first = _mm256_loadu_ps(values.cast());
                    (_mm512_loadu_si512(values.cast()), first, _mm256_loadu_ps(values.add(32).cast()))
                };
                largest = _mm512_max_epu32(largest, _mm512_and_si512(values, mask));
                let factor = _mm512_set1_pd(*factor);
                let product = |v| {
                    let exact = _mm512_mul_pd(_mm512_cvtps_pd(v), factor);
                    _mm512_castpd_si512(_mm512_add_pd(exact, round))
                };
                low = _mm512_add_epi64(low, product(first));
                high = _mm512_add_epi64(high, product(second));
            }
            // SAFETY: `at` points to sixteen sums; unaligned stores.
            unsafe {
                _mm512_storeu_si512(at.cast(), low);
                _mm512_storeu_si512(at.add(8).cast(), high);
            }
        }
        _mm512_reduce_max_epu32(largest).max(plain(sums, from, 16 * blocks))
    }

    /// Eight columns at a time.
    ///
    /// # Safety
    /// Every row has four bytes for each sum.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn medium(sums: &mut [i64], from: &Rows<'_, '_>) -> u32 {
        let blocks = sums.len() / 8;
        let (round, mask) = (_mm256_set1_pd(ROUND), _mm256_set1_epi32(0x7fff_ffff));
        let excess = _mm256_set1_epi64x(excess(from));
        let mut largest = _mm256_setzero_si256();
        for block in 0..blocks {
            let at = sums[8 * block..8 * block + 8].as_mut_ptr();
            // SAFETY: `at` points to eight sums; unaligned loads.
            let (mut low, mut high) =
                unsafe { (_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(4).cast())) };
            low = _mm256_sub_epi64(low, excess);
            high = _mm256_sub_epi64(high, excess);
            for (row, factor) in from.rows.iter().zip(from.factors) {
                // SAFETY: 32 bytes from here on lie inside the row, as the caller promises; a prefetch may point
                // anywhere; unaligned loads.
                let (values, first, second) = unsafe {
                    let values = row.as_ptr().add(32 * block);
                    _mm_prefetch::<_MM_HINT_T0>(values.wrapping_add(AHEAD).cast());
                    let first = _mm_loadu_ps(values.cast());
                    (_mm256_loadu_si256(values.cast()), first, _mm_loadu_ps(values.add(16).cast()))
                };
                largest = _mm256_max_epu32(largest, _mm256_and_si256(values, mask));
                let factor = _mm256_set1_pd(*factor);
                let product = |v| {
                    let exact = _mm256_mul_pd(_mm256_cvtps_pd(v), factor);
                    _mm256_castpd_si256(_mm256_add_pd(exact, round))
                };
                low = _mm256_add_epi64(low, product(first));
                high = _mm256_add_epi64(high, product(second));
            }
            // SAFETY: `at` points to eight sums; unaligned stores.
            unsafe {
                _mm256_storeu_si256(at.cast(), low);
                _mm256_storeu_si256(at.add(4).cast(), high);
            }
        }
        let mut columns = [0u32; 8];
        // SAFETY: eight numbers of four bytes; unaligned store.
        unsafe { _mm256_storeu_si256(columns.as_mut_ptr().cast(), largest) };
        columns.into_iter().fold(plain(sums, from, 8 * blocks), u32::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_core::{Address, Purpose};

    #[test]
    fn every_implementation_gives_the_same_bits() {
        let mut s = Address::new(5, Purpose::Test).stream();
        for columns in [0, 1, 7, 8, 15, 16, 17, 100, 1000] {
            for rows in 1..=TOGETHER {
                // Any bits at all: NaN and infinity, too, leave the same sums behind and are reported.
                let rows: Vec<Vec<u8>> =
                    (0..rows).map(|_| (0..4 * columns).map(|_| s.next_u32() as u8).collect()).collect();
                let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
                let factors: Vec<f64> = rows.iter().map(|_| f64::from(s.next_u32() >> 8)).collect();
                let from = Rows { rows: &rows, factors: &factors };
                let start: Vec<i64> = (0..columns).map(|_| s.next_u64() as i64).collect();
                let run = |f: &dyn Fn(&mut [i64]) -> u32| {
                    let mut sums = start.clone();
                    let largest = f(&mut sums);
                    let finite: Vec<i64> = sums
                        .iter()
                        .enumerate()
                        .map(|(j, sum)| {
                            let finite = rows.iter().all(|r| {
                                f32::from_le_bytes(r[4 * j..4 * j + 4].try_into().unwrap()).is_finite()
                            });
                            if finite { *sum } else { 0 }
                        })
                        .collect();
                    (finite, largest)
                };
                let expected = run(&|sums| plain(sums, &from, 0));
                assert_eq!(run(&|sums| add_f32(sums, &from)), expected);
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the CPU has AVX2, as just detected; rows are as long as the sums.
                    assert_eq!(run(&|sums| unsafe { x86::medium(sums, &from) }), expected);
                }
            }
        }
    }
}
