//! How the updates of a round become one: the streaming mean, or a rule that needs them all at once.
//!
//! The mean keeps one sum for each thread. A [`Recipe`] keeps every accepted update, all parameters of it, until the
//! round is over: memory is cohort × parameters × 4 bytes. Rows that a client did not send count as 0 in both.

use crate::error::{AggregateError, Rejection};
use crate::round::OpenRound;
use crate::rules::Recipe;
use crate::stack::Stack;
use crate::sum::{PartialSum, finish};
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{Aggregate, Checksum, ClientId, Layout, RowBlock, Rows, bytes};
use std::sync::Arc;

/// What takes the accepted updates of a round, on one thread.
pub trait Accumulator {
    /// The factor of the update's values, if it can be taken; nothing is changed.
    fn factor(&self, update: &UpdateView<'_>) -> Result<f64, Rejection>;
    /// Takes an update with the factor that [`factor`](Self::factor) gave it.
    fn take(&mut self, update: &UpdateView<'_>, factor: f64);
}

impl Accumulator for PartialSum {
    fn factor(&self, update: &UpdateView<'_>) -> Result<f64, Rejection> {
        PartialSum::factor(self, update)
    }
    fn take(&mut self, update: &UpdateView<'_>, factor: f64) {
        self.add_one(update, factor);
    }
}

/// What is allowed in a round, and how its updates become one.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregation {
    /// Most examples that a client may claim.
    pub weight_cap: u64,
    /// Largest Euclidean norm of an update; longer ones are refused.
    pub norm_bound: Option<f64>,
    /// The rule; `None` for the streaming weighted mean.
    pub recipe: Option<Recipe>,
}

impl Aggregation {
    /// The weighted mean, for weights up to `weight_cap`.
    pub fn mean(weight_cap: u64) -> Self {
        Self { weight_cap, norm_bound: None, recipe: None }
    }

    /// Opens a round; see [`OpenRound::new`].
    pub fn open<'a>(
        &self,
        layout: Arc<Layout>,
        round: u64,
        base: Checksum,
        cohort: &'a [u64],
    ) -> OpenRound<'a> {
        let open = OpenRound::new(layout, round, base, cohort, self.weight_cap);
        match self.norm_bound {
            Some(bound) => open.with_norm_bound(bound),
            None => open,
        }
    }

    /// An empty part of a round, for one thread.
    pub fn part(&self, layout: Arc<Layout>) -> Part {
        match &self.recipe {
            None => Part::Sum(PartialSum::new(layout, self.weight_cap)),
            Some(_) => Part::Kept(Kept { layout, updates: Vec::new() }),
        }
    }

    /// The aggregate of all parts; its bits depend on the updates alone.
    pub fn finish(&self, parts: &[&Part]) -> Result<Aggregate, AggregateError> {
        let Some(recipe) = &self.recipe else {
            return finish(&parts.iter().filter_map(|p| p.sum()).collect::<Vec<_>>());
        };
        let mut updates: Vec<&KeptUpdate> = parts.iter().flat_map(|p| p.kept()).collect();
        updates.sort_unstable_by_key(|u| u.client);
        let Some(layout) = parts.iter().find_map(|p| p.layout()).filter(|_| !updates.is_empty()) else {
            return Err(AggregateError::NoUpdates);
        };
        let stack = Stack::new(updates.iter().map(|u| &u.values[..]).collect());
        let weights: Vec<f64> = updates.iter().map(|u| u.weight as f64).collect();
        let outcome = stack.map_err(Into::into).and_then(|stack| recipe.aggregate(&stack, Some(&weights)));
        let values = outcome?.rows.swap_remove(0);
        let delta =
            RowBlock::new(layout.clone(), Rows::All, values).expect("a rule's row is as long as its input's");
        let weight = updates.iter().fold(0u64, |all, u| all.saturating_add(u.weight));
        Ok(Aggregate { delta, weight, updates: updates.len() as u64 })
    }
}

/// What one thread holds of a round.
#[derive(Debug)]
pub enum Part {
    /// A sum.
    Sum(PartialSum),
    /// The updates themselves.
    Kept(Kept),
}

/// Updates kept until the end of a round.
#[derive(Debug)]
pub struct Kept {
    layout: Arc<Layout>,
    updates: Vec<KeptUpdate>,
}

#[derive(Debug)]
struct KeptUpdate {
    client: ClientId,
    weight: u64,
    values: Vec<f32>,
}

impl Part {
    /// Forgets what was taken.
    pub fn clear(&mut self) {
        match self {
            Self::Sum(sum) => sum.clear(),
            Self::Kept(kept) => kept.updates.clear(),
        }
    }

    fn sum(&self) -> Option<&PartialSum> {
        if let Self::Sum(sum) = self { Some(sum) } else { None }
    }

    fn kept(&self) -> &[KeptUpdate] {
        if let Self::Kept(kept) = self { &kept.updates } else { &[] }
    }

    fn layout(&self) -> Option<&Arc<Layout>> {
        if let Self::Kept(kept) = self { Some(&kept.layout) } else { None }
    }
}

impl Accumulator for Part {
    fn factor(&self, update: &UpdateView<'_>) -> Result<f64, Rejection> {
        match self {
            Self::Sum(sum) => sum.factor(update),
            Self::Kept(_) if update.largest().is_finite() => Ok(1.0),
            Self::Kept(_) => Err(Rejection::not_finite(update)),
        }
    }

    fn take(&mut self, update: &UpdateView<'_>, factor: f64) {
        match self {
            Self::Sum(sum) => sum.add_one(update, factor),
            Self::Kept(kept) => {
                let mut values = vec![0.0; kept.layout.params()];
                let mut sent = bytes::f32s(update.value_bytes());
                for range in update.ranges() {
                    values[range].iter_mut().zip(&mut sent).for_each(|(to, v)| *to = v);
                }
                let (client, weight) = (update.head.client, update.head.weight);
                kept.updates.push(KeptUpdate { client, weight, values });
            }
        }
    }
}
