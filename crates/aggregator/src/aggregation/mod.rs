//! How the updates of a round become one: the streaming mean, or a rule that needs them all at once.
//!
//! The mean keeps one sum for each thread. A [`Recipe`] keeps every accepted update until the round is over, all
//! parameters of the blocks that it has: memory is cohort × parameters × 4 bytes.
//!
//! Either way a part of the aggregate stands for `Σ w·part / Σ w` over all accepted updates, as algorithms expect. Under a
//! recipe a block is voted on by the updates that have at least one row of it, and the rule's result is scaled by the share
//! `W_b / W` of their weights; a number by those that have it. What nobody sent is absent. In a message that is a delta
//! alone everybody votes, and nothing is scaled. Rows that are absent from a block that was sent: see [`Absent`].

mod memory;
mod part;
mod votes;

use crate::error::AggregateError;
use crate::round::OpenRound;
use crate::rules::Recipe;
use crate::sum::{PartialSum, finish};
pub use memory::Memory;
pub use part::{Accumulator, Kept, Part};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sottovoce_core::{Aggregate, Checksum, Format, Grid};

/// What is allowed in a round, and how its updates become one.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregation {
    /// Most examples that a client may claim.
    pub weight_cap: u64,
    /// What the streaming mean rounds products to, and how large they may be.
    pub grid: Grid,
    /// Largest Euclidean norm of a block of an update, each by itself; longer ones are refused. Numbers do not count.
    pub norm_bound: Option<f64>,
    /// The rule; `None` for the streaming weighted mean.
    pub recipe: Option<Recipe>,
    /// How the rule reads rows that are absent from a block that was sent. The streaming mean has them count as 0.
    pub absent: Absent,
}

/// What a row of a block is to a rule if the client that sent the block left it out, because its text did not touch
/// it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// A vote of zeros: the client did not move the row. Where most clients leave out a row, zeros are the majority: a
    /// median over sparse rows is 0 in most coordinates then, and only rows that more than half of the clients touch move at
    /// all.
    #[default]
    Zero,
    /// No vote: a row is voted on by those who sent it, and does not move where they are fewer than the rule needs. A
    /// row that few clients touch is then decided by these few. Only for rules that look at each coordinate by itself,
    /// without wrappers: coordinate-median, trimmed-mean, meamed and the means.
    Abstain,
}

/// Where in a run a round is, and what the server knows of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment<'a> {
    /// The run's seed.
    pub seed: u64,
    /// The round, from 0.
    pub round: u64,
    /// What the server's own training on data that it trusts moved in this round: all parameters of block 0.
    pub trusted: Option<&'a [f32]>,
}

impl Aggregation {
    /// The weighted mean, for weights up to `weight_cap`.
    pub fn mean(weight_cap: u64) -> Self {
        Self { weight_cap, grid: Grid::default(), norm_bound: None, recipe: None, absent: Absent::Zero }
    }

    /// Opens a round for messages of that format; see [`OpenRound::new`].
    pub fn open<'a>(&self, format: &Format, round: u64, base: Checksum, cohort: &'a [u64]) -> OpenRound<'a> {
        let open = OpenRound::of(format.clone(), round, base, cohort, self.weight_cap);
        match self.norm_bound {
            Some(bound) => open.with_norm_bound(bound),
            None => open,
        }
    }

    /// An empty part of a round, for one thread.
    pub fn part(&self, format: &Format) -> Part {
        match &self.recipe {
            None => Part::Sum(PartialSum::on(self.grid, format.message().clone(), self.weight_cap)),
            Some(_) => Part::Kept(Kept::new(format.clone(), self.absent)),
        }
    }

    /// The aggregate of all parts; its bits depend on the updates, the moment and the memory alone. After an error the
    /// memory is as it was.
    pub fn finish(
        &self,
        parts: &[&Part],
        at: Moment<'_>,
        memory: &mut Memory,
    ) -> Result<Aggregate, AggregateError> {
        match &self.recipe {
            None => finish(&parts.iter().filter_map(|p| p.sum()).collect::<Vec<_>>()),
            Some(recipe) => votes::count(recipe, parts, at, memory),
        }
    }
}
