//! Norm bounding: the mean of updates whose norm is cut to a bound.
//!
//! Sun, Kairouz, Suresh, McMahan, "Can You Really Backdoor Federated Learning?", 2019, section 4.
//!
//! | symbol | meaning |
//! |---|---|
//! | `M` | largest L2 norm that counts in full |
//!
//! `Σᵢ sᵢ xᵢ / max(1, ‖xᵢ‖ / M)` with shares `sᵢ = 1/n`, or those of declared weights. Without the paper's noise.
//! Cost: three passes over the rows.

use super::clipping::factors;
use super::combination::Measured;
use super::error::RuleError;
use crate::stack::{Element, Stack};

pub(super) fn norm_bounding<T: Element>(
    stack: &Stack<'_, T>,
    bound: f64,
    shares: &[f64],
) -> Result<Vec<T>, RuleError> {
    let measured = Measured::for_distances(stack)?;
    let coefficients: Vec<f64> = factors(stack, bound).iter().zip(shares).map(|(f, s)| f * s).collect();
    Ok(measured.combine(&coefficients))
}
