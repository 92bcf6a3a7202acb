//! Mean around the median.
//!
//! Xie, Koyejo, Gupta: Generalized Byzantine-tolerant SGD, arXiv:1802.10116, 2018, section 4.3.
//!
//! n clients, d parameters, f of them possibly Byzantine. Deviations: none; the paper leaves ties open, here the smaller
//! of two values at the same distance is the nearer. With f = 0 it is the mean.
//! Cost: O(n d log² n) comparisons, sixteen columns at a time; memory d + O(n) for each thread.

use crate::columns;
use crate::stack::{Element, Stack, StackError};

/// In each coordinate the mean of the `n - f` values nearest to the median. The caller sees to `f < n`.
pub(crate) fn meamed<T: Element>(stack: &Stack<'_, T>, f: usize) -> Result<Vec<T>, StackError> {
    columns::mean_around_median(stack, stack.clients() - f)
}
