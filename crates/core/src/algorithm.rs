//! The central traits: a federated algorithm, and the population of its clients.

use crate::any_algorithm::Running;
use crate::client_error::ClientError;
use crate::dense;
use crate::digest::Checksum;
use crate::exchange::Exchange;
use crate::ids::ClientId;
use crate::message::{Answer, Contents, Format, Mean};
use crate::params::{Join, Params};
use crate::task::LocalTask;
use crate::update::LedgerLine;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// A federated algorithm: what a client does with a broadcast, what the server does with the answers.
///
/// Both halves are pure: everything that lasts is in the parameters, in [`Algorithm::Server`] and in
/// [`Algorithm::Client`]. Vectors that a client works with hold its own rows only, one after another
/// ([`LocalTask::rows`]): cost follows its data.
pub trait Algorithm: Sync {
    /// Kept by the server between rounds, part of a checkpoint; `()` if nothing. The clients see it, too: what of it
    /// they need is counted by [`broadcast`](Self::broadcast).
    type Server: Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static;

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

    /// Numbers of the server's state that a client is sent between two exchanges of a round.
    fn news(&self, server: &Self::Server) -> u64 {
        self.broadcast(server)
    }

    /// The client half: trains on the client's data and returns what moved.
    fn client(
        &self,
        task: &mut dyn LocalTask,
        server: &Self::Server,
        own: &mut Self::Client,
    ) -> Result<Answer, ClientError>;

    /// What the client keeps of an answer that has left it: `sent` is the answer as it was sent, after all transforms. What
    /// a client keeps counts only if the server accepts the answer; otherwise the client goes on with what it kept before.
    fn sent(&self, _task: &dyn LocalTask, _sent: &Answer, _own: &mut Self::Client) {}

    /// What a client sends in each exchange of a round before the last; nothing for rounds of one exchange, which is most of
    /// them. [`contents`](Self::contents) are those of the last.
    fn preliminary(&self, _clients: u64) -> Vec<Contents> {
        Vec::new()
    }

    /// The client half of a preliminary exchange. A client keeps nothing of it.
    fn prepare(
        &self,
        _exchange: Exchange,
        _task: &mut dyn LocalTask,
        _server: &Self::Server,
        _own: &Self::Client,
    ) -> Result<Answer, ClientError> {
        unreachable!("an algorithm with preliminary exchanges has this half")
    }

    /// The server half of a preliminary exchange: what it keeps of the mean of the answers is part of what clients see in the next
    /// one. Parameters stay as they are.
    fn gathered(&self, _exchange: Exchange, _mean: &Mean<'_>, _server: &mut Self::Server) {}

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

    /// Whether it works on the representations of examples, or on a model's body and head, between which they lie: not every
    /// model has them.
    fn represents(&self) -> bool {
        false
    }

    /// Why no rule of aggregation but the mean can be used with it, if so.
    fn mean_only(&self) -> Option<&'static str> {
        None
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
pub struct StartCx<'a> {
    /// Global parameters.
    pub params: &'a Params,
    /// Number of clients in the population.
    pub clients: u64,
    /// Sum of the weights of all clients in the population: their examples, or their number where clients count alike. It
    /// costs a look at every client.
    pub weight: &'a dyn Fn() -> u64,
    /// The run's seed.
    pub seed: u64,
}

impl fmt::Debug for StartCx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { params, clients, seed, .. } = self;
        f.debug_struct("StartCx")
            .field("params", &params.layout().params())
            .field("clients", clients)
            .field("seed", seed)
            .finish_non_exhaustive()
    }
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

/// What the server tells a cohort.
pub struct Broadcast<'a> {
    /// The round, from 0.
    pub round: u64,
    /// The exchange of the round.
    pub exchange: Exchange,
    /// Global parameters.
    pub params: &'a Params,
    /// Checksum of the parameters: an update names what it started from.
    pub checksum: Checksum,
    /// The algorithm with its server's state.
    pub algorithm: &'a dyn Running,
    /// What messages look like.
    pub format: &'a Format,
    /// Whether clients count alike, whatever the number of their examples, where the algorithm says nothing else.
    pub alike: bool,
}

impl Broadcast<'_> {
    /// The weight of a client's answer.
    pub fn weight(&self, answer: &Answer, examples: u64) -> u64 {
        answer.weight.unwrap_or(if self.alike { 1 } else { examples })
    }
}

/// The clients, as the round loop sees them: numbers go in, sealed messages come out.
pub trait Population: Sync {
    /// Scratch space of one thread; its content never reaches a result.
    type Worker: Send;

    /// Number of clients that can be asked; they are numbered from 0.
    fn clients(&self) -> u64;

    /// Number of a client's training examples, as it has told the server.
    fn examples(&self, client: ClientId) -> u64;

    /// Scratch space for one thread.
    fn worker(&self) -> Self::Worker;

    /// The server's own update from `broadcast`, trained on data that it trusts: all parameters of the model, one after
    /// another, zeros where its data touch nothing; `None` if it has no such data.
    fn trusted(
        &self,
        _worker: &mut Self::Worker,
        _broadcast: &Broadcast<'_>,
    ) -> Result<Option<Vec<f32>>, ClientError> {
        Ok(None)
    }

    /// One client's part of a round. `own` is what the client has kept, as it was after its last round that counted; no bytes
    /// for nothing.
    fn answer<'w>(
        &self,
        worker: &'w mut Self::Worker,
        broadcast: &Broadcast<'_>,
        client: ClientId,
        own: &[u8],
    ) -> Result<Sent<'w>, ClientError>;
}

/// What has left a client.
#[derive(Debug)]
pub struct Sent<'w> {
    /// The framed update, in the worker's memory.
    pub message: &'w [u8],
    /// Its line in the ledger.
    pub line: LedgerLine,
    /// What the client keeps if the update is accepted.
    pub state: Vec<u8>,
}
