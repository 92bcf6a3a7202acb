//! Fixed-order `f32` arithmetic: the same bits with SSE2, AVX2 and AVX-512.
//!
//! Products and sums are separate IEEE operations, never fused, in an order that the source fixes: sums of many
//! terms run in [`LANES`] columns that are folded in halves at the end. Wider instructions change only how many
//! columns move at once. Functions here are inlined into the caller, so that [`dispatch!`](crate::dispatch)
//! compiles a whole kernel for each instruction set and chooses once per call.

use crate::lanes::{Columns, LANES, Lanes};

/// `acc += w · x`, element by element. Both of one length.
#[inline(always)]
pub fn axpy(acc: &mut [f32], w: f32, x: &[f32]) {
    debug_assert_eq!(acc.len(), x.len());
    for (a, b) in acc.iter_mut().zip(x) {
        *a += w * *b;
    }
}

/// `acc += x`, element by element. Both of one length.
#[inline(always)]
pub fn add(acc: &mut [f32], x: &[f32]) {
    debug_assert_eq!(acc.len(), x.len());
    for (a, b) in acc.iter_mut().zip(x) {
        *a += *b;
    }
}

/// `Σ a·b` in [`LANES`] columns. Both of one length.
#[inline(always)]
pub fn dot<L: Lanes>(lanes: L, a: &[f32], b: &[f32]) -> f32 {
    debug_assert_eq!(a.len(), b.len());
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = lanes.load(&padded(a_rest)).mul(lanes.load(&padded(b_rest)));
    for (x, y) in a.iter().zip(b) {
        sums = sums.add_product(lanes.load(x), lanes.load(y));
    }
    sums.fold()
}

/// `Σ x` in [`LANES`] columns.
#[inline(always)]
pub fn sum<L: Lanes>(lanes: L, x: &[f32]) -> f32 {
    let (x, rest) = x.as_chunks::<LANES>();
    let mut sums = lanes.load(&padded(rest));
    for c in x {
        sums = sums.add(lanes.load(c));
    }
    sums.fold()
}

#[inline(always)]
fn padded(rest: &[f32]) -> [f32; LANES] {
    let mut all = [0.0; LANES];
    all[..rest.len()].copy_from_slice(rest);
    all
}

/// The largest element; negative infinity for none. NaN is passed over.
#[inline(always)]
pub fn max(x: &[f32]) -> f32 {
    let pick = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (x, rest) = x.as_chunks::<LANES>();
    for (lane, v) in lanes.iter_mut().zip(rest) {
        *lane = pick(*lane, *v);
    }
    for c in x {
        for (lane, v) in lanes.iter_mut().zip(c) {
            *lane = pick(*lane, *v);
        }
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, pick)
}

/// `eˣ` for `f32`, at most 2 units in the last place from the true value; 0 below −87.3, infinite above 88.7.
///
/// Argument reduction by ln 2 in two parts after Cody and Waite, "Software Manual for the Elementary
/// Functions", 1980, then the Taylor polynomial of degree 7 on [−ln 2 / 2, ln 2 / 2]: IEEE operations only, no
/// table and no branch, so that it runs in every column at once.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LOG2E: f32 = std::f32::consts::LOG2_E;
    // ln 2 = HI + LO; HI has 9 significant bits, so that n · HI is exact.
    const HI: f32 = 0.693_359_4;
    const LO: f32 = -2.121_944_4e-4;
    // Adding and taking away 1.5 · 2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let clamped = if x > -87.336_54 { x } else { -87.336_54 };
    let clamped = if clamped < 88.722_83 { clamped } else { 88.722_83 };
    let shifted = clamped * LOG2E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * HI) - n * LO;
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = (p * r) * r + r;
    // 2^n in two factors: n reaches 128, which one exponent cannot hold.
    let bits = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = bits >> 1;
    let scale = |e: i32| f32::from_bits(((e + 127) as u32) << 23);
    let value = (p + 1.0) * scale(half) * scale(bits - half);
    let value = if x < -87.336_54 { 0.0 } else { value };
    let value = if x > 88.722_83 { f32::INFINITY } else { value };
    if x.is_nan() { x } else { value }
}

/// Turns logits into probabilities in place and returns `ln Σ e^logit`. At least one logit, all finite.
#[inline(always)]
pub fn softmax<L: Lanes>(lanes: L, logits: &mut [f32]) -> f32 {
    let top = max(logits);
    for l in logits.iter_mut() {
        *l = exp(*l - top);
    }
    let total = sum(lanes, logits);
    let scale = 1.0 / total;
    for l in logits.iter_mut() {
        *l *= scale;
    }
    top + libm::logf(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Portable;
    use crate::sampling::uniform_f32;
    use crate::stream::{Address, Purpose};

    fn ulps(a: f32, b: f64) -> f64 {
        let near = b as f32;
        let ulp = f64::from(f32::from_bits(near.abs().to_bits() + 1)) - f64::from(near.abs());
        ((f64::from(a) - b) / ulp).abs()
    }

    #[test]
    fn exp_is_within_two_ulps_of_the_double_precision_one() {
        let mut worst = 0.0f64;
        let mut x = -87.3f32;
        while x < 88.7 {
            worst = worst.max(ulps(exp(x), libm::exp(f64::from(x))));
            x += 0.000_37;
        }
        assert!(worst <= 2.0, "{worst} units in the last place");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1000.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
        // The last of either side, and the first beyond them.
        let (least, most) = (-87.336_54f32, 88.722_83f32);
        assert!([least, most].into_iter().all(|x| ulps(exp(x), libm::exp(f64::from(x))) <= 2.0));
        assert_eq!((exp(least.next_down()), exp(most.next_up())), (0.0, f32::INFINITY));
    }

    #[test]
    fn softmax_sums_to_one_and_survives_extremes() {
        let mut p = [1000.0, 999.0, -1000.0];
        let log_sum = softmax(Portable, &mut p);
        assert!((p[0] - 0.731_058_6).abs() < 1e-6 && p[2] == 0.0);
        assert!((log_sum - 1_000.313_3).abs() < 1e-3);
    }

    use crate::dispatch;
    dispatch! {
        fn dispatched<L>(lanes: L, a: &[f32], b: &[f32]) -> (f32, f32, f32, f32) {
            plain(lanes, a, b)
        }
    }
    #[inline(always)]
    fn plain<L: Lanes>(lanes: L, a: &[f32], b: &[f32]) -> (f32, f32, f32, f32) {
        let mut y = a.to_vec();
        axpy(&mut y, 0.37, b);
        let s = softmax(lanes, &mut y);
        (dot(lanes, a, b), sum(lanes, a), s, y[y.len() / 2])
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let mut s = Address::new(3, Purpose::Test).stream();
        for n in 1..200 {
            let mut draw = || (0..n).map(|_| uniform_f32(&mut s, -3.0, 3.0)).collect::<Vec<f32>>();
            let (a, b) = (draw(), draw());
            let (x, y) = (dispatched(&a, &b), plain(Portable, &a, &b));
            assert_eq!(x.0.to_bits(), y.0.to_bits());
            assert_eq!(x.1.to_bits(), y.1.to_bits());
            assert_eq!(x.2.to_bits(), y.2.to_bits());
            assert_eq!(x.3.to_bits(), y.3.to_bits());
        }
    }
}
