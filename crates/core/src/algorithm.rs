//! The central traits: a federated algorithm, and what it may do with a client's data.

use crate::digest::{Checksum, Summing};
use crate::ids::ClientId;
use crate::params::{Params, RowBlock};
use crate::stream::Address;
use crate::update::LedgerLine;
use serde::{Serialize, de::DeserializeOwned};

/// A federated algorithm: what a client does with a broadcast, what the server does with the answers.
///
/// Both halves are pure: everything that lasts is in the parameters and in [`Algorithm::Server`].
pub trait Algorithm: Sync {
    /// Kept by the server between rounds, broadcast beside the parameters, part of a checkpoint; `()` if nothing.
    type Server: Clone + Serialize + DeserializeOwned + Send + Sync;

    /// What the configuration and the run directory call it.
    fn name(&self) -> &'static str;

    /// The server's state before the first round.
    fn start(&self, params: &Params) -> Self::Server;

    /// The client half: trains on the client's data and returns what moved.
    fn client(&self, task: &mut dyn LocalTask, server: &Self::Server) -> Result<Trained, ClientError>;

    /// The server half: turns the weighted mean of the clients' deltas into new parameters.
    fn server(&self, params: &mut Params, server: &mut Self::Server, mean: &Aggregate);
}

/// All that an algorithm may do with a client's data. There is no way to the examples.
pub trait LocalTask {
    /// Number of local training examples.
    fn num_examples(&self) -> u64;

    /// Local training from the broadcast parameters with the configured optimiser, epochs and batch size.
    /// `adjust`, if given, may edit each batch's gradient before the optimiser's step.
    fn train(&mut self, adjust: Option<&mut Adjust<'_>>) -> Result<Trained, ClientError>;
}

/// Edits a batch's gradient before the optimiser's step: FedProx, SCAFFOLD and their kin.
pub type Adjust<'a> = dyn FnMut(&Step<'_>, &mut [f32]) + 'a;

/// Where local training stands at a step. All slices hold the client's rows, one after another.
#[derive(Debug)]
pub struct Step<'a> {
    /// Parameters now.
    pub params: &'a [f32],
    /// Parameters as broadcast.
    pub start: &'a [f32],
    /// Row numbers that the slices hold, ascending.
    pub rows: &'a [u32],
}

/// What local training gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Local minus broadcast parameters, for the rows that the client's data touch.
    pub delta: RowBlock,
    /// Mean loss over the last local epoch, in nats, before each step.
    pub loss: f32,
    /// Number of optimiser steps.
    pub steps: u64,
}

/// The answers of a cohort as one: `delta = Σ w·delta / Σ w`, over all accepted updates.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Weighted mean; rows that nobody touched are absent.
    pub delta: RowBlock,
    /// Sum of the weights.
    pub weight: u64,
    /// Number of updates in it.
    pub updates: u64,
}

impl Aggregate {
    /// Checksum of all of it.
    pub fn checksum(&self) -> Checksum {
        let delta = self.delta.checksum();
        Summing::default().bytes(&delta.0).number(self.weight).number(self.updates).finish()
    }
}

/// Why a client has no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The client holds no training example; it is left out of the round.
    #[error("client {client} has no training examples")]
    EmptyShard {
        /// Who.
        client: ClientId,
    },
    /// The client's code panicked; the others go on.
    #[error("client {client}: panicked")]
    Panicked {
        /// Who.
        client: ClientId,
    },
    /// The client dropped out of the round, as the simulated world has it.
    #[error("client {client} dropped out")]
    DroppedOut {
        /// Who.
        client: ClientId,
    },
    /// Local training diverged.
    #[error("client {client}: training gave a {value} at parameter {at} of its rows; lower local.lr")]
    NotFinite {
        /// Who.
        client: ClientId,
        /// Position among the client's parameters.
        at: usize,
        /// The value: NaN or infinite.
        value: f32,
    },
}

/// What the server tells a cohort.
#[derive(Debug)]
pub struct Broadcast<'a, S> {
    /// The round, from 0.
    pub round: u64,
    /// Global parameters.
    pub params: &'a Params,
    /// Checksum of the parameters: an update names what it started from.
    pub checksum: Checksum,
    /// The algorithm's server state.
    pub server: &'a S,
}

/// The clients, as the round loop sees them: numbers go in, sealed messages come out.
pub trait Population<S>: Sync {
    /// Scratch space of one thread; its content never reaches a result.
    type Worker: Send;

    /// Number of clients that can be asked; they are numbered from 0.
    fn clients(&self) -> u64;

    /// Scratch space for one thread.
    fn worker(&self) -> Self::Worker;

    /// One client's part of a round: the framed update, in the worker's memory, and its ledger line.
    fn answer<'w>(
        &self,
        worker: &'w mut Self::Worker,
        broadcast: &Broadcast<'_, S>,
        client: ClientId,
    ) -> Result<(&'w [u8], LedgerLine), ClientError>;
}

/// Whatever edits updates in flight: clipping, noise, compression, attack. Clients run them first to last before an
/// update leaves, the server last to first on the aggregate.
///
/// Random numbers come from the address: that of a client's half belongs to this transform, this round and this
/// client alone, that of the server's half to this transform and this round.
pub trait Transform: Send + Sync {
    /// What the configuration calls it.
    fn name(&self) -> &'static str;
    /// Edits a client's delta in place.
    fn client(&self, at: Address, delta: &mut RowBlock);
    /// Edits the aggregate in place; most have nothing to do here.
    fn server(&self, _at: Address, _aggregate: &mut Aggregate) {}
}
