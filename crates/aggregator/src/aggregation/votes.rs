//! The votes of a round counted: for each block and number the rule is asked about the updates that have it.

use super::part::{KeptBlock, KeptUpdate};
use super::{Absent, Memory, Moment, Part};
use crate::error::AggregateError;
use crate::rules::{Context, InRound, Outcome, Recipe, RuleError};
use crate::stack::Stack;
use rayon::prelude::*;
use sottovoce_core::{Aggregate, Contents, Layout, RowBlock, Rows};
use std::ops::Range;

/// What the voters make of a block: its rows, `None` for all, and their values.
type Voted = (Option<Vec<u32>>, Vec<f32>);

/// Those who have a block, and their weights.
struct Voters<'a> {
    blocks: Vec<&'a KeptBlock>,
    weights: Vec<f64>,
    weight: u64,
}

/// All accepted updates.
struct Round<'a> {
    /// By client.
    updates: Vec<&'a KeptUpdate>,
    weight: u64,
}

/// The aggregate of the parts' updates.
pub(super) fn count(
    recipe: &Recipe,
    parts: &[&Part],
    at: Moment<'_>,
    memory: &mut Memory,
) -> Result<Aggregate, AggregateError> {
    let kept = || parts.iter().filter_map(|part| part.kept());
    let mut updates: Vec<&KeptUpdate> = kept().flat_map(|kept| &kept.updates).collect();
    updates.sort_unstable_by_key(|update| update.client);
    let Some(first) = kept().next().filter(|_| !updates.is_empty()) else {
        return Err(AggregateError::NoUpdates);
    };
    let (format, absent) = (&first.format, first.absent);
    let Contents { blocks, .. } = format.contents();
    if blocks > 1 && recipe.wants_delta_alone() {
        return Err(RuleError::SeveralBlocks { recipe: recipe.names().into(), blocks }.into());
    }
    if absent == Absent::Abstain && !recipe.coordinatewise() {
        return Err(RuleError::NotCoordinatewise { recipe: recipe.names().into() }.into());
    }
    let weight = updates.iter().fold(0u64, |all, u| all.saturating_add(u.weight));
    let round = Round { updates, weight };

    let (mut rows, mut values, mut remembered) = (Vec::new(), Vec::new(), Vec::new());
    for block in 0..blocks {
        let Some((voters, share)) = round.voters(block)? else { continue };
        let moment = InRound {
            seed: at.seed,
            round: at.round,
            block: block as u64,
            trusted: at.trusted,
            previous: memory.of(block),
        };
        let (moved, mut result) = match absent {
            Absent::Zero => whole(recipe, &voters, moment)?,
            Absent::Abstain => by_rows(recipe, format.model(), &voters, moment)?,
        };
        if recipe.remembers() {
            remembered.push((block, result.clone()));
        }
        scale(&mut result, share);
        let first = format.block_rows(block).start;
        match moved {
            None => rows.extend(format.block_rows(block)),
            Some(moved) => rows.extend(moved.into_iter().map(|row| first + row)),
        }
        if values.is_empty() { values = result } else { values.extend(result) }
    }
    for (place, number) in round.numbers(recipe)? {
        rows.push(format.number_rows().start + place);
        values.push(number);
    }
    memory.keep(remembered);
    let layout = format.message();
    let rows = if rows.len() == layout.rows() { Rows::All } else { Rows::Some(rows.into()) };
    let delta =
        RowBlock::new(layout.clone(), rows, values).expect("rows rise, and a result is as long as its rows");
    Ok(Aggregate { delta, weight, updates: round.updates.len() as u64 })
}

impl<'a> Round<'a> {
    /// Those who have a block, and what its result is scaled by; `None` if nobody has it, or none whose weight is not 0
    /// while others' is not: then it counts nothing.
    fn voters(&self, block: usize) -> Result<Option<(Voters<'a>, Option<f64>)>, AggregateError> {
        let mut voters = Voters { blocks: Vec::new(), weights: Vec::new(), weight: 0 };
        for update in &self.updates {
            if let Ok(at) = update.blocks.binary_search_by_key(&block, |b| b.place) {
                voters.blocks.push(&update.blocks[at]);
                voters.weights.push(update.weight as f64);
                voters.weight = voters.weight.saturating_add(update.weight);
            }
        }
        let share = self.share(voters.blocks.len(), voters.weight)?;
        Ok(Some((voters, share)).filter(|(voters, share)| !voters.blocks.is_empty() && *share != Some(0.0)))
    }

    /// The share of the weights of some updates in those of all; `None` if they are all updates.
    fn share(&self, updates: usize, weight: u64) -> Result<Option<f64>, AggregateError> {
        if updates == 0 || updates == self.updates.len() {
            return Ok(None);
        }
        if self.weight == 0 {
            return Err(AggregateError::ZeroTotalWeight { updates: self.updates.len() as u64 });
        }
        Ok(Some(weight as f64 / self.weight as f64))
    }

    /// The numbers that somebody sent, each with its place, ascending.
    fn numbers(&self, recipe: &Recipe) -> Result<Vec<(u32, f32)>, AggregateError> {
        let sent = |u: &&'a KeptUpdate| {
            let weight = u.weight;
            u.numbers.iter().map(move |(place, value)| (*place, *value, weight))
        };
        let mut votes: Vec<(u32, f32, u64)> = self.updates.iter().flat_map(sent).collect();
        // Stable: those of one number stay in the order of clients.
        votes.sort_by_key(|(place, ..)| *place);
        let mut numbers = Vec::new();
        for votes in votes.chunk_by(|a, b| a.0 == b.0) {
            let weight = votes.iter().fold(0u64, |all, vote| all.saturating_add(vote.2));
            let share = self.share(votes.len(), weight)?;
            if share == Some(0.0) {
                continue;
            }
            let values: Vec<f32> = votes.iter().map(|vote| vote.1).collect();
            let weights: Vec<f64> = votes.iter().map(|vote| vote.2 as f64).collect();
            let mut number = [recipe.number(&values, &weights)?];
            scale(&mut number, share);
            numbers.push((votes[0].0, number[0]));
        }
        Ok(numbers)
    }
}

fn scale(values: &mut [f32], share: Option<f64>) {
    if let Some(share) = share {
        values.iter_mut().for_each(|v| *v = (f64::from(*v) * share) as f32);
    }
}

/// The rule's result for whole blocks.
fn whole(recipe: &Recipe, voters: &Voters<'_>, at: InRound<'_>) -> Result<Voted, RuleError> {
    let rows = voters.blocks.iter().map(|block| &block.values[..]).collect();
    Ok((None, ask(recipe, rows, &voters.weights, at)?))
}

/// The rule's result row by row, each by those who sent it. Rows one behind the other that the same voters sent are one
/// stack, so that where everybody sent all rows it is that of whole blocks.
fn by_rows(
    recipe: &Recipe,
    model: &Layout,
    voters: &Voters<'_>,
    at: InRound<'_>,
) -> Result<Voted, RuleError> {
    recipe.check_rows(voters.blocks.len())?;
    let ballots = Ballots::of(model, &voters.blocks);
    let runs = ballots.runs();
    // Those whose weights are all 0 decide nothing, unless there are no others at all.
    let nobody_counts = voters.weight == 0;
    let results: Vec<Option<Vec<f32>>> = runs
        .par_iter()
        .map(|run| {
            let votes = ballots.of_row(run.start);
            match recipe.check_rows(votes.len()) {
                Err(few) if few.is_too_few() => return Ok(None),
                checked => checked?,
            }
            let len = model.params_in(run.start as u32..run.end as u32);
            let slice = |vote: &Vote| &voters.blocks[vote.voter].values[vote.start..vote.start + len];
            let weights: Vec<f64> = votes.iter().map(|vote| voters.weights[vote.voter]).collect();
            match ask(recipe, votes.iter().map(slice).collect(), &weights, at) {
                Err(RuleError::ZeroWeight) if !nobody_counts => Ok(None),
                result => result.map(Some),
            }
        })
        .collect::<Result<_, RuleError>>()?;
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for (run, result) in runs.into_iter().zip(results) {
        let Some(result) = result else { continue };
        rows.extend(run.start as u32..run.end as u32);
        if values.is_empty() { values = result } else { values.extend(result) }
    }
    Ok((Some(rows), values))
}

fn ask(recipe: &Recipe, rows: Vec<&[f32]>, weights: &[f64], at: InRound<'_>) -> Result<Vec<f32>, RuleError> {
    let context = Context { weights: Some(weights), round: Some(at) };
    Ok(recipe.in_context(&Stack::new(rows)?, &context, Outcome::default())?.rows.swap_remove(0))
}

/// One voter's row.
#[derive(Debug, Clone, Copy, Default)]
struct Vote {
    /// Place among the voters.
    voter: usize,
    /// Where the row begins among the voter's values.
    start: usize,
}

/// For each row of a model who sent it.
struct Ballots {
    votes: Vec<Vote>,
    /// Where the votes on each row begin, and the end of the last.
    starts: Vec<usize>,
}

impl Ballots {
    fn of(model: &Layout, blocks: &[&KeptBlock]) -> Self {
        let rows =
            |block: &KeptBlock| block.rows.clone().unwrap_or_else(|| (0..model.rows() as u32).collect());
        let mut starts = vec![0; model.rows() + 1];
        for block in blocks {
            rows(block).into_iter().for_each(|row| starts[row as usize + 1] += 1);
        }
        for row in 0..model.rows() {
            starts[row + 1] += starts[row];
        }
        let (mut votes, mut free) = (vec![Vote::default(); starts[model.rows()]], starts.clone());
        for (voter, block) in blocks.iter().enumerate() {
            let (rows, mut start) = (rows(block), 0);
            for (row, range) in rows.iter().zip(model.ranges(rows.iter().copied())) {
                votes[free[*row as usize]] = Vote { voter, start };
                free[*row as usize] += 1;
                start += range.len();
            }
        }
        Self { votes, starts }
    }

    fn of_row(&self, row: usize) -> &[Vote] {
        &self.votes[self.starts[row]..self.starts[row + 1]]
    }

    /// Rows one behind the other with the same voters, at least one.
    fn runs(&self) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        let same = |a: &[Vote], b: &[Vote]| a.iter().map(|v| v.voter).eq(b.iter().map(|v| v.voter));
        for row in 0..self.starts.len() - 1 {
            let votes = self.of_row(row);
            match runs.last_mut() {
                _ if votes.is_empty() => {}
                Some(run) if run.end == row && same(self.of_row(run.start), votes) => run.end += 1,
                _ => runs.push(row..row + 1),
            }
        }
        runs
    }
}
