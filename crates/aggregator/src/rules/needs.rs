//! How many rows a recipe needs: the checks that look at no value, and the counts that follow from the number of rows.

use super::bucketing::Order;
use super::error::RuleError;
use super::recipe::{Recipe, Rule, Trim, Wrapper};
use super::smea;
use crate::stack::StackError;
use sottovoce_core::share;

impl Recipe {
    /// Whether the recipe can work with so many rows at all, whatever they hold. It is asked before a recipe is applied,
    /// too. MDA's search may be given up for some rows and not for others, which is not known before.
    pub fn check_rows(&self, rows: usize) -> Result<(), RuleError> {
        if rows == 0 {
            return Err(StackError::Empty { clients: 0, params: 0 }.into());
        }
        let rows = self.wrappers.iter().try_fold(rows, |rows, wrapper| wrapper.check(rows))?;
        self.rule.as_ref().map_or(Ok(()), |rule| rule.check(rows))
    }
}

impl Wrapper {
    /// Whether the wrapper can work with `n` rows, at least one; returns how many it makes of them.
    pub(super) fn check(&self, n: usize) -> Result<usize, RuleError> {
        match self {
            Self::Nnm { f } => majority("nnm", n, *f).and(Ok(n)),
            Self::Arc { f } => majority("arc", n, *f).and(Ok(n)),
            Self::StaticClipping { .. } => Ok(n),
            Self::Bucketing { size, order } => {
                if let Order::Given(given) = order
                    && !is_permutation(given, n)
                {
                    return Err(RuleError::NotAPermutation { rows: n });
                }
                Ok(n.div_ceil(*size))
            }
        }
    }
}

impl Rule {
    /// Whether the rule can work with `n` rows, at least one.
    pub(super) fn check(&self, n: usize) -> Result<(), RuleError> {
        match self {
            Self::Mean { .. }
            | Self::Median { .. }
            | Self::Smoothed { .. }
            | Self::GeometricMedian { .. }
            | Self::CenteredClipping { .. }
            | Self::NormBounding { .. }
            | Self::FlTrust { .. } => Ok(()),
            Self::TrimmedMean { trim } => majority("trimmed-mean", n, trim.count(n)),
            Self::Meamed { f } => majority("meamed", n, *f),
            Self::Krum { f, neighbours } => check_neighbours("krum", n, *f, *neighbours),
            Self::MultiKrum { f, neighbours, m, .. } => {
                check_neighbours("multi-krum", n, *f, *neighbours)?;
                between("m", kept(*m, n, *f), n, 1, n)
            }
            Self::Bulyan { f, theta, beta, .. } => {
                if *f > 0 {
                    at_least("bulyan", n, *f, 4, 3)?;
                }
                let theta = bulyan_theta(*theta, n, *f);
                between("theta", theta, n, 1, n)?;
                between("beta", bulyan_beta(*beta, theta, *f), n, 1, theta)
            }
            Self::Monna { f, trusted } => {
                majority("monna", n, *f)?;
                between("idx", *trusted, n, 0, n - 1)
            }
            Self::Mda { f } => majority("mda", n, *f),
            Self::Smea { f } => {
                majority("smea", n, *f)?;
                Ok(smea::few_subsets(n, *f)?)
            }
            Self::Caf { f } => majority("caf", n, *f),
            Self::Custom(custom) => custom.check(n),
        }
    }
}

impl Trim {
    /// Values left out on each side of `n`.
    pub(super) fn count(self, n: usize) -> usize {
        match self {
            Self::Count(f) => f,
            // A share below a half leaves something, however near to a half it is.
            Self::Share(beta) => share::floor(beta, n).min(n.saturating_sub(1) / 2),
        }
    }
}

/// Neighbours that Krum looks at.
pub(super) fn neighbours(given: Option<usize>, n: usize, f: usize) -> usize {
    given.unwrap_or_else(|| n.saturating_sub(f.saturating_add(2)).max(1))
}

/// Rows that Multi-Krum keeps.
pub(super) fn kept(m: Option<usize>, n: usize, f: usize) -> usize {
    m.unwrap_or_else(|| n.saturating_sub(f).max(1))
}

/// Rows that Bulyan selects.
pub(super) fn bulyan_theta(theta: Option<usize>, n: usize, f: usize) -> usize {
    theta.unwrap_or_else(|| n.saturating_sub(f.saturating_mul(2)))
}

/// Values of each coordinate that Bulyan averages.
pub(super) fn bulyan_beta(beta: Option<usize>, theta: usize, f: usize) -> usize {
    beta.unwrap_or_else(|| theta.saturating_sub(f.saturating_mul(2)).max(1))
}

fn check_neighbours(recipe: &'static str, n: usize, f: usize, given: Option<usize>) -> Result<(), RuleError> {
    if let Some(neighbours) = given {
        majority(recipe, n, f)?;
        return between("neighbours", neighbours, n, 1, (n - 1).max(1));
    }
    if f > 0 { at_least(recipe, n, f, 2, 3) } else { Ok(()) }
}

/// `n ≥ times · f + plus`.
fn at_least(recipe: &'static str, rows: usize, f: usize, times: usize, plus: usize) -> Result<(), RuleError> {
    let needed = f.saturating_mul(times).saturating_add(plus);
    if rows >= needed {
        return Ok(());
    }
    let most_f = rows.checked_sub(plus).map(|spare| spare / times);
    Err(RuleError::TooFewRows { recipe, f, needed, rows, most_f })
}

/// `n > 2f`: no rule withstands half of the rows.
fn majority(recipe: &'static str, rows: usize, f: usize) -> Result<(), RuleError> {
    at_least(recipe, rows, f, 2, 1)
}

/// A number between two others.
fn between(
    name: &'static str,
    value: usize,
    rows: usize,
    least: usize,
    most: usize,
) -> Result<(), RuleError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(RuleError::OutOfRows { name, value, rows, least, most })
}

fn is_permutation(given: &[usize], rows: usize) -> bool {
    let mut sorted = given.to_vec();
    sorted.sort_unstable();
    sorted.into_iter().eq(0..rows)
}
