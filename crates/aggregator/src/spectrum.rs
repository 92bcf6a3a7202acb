//! The largest eigenvalue of a small symmetric matrix and its eigenvector, with the same bits everywhere.
//!
//! Householder's reduction to a tridiagonal matrix, bisection on the sign of its pivots, and the eigenvector from
//! the factorisation that meets in the middle (Parlett and Dhillon, Linear Algebra and its Applications 1997):
//! seen from above the largest eigenvalue all pivots are positive, so nothing is chosen at random and nothing
//! iterates until it converges. Where the largest eigenvalue is a multiple one, the vector is one of its space.
//!
//! Matrices are `n · n` numbers by rows, finite. Cost: 2n³ products, n² numbers.

use crate::grid::power_of_two;

/// Keeps divisions by a pivot defined; far below what rounding leaves of a matrix scaled to 1.
const TINY: f64 = 1e-290;

/// Largest eigenvalue and a unit vector of its space. The matrix of no rows has 0 and no vector.
pub(crate) fn largest(matrix: &[f64], n: usize) -> (f64, Vec<f64>) {
    let most = matrix.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    if most == 0.0 {
        let mut first = vec![0.0; n];
        first.iter_mut().take(1).for_each(|v| *v = 1.0);
        return (0.0, first);
    }
    // A power of two changes no digit and keeps squares in range.
    let exponent = ((most.to_bits() >> 52) as i32 - 1023).clamp(-1000, 1000);
    let scale = power_of_two(-exponent);
    let mut a: Vec<f64> = matrix.iter().map(|v| v * scale).collect();
    let (diagonal, beside, reflections) = tridiagonal(&mut a, n);
    let top = from_above(&diagonal, &beside);
    let mut vector = twisted(&diagonal, &beside, top);
    for (first, v) in reflections.iter().enumerate().rev() {
        reflect(v, &mut vector[first + 1..]);
    }
    let length = dot(&vector, &vector).sqrt();
    vector.iter_mut().for_each(|v| *v /= length);
    (top * power_of_two(exponent), vector)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

/// `x -= v (v · x)` for a reflection with `|v|² = 2`; the empty `v` reflects nothing.
fn reflect(v: &[f64], x: &mut [f64]) {
    let along = dot(v, x);
    v.iter().zip(x).for_each(|(v, x)| *x -= along * v);
}

/// Diagonal, the numbers beside it, and the reflections (of coordinates k+1 and up) that lead there.
fn tridiagonal(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>, Vec<Vec<f64>>) {
    let (mut beside, mut reflections) = (Vec::new(), Vec::new());
    for k in 0..n.saturating_sub(1) {
        let mut v: Vec<f64> = a[k * n + k + 1..(k + 1) * n].to_vec();
        let rest = dot(&v[1..], &v[1..]);
        if rest == 0.0 {
            beside.push(v[0]);
            reflections.push(Vec::new());
            continue;
        }
        let length = (v[0] * v[0] + rest).sqrt();
        beside.push(if v[0] > 0.0 { -length } else { length });
        v[0] += if v[0] > 0.0 { length } else { -length };
        let norm = ((v[0] * v[0] + rest) / 2.0).sqrt();
        v.iter_mut().for_each(|v| *v /= norm);
        // Both sides: A - v wᵀ - w vᵀ with w = A v - ½ (vᵀ A v) v.
        let mut w = vec![0.0; v.len()];
        for (i, v) in v.iter().enumerate() {
            let row = &a[(k + 1 + i) * n + k + 1..(k + 2 + i) * n];
            w.iter_mut().zip(row).for_each(|(w, a)| *w += v * a);
        }
        let half = dot(&v, &w) / 2.0;
        w.iter_mut().zip(&v).for_each(|(w, v)| *w -= half * v);
        for i in 0..v.len() {
            let row = &mut a[(k + 1 + i) * n + k + 1..(k + 2 + i) * n];
            for ((a, v_j), w_j) in row.iter_mut().zip(&v).zip(&w) {
                *a -= v[i] * w_j + w[i] * v_j;
            }
        }
        reflections.push(v);
    }
    ((0..n).map(|i| a[i * n + i]).collect(), beside, reflections)
}

/// Pivots of `x · I - T` from the first row on.
fn pivots(diagonal: &[f64], beside: &[f64], x: f64) -> impl Iterator<Item = f64> {
    let mut last: f64 = 1.0;
    diagonal.iter().enumerate().map(move |(i, d)| {
        let from_last = if i == 0 { 0.0 } else { beside[i - 1] * beside[i - 1] / last };
        last = x - d - from_last;
        if last.abs() < TINY {
            last = TINY;
        }
        last
    })
}

/// The largest eigenvalue, approached from above: the least number found that no eigenvalue exceeds.
fn from_above(diagonal: &[f64], beside: &[f64]) -> f64 {
    let radius = |i: usize| {
        let left = if i == 0 { 0.0 } else { beside[i - 1].abs() };
        left + beside.get(i).map_or(0.0, |b| b.abs())
    };
    let mut low = diagonal.iter().fold(f64::NEG_INFINITY, |most, d| most.max(*d));
    let mut high = diagonal.iter().enumerate().fold(low, |most, (i, d)| most.max(d + radius(i)));
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        if pivots(diagonal, beside, middle).all(|p| p > 0.0) { high = middle } else { low = middle }
    }
}

/// The eigenvector of `top`: rows above the twist follow from the pivots downwards, rows below from those upwards,
/// and the twist is where the two leave least over.
fn twisted(diagonal: &[f64], beside: &[f64], top: f64) -> Vec<f64> {
    let n = diagonal.len();
    let down: Vec<f64> = pivots(diagonal, beside, top).collect();
    let turned = |x: &[f64]| x.iter().rev().copied().collect::<Vec<f64>>();
    let mut up: Vec<f64> = pivots(&turned(diagonal), &turned(beside), top).collect();
    up.reverse();
    let left_over = |k: usize| (down[k] + up[k] - (top - diagonal[k])).abs();
    let twist = (0..n).fold(0, |best, k| if left_over(k) < left_over(best) { k } else { best });
    let mut vector = vec![0.0; n];
    vector[twist] = 1.0;
    for i in (0..twist).rev() {
        vector[i] = beside[i] * vector[i + 1] / down[i];
    }
    for i in twist + 1..n {
        vector[i] = beside[i - 1] * vector[i - 1] / up[i];
    }
    vector
}

#[cfg(test)]
#[path = "spectrum_tests.rs"]
mod tests;
