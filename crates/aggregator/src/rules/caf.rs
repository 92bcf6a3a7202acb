//! The Covariance-bound Agnostic Filter: weights that shrink along the direction of largest variance.
//!
//! Allouah, Guerraoui, Stephan: Towards Trustworthy Federated Learning with Untrusted Participants, ICML 2025.
//!
//! | symbol | meaning |
//! |---|---|
//! | n, d | rows, numbers in a row |
//! | f | rows that may lie |
//! | c | weights of rows, from 1 down to 0; p is c divided by its sum |
//! | μ, v, λ | weighted mean; top eigenvector and eigenvalue of the weighted covariance |
//! | τ | ((xᵢ - μ)ᵀ v)² for each row |
//!
//! The covariance has the eigenvalues of the n × n matrix √pᵢ (xᵢ - μ)ᵀ(xⱼ - μ) √pⱼ, which follows from squared
//! distances, and τ follows from its eigenvector: rows are read once.
//!
//! Deviations: the largest τ is taken over all rows, those without weight too, as published. One row that is far off then
//! stretches the rounds without end, so there are at most [`rounds`] of these; after them the largest τ is that of the
//! rows that still have weight, every round removes one, and at most n are left.
//! Cost: the distances (n²d/2), then 2n³ for each of up to [`rounds`] + n rounds; 4n² numbers.

use crate::distances::Pairwise;
use crate::spectrum;
use crate::stack::{Element, Stack};

/// Rounds in which rows without weight set the pace: as many as are about a second's work, at most 10,000.
fn rounds(n: usize) -> usize {
    ((1 << 28) / (n * n * n)).min(10_000)
}

/// Weights of the rows, which sum to 1: those under which the covariance had the smallest top eigenvalue.
pub(crate) fn weights<T: Element>(stack: &Stack<'_, T>, f: usize) -> Vec<f64> {
    let pairs = Pairwise::of(stack);
    let n = pairs.clients();
    let rows: Vec<usize> = (0..n).collect();
    let mut c = vec![1.0; n];
    let mut best = (f64::INFINITY, shares(&c));
    for round in 0..rounds(n) + n {
        let p = shares(&c);
        let centred = pairs.centred(&rows, &p);
        let roots: Vec<f64> = p.iter().map(|p| p.sqrt()).collect();
        let covariance: Vec<f64> =
            centred.iter().enumerate().map(|(at, x)| roots[at / n] * x * roots[at % n]).collect();
        let (top, vector) = spectrum::largest(&covariance, n);
        if top < best.0 {
            best = (top, p);
        }
        // (xᵢ - μ)ᵀ v times √λ, which divides out.
        let along: Vec<f64> = vector.iter().zip(&roots).map(|(v, r)| v * r).collect();
        let projection = |i: usize| {
            centred[i * n..(i + 1) * n].iter().zip(&along).fold(0.0, |sum, (x, a)| sum + x * a).abs()
        };
        let counts = |i: usize| round < rounds(n) || c[i] > 0.0;
        let projections: Vec<f64> = (0..n).map(|i| if counts(i) { projection(i) } else { 0.0 }).collect();
        let most = projections.iter().fold(0.0, |most: f64, p| most.max(*p));
        if most == 0.0 {
            break;
        }
        c.iter_mut().zip(&projections).for_each(|(c, p)| *c *= 1.0 - (p / most) * (p / most));
        let sum = c.iter().fold(0.0, |sum, c| sum + c);
        if sum <= n.saturating_sub(2 * f) as f64 {
            break;
        }
    }
    best.1
}

/// Weights divided by their sum, which is positive.
fn shares(c: &[f64]) -> Vec<f64> {
    let sum = c.iter().fold(0.0, |sum, c| sum + c);
    c.iter().map(|c| c / sum).collect()
}
