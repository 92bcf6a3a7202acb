//! Clients' updates as rows of equal length, in memory: what the rules that need all updates at once work on.

use crate::columns::Columns;
use crate::distances::Distances;
use crate::grid::Products;
use crate::rules::Residuals;
use rayon::prelude::*;

/// A number that updates are made of: `f32` or `f64`.
pub trait Element: Products + Columns + Distances + Residuals {
    /// As `f64`; exact.
    fn to_f64(self) -> f64;
    /// The nearest of this type, ties to even.
    fn from_f64(value: f64) -> Self;
    /// The rows, where they are of single precision.
    fn singles<'s, 'a>(stack: &'s Stack<'a, Self>) -> Option<&'s [&'a [f32]]>;
}

impl Element for f32 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    fn singles<'s, 'a>(stack: &'s Stack<'a, Self>) -> Option<&'s [&'a [f32]]> {
        Some(&stack.rows)
    }
}

impl Element for f64 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }
    fn singles<'s, 'a>(_: &'s Stack<'a, Self>) -> Option<&'s [&'a [f32]]> {
        None
    }
}

/// Why rows do not make a stack, or cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// No rows, or rows of no numbers.
    #[error("{clients} updates of {params} parameters: at least one of each is needed")]
    Empty {
        /// Number of rows.
        clients: usize,
        /// Length of the first row.
        params: usize,
    },
    /// Rows of different lengths.
    #[error("update {client} has {got} parameters, update 0 has {expected}")]
    Length {
        /// Row.
        client: usize,
        /// Length of row 0.
        expected: usize,
        /// Length of this row.
        got: usize,
    },
    /// NaN or infinity.
    #[error("update {client}: {value} at coordinate {coordinate}")]
    NotFinite {
        /// Row.
        client: usize,
        /// Column.
        coordinate: usize,
        /// The value.
        value: f64,
    },
}

/// `clients` rows of `params` numbers each, borrowed from wherever they lie.
#[derive(Debug, Clone)]
pub struct Stack<'a, T> {
    rows: Vec<&'a [T]>,
}

impl<'a, T: Element> Stack<'a, T> {
    /// Rows of equal length, at least one row of at least one number. Their values are not looked at.
    pub fn new(rows: Vec<&'a [T]>) -> Result<Self, StackError> {
        let params = rows.first().map_or(0, |r| r.len());
        if params == 0 {
            return Err(StackError::Empty { clients: rows.len(), params });
        }
        match rows.iter().position(|r| r.len() != params) {
            Some(client) => Err(StackError::Length { client, expected: params, got: rows[client].len() }),
            None => Ok(Self { rows }),
        }
    }

    /// Number of rows.
    pub fn clients(&self) -> usize {
        self.rows.len()
    }

    /// Length of each row.
    pub fn params(&self) -> usize {
        self.rows[0].len()
    }

    /// The rows.
    pub fn rows(&self) -> &[&'a [T]] {
        &self.rows
    }

    /// Largest magnitude of all values. The first value that is not finite, by row and then by column, is an error.
    pub fn largest(&self) -> Result<f64, StackError> {
        let largest: Vec<f64> = self.rows.par_iter().map(|row| T::largest(row)).collect();
        match largest.iter().position(|l| !l.is_finite()) {
            Some(client) => Err(self.not_finite(client)),
            None => Ok(largest.into_iter().fold(0.0, f64::max)),
        }
    }

    /// The error for a row that holds NaN or infinity.
    pub(crate) fn not_finite(&self, client: usize) -> StackError {
        let row = self.rows[client];
        let coordinate =
            row.iter().position(|v| !v.to_f64().is_finite()).expect("the row holds such a value");
        StackError::NotFinite { client, coordinate, value: row[coordinate].to_f64() }
    }
}
