//! Coordinate-wise trimmed mean.
//!
//! Yin, Chen, Kannan, Bartlett: Byzantine-robust distributed learning: towards optimal statistical rates, ICML 2018,
//! option II of Algorithm 1.
//!
//! n clients, d parameters, f values dropped at each end. Deviations: f is a number of clients; the paper's fraction β
//! is f = ⌊β n⌋ (0.29 of 100 are 29). With f = 0 it is the mean.
//! Cost: O(n d log² n) comparisons, sixteen columns at a time; memory d + O(n) for each thread.

use crate::columns;
use crate::stack::{Element, Stack, StackError};

/// In each coordinate the mean of what is left without the `f` smallest and the `f` largest values. The caller sees to
/// `2 f < n`.
pub(crate) fn trimmed_mean<T: Element>(stack: &Stack<'_, T>, f: usize) -> Result<Vec<T>, StackError> {
    columns::mean_of_ranks(stack, f..stack.clients() - f)
}
