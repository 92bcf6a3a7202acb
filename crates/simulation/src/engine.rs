//! One round after another: broadcast, answers, one aggregate, new parameters.

use crate::chain::Leaves;
use crate::cohort::Cohort;
use crate::states::{States, encode};
use crate::summary::CohortSummary;
use rayon::prelude::*;
use serde::Serialize;
use sottovoce_aggregator::{AggregateError, Aggregation, Part, Rejection};
use sottovoce_core::wire::UpdateHead;
use sottovoce_core::{
    Address, Aggregate, Algorithm, Broadcast, Checksum, ClientError, ClientId, Format, LedgerLine, Params,
    Population, Purpose, ServerCx, StartCx, Summing, Transform, digest, sampling, wire,
};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows whose sums a thread takes at a time.
const ROWS: usize = 512;

/// A run between two rounds.
///
/// Threads are those of the rayon pool that [`Engine::step`] is called in; their number changes no bit.
pub struct Engine<'a, A: Algorithm, P: Population<A>> {
    algorithm: &'a A,
    population: &'a P,
    plan: Plan<'a>,
    state: State<A::Server>,
    format: Format,
    /// Of the parameters.
    base: Checksum,
    /// Of parameters and server state.
    checksum: Checksum,
    lanes: Vec<Mutex<Lane<P::Worker>>>,
}

/// How rounds are run: what is the same in all of them.
#[derive(Clone)]
pub struct Plan<'a> {
    /// All randomness comes from it.
    pub seed: u64,
    /// Who takes part.
    pub cohort: Cohort,
    /// Probability with which a client of the cohort drops out before it trains.
    pub dropout: f64,
    /// How updates become one.
    pub aggregation: Aggregation,
    /// Their server halves run on the aggregate, last to first; the client halves are the population's.
    pub transforms: &'a [Box<dyn Transform>],
    /// Asks the clients of a cohort in an order drawn from this seed instead of by number. No bit depends on it, which
    /// is what it is for.
    pub arrival: Option<u64>,
    /// Bytes of client states that are kept in memory; a temporary file takes the others.
    pub state_memory: u64,
}

impl Plan<'_> {
    /// The weighted mean of all that the cohort sends.
    pub fn mean(seed: u64, cohort: Cohort, weight_cap: u64) -> Self {
        let aggregation = Aggregation::mean(weight_cap);
        Self {
            seed,
            cohort,
            dropout: 0.0,
            aggregation,
            transforms: &[],
            arrival: None,
            state_memory: u64::MAX,
        }
    }
}

/// Where a run stands between two rounds.
#[derive(Debug, PartialEq)]
pub struct State<S> {
    /// The next round, from 0.
    pub round: u64,
    /// Global parameters.
    pub params: Params,
    /// The algorithm's server state.
    pub server: S,
    /// What clients keep.
    pub clients: States,
}

impl<S: Serialize> State<S> {
    /// Checksum of the parameters, and of parameters and server state.
    fn checksums(&mut self) -> (Checksum, Checksum) {
        let params = self.params.settle(|params, rows| {
            rows.par_chunks(ROWS).flat_map_iter(|some| params.row_sums(some)).collect()
        });
        (params, Summing::default().bytes(&params.0).bytes(&encode(&self.server)).finish())
    }
}

/// Looks on at what passes between clients and server.
pub trait Tap: Sync {
    /// A message left a client. Called from the thread that received it.
    fn message(&self, _client: ClientId, _message: &[u8]) {}
    /// All messages have become one.
    fn aggregate(&self, _aggregate: &Aggregate) {}
}

/// Looks away.
impl Tap for () {}

/// What one thread keeps from round to round.
struct Lane<W> {
    worker: W,
    part: Part,
}

/// What a round did.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundReport {
    /// The round, from 0.
    pub round: u64,
    /// Clients asked; all of them are in one of the three lists below.
    pub cohort: u64,
    /// Updates in the aggregate.
    pub accepted: Vec<Accepted>,
    /// Updates refused by the aggregator.
    pub rejected: Vec<(ClientId, Rejection)>,
    /// Clients without an answer.
    pub dropped: Vec<(ClientId, ClientError)>,
    /// What the accepted updates have in common.
    pub summary: CohortSummary,
    /// Bytes of all broadcasts.
    pub bytes_down: u64,
    /// Bytes that left clients.
    pub bytes_up: u64,
    /// Messages that left clients, by client.
    pub ledger: Vec<LedgerLine>,
    /// Checksum of the parameters after the round.
    pub params: Checksum,
    /// A checksum for each stage. The evaluation is somebody else's, so its leaf is zero.
    pub leaves: Leaves,
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

/// Why a round failed. Without an aggregate everything is as it was before the round; where the temporary file fails, the
/// run has to go on from its last checkpoint.
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

enum Outcome {
    Accepted(UpdateHead, Sent),
    Rejected(Rejection, Sent),
    Dropped(ClientError),
}

/// What is known about a message that left its client.
struct Sent {
    line: LedgerLine,
    /// What the client keeps, if anything.
    state: Vec<u8>,
}

impl<'a, A: Algorithm, P: Population<A>> Engine<'a, A, P> {
    /// A run before its first round.
    ///
    /// # Panics
    /// If the algorithm's messages are larger than a layout can be.
    pub fn new(algorithm: &'a A, population: &'a P, plan: Plan<'a>, params: Params) -> Self {
        let cx = StartCx { params: &params, clients: population.clients(), seed: plan.seed };
        let server = algorithm.start(&cx);
        let clients = States::with_limit(plan.state_memory);
        Self::at(algorithm, population, plan, State { round: 0, params, server, clients })
    }

    /// A run as it stood between two rounds.
    ///
    /// # Panics
    /// If the algorithm's messages are larger than a layout can be.
    pub fn at(algorithm: &'a A, population: &'a P, plan: Plan<'a>, mut state: State<A::Server>) -> Self {
        let (base, checksum) = state.checksums();
        let format = Format::new(state.params.layout().clone(), algorithm.contents(population.clients()));
        let format = format.expect("messages of a size that a layout can have");
        Self { algorithm, population, plan, state, format, base, checksum, lanes: Vec::new() }
    }

    /// The next round, from 0.
    pub fn round(&self) -> u64 {
        self.state.round
    }
    /// Global parameters.
    pub fn params(&self) -> &Params {
        &self.state.params
    }
    /// Checksum of the global parameters: updates name what they started from by it.
    pub fn base(&self) -> Checksum {
        self.base
    }
    /// All that the rounds so far have left behind.
    pub fn state(&self) -> &State<A::Server> {
        &self.state
    }

    /// Runs one round. A round in which nobody has anything to send leaves the model as it is.
    pub fn step(&mut self) -> Result<RoundReport, RoundError> {
        self.step_with(&())
    }

    /// Runs one round while `tap` looks on.
    pub fn step_with(&mut self, tap: &dyn Tap) -> Result<RoundReport, RoundError> {
        let cohort = self.plan.cohort.draw(self.plan.seed, self.state.round, self.population.clients());
        let beside = self.algorithm.broadcast(&self.state.server);
        let mut outcomes = self.answers(&cohort, tap);
        outcomes.sort_unstable_by_key(|(place, _)| *place);
        let broadcast = self.checksum;
        let (shards, messages, states) = leaves_of(&cohort, &outcomes);

        let (mut accepted, mut rejected, mut dropped, mut sent) = (vec![], vec![], vec![], vec![]);
        for (place, outcome) in outcomes {
            let client = ClientId(cohort[place]);
            match outcome {
                Outcome::Accepted(head, message) => {
                    accepted.push(Accepted { client, weight: head.weight, loss: head.loss });
                    sent.push(message);
                }
                Outcome::Rejected(why, message) => {
                    rejected.push((client, why));
                    sent.push(message);
                }
                Outcome::Dropped(why) => dropped.push((client, why)),
            }
        }
        let mut aggregate = Checksum::default();
        if !accepted.is_empty() || !rejected.is_empty() {
            // Before anything that clients keep is written: a round that fails here has changed nothing.
            aggregate = self.apply(cohort.len() as u64, &rejected, tap)?;
        }
        let mut ledger = Vec::with_capacity(sent.len());
        for Sent { line, state } in sent {
            if line.state.is_some() {
                self.state
                    .clients
                    .put(line.client.0, state)
                    .map_err(|e| RoundError::States { round: self.state.round, kind: e.kind() })?;
            }
            ledger.push(line);
        }
        let down = wire::broadcast_bytes(self.state.params.layout()) + 4 * beside;
        let report = RoundReport {
            round: self.state.round,
            cohort: cohort.len() as u64,
            summary: CohortSummary::of(&accepted),
            bytes_down: cohort.len() as u64 * down,
            bytes_up: ledger.iter().map(|l| l.bytes).sum(),
            params: self.base,
            leaves: Leaves {
                cohort: checksum_of(&cohort),
                broadcast,
                shards,
                messages,
                states,
                aggregate,
                server: self.checksum,
                evaluation: Checksum::default(),
            },
            accepted,
            rejected,
            dropped,
            ledger,
        };
        self.state.round += 1;
        Ok(report)
    }

    /// Asks every client of the cohort; threads take the next client as they become free.
    fn answers(&mut self, cohort: &[u64], tap: &dyn Tap) -> Vec<(usize, Outcome)> {
        let threads = rayon::current_num_threads().min(cohort.len().max(1));
        while self.lanes.len() < threads {
            let part = self.plan.aggregation.part(self.format.message().clone());
            self.lanes.push(Mutex::new(Lane { worker: self.population.worker(), part }));
        }
        let base = self.base;
        let (State { round, params, server, clients }, format) = (&self.state, &self.format);
        let open = self.plan.aggregation.open(format.message().clone(), *round, base, cohort);
        let broadcast = Broadcast { round: *round, params, checksum: base, server, format };
        let dropout = Address::new(self.plan.seed, Purpose::Dropout).round(*round);
        let mut order: Vec<usize> = (0..cohort.len()).collect();
        if let Some(seed) = self.plan.arrival {
            sampling::shuffle(&mut Address::new(seed, Purpose::Arrival).round(*round).stream(), &mut order);
        }
        let next = AtomicUsize::new(0);
        self.lanes
            .par_iter()
            .with_max_len(1)
            .flat_map_iter(|lane| {
                let mut lane =
                    lane.lock().expect("a lane's lock is held by one thread, which does not panic");
                let Lane { worker, part } = &mut *lane;
                part.clear();
                let mut outcomes = Vec::new();
                loop {
                    let Some(place) = order.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        return outcomes;
                    };
                    let (place, client) = (*place, ClientId(cohort[*place]));
                    let drops = |p| p > 0.0 && sampling::chance(&mut dropout.client(client.0).stream(), p);
                    if drops(self.plan.dropout) {
                        outcomes.push((place, Outcome::Dropped(ClientError::DroppedOut { client })));
                        continue;
                    }
                    let ask = || {
                        let Ok(mut own) = clients.get::<A::Client>(client.0) else {
                            return Outcome::Dropped(ClientError::State { client });
                        };
                        match self.population.answer(worker, &broadcast, client, &mut own) {
                            Err(why) => Outcome::Dropped(why),
                            Ok((message, line)) => {
                                tap.message(client, message);
                                let sent = Sent::of(line, encode(&own));
                                match open.receive_from(client, part, message) {
                                    Ok(head) => Outcome::Accepted(head, sent),
                                    Err(why) => Outcome::Rejected(why, sent),
                                }
                            }
                        }
                    };
                    let outcome = catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| {
                        // Whatever the panic left half done is thrown away.
                        *worker = self.population.worker();
                        Outcome::Dropped(ClientError::Panicked { client })
                    });
                    outcomes.push((place, outcome));
                }
            })
            .collect()
    }

    /// The aggregate of all lanes becomes new parameters. Returns its checksum.
    fn apply(
        &mut self,
        cohort: u64,
        rejected: &[(ClientId, Rejection)],
        tap: &dyn Tap,
    ) -> Result<Checksum, RoundError> {
        let parts: Vec<&Part> = self
            .lanes
            .iter_mut()
            .map(|lane| &lane.get_mut().expect("no thread has panicked with this lock").part)
            .collect();
        let aggregate = self.plan.aggregation.finish(&parts);
        let mut aggregate = aggregate.map_err(|source| RoundError::Aggregate {
            round: self.state.round,
            cohort,
            rejected: rejected.len() as u64,
            first: rejected.first().map(|(_, why)| format!(", the first: {why}")).unwrap_or_default(),
            source,
        })?;
        for (slot, transform) in self.plan.transforms.iter().enumerate().rev() {
            let at = Address::new(self.plan.seed, Purpose::ServerTransform).slot(slot as u64);
            transform.server(at.round(self.state.round), &mut aggregate);
        }
        tap.aggregate(&aggregate);
        let mut cx = ServerCx {
            params: &mut self.state.params,
            mean: self.format.split(&aggregate),
            round: self.state.round,
            clients: self.population.clients(),
            join: &|first, second| {
                rayon::join(first, second);
            },
        };
        self.algorithm.server(&mut cx, &mut self.state.server);
        let (state, aggregate) = rayon::join(|| self.state.checksums(), || aggregate.checksum_by(pieces));
        (self.base, self.checksum) = state;
        Ok(aggregate)
    }
}

/// The checksums of the pieces of something long, on all threads.
fn pieces(values: &[f32]) -> Vec<Checksum> {
    values.par_chunks(digest::LONG).map(Checksum::of_values).collect()
}

fn checksum_of(clients: &[u64]) -> Checksum {
    let mut all = Summing::default();
    for client in clients {
        all.number(*client);
    }
    all.finish()
}

impl Sent {
    fn of(mut line: LedgerLine, state: Vec<u8>) -> Self {
        line.state = (!state.is_empty()).then(|| Checksum::of(&state));
        Self { line, state }
    }
}

/// The leaves of the clients: what they trained on, what became of their answers, what they keep. `outcomes` are in the
/// order of the cohort.
fn leaves_of(cohort: &[u64], outcomes: &[(usize, Outcome)]) -> (Checksum, Checksum, Checksum) {
    let (mut shards, mut messages, mut states) = (Summing::default(), Summing::default(), Summing::default());
    for (place, outcome) in outcomes {
        messages.number(cohort[*place]);
        let (line, why) = match outcome {
            Outcome::Accepted(_, sent) => (Some(&sent.line), String::new()),
            Outcome::Rejected(why, sent) => (Some(&sent.line), why.to_string()),
            Outcome::Dropped(why) => (None, why.to_string()),
        };
        if let Some(line) = line {
            shards.number(cohort[*place]).bytes(&line.source.0);
            messages.bytes(&line.checksum.0);
            if let Some(state) = line.state {
                states.number(cohort[*place]).bytes(&state.0);
            }
        }
        messages.bytes(why.as_bytes());
    }
    (shards.finish(), messages.finish(), states.finish())
}
