//! Many standard normal numbers at once (Box and Muller, Ann. Math. Stat. 1958; both coordinates of a point).
//!
//! | symbol | meaning |
//! |---|---|
//! | `u` | uniform in (0, 1], 52 bits |
//! | `r` | `√(−2 ln u)`, the distance of the point from the origin; at most 8.5 |
//! | `θ` | uniform in [−π/4, π/4), 52 bits |
//! | `r · cos`, `r · sin` | the point's coordinates: two independent normal numbers |
//!
//! Deviations from the paper: the angle is drawn within a quarter turn, and two more bits put the point into one of
//! the four quarters by reflection, which no argument reduction is needed for. Logarithm, sine and cosine are series
//! of IEEE operations, cut where the rest is below 10⁻¹³: they run in every column of a register and have the same
//! bits on every CPU. These are other numbers than those of [`sampling::normal`](crate::sampling::normal).
//!
//! Cost: two 64-bit draws and about 60 operations for a pair, without branch or table; no memory.

use crate::dispatch;
use crate::stream::Stream;

/// Numbers that are made together: a longer request is cut into as many, and what the last has too much is dropped.
pub const BLOCK: usize = 64;
const HALF: usize = BLOCK / 2;
/// Exponent bits of the numbers from 1 to 2.
const ONE: u64 = 0x3ff0_0000_0000_0000;

/// Fills `into` with independent standard normal numbers. Requests of a multiple of [`BLOCK`] may be cut anywhere
/// between blocks without a change of the numbers.
pub fn normals(s: &mut Stream, into: &mut [f64]) {
    let mut draws = [0; 2 * 8 * HALF];
    let (blocks, rest) = into.as_chunks_mut::<BLOCK>();
    for block in blocks {
        s.fill(&mut draws);
        points(&draws, block);
    }
    if !rest.is_empty() {
        let mut block = [0.0; BLOCK];
        s.fill(&mut draws);
        points(&draws, &mut block);
        rest.copy_from_slice(&block[..rest.len()]);
    }
}

dispatch! {
    /// Radii from the first half of `draws`, angles from the other; first coordinates to the first half of `out`,
    /// second ones to the other.
    fn points(draws: &[u8; 2 * 8 * HALF], out: &mut [f64; BLOCK]) {
        let (radii, angles) = draws.as_chunks::<8>().0.split_at(HALF);
        let (first, second) = out.split_at_mut(HALF);
        for i in 0..HALF {
            (first[i], second[i]) = point(u64::from_le_bytes(radii[i]), u64::from_le_bytes(angles[i]));
        }
    }
}

#[inline(always)]
fn point(radius: u64, angle: u64) -> (f64, f64) {
    // 52 random bits behind the exponent of 1 make a number of [1, 2).
    let u = 2.0 - f64::from_bits(ONE | radius >> 12);
    let r = (-2.0 * log(u)).sqrt();
    let theta = (f64::from_bits(ONE | angle >> 12) - 1.5) * std::f64::consts::FRAC_PI_2;
    let (sine, cosine) = (sine(theta), cosine(theta));
    // Left or right, then right or up: bits that the angle does not use.
    let cosine = f64::from_bits(cosine.to_bits() ^ (angle & 1) << 63);
    let turned = angle & 2 != 0;
    (r * if turned { sine } else { cosine }, r * if turned { cosine } else { sine })
}

/// `ln u` for `u` in [2⁻⁵², 1]: `ln m + e ln 2` with `m` in [√½, √2], and `ln m = 2 artanh((m − 1) / (m + 1))`.
#[inline(always)]
fn log(u: f64) -> f64 {
    // An integer below 2⁵² behind the exponent of 2⁵² is 2⁵² plus that integer.
    const WHOLE: u64 = 0x4330_0000_0000_0000;
    const OFFSET: f64 = 4_503_599_627_370_496.0 + 1023.0;
    let bits = u.to_bits();
    let m = f64::from_bits(bits & !(0xfff << 52) | ONE);
    let e = f64::from_bits(bits >> 52 | WHOLE) - OFFSET;
    let upper = m > std::f64::consts::SQRT_2;
    let m = if upper { 0.5 * m } else { m };
    let e = if upper { e + 1.0 } else { e };
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let p = 1.0 / 15.0;
    let p = p * z + 1.0 / 13.0;
    let p = p * z + 1.0 / 11.0;
    let p = p * z + 1.0 / 9.0;
    let p = p * z + 1.0 / 7.0;
    let p = p * z + 1.0 / 5.0;
    let p = p * z + 1.0 / 3.0;
    let p = p * z + 1.0;
    e * std::f64::consts::LN_2 + 2.0 * s * p
}

/// `sin θ` for `|θ| ≤ π/4`.
#[inline(always)]
fn sine(theta: f64) -> f64 {
    let z = theta * theta;
    let p = 1.0 / 6_227_020_800.0;
    let p = p * z - 1.0 / 39_916_800.0;
    let p = p * z + 1.0 / 362_880.0;
    let p = p * z - 1.0 / 5040.0;
    let p = p * z + 1.0 / 120.0;
    let p = p * z - 1.0 / 6.0;
    p * z * theta + theta
}

/// `cos θ` for `|θ| ≤ π/4`.
#[inline(always)]
fn cosine(theta: f64) -> f64 {
    let z = theta * theta;
    let p = -1.0 / 87_178_291_200.0;
    let p = p * z + 1.0 / 479_001_600.0;
    let p = p * z - 1.0 / 3_628_800.0;
    let p = p * z + 1.0 / 40_320.0;
    let p = p * z - 1.0 / 720.0;
    let p = p * z + 1.0 / 24.0;
    let p = p * z - 0.5;
    p * z + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Address, Purpose};

    fn stream(seed: u64) -> Stream {
        Address::new(seed, Purpose::Test).stream()
    }

    /// The textbook formula on the same draws, with the functions of `libm`.
    fn reference(radius: u64, angle: u64) -> (f64, f64) {
        let unit = |x: u64| (x >> 12) as f64 / 4_503_599_627_370_496.0;
        let r = libm::sqrt(-2.0 * libm::log(1.0 - unit(radius)));
        let theta = (unit(angle) - 0.5) * std::f64::consts::FRAC_PI_2;
        let theta = if angle & 1 == 1 { std::f64::consts::PI - theta } else { theta };
        let theta = if angle & 2 == 2 { std::f64::consts::FRAC_PI_2 - theta } else { theta };
        (r * libm::cos(theta), r * libm::sin(theta))
    }

    #[test]
    fn points_agree_with_the_textbook_formula() {
        let mut s = stream(1);
        let ends =
            [0, 1 << 12, u64::MAX, 1 << 63, (1 << 63) - 1, 0xb504_f333_f9de_6484, 0x4afb_0ccc_0621_9b7c];
        let mut cases: Vec<(u64, u64)> = ends.iter().flat_map(|a| ends.map(|b| (*a, b))).collect();
        cases.extend((0..50_000).map(|_| (s.next_u64() >> (s.next_u32() % 50), s.next_u64())));
        cases.extend((0..50_000).map(|_| (!(s.next_u64() >> (s.next_u32() % 50)), s.next_u64())));
        for (radius, angle) in cases {
            let (a, b) = (point(radius, angle), reference(radius, angle));
            // Beside the rounding of the reference's angle, which is near π/2 or π at an axis.
            let bound = 1e-13 + 1e-13 * b.0.abs().max(b.1.abs());
            assert!(
                (a.0 - b.0).abs() < bound && (a.1 - b.1).abs() < bound,
                "{radius:x} {angle:x}: {a:?} {b:?}"
            );
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let mut s = stream(2);
        for _ in 0..500 {
            let mut draws = [0; 2 * 8 * HALF];
            s.fill(&mut draws);
            let mut out = [0.0; BLOCK];
            points(&draws, &mut out);
            let (numbers, _) = draws.as_chunks::<8>();
            for i in 0..HALF {
                let [radius, angle] = [numbers[i], numbers[HALF + i]].map(u64::from_le_bytes);
                let plain = std::hint::black_box(point)(radius, angle);
                assert_eq!(plain.0.to_bits(), out[i].to_bits());
                assert_eq!(plain.1.to_bits(), out[HALF + i].to_bits());
            }
        }
    }

    #[test]
    fn requests_may_be_cut_between_blocks_and_end_anywhere() {
        let mut all = vec![0.0; 5 * BLOCK];
        normals(&mut stream(3), &mut all);
        for n in [0, 1, 63, 64, 65, 200, 320] {
            let mut some = vec![f64::NAN; n];
            let mut s = stream(3);
            let (front, back) = some.split_at_mut(if n > BLOCK { BLOCK } else { 0 });
            normals(&mut s, front);
            normals(&mut s, back);
            assert_eq!(some, all[..n]);
        }
    }
}
