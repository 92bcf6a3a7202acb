//! The central traits: a federated algorithm, and what it may do with a client's data.

use crate::dense;
use crate::digest::{Checksum, Summing, pieces};
use crate::ids::ClientId;
use crate::layout::Layout;
use crate::message::{Answer, Contents, Format, Mean};
use crate::params::{Join, Params, RowBlock, Rows};
use crate::stream::Address;
use crate::update::LedgerLine;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::ops::Range;
use std::sync::Arc;

/// A federated algorithm: what a client does with a broadcast, what the server does with the answers.
///
/// Both halves are pure: everything that lasts is in the parameters, in [`Algorithm::Server`] and in
/// [`Algorithm::Client`]. Vectors that a client works with hold its own rows only, one after another
/// ([`LocalTask::rows`]): cost follows its data.
pub trait Algorithm: Sync {
    /// Kept by the server between rounds, part of a checkpoint; `()` if nothing. The clients see it, too: what of it
    /// they need is counted by [`broadcast`](Self::broadcast).
    type Server: Clone + Default + Serialize + DeserializeOwned + Send + Sync;

    /// Kept by a client between the rounds that it takes part in, part of a checkpoint; `()` if nothing. It never leaves
    /// the client.
    type Client: Default + Serialize + DeserializeOwned + Send;

    /// What the configuration and the run directory call it.
    fn name(&self) -> &'static str;

    /// What a client sends.
    fn contents(&self, _clients: u64) -> Contents {
        Contents::DELTA
    }

    /// The server's state before the first round.
    fn start(&self, _cx: &StartCx<'_>) -> Self::Server {
        Self::Server::default()
    }

    /// Numbers of the server's state that a client is sent beside the parameters.
    fn broadcast(&self, _server: &Self::Server) -> u64 {
        0
    }

    /// The client half: trains on the client's data and returns what moved.
    fn client(
        &self,
        task: &mut dyn LocalTask,
        server: &Self::Server,
        own: &mut Self::Client,
    ) -> Result<Answer, ClientError>;

    /// The server half: turns the mean of the clients' answers into new parameters.
    fn server(&self, cx: &mut ServerCx<'_>, server: &mut Self::Server);

    /// The model that a client uses for itself; the global one unless said otherwise.
    fn personal<'s>(
        &self,
        _task: &mut dyn LocalTask,
        _server: &'s Self::Server,
        _own: &Self::Client,
    ) -> Result<Personal<'s>, ClientError> {
        Ok(Personal::default())
    }

    /// Whether clients have models of their own, which are worth an evaluation.
    fn personalises(&self) -> bool {
        false
    }

    /// Whether it works on the representations of examples, which not every model has.
    fn represents(&self) -> bool {
        false
    }

    /// Whether the mathematics holds only where a local step is `p ← p − lr · g`.
    fn plain_sgd(&self) -> bool {
        false
    }

    /// Factor on an update that is taken when the server has made `rounds` steps since its client was asked, at least 1:
    /// the polynomial of Xie et al. (FedAsync) with the exponent of Nguyen et al. (FedBuff), unless said otherwise.
    fn staleness(&self, rounds: u64) -> f32 {
        1.0 / (1.0 + rounds as f32).sqrt()
    }

    /// Whether the server half looks at what stale updates started from: models are kept for as long as a client that
    /// works from them is awaited.
    fn keeps_bases(&self) -> bool {
        false
    }
}

/// A client's own model: `base`, the global parameters where absent, with the client's rows replaced by `rows`.
#[derive(Debug, Default)]
pub struct Personal<'s> {
    /// All parameters, in storage order.
    pub base: Option<&'s [f32]>,
    /// The values of the client's rows.
    pub rows: Option<Vec<f32>>,
}

/// What a run begins with.
#[derive(Debug)]
pub struct StartCx<'a> {
    /// Global parameters.
    pub params: &'a Params,
    /// Number of clients in the population.
    pub clients: u64,
    /// The run's seed.
    pub seed: u64,
}

/// What the server half works with.
pub struct ServerCx<'a> {
    /// Global parameters, to be changed.
    pub params: &'a mut Params,
    /// What the accepted updates came to; those that were stale, scaled by [`Algorithm::staleness`].
    pub mean: Mean<'a>,
    /// The stale ones among them, in the order of their arrival.
    pub stale: &'a [Stale<'a>],
    /// The round, from 0.
    pub round: u64,
    /// Number of clients in the population.
    pub clients: u64,
    /// Threads for what is long.
    pub join: &'a Join<'a>,
}

/// An update from a model that the server has left behind.
#[derive(Debug, Clone, Copy)]
pub struct Stale<'a> {
    /// The server's steps since its client was asked, at least 1.
    pub rounds: u64,
    /// Its share of the mean's weight.
    pub share: f32,
    /// The parameters that its client started from, all of them; empty unless the algorithm
    /// [keeps them](Algorithm::keeps_bases).
    pub base: &'a [f32],
}

impl ServerCx<'_> {
    /// Adds `factor ·` the mean delta to the parameters; cost follows the rows that were sent.
    pub fn step(&mut self, factor: f32) {
        self.params.add_scaled_by(factor, self.mean.delta(), self.join);
    }
    /// Adds `factor ·` a vector over all parameters, an empty one being zeros.
    pub fn add(&mut self, factor: f32, what: &[f32]) {
        if !what.is_empty() {
            dense::add(self.params.values_mut(), factor, what, self.join);
        }
    }
    /// Hands every parameter to `step`, with its mean delta, 0 where nobody sent it, and its numbers in vectors over all
    /// parameters, on all threads.
    ///
    /// # Panics
    /// If a vector has another length than the parameters.
    pub fn each<const N: usize>(
        &mut self,
        vectors: [&mut [f32]; N],
        step: impl Fn(&mut f32, f32, [&mut f32; N]) + Sync,
    ) {
        dense::each(self.params.values_mut(), self.mean.delta(), vectors, self.join, &step);
    }
}

/// All that an algorithm may do with a client's data. There is no way to the examples. Slices and vectors hold the
/// client's rows, one after another.
pub trait LocalTask {
    /// Who trains.
    fn client(&self) -> ClientId;
    /// In which round, from 0.
    fn round(&self) -> u64;
    /// Number of local training examples.
    fn num_examples(&self) -> u64;
    /// The rows that the client's data touch, ascending.
    fn rows(&self) -> &Arc<[u32]>;
    /// Global parameters as broadcast, all of them.
    fn broadcast(&self) -> &Params;
    /// Configured number of local epochs.
    fn epochs(&self) -> u32;
    /// Numbers in the representation of an example; 0 for a model that has none.
    fn representation(&self) -> usize;

    /// Local training from `start` (the broadcast parameters where absent) with the configured optimiser and batch
    /// size, for `epochs`, whose numbers address their shuffles. `adjust`, if given, may edit each batch's gradient
    /// before the optimiser's step.
    fn train_from(
        &mut self,
        start: Option<&[f32]>,
        epochs: Range<u32>,
        adjust: Option<&mut Adjust<'_>>,
    ) -> Result<Trained, ClientError>;

    /// Mean loss over the client's training examples, in nats.
    fn loss(&mut self, at: &[f32]) -> f64;

    /// Gradient of that loss.
    fn gradient(&mut self, at: &[f32]) -> Vec<f32>;

    /// Local training from the broadcast parameters, as configured.
    fn train(&mut self, adjust: Option<&mut Adjust<'_>>) -> Result<Trained, ClientError> {
        self.train_from(None, 0..self.epochs(), adjust)
    }

    /// The client's rows of a vector over all parameters; zeros if it is empty.
    fn gather(&self, all: &[f32]) -> Vec<f32> {
        let (rows, layout) = (self.rows(), self.broadcast().layout());
        let numbers = layout.params_in(rows.iter().copied());
        if all.is_empty() {
            return vec![0.0; numbers];
        }
        let mut own = Vec::with_capacity(numbers);
        layout.ranges(rows.iter().copied()).for_each(|range| own.extend_from_slice(&all[range]));
        own
    }

    /// Number of rows behind the table, all of which every client has.
    fn dense_rows(&self) -> usize {
        let layout = self.broadcast().layout();
        layout.rows() - layout.tensors()[0].rows()
    }

    /// Where the values of the table's rows end and those of the tensors behind it begin.
    fn table(&self) -> usize {
        let (rows, layout) = (self.rows(), self.broadcast().layout());
        layout.params_in(rows[..rows.len() - self.dense_rows()].iter().copied())
    }

    /// The client's rows of the broadcast parameters.
    fn start(&self) -> Vec<f32> {
        self.gather(self.broadcast().values())
    }

    /// Values of the client's rows as a block of the model.
    ///
    /// # Panics
    /// If there are more or fewer values than the rows have.
    fn block(&self, values: Vec<f32>) -> RowBlock {
        let layout: &Arc<Layout> = self.broadcast().layout();
        RowBlock::new(layout.clone(), Rows::Some(self.rows().clone()), values)
            .expect("values of the client's rows")
    }
}

/// Edits a batch's gradient before the optimiser's step: FedProx, SCAFFOLD and their kin.
pub type Adjust<'a> = dyn FnMut(&mut Step<'_>, &mut [f32]) + 'a;

/// Where local training stands at a step. All slices hold the client's rows, one after another.
pub struct Step<'a> {
    /// Parameters now.
    pub params: &'a [f32],
    /// Parameters that training started from.
    pub start: &'a [f32],
    /// Row numbers that the slices hold, ascending.
    pub rows: &'a [u32],
    /// Learning rate of the optimiser.
    pub lr: f32,
    /// Adds the gradient of the same batch at other parameters to a vector.
    pub gradient_at: &'a mut dyn FnMut(&[f32], &mut [f32]),
    /// Fills a vector with the representations of the same batch at other parameters: what the last layer reads of each
    /// example, [`LocalTask::representation`] numbers, one example after another.
    pub represent: &'a mut dyn FnMut(&[f32], &mut Vec<f32>),
    /// Takes the derivative of a loss by the batch's representations at the parameters now, and adds what follows by the
    /// parameters to a gradient.
    pub pull_back: &'a mut dyn FnMut(&[f32], &mut [f32]),
}

/// What local training gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// How the parameters moved from where training started, for the rows that the client's data touch.
    pub delta: RowBlock,
    /// Mean loss over the last local epoch, in nats, before each step.
    pub loss: f32,
    /// Number of optimiser steps.
    pub steps: u64,
    /// Sum of the learning rates of all steps.
    pub rates: f32,
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
        self.checksum_by(pieces)
    }

    /// The same, with the checksums of the [`pieces`] of the values taken by somebody else.
    pub fn checksum_by(&self, pieces: impl FnOnce(&[f32]) -> Vec<Checksum>) -> Checksum {
        let delta = self.delta.checksum_by(pieces);
        Summing::default().bytes(&delta.0).number(self.weight).number(self.updates).finish()
    }
}

/// Why a client has no answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
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
    /// The client's device failed before its training was over, as the simulated world has it.
    #[error("client {client} failed while it trained")]
    FailedTraining {
        /// Who.
        client: ClientId,
    },
    /// The client's answer was lost on its way, as the simulated world has it.
    #[error("client {client}: its answer was lost on the way")]
    AnswerLost {
        /// Who.
        client: ClientId,
    },
    /// The client's device went away before it had answered, as the simulated world has it.
    #[error("client {client} went offline")]
    WentOffline {
        /// Who.
        client: ClientId,
    },
    /// The model does not fit into the memory of the client's device.
    #[error("client {client}: training takes {needed} bytes of memory, its device has {available}")]
    Memory {
        /// Who.
        client: ClientId,
        /// Bytes that training takes.
        needed: u64,
        /// Bytes that the device has.
        available: u64,
    },
    /// The round was over before the client had answered.
    #[error("client {client} was too late")]
    Late {
        /// Who.
        client: ClientId,
    },
    /// What the client has kept cannot be read back.
    #[error("client {client}: what it kept cannot be read")]
    State {
        /// Who.
        client: ClientId,
    },
    /// The algorithm sends what it has not announced: a mistake in its code.
    #[error("client {client}: its algorithm sends blocks or numbers that its contents have no room for")]
    Message {
        /// Who.
        client: ClientId,
    },
    /// The algorithm works on representations, and the model has none.
    #[error(
        "client {client}: the model has no representation; choose one with a hidden vector, say an embedding bag"
    )]
    NoRepresentation {
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
    /// What messages look like.
    pub format: &'a Format,
}

/// The clients, as the round loop sees them: numbers go in, sealed messages come out.
pub trait Population<A: Algorithm>: Sync {
    /// Scratch space of one thread; its content never reaches a result.
    type Worker: Send;

    /// Number of clients that can be asked; they are numbered from 0.
    fn clients(&self) -> u64;

    /// Number of a client's training examples, as it has told the server.
    fn examples(&self, client: ClientId) -> u64;

    /// Scratch space for one thread.
    fn worker(&self) -> Self::Worker;

    /// One client's part of a round: the framed update, in the worker's memory, and its ledger line. `own` is what the
    /// client has kept, as it was after its last round; what it is now counts if there is an answer.
    fn answer<'w>(
        &self,
        worker: &'w mut Self::Worker,
        broadcast: &Broadcast<'_, A::Server>,
        client: ClientId,
        own: &mut A::Client,
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
