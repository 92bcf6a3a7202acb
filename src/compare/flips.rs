//! The sign-flip (randomisation) test of paired differences.
//!
//! Fisher, "The Design of Experiments", 1935, section 21. If neither way is better, each difference could as well have
//! had the other sign: p is the share of the 2ⁿ patterns of signs whose sum is at least as far from 0 as the one seen.
//! All patterns are gone through for up to [`EXACT`] differences; beyond, [`DRAWS`] random ones with the one seen among
//! them (Phipson and Smyth, "Permutation p-values should never be zero", 2010), from an addressed stream, so that the
//! same differences have the same p.
//!
//! Sums are integers: a pattern that reaches the sum seen reaches it whatever the order of addition.
//! Cost: O(2ⁿ⁻¹) additions, or [`DRAWS`] · n.

use sottovoce_core::{Address, Purpose};

/// Most differences whose patterns are all gone through.
pub const EXACT: usize = 20;
/// Patterns drawn where there are more.
pub const DRAWS: u64 = 100_000;

/// Two-sided p. Sums that differ by no more than `rounding` count as the same.
pub fn sign_flip(differences: &[f64], rounding: f64) -> f64 {
    let largest = differences.iter().fold(0.0f64, |m, d| m.max(d.abs()));
    // Nothing but rounding is seen: no pattern is nearer to 0. The second bound keeps the scale finite.
    if largest <= rounding || largest < 1e-280 {
        return 1.0;
    }
    let scale = (1u64 << 50) as f64 / largest;
    let whole: Vec<i128> = differences.iter().map(|d| (d * scale).round() as i128).collect();
    let slack = (rounding * scale).ceil() as i128 + whole.len() as i128;
    let seen = whole.iter().sum::<i128>().abs() - slack;
    if whole.len() <= EXACT { exact(&whole, seen) } else { drawn(&whole, seen) }
}

/// The lowest p that `n` differences can reach.
pub fn lowest(n: usize) -> f64 {
    if n > EXACT {
        return 1.0 / (DRAWS + 1) as f64;
    }
    let mut p = 2.0;
    for _ in 0..n {
        p *= 0.5;
    }
    p
}

/// A pattern and its opposite are equally far from 0, so the last sign stays as it is; from one pattern to the next a
/// single sign changes (Gray code).
fn exact(whole: &[i128], seen: i128) -> f64 {
    let patterns = 1u32 << (whole.len() - 1);
    let mut signed = whole.to_vec();
    let mut sum: i128 = whole.iter().sum();
    let mut reached = 1u32;
    for pattern in 1..patterns {
        let at = pattern.trailing_zeros() as usize;
        sum -= 2 * signed[at];
        signed[at] = -signed[at];
        reached += u32::from(sum.abs() >= seen);
    }
    f64::from(reached) / f64::from(patterns)
}

fn drawn(whole: &[i128], seen: i128) -> f64 {
    let mut stream = Address::new(0, Purpose::SignFlip).stream();
    let mut reached = 1u64;
    for _ in 0..DRAWS {
        let mut sum = 0i128;
        for some in whole.chunks(64) {
            let signs = stream.next_u64();
            for (i, d) in some.iter().enumerate() {
                sum += if signs >> i & 1 == 0 { *d } else { -d };
            }
        }
        reached += u64::from(sum.abs() >= seen);
    }
    reached as f64 / (DRAWS + 1) as f64
}
