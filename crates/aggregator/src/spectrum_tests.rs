//! The largest eigenvalue of matrices whose spectrum is known.

use super::largest;
use proptest::prelude::*;
use sottovoce_core::sampling::uniform_f32;
use sottovoce_core::{Address, Purpose};

fn drawn(seed: u64, n: usize) -> Vec<f64> {
    let mut s = Address::new(seed, Purpose::Test).stream();
    (0..n).map(|_| f64::from(uniform_f32(&mut s, -1.0, 1.0))).collect()
}

/// `Q diag(spectrum) Qᵀ`, with Q a product of reflections.
fn with_spectrum(spectrum: &[f64], seed: u64) -> Vec<f64> {
    let n = spectrum.len();
    let mut a = vec![0.0; n * n];
    (0..n).for_each(|i| a[i * n + i] = spectrum[i]);
    for k in 0..4 {
        let v = drawn(seed + 100 * k, n);
        let norm: f64 = v.iter().map(|v| v * v).sum();
        let reflected = |a: &[f64]| {
            let mut b = a.to_vec();
            for i in 0..n {
                for j in 0..n {
                    b[i * n + j] -= 2.0 * v[i] / norm * (0..n).map(|l| v[l] * a[l * n + j]).sum::<f64>();
                }
            }
            b
        };
        let turned = |a: &[f64]| (0..n * n).map(|at| a[at % n * n + at / n]).collect::<Vec<f64>>();
        a = reflected(&turned(&reflected(&a)));
    }
    // Symmetric to the last bit, as the callers' matrices are.
    (0..n * n).map(|at| (a[at] + a[at % n * n + at / n]) / 2.0).collect()
}

fn holds(matrix: &[f64], n: usize, expected: f64) {
    let (top, vector) = largest(matrix, n);
    let scale = matrix.iter().fold(f64::MIN_POSITIVE, |most: f64, v| most.max(v.abs()));
    let tolerance = 1e-13 * n as f64;
    assert!((top - expected).abs() / scale < tolerance, "{top} for {expected}");
    let norm: f64 = vector.iter().map(|v| v * v).sum();
    assert!((norm - 1.0).abs() < 1e-12, "length {norm}");
    for i in 0..n {
        let row: f64 = (0..n).map(|j| matrix[i * n + j] / scale * vector[j]).sum();
        assert!((row - expected / scale * vector[i]).abs() < 10.0 * tolerance, "row {i} of {n}: residual");
    }
}

#[test]
fn known_spectra() {
    assert_eq!(largest(&[], 0), (0.0, Vec::new()));
    holds(&[-3.0], 1, -3.0);
    holds(&[0.0; 25], 5, 0.0);
    holds(&[2.0, -1.0, -1.0, 2.0], 2, 3.0);
    holds(&[0.0, 1.0, 1.0, 0.0], 2, 1.0);
    for (seed, n) in [(1, 3), (2, 7), (3, 30), (4, 61)] {
        let mut spectrum = drawn(seed, n);
        for (case, top) in [(0, 1.5), (1, 1e3), (2, 1.0 + 1e-9)] {
            spectrum[n / 2] = top;
            holds(&with_spectrum(&spectrum, seed + case), n, top);
        }
        // 1, 1/2, 1/4, …: eigenvalues of all sizes; and all of them negative.
        let falling: Vec<f64> = (0..n).map(|i| 1.0 / (1u64 << i.min(60)) as f64).collect();
        holds(&with_spectrum(&falling, seed), n, 1.0);
        let negative: Vec<f64> = falling.iter().map(|v| -v).collect();
        holds(&with_spectrum(&negative, seed), n, *negative.last().unwrap());
    }
}

#[test]
fn the_second_differences_have_their_cosines() {
    for n in [2, 5, 50] {
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            a[i * n + i] = 2.0;
            if i + 1 < n {
                (a[i * n + i + 1], a[(i + 1) * n + i]) = (-1.0, -1.0);
            }
        }
        let angle = std::f64::consts::PI / (n + 1) as f64;
        holds(&a, n, 2.0 + 2.0 * libm::cos(angle));
    }
}

#[test]
fn multiple_eigenvalues_give_a_vector_of_their_space() {
    let identity: Vec<f64> = (0..36).map(|at| f64::from(u8::from(at / 6 == at % 6))).collect();
    holds(&identity, 6, 1.0);
    holds(&with_spectrum(&[2.0, 2.0, 2.0, 1.0, 0.0], 5), 5, 2.0);
    holds(&with_spectrum(&[1.0, 1.0 - 1e-15, 1.0, 0.5, 0.5, 0.5, 0.0], 6), 7, 1.0);
    // Rank one, all ones.
    holds(&[1.0; 64], 8, 8.0);
    // Two equal blocks that do not touch.
    holds(&[0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0], 4, 1.0);
}

proptest! {
    #[test]
    fn no_direction_is_larger(n in 1usize..12, seed in 0u64..1000, power in -900i32..900) {
        let b = drawn(seed, n * n);
        let unit = crate::grid::power_of_two(power);
        let a: Vec<f64> = (0..n * n).map(|at| (b[at] + b[at % n * n + at / n]) * unit).collect();
        let (top, vector) = largest(&a, n);
        prop_assert!(vector.iter().all(|v| v.is_finite()));
        let quotient = |v: &[f64]| {
            let norm: f64 = v.iter().map(|v| v * v).sum();
            (0..n * n).map(|at| v[at / n] * (a[at] / unit) * v[at % n]).sum::<f64>() / norm
        };
        prop_assert!((quotient(&vector) - top / unit).abs() < 1e-11);
        for other in 0..20 {
            prop_assert!(quotient(&drawn(seed + 7919 * (other + 1), n)) <= top / unit + 1e-11);
        }
    }
}
