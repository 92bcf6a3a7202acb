//! What recipes are in the rounds of a run: what they remember, whom they trust, and what makes no sense there.

use super::bucketing::Order;
use super::error::RuleError;
use super::mean;
use super::median::{self, Even};
use super::recipe::{Recipe, Rule, Start, Wrapper};
use crate::stack::Stack;

impl Recipe {
    /// Whether each coordinate of the result follows from that coordinate of the rows alone: coordinate-median,
    /// trimmed-mean, meamed and the means, without wrappers. Only these can leave out the rows of a table that a client
    /// did not send.
    pub fn coordinatewise(&self) -> bool {
        let rule = matches!(
            self.rule,
            Some(Rule::Mean { .. } | Rule::Median { .. } | Rule::TrimmedMean { .. } | Rule::Meamed { .. })
        );
        rule && self.wrappers.is_empty()
    }

    /// Whether it is a mean of all rows and nothing else.
    pub fn is_mean(&self) -> bool {
        matches!((&self.wrappers[..], &self.rule), ([], Some(Rule::Mean { .. })))
    }

    /// Whether every round needs an update of the server's own, from data that it trusts.
    pub fn needs_trusted(&self) -> bool {
        matches!(self.rule, Some(Rule::FlTrust { server: None }))
    }

    /// Whether the recipe is for messages of one block only: FLTrust's update of the server's own is one block, and says
    /// nothing of the others.
    pub fn wants_delta_alone(&self) -> bool {
        matches!(self.rule, Some(Rule::FlTrust { .. }))
    }

    /// Whether a round begins with the result of the round before.
    pub(crate) fn remembers(&self) -> bool {
        matches!(self.rule, Some(Rule::CenteredClipping { start: None | Some(Start::Previous), .. }))
    }

    /// Why the recipe makes no sense round after round, and what to use instead; `None` where it does.
    pub fn refused_in_rounds(&self) -> Option<&'static str> {
        if self.wrappers.iter().any(|w| matches!(w, Wrapper::Bucketing { order: Order::Given(_), .. })) {
            return Some(
                "perm is one order for all rounds, of clients that each round draws anew: leave it out, and every \
                 round draws an order of its own",
            );
        }
        match &self.rule {
            Some(Rule::Monna { .. }) => Some(
                "monna trusts the client at one place of the cohort, and each round draws another cohort: use \
                 fltrust, which trusts the server's own data, or nnm in front of a rule",
            ),
            Some(Rule::FlTrust { server: Some(_) }) => Some(
                "server_update is the same in all rounds, and the model is not: leave it out, and the server trains \
                 on its own data in each round",
            ),
            Some(Rule::Smoothed { start: Start::At(_), .. }) => {
                Some("start is one vector for all rounds: use zeros, mean or weighted_mean")
            }
            Some(Rule::CenteredClipping { start: Some(Start::At(_)), .. }) => {
                Some("v0 is one vector for all rounds: use previous, zeros or mean")
            }
            _ => None,
        }
    }

    /// An error if the recipe lacks what only a run has.
    pub(super) fn alone(&self) -> Result<(), RuleError> {
        if self.wrappers.iter().any(|w| matches!(w, Wrapper::Bucketing { order: Order::Drawn(None), .. })) {
            return Err(RuleError::missing("bucketing", "perm"));
        }
        match &self.rule {
            Some(Rule::FlTrust { server: None }) => Err(RuleError::missing("fltrust", "server_update")),
            Some(Rule::CenteredClipping { start: Some(Start::Previous), .. }) => Err(RuleError::NoPrevious),
            _ => Ok(()),
        }
    }

    /// A number from those who sent one, each with its weight: the mean where the recipe is a mean and nothing else, by
    /// the weights that it asks for, and the median otherwise. One number is not a row: it has no direction, and
    /// no norm that could be compared with those of updates.
    pub(crate) fn number(&self, values: &[f32], weights: &[f64]) -> Result<f32, RuleError> {
        let stack = Stack::new(values.chunks(1).collect())?;
        if let ([], Some(Rule::Mean { weighting })) = (&self.wrappers[..], &self.rule) {
            let mut means = [0.0];
            mean::mean(&stack, *weighting, Some(weights), &mut means)?;
            return Ok(means[0]);
        }
        Ok(median::median(&stack, Even::Midpoint)?[0])
    }
}
