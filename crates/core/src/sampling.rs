//! Distributions over a [`Stream`]: the same draws on every CPU.
//!
//! Everything is built from `u32`/`u64` draws with IEEE basic operations and the pinned `libm`.

pub use crate::normals::normals;
use crate::stream::Stream;

/// A uniform integer in `0..below`, without bias (Lemire, "Fast Random Integer Generation in an Interval",
/// ACM TOMACS 2019). `below` must be positive.
pub fn below(s: &mut Stream, below: u64) -> u64 {
    assert!(below > 0, "an empty range has no element");
    let threshold = below.wrapping_neg() % below;
    loop {
        let wide = u128::from(s.next_u64()) * u128::from(below);
        if wide as u64 >= threshold {
            return (wide >> 64) as u64;
        }
    }
}

/// A uniform index in `0..len`. `len` must be positive.
pub fn index(s: &mut Stream, len: usize) -> usize {
    below(s, len as u64) as usize
}

/// A uniform `f64` in `[0, 1)`, a multiple of 2⁻⁵³.
pub fn unit(s: &mut Stream) -> f64 {
    (s.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// A uniform `f32` from `low` up to `high`, from 24 random bits. `high` itself occurs only where the sum rounds to
/// it: never for bounds `±x`, but between 1,000,000 and 1,000,001.
pub fn uniform_f32(s: &mut Stream, low: f32, high: f32) -> f32 {
    let u = (s.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0);
    low + (high - low) * u
}

/// True with probability `p`.
pub fn chance(s: &mut Stream, p: f64) -> bool {
    unit(s) < p
}

/// Fisher–Yates shuffle.
pub fn shuffle<T>(s: &mut Stream, items: &mut [T]) {
    for i in (1..items.len()).rev() {
        items.swap(i, index(s, i + 1));
    }
}

/// `count` distinct numbers of `0..n`, uniformly, ascending (Floyd's algorithm; Bentley and Floyd, CACM 1987).
/// Cost follows `count`, not `n`.
pub fn distinct(s: &mut Stream, n: u64, count: u64) -> Vec<u64> {
    assert!(count <= n, "cannot choose {count} of {n}");
    let mut chosen = std::collections::BTreeSet::new();
    for j in n - count..n {
        let t = below(s, j + 1);
        if !chosen.insert(t) {
            chosen.insert(j);
        }
    }
    chosen.into_iter().collect()
}

/// Every number of `0..n` independently with probability `p`, ascending: Poisson sampling.
/// Cost follows the number chosen: gaps are geometric.
pub fn bernoulli_subset(s: &mut Stream, n: u64, p: f64) -> Vec<u64> {
    if p <= 0.0 {
        return Vec::new();
    }
    if p >= 1.0 {
        return (0..n).collect();
    }
    let log_miss = libm::log1p(-p);
    let mut chosen = Vec::new();
    let mut next = 0u64;
    loop {
        // 1 - unit lies in (0, 1], so the logarithm is finite and the gap is at least 0.
        let gap = libm::floor(libm::log(1.0 - unit(s)) / log_miss);
        if gap >= (n - next) as f64 {
            return chosen;
        }
        next += gap as u64;
        chosen.push(next);
        next += 1;
        if next >= n {
            return chosen;
        }
    }
}

/// An index with probability proportional to its weight. Weights are finite, non-negative, not all zero.
pub fn weighted(s: &mut Stream, weights: &[f64]) -> usize {
    let mut total = 0.0;
    for w in weights {
        total += w;
    }
    assert!(total > 0.0 && total.is_finite(), "weights must be finite and not all zero");
    let mut left = unit(s) * total;
    for (i, w) in weights.iter().enumerate() {
        if left < *w {
            return i;
        }
        left -= w;
    }
    // Rounding used up the whole interval: the last index that can be drawn at all.
    weights.iter().rposition(|w| *w > 0.0).unwrap_or(0)
}

/// A standard normal number (Box and Muller, Ann. Math. Stat. 1958; the cosine half). For many, [`normals`].
pub fn normal(s: &mut Stream) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - unit(s)));
    radius * libm::cos(2.0 * std::f64::consts::PI * unit(s))
}

/// The logarithm of a Gamma(shape, 1) number (Marsaglia and Tsang, ACM TOMS 2000, with the boost for
/// shape < 1 kept in the log domain, where shapes near 0 do not underflow). `shape` must be positive.
pub fn log_gamma_draw(s: &mut Stream, shape: f64) -> f64 {
    assert!(shape > 0.0 && shape.is_finite(), "gamma needs a positive shape");
    if shape < 1.0 {
        let boost = libm::log(1.0 - unit(s)) / shape;
        return log_gamma_draw(s, shape + 1.0) + boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = normal(s);
        let t = 1.0 + c * x;
        if t <= 0.0 {
            continue;
        }
        let v = t * t * t;
        let u = 1.0 - unit(s);
        if libm::log(u) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return libm::log(d * v);
        }
    }
}

/// A symmetric Dirichlet(alpha) point on the simplex with `k` corners: non-negative, sums to 1 up to rounding.
/// `k` and `alpha` must be positive; alpha down to 1e-300 gives a corner, never NaN.
pub fn dirichlet(s: &mut Stream, alpha: f64, k: usize) -> Vec<f64> {
    assert!(k > 0, "a simplex needs a corner");
    let mut logs: Vec<f64> = (0..k).map(|_| log_gamma_draw(s, alpha)).collect();
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        logs.fill(f64::NEG_INFINITY);
        let corner = index(s, k);
        logs[corner] = 0.0;
        return logs.iter().map(|l| libm::exp(*l)).collect();
    }
    let mut sum = 0.0;
    for l in &mut logs {
        *l = libm::exp(*l - top);
        sum += *l;
    }
    for l in &mut logs {
        *l /= sum;
    }
    logs
}
