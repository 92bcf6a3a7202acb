//! Rows, measured once, and their linear combinations.

use super::error::RuleError;
use crate::grid::{self, Grid};
use crate::stack::{Element, Stack, StackError};
use rayon::prelude::*;

/// Values up to this magnitude have squares that can be added without overflow: 2^480.
const SQUARABLE: f64 = f64::from_bits((480 + 1023) << 52);

/// A stack of finite values whose rows' largest magnitudes are known.
#[derive(Debug)]
pub(super) struct Measured<'s, 'a, T> {
    pub(super) stack: &'s Stack<'a, T>,
    pub(super) magnitudes: Vec<f64>,
}

impl<'s, 'a, T: Element> Measured<'s, 'a, T> {
    /// Reads all rows once; NaN and infinity are an error.
    pub(super) fn of(stack: &'s Stack<'a, T>) -> Result<Self, StackError> {
        let magnitudes: Vec<f64> = stack.rows().par_iter().map(|row| T::largest(row)).collect();
        match magnitudes.iter().position(|m| !m.is_finite()) {
            Some(client) => Err(stack.not_finite(client)),
            None => Ok(Self { stack, magnitudes }),
        }
    }

    /// The same for rules with distances, whose squares must not overflow.
    pub(super) fn for_distances(stack: &'s Stack<'a, T>) -> Result<Self, RuleError> {
        let measured = Self::of(stack)?;
        match measured.magnitudes.iter().position(|m| *m > SQUARABLE) {
            Some(client) => {
                let value = measured.magnitudes[client];
                Err(RuleError::TooLarge { client, value, limit: SQUARABLE })
            }
            None => Ok(measured),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.magnitudes.len()
    }

    /// Largest magnitude of all products of a row and its coefficient. A row that hardly counts does not make the
    /// grid coarse for the others, however large it is.
    pub(super) fn largest_product(&self, coefficients: &[f64]) -> f64 {
        self.magnitudes.iter().zip(coefficients).fold(0.0, |most, (m, c)| most.max(m * c.abs()))
    }

    /// The grid for [`grid::combine_block`].
    pub(super) fn grid(&self, coefficients: &[f64]) -> Grid {
        Grid::fitting(self.largest_product(coefficients), self.rows())
    }

    /// `Σᵢ coefficients[i] · row i`, within `2^-51` of the largest product for each row.
    pub(super) fn combine(&self, coefficients: &[f64]) -> Vec<T> {
        let most = coefficients.iter().fold(0.0, |most: f64, c| most.max(c.abs()));
        if most == 0.0 {
            return vec![T::from_f64(0.0); self.stack.params()];
        }
        grid::combine(self.stack, coefficients, self.largest_product(coefficients) / most)
    }

    /// Mean of the rows named.
    pub(super) fn mean_of(&self, selected: &[usize]) -> Vec<T> {
        let mut coefficients = vec![0.0; self.rows()];
        for row in selected {
            coefficients[*row] = 1.0 / selected.len() as f64;
        }
        self.combine(&coefficients)
    }
}

/// The sum of numbers, in ascending order: the same bits for any order in which they come.
pub(super) fn sum(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.into_iter().fold(0.0, |sum, x| sum + x)
}

/// Numbers that are not negative, and not all 0, divided by their sum.
pub(super) fn shares(numbers: &[f64]) -> Vec<f64> {
    // By the largest first: the sum of large numbers could overflow.
    let most = numbers.iter().fold(0.0, |most: f64, x| most.max(*x));
    let total = sum(numbers.iter().map(|x| x / most));
    numbers.iter().map(|x| x / most / total).collect()
}
