//! Coordinate-wise median.
//!
//! Yin, Chen, Kannan, Bartlett: Byzantine-robust distributed learning: towards optimal statistical rates, ICML 2018,
//! option I of Algorithm 1.
//!
//! n clients, d parameters. Deviations: none; the paper leaves open what the median of an even number is, see [`Even`].
//! Cost: O(n d log² n) comparisons, sixteen columns at a time; memory d + O(n) for each thread.

use crate::columns;
use crate::stack::{Element, Stack, StackError};

/// What the median of an even number of values is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Even {
    /// The midpoint of the middle two, as in numpy.
    #[default]
    Midpoint,
    /// The lower of the middle two, as in torch.
    Lower,
}

/// The median of each coordinate.
pub(crate) fn median<T: Element>(stack: &Stack<'_, T>, even: Even) -> Result<Vec<T>, StackError> {
    let n = stack.clients();
    let lower = (n - 1) / 2;
    let upper = match even {
        Even::Midpoint => n / 2,
        Even::Lower => lower,
    };
    columns::mean_of_ranks(stack, lower..upper + 1)
}
