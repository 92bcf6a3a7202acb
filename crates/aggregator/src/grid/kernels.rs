//! Products on the grid, for several rows at once: one pass over the sums, one look at every value.
//!
//! A product is made in `f64` and rounded by adding 1.5 · 2^52; the bits of the result are added as they are, and
//! the bits of 1.5 · 2^52 are taken off once for each row. Every operation is exact or rounded on its own, so all
//! implementations give the same bits.

use super::ROUND;
use sottovoce_core::bytes;
use std::{array, ptr};

/// Rows that one call takes. The rows of a stack often begin at the same place of a memory page, and eight such lines are
/// all that the first cache of many CPUs holds: one more for the sums.
pub(crate) const TOGETHER: usize = 7;

/// What is to be added: little-endian values, all rows as long as the sums, and a factor for each.
pub(crate) struct Rows<'r, 'a> {
    pub(crate) rows: &'r [&'a [u8]],
    pub(crate) factors: &'r [f64],
}

/// `sums[j] += Σᵢ round(rows[i][j] · factors[i])`, wrapping. Returns the largest bit pattern without the sign among
/// the values: infinity and NaN lie above all numbers.
pub(crate) fn add_f32(sums: &mut [i64], from: &Rows<'_, '_>) -> u32 {
    /// Bytes ahead of the one being read that are asked for. The CPU's own prefetching loses track of many streams.
    const AHEAD: usize = 256;
    let ahead = array::from_fn(|i| from.rows.get(i).map_or(ptr::null(), |r| r.as_ptr().wrapping_add(AHEAD)));
    add::<true>(sums, from, &ahead)
}

/// The same for values that have just been looked at, and are in the second cache. It asks for as many bytes of `next`
/// meanwhile, so that memory does not stand still.
pub(crate) fn add_again(sums: &mut [i64], from: &Rows<'_, '_>, next: &[*const u8; TOGETHER]) {
    add::<false>(sums, from, next);
}

/// Adds, looks at the values if `LOOK`, and asks for what `ahead` points to, if that is anything at all.
fn add<const LOOK: bool>(sums: &mut [i64], from: &Rows<'_, '_>, ahead: &[*const u8; TOGETHER]) -> u32 {
    assert!(from.rows.len() == from.factors.len() && from.rows.iter().all(|r| r.len() == 4 * sums.len()));
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
            // SAFETY: the CPU has these features, as just detected; lengths were checked above.
            return unsafe { x86::wide::<LOOK>(sums, from, ahead) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has this feature, as just detected; lengths were checked above.
            return unsafe { x86::medium::<LOOK>(sums, from, ahead) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = ahead;
    plain::<LOOK>(sums, from, 0)
}

/// The same from column `start` on, for every CPU.
fn plain<const LOOK: bool>(sums: &mut [i64], from: &Rows<'_, '_>, start: usize) -> u32 {
    let mut largest = 0;
    for (row, factor) in from.rows.iter().zip(from.factors) {
        let values = &row[4 * start..];
        for (sum, value) in sums[start..].iter_mut().zip(bytes::f32s(values)) {
            let rounded = (f64::from(value) * factor + ROUND).to_bits() as i64;
            *sum = sum.wrapping_add(rounded.wrapping_sub(ROUND.to_bits() as i64));
        }
        if LOOK {
            largest = largest.max(bytes::largest_magnitude(values));
        }
    }
    largest
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{ROUND, Rows, TOGETHER, plain};
    use std::arch::x86_64::*;

    /// What the bits of [`ROUND`] come to, added once for each row.
    fn excess(from: &Rows<'_, '_>) -> i64 {
        (ROUND.to_bits() as i64).wrapping_mul(from.rows.len() as i64)
    }

    /// Asks for a line: into the first cache what is read in a moment, into the second what is read later.
    #[inline(always)]
    fn ask<const SOON: bool>(at: *const u8) {
        // SAFETY: SSE is part of every x86-64, and a prefetch may point anywhere.
        unsafe {
            if SOON { _mm_prefetch::<_MM_HINT_T0>(at.cast()) } else { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
        }
    }

    /// Sixteen columns at a time, values loaded in halves: a load of 64 bytes would mostly lie across two lines.
    ///
    /// # Safety
    /// Every row has four bytes for each sum.
    #[target_feature(enable = "avx512f,avx512dq,avx2")]
    pub(super) unsafe fn wide<const LOOK: bool>(
        sums: &mut [i64],
        from: &Rows<'_, '_>,
        ahead: &[*const u8; TOGETHER],
    ) -> u32 {
        let blocks = sums.len() / 16;
        let (round, mask) = (_mm512_set1_pd(ROUND), _mm256_set1_epi32(0x7fff_ffff));
        let excess = _mm512_set1_epi64(excess(from));
        let mut largest = [_mm256_setzero_si256(); 2];
        for block in 0..blocks {
            let at = sums[16 * block..16 * block + 16].as_mut_ptr();
            // SAFETY: `at` points to sixteen sums; unaligned loads.
            let [low, high] =
                unsafe { [_mm512_loadu_si512(at.cast()), _mm512_loadu_si512(at.add(8).cast())] };
            let mut both = [_mm512_sub_epi64(low, excess), _mm512_sub_epi64(high, excess)];
            for ((row, factor), ahead) in from.rows.iter().zip(from.factors).zip(ahead) {
                ask::<LOOK>(ahead.wrapping_add(64 * block));
                // SAFETY: 64 bytes from here on lie inside the row, as the caller promises; unaligned loads.
                let halves = unsafe {
                    let values = row.as_ptr().add(64 * block);
                    [_mm256_loadu_ps(values.cast()), _mm256_loadu_ps(values.add(32).cast())]
                };
                let factor = _mm512_set1_pd(*factor);
                for i in 0..2 {
                    if LOOK {
                        let magnitudes = _mm256_and_si256(_mm256_castps_si256(halves[i]), mask);
                        largest[i] = _mm256_max_epu32(largest[i], magnitudes);
                    }
                    let exact = _mm512_mul_pd(_mm512_cvtps_pd(halves[i]), factor);
                    let rounded = _mm512_castpd_si512(_mm512_add_pd(exact, round));
                    both[i] = _mm512_add_epi64(both[i], rounded);
                }
            }
            // SAFETY: `at` points to sixteen sums; unaligned stores.
            unsafe {
                _mm512_storeu_si512(at.cast(), both[0]);
                _mm512_storeu_si512(at.add(8).cast(), both[1]);
            }
        }
        fold(largest).max(plain::<LOOK>(sums, from, 16 * blocks))
    }

    /// The same with registers of half the size.
    ///
    /// # Safety
    /// Every row has four bytes for each sum.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn medium<const LOOK: bool>(
        sums: &mut [i64],
        from: &Rows<'_, '_>,
        ahead: &[*const u8; TOGETHER],
    ) -> u32 {
        let blocks = sums.len() / 16;
        let (round, mask) = (_mm256_set1_pd(ROUND), _mm256_set1_epi32(0x7fff_ffff));
        let excess = _mm256_set1_epi64x(excess(from));
        let mut largest = [_mm256_setzero_si256(); 2];
        for block in 0..blocks {
            let at = sums[16 * block..16 * block + 16].as_mut_ptr().cast::<__m256i>();
            let mut four = [_mm256_setzero_si256(); 4];
            for (i, sums) in four.iter_mut().enumerate() {
                // SAFETY: `at` points to sixteen sums; unaligned loads.
                *sums = _mm256_sub_epi64(unsafe { _mm256_loadu_si256(at.add(i)) }, excess);
            }
            for ((row, factor), ahead) in from.rows.iter().zip(from.factors).zip(ahead) {
                ask::<LOOK>(ahead.wrapping_add(64 * block));
                // SAFETY: 64 bytes from here on lie inside the row, as the caller promises; unaligned loads.
                let values = unsafe { row.as_ptr().add(64 * block) };
                if LOOK {
                    for (i, largest) in largest.iter_mut().enumerate() {
                        // SAFETY: as above.
                        let half = unsafe { _mm256_loadu_si256(values.add(32 * i).cast()) };
                        *largest = _mm256_max_epu32(*largest, _mm256_and_si256(half, mask));
                    }
                }
                let factor = _mm256_set1_pd(*factor);
                for (i, sums) in four.iter_mut().enumerate() {
                    // SAFETY: as above.
                    let quarter = unsafe { _mm_loadu_ps(values.add(16 * i).cast()) };
                    let exact = _mm256_mul_pd(_mm256_cvtps_pd(quarter), factor);
                    *sums = _mm256_add_epi64(*sums, _mm256_castpd_si256(_mm256_add_pd(exact, round)));
                }
            }
            for (i, sums) in four.into_iter().enumerate() {
                // SAFETY: `at` points to sixteen sums; unaligned stores.
                unsafe { _mm256_storeu_si256(at.add(i), sums) }
            }
        }
        fold(largest).max(plain::<LOOK>(sums, from, 16 * blocks))
    }

    #[target_feature(enable = "avx2")]
    fn fold(largest: [__m256i; 2]) -> u32 {
        let mut columns = [0u32; 8];
        let largest = _mm256_max_epu32(largest[0], largest[1]);
        // SAFETY: eight numbers of four bytes; unaligned store.
        unsafe { _mm256_storeu_si256(columns.as_mut_ptr().cast(), largest) };
        columns.into_iter().fold(0, u32::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_core::{Address, Purpose, Stream};

    const NOWHERE: [*const u8; TOGETHER] = [ptr::null(); TOGETHER];

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
                let expected = run(&|sums| plain::<true>(sums, &from, 0));
                assert_eq!(run(&|sums| add_f32(sums, &from)), expected);
                let again = run(&|sums| {
                    add_again(sums, &from, &NOWHERE);
                    expected.1
                });
                assert_eq!(again, expected);
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the CPU has AVX2, as just detected; rows are as long as the sums.
                    assert_eq!(run(&|sums| unsafe { x86::medium::<true>(sums, &from, &NOWHERE) }), expected);
                }
            }
        }
    }
    /// What has been added is taken back with the opposite factors, and nothing is left of it, even in sums that wrap.
    #[test]
    fn opposite_factors_take_back() {
        let mut s = Address::new(6, Purpose::Test).stream();
        for columns in [1, 16, 100, 1000] {
            // Magnitudes up to the largest that may be added, ties between two integers among them.
            let values = |s: &mut Stream| -> Vec<u8> {
                let value = |bits: u32| {
                    // From 2^-53 to 1.
                    let magnitude = f32::from_bits(0x2500_0000 + bits % 0x1a80_0000);
                    if bits.is_multiple_of(2) { magnitude } else { -magnitude }.to_le_bytes()
                };
                (0..columns).flat_map(|_| value(s.next_u32())).collect()
            };
            let rows: Vec<Vec<u8>> = (0..TOGETHER).map(|_| values(&mut s)).collect();
            let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
            let factors: Vec<f64> =
                (0..TOGETHER).map(|i| crate::grid::LARGEST / (1u64 << (8 * i)) as f64).collect();
            let opposite: Vec<f64> = factors.iter().map(|f| -f).collect();
            let start: Vec<i64> = (0..columns).map(|_| s.next_u64() as i64).collect();
            let mut sums = start.clone();
            add_again(&mut sums, &Rows { rows: &rows, factors: &factors }, &NOWHERE);
            assert_ne!(sums, start);
            for i in (0..TOGETHER).rev() {
                add_f32(&mut sums, &Rows { rows: &rows[i..=i], factors: &opposite[i..=i] });
            }
            assert_eq!(sums, start);
        }
    }
}
