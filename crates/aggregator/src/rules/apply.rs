//! Recipes applied: the call of each rule and wrapper.

use super::canonical::Canonical;
use super::combination::{Measured, shares};
use super::context::{Context, InRound};
use super::error::RuleError;
use super::geometric_median::{self, From};
use super::mean::{self, Weighting};
use super::recipe::{Recipe, Rule, Start, Wrapper};
use super::{
    Outcome, arc, bucketing, bulyan, caf, centered_clipping, clipping, fltrust, krum, mda, meamed, median,
    monna, needs, nnm, norm_bounding, smea, trimmed_mean,
};
use crate::columns::mean_around_median;
use crate::grid::BLOCK;
use crate::stack::{Element, Stack};
use rayon::prelude::*;

impl Recipe {
    /// Applies the recipe. `weights`, one for each row, finite and not negative, count where the rule has weights
    /// and its parameters ask for them; they are not looked at otherwise.
    pub fn aggregate<T: Element>(
        &self,
        stack: &Stack<'_, T>,
        weights: Option<&[f64]>,
    ) -> Result<Outcome<T>, RuleError> {
        let mut outcome = Outcome::default();
        self.aggregate_into(stack, weights, &mut outcome)?;
        Ok(outcome)
    }

    /// The same, written over `outcome`. The mean takes no fresh memory if the outcome of a stack of that size is
    /// there already; after an error the outcome is empty.
    pub fn aggregate_into<T: Element>(
        &self,
        stack: &Stack<'_, T>,
        weights: Option<&[f64]>,
        outcome: &mut Outcome<T>,
    ) -> Result<(), RuleError> {
        let before = std::mem::take(outcome);
        self.alone()?;
        *outcome = self.in_context(stack, &Context { weights, round: None }, before)?;
        Ok(())
    }

    /// The recipe applied with all that it may be told, in memory that an earlier outcome had.
    pub(crate) fn in_context<T: Element>(
        &self,
        stack: &Stack<'_, T>,
        context: &Context<'_>,
        before: Outcome<T>,
    ) -> Result<Outcome<T>, RuleError> {
        Ok(match (&self.wrappers[..], &self.rule) {
            ([], Some(Rule::Mean { weighting })) => {
                let mut means = before.rows.into_iter().next().unwrap_or_default();
                means.resize(stack.params(), T::from_f64(0.0));
                mean::mean(stack, *weighting, context.weights, &mut means)?;
                Outcome { rows: vec![means], ..Outcome::default() }
            }
            _ => self.wrap_and_apply(stack, *context)?,
        })
    }

    fn wrap_and_apply<T: Element>(
        &self,
        stack: &Stack<'_, T>,
        mut context: Context<'_>,
    ) -> Result<Outcome<T>, RuleError> {
        self.check_rows(stack.clients())?;
        let mut wrapped: Option<Vec<Vec<T>>> = None;
        for wrapper in &self.wrappers {
            let next = match &wrapped {
                Some(rows) => wrap(wrapper, &view(rows)?, &context)?,
                None => wrap(wrapper, stack, &context)?,
            };
            wrapped = Some(next);
            if matches!(wrapper, Wrapper::Bucketing { .. }) {
                context.weights = None;
            }
        }
        let outcome = match (&self.rule, wrapped) {
            (Some(rule), Some(rows)) => apply(rule, &view(&rows)?, &context)?,
            (Some(rule), None) => apply(rule, stack, &context)?,
            (None, rows) => Outcome { rows: rows.expect("a recipe has a name"), selected: None, trust: None },
        };
        // Rows are finite: a vector among the parameters, or a length to scale to, need not fit their type.
        let finite = |row: &Vec<T>| row.par_chunks(BLOCK).all(|block| T::largest(block).is_finite());
        if !outcome.rows.iter().all(finite) {
            return Err(RuleError::ResultNotFinite { recipe: self.names().into() });
        }
        Ok(outcome)
    }
}

fn view<T: Element>(rows: &[Vec<T>]) -> Result<Stack<'_, T>, RuleError> {
    Ok(Stack::new(rows.iter().map(Vec::as_slice).collect())?)
}

/// A vector among the parameters, in the rows' type.
fn vector<T: Element>(name: &'static str, values: &[f64], stack: &Stack<'_, T>) -> Result<Vec<T>, RuleError> {
    if values.len() != stack.params() {
        return Err(RuleError::VectorLength { name, expected: stack.params(), got: values.len() });
    }
    let converted: Vec<T> = values.iter().map(|v| T::from_f64(*v)).collect();
    // As a stack of one row it is held to the same limits as the rows.
    let row = Stack::new(vec![&converted[..]])?;
    match Measured::for_distances(&row) {
        Ok(_) => Ok(converted),
        Err(_) => Err(RuleError::VectorTooLarge { name }),
    }
}

/// What a run knows, in the rows' type.
fn known<T: Element>(name: &'static str, values: &[f32], stack: &Stack<'_, T>) -> Result<Vec<T>, RuleError> {
    if let Some(place) = values.iter().position(|v| !v.is_finite()) {
        return Err(RuleError::VectorNotFinite { name, place, value: values[place].into() });
    }
    if values.len() != stack.params() {
        return Err(RuleError::VectorLength { name, expected: stack.params(), got: values.len() });
    }
    Ok(values.iter().map(|v| T::from_f64(f64::from(*v))).collect())
}

/// The result of the round before, zeros where there was none.
fn previous<T: Element>(round: Option<InRound<'_>>, stack: &Stack<'_, T>) -> Result<Vec<T>, RuleError> {
    match round {
        Some(at) if !at.previous.is_empty() => known("v0", at.previous, stack),
        _ => Ok(vec![T::from_f64(0.0); stack.params()]),
    }
}

/// The wrapper's rows; their number has been checked.
fn wrap<T: Element>(
    wrapper: &Wrapper,
    stack: &Stack<'_, T>,
    context: &Context<'_>,
) -> Result<Vec<Vec<T>>, RuleError> {
    match wrapper {
        Wrapper::Nnm { f } => nnm::mixed(stack, *f),
        Wrapper::Arc { f } => arc::clipped(stack, *f),
        Wrapper::StaticClipping { bound } => clipping::clipped(stack, *bound),
        Wrapper::Bucketing { size, order } => bucketing::buckets(stack, *size, order, context.round),
    }
}

/// The rule's outcome; the number of rows has been checked.
fn apply<T: Element>(
    rule: &Rule,
    stack: &Stack<'_, T>,
    context: &Context<'_>,
) -> Result<Outcome<T>, RuleError> {
    let (n, weights) = (stack.clients(), context.weights);
    let one = |row: Vec<T>| Outcome { rows: vec![row], selected: None, trust: None };
    let shares_of = |w: &Weighting, name| w.shares(name, n, weights);
    Ok(match rule {
        Rule::Mean { weighting } => {
            let mut means = vec![T::from_f64(0.0); stack.params()];
            mean::mean(stack, *weighting, weights, &mut means)?;
            one(means)
        }
        Rule::Median { even } => one(median::median(stack, *even)?),
        Rule::TrimmedMean { trim } => one(trimmed_mean::trimmed_mean(stack, trim.count(n))?),
        Rule::Meamed { f } => one(meamed::meamed(stack, *f)?),
        Rule::Krum { f, neighbours } => {
            let neighbours = needs::neighbours(*neighbours, n, *f);
            Measured::for_distances(stack)?;
            let sorted = Canonical::of(stack);
            let place = if n == 1 { 0 } else { krum::select(sorted.stack(), neighbours) };
            let best = sorted.rows_at(&[place])[0];
            Outcome { selected: Some(vec![best]), ..one(stack.rows()[best].to_vec()) }
        }
        Rule::MultiKrum { f, neighbours, m, weighting } => {
            let (neighbours, m) = (needs::neighbours(*neighbours, n, *f), needs::kept(*m, n, *f));
            let measured = Measured::for_distances(stack)?;
            let shares = shares_of(weighting, "multi-krum")?;
            let sorted = Canonical::weighted(stack, &shares);
            let best = if n == 1 { vec![0] } else { krum::multi_krum(sorted.stack(), m, neighbours) };
            selected(&measured, sorted.set_at(&best), &shares)?
        }
        Rule::Bulyan { f, theta, beta, scores } => {
            let theta = needs::bulyan_theta(*theta, n, *f);
            let beta = needs::bulyan_beta(*beta, theta, *f);
            Measured::for_distances(stack)?;
            let sorted = Canonical::of(stack);
            let places = if n == 1 { vec![0] } else { bulyan::select(sorted.stack(), *f, theta, *scores) };
            let order = sorted.rows_at(&places);
            let rows = Stack::new(order.iter().map(|row| stack.rows()[*row]).collect())?;
            Outcome { selected: Some(order), ..one(mean_around_median(&rows, beta)?) }
        }
        Rule::Smoothed { nu, steps, start, weighting } => {
            let alphas = shares_of(weighting, "the geometric median")?;
            let measured = Measured::for_distances(stack)?;
            let point;
            let from = match start {
                Start::Zeros | Start::Previous => From::Combination(vec![0.0; n]),
                Start::Mean => From::Combination(vec![1.0 / n as f64; n]),
                Start::WeightedMean => From::Combination(alphas.clone()),
                Start::At(values) => {
                    point = vector("start", values, stack)?;
                    From::Point(&point)
                }
            };
            one(geometric_median::smoothed(&measured, &alphas, from, *nu, *steps))
        }
        Rule::GeometricMedian { tolerance, iterations, weighting } => {
            let alphas = shares_of(weighting, "the geometric median")?;
            let measured = Measured::for_distances(stack)?;
            let sorted = Canonical::weighted(stack, &alphas);
            let (rows, alphas) = (sorted.measured(&measured), sorted.sorted(&alphas));
            one(geometric_median::converged(&rows, &alphas, *tolerance, *iterations))
        }
        Rule::CenteredClipping { start, radius, steps } => {
            let start = match start {
                None | Some(Start::Previous) => previous(context.round, stack)?,
                Some(Start::Zeros) => vec![T::from_f64(0.0); stack.params()],
                Some(Start::Mean | Start::WeightedMean) => {
                    Measured::for_distances(stack)?.combine(&vec![1.0 / n as f64; n])
                }
                Some(Start::At(values)) => vector("v0", values, stack)?,
            };
            one(centered_clipping::centered_clipping(stack, start, *radius, *steps)?)
        }
        Rule::NormBounding { bound, weighting } => {
            let shares = shares_of(weighting, "norm-bounding-average")?;
            one(norm_bounding::norm_bounding(stack, *bound, &shares)?)
        }
        Rule::FlTrust { server } => {
            let server = match (server, context.round.and_then(|at| at.trusted)) {
                (Some(server), _) => vector("server_update", server, stack)?,
                (None, Some(server)) => known("server_update", server, stack)?,
                (None, None) => return Err(RuleError::NoTrusted { recipe: "fltrust" }),
            };
            let (row, trust) = fltrust::fltrust(stack, &server)?;
            Outcome { trust: Some(trust), ..one(row) }
        }
        Rule::Monna { f, trusted } => {
            let (row, near) = monna::monna(stack, *f, *trusted)?;
            Outcome { selected: Some(near), ..one(row) }
        }
        Rule::Mda { f } => {
            let measured = Measured::for_distances(stack)?;
            let sorted = Canonical::of(stack);
            selected(&measured, sorted.set_at(&mda::select(sorted.stack(), *f)?), &vec![1.0; n])?
        }
        Rule::Smea { f } => {
            let measured = Measured::for_distances(stack)?;
            let sorted = Canonical::of(stack);
            selected(&measured, sorted.set_at(&smea::select(sorted.stack(), *f)?), &vec![1.0; n])?
        }
        Rule::Caf { f } => {
            let measured = Measured::for_distances(stack)?;
            let sorted = Canonical::of(stack);
            one(measured.combine(&shares(&sorted.back(caf::weights(sorted.stack(), *f)))))
        }
        Rule::Custom(custom) => one(custom.apply(stack, context)?),
    })
}

/// The mean of the rows selected, in proportion to their weights.
fn selected<T: Element>(
    rows: &Measured<'_, '_, T>,
    selected: Vec<usize>,
    weights: &[f64],
) -> Result<Outcome<T>, RuleError> {
    let mut kept = vec![0.0; weights.len()];
    for row in &selected {
        kept[*row] = weights[*row];
    }
    if kept.iter().all(|w| *w == 0.0) {
        return Err(RuleError::ZeroWeight);
    }
    Ok(Outcome { rows: vec![rows.combine(&shares(&kept))], selected: Some(selected), trust: None })
}
