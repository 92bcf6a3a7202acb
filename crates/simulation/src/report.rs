//! What a round did, and why there may be no round.

use crate::chain::Leaves;
use crate::summary::CohortSummary;
use crate::world::Micros;
use serde::{Deserialize, Serialize};
use sottovoce_aggregator::{AggregateError, Rejection};
use sottovoce_core::{Checksum, ClientError, ClientId, LedgerLine};
use std::io;

/// What a round did.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundReport {
    /// The round, from 0.
    pub round: u64,
    /// Clients asked. They, and those that were in flight before, are in one of the three lists below, or in flight.
    pub cohort: u64,
    /// Updates in the aggregate, by client.
    pub accepted: Vec<Accepted>,
    /// Updates refused by the aggregator, by client.
    pub rejected: Vec<(ClientId, Rejection)>,
    /// Clients without an answer, by client.
    pub dropped: Vec<(ClientId, ClientError)>,
    /// What the accepted updates have in common.
    pub summary: CohortSummary,
    /// Why the server made no step although clients answered: model, server state and what clients keep are as before.
    pub skipped: Option<AggregateError>,
    /// Bytes of all broadcasts.
    pub bytes_down: u64,
    /// Bytes that left the clients that were asked.
    pub bytes_up: u64,
    /// Messages that left them, by client.
    pub ledger: Vec<LedgerLine>,
    /// Virtual time, where there is one.
    pub time: Option<Times>,
    /// Checksum of the parameters after the round.
    pub params: Checksum,
    /// A checksum for each stage. The evaluation is somebody else's, so its leaf is zero.
    pub leaves: Leaves,
}

/// A round in virtual time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// When it began.
    pub began: Micros,
    /// When it was over.
    pub ended: Micros,
    /// Clients that are awaited still.
    pub in_flight: u64,
    /// Accepted updates that were stale.
    pub stale: u64,
}

/// An update that is part of the aggregate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accepted {
    /// Who.
    pub client: ClientId,
    /// Training examples.
    pub weight: u64,
    /// Mean training loss.
    pub loss: f32,
}

/// Why a round failed. Without an aggregate everything is as it was before the round, unless there is virtual time; there,
/// where the temporary file fails and where the step diverged, the run has to go on from its last checkpoint.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum RoundError {
    /// Clients answered, but there is no mean of what they sent.
    #[error("round {round}: {source} ({rejected} of {cohort} clients rejected{first})")]
    Aggregate {
        /// The round.
        round: u64,
        /// Clients asked.
        cohort: u64,
        /// Clients rejected.
        rejected: u64,
        /// The first rejection, as text that begins with a comma; empty for none.
        first: String,
        /// Why.
        source: AggregateError,
    },
    /// The server's step gave parameters that are not finite. The run cannot go on from there.
    #[error(
        "round {round}: the server's step of {algorithm} gave a {value} in {tensor:?}, at parameter {at} of the model: the run \
         diverged; lower its rates (server_lr, local.optimiser.lr)"
    )]
    Diverged {
        /// The round.
        round: u64,
        /// The algorithm.
        algorithm: &'static str,
        /// The tensor of the first such parameter.
        tensor: String,
        /// Its place among all parameters.
        at: usize,
        /// NaN or infinite.
        value: f32,
    },
    /// Whoever trained, diverged.
    #[error(
        "round {round}: local training of all {clients} clients that trained diverged, the first: {first}"
    )]
    AllDiverged {
        /// The round.
        round: u64,
        /// How many.
        clients: u64,
        /// The first.
        first: ClientError,
    },
    /// The server's own training on its root data gave nothing that a rule could trust.
    #[error("round {round}: the server's own training on aggregation.root failed: {source}")]
    Root {
        /// The round.
        round: u64,
        /// Why.
        source: ClientError,
    },
    /// The rule trusts the server's own update, and the server has no data to make one of.
    #[error("round {round}: the rule needs an update of the server's own; name its data in aggregation.root")]
    NoRoot {
        /// The round.
        round: u64,
    },
    /// In the simulated world nobody is there any more.
    #[error(
        "round {round}: for {days} days nobody has been there; let clients be there, or join, more often"
    )]
    Nobody {
        /// The round.
        round: u64,
        /// Days of virtual time that the server has waited.
        days: u64,
    },
    /// What clients keep has no place any more.
    #[error(
        "round {round}: the temporary file for what clients keep cannot be written ({kind}); allow more memory for it"
    )]
    States {
        /// The round.
        round: u64,
        /// What the system said.
        kind: io::ErrorKind,
    },
}
