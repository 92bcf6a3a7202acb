//! Bucketing: rows are shuffled, and each `s` of them become one, their mean.
//!
//! Karimireddy, He, Jaggi, "Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing", ICLR 2022,
//! algorithm 1.
//!
//! | symbol | meaning |
//! |---|---|
//! | `s` | rows to a bucket; the last of the `⌈n/s⌉` buckets may hold fewer |
//! | `perm` | bucket `j` holds rows `perm[js]` to `perm[js + s - 1]` |
//!
//! Instead of `perm` a `seed`, which draws one: who aggregates again and again takes another one each time. It is a
//! permutation of the rows as they are ordered by coordinate, so that permuted clients make the same buckets; `perm`
//! goes by the caller's order. `f` of the rule behind it counts buckets. Cost: two passes over the rows, and a copy of
//! `1/s` of them.

use super::canonical::Canonical;
use super::combination::Measured;
use super::error::RuleError;
use crate::stack::{Element, Stack};
use sottovoce_core::sampling::shuffle;
use sottovoce_core::stream::{Address, Purpose};

/// How rows are dealt out.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Order {
    Given(Vec<usize>),
    Drawn(u64),
}

impl Order {
    fn of<T: Element>(&self, stack: &Stack<'_, T>) -> Result<Vec<usize>, RuleError> {
        let rows = stack.clients();
        let mut order: Vec<usize> = (0..rows).collect();
        match self {
            Self::Drawn(seed) => {
                shuffle(&mut Address::new(*seed, Purpose::Bucketing).stream(), &mut order);
                Ok(Canonical::of(stack).rows_at(&order))
            }
            Self::Given(given) => {
                let mut sorted = given.clone();
                sorted.sort_unstable();
                if sorted == order { Ok(given.clone()) } else { Err(RuleError::NotAPermutation { rows }) }
            }
        }
    }
}

/// The buckets' means. Needs `size > 0`.
pub(super) fn buckets<T: Element>(
    stack: &Stack<'_, T>,
    size: usize,
    order: &Order,
) -> Result<Vec<Vec<T>>, RuleError> {
    let measured = Measured::of(stack)?;
    Ok(order.of(stack)?.chunks(size).map(|bucket| measured.mean_of(bucket)).collect())
}
