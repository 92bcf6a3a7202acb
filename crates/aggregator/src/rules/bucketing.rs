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
//! Instead of `perm` a `seed`, which draws one: for rows that belong to no run always the same, in a run another one for
//! each round and block, as the paper asks, and from the run's seed where none is given. It is a permutation of the rows
//! as they are ordered by coordinate, so that permuted clients make the same buckets; `perm` goes by the caller's order.
//! `f` of the rule behind it counts buckets. Cost: two passes over the rows, and a copy of `1/s` of them.

use super::canonical::Canonical;
use super::combination::Measured;
use super::context::InRound;
use super::error::RuleError;
use crate::stack::{Element, Stack};
use sottovoce_core::sampling::shuffle;
use sottovoce_core::stream::{Address, Purpose};

/// How rows are dealt out.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Order {
    /// Each row once.
    Given(Vec<usize>),
    /// From this seed, or the run's.
    Drawn(Option<u64>),
}

impl Order {
    fn of<T: Element>(&self, stack: &Stack<'_, T>, round: Option<InRound<'_>>) -> Vec<usize> {
        let seed = match self {
            Self::Given(given) => return given.clone(),
            Self::Drawn(seed) => *seed,
        };
        let of = |seed| Address::new(seed, Purpose::Bucketing);
        let address = match round {
            Some(at) => of(seed.unwrap_or(at.seed)).slot(at.block).round(at.round),
            None => of(seed.unwrap_or_default()),
        };
        let mut order: Vec<usize> = (0..stack.clients()).collect();
        shuffle(&mut address.stream(), &mut order);
        Canonical::of(stack).rows_at(&order)
    }
}

/// The buckets' means. Needs `size > 0`, and an order that is given to be one of the rows.
pub(super) fn buckets<T: Element>(
    stack: &Stack<'_, T>,
    size: usize,
    order: &Order,
    round: Option<InRound<'_>>,
) -> Result<Vec<Vec<T>>, RuleError> {
    let measured = Measured::of(stack)?;
    Ok(order.of(stack, round).chunks(size).map(|bucket| measured.mean_of(bucket)).collect())
}
