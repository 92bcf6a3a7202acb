//! FLTrust: clients count as far as they point where the server's own update points.
//!
//! Cao, Fang, Liu, Gong, "FLTrust: Byzantine-robust Federated Learning via Trust Bootstrapping", NDSS 2021,
//! algorithm 2.
//!
//! | symbol | meaning |
//! |---|---|
//! | `g₀` | update that the server has from data of its own, in a run from its training in the same round |
//! | `TSᵢ` | trust in row i: `max(0, cos(xᵢ, g₀))` |
//!
//! `Σᵢ TSᵢ (‖g₀‖ / ‖xᵢ‖) xᵢ / Σᵢ TSᵢ`. The paper leaves open what happens where nobody is trusted: the result is 0.
//! A row of zeros, or `g₀ = 0`, has no direction and no trust. Cost: four passes over the rows.

use super::clipping::norms;
use super::combination::{Measured, sum};
use super::error::RuleError;
use crate::distances::inner_products;
use crate::stack::{Element, Stack};

/// The mean, and the trust in each row.
pub(super) fn fltrust<T: Element>(
    stack: &Stack<'_, T>,
    server: &[T],
) -> Result<(Vec<T>, Vec<f64>), RuleError> {
    let measured = Measured::for_distances(stack)?;
    let norms = norms(stack);
    let length = T::inner(server, server).sqrt();
    let trust: Vec<f64> = inner_products(stack, server)
        .into_iter()
        .zip(&norms)
        // One after the other: the product of two norms could overflow or vanish where the quotient does not.
        .map(
            |(inner, norm)| {
                if *norm > 0.0 && length > 0.0 { (inner / norm / length).clamp(0.0, 1.0) } else { 0.0 }
            },
        )
        .collect();
    let total = sum(trust.iter().copied());
    let coefficient =
        |(trust, norm): (&f64, &f64)| if *trust > 0.0 { trust / total * (length / norm) } else { 0.0 };
    let coefficients: Vec<f64> = trust.iter().zip(&norms).map(coefficient).collect();
    Ok((measured.combine(&coefficients), trust))
}
