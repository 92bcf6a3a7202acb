//! One round after another: broadcast, answers, one aggregate, new parameters.

mod timed;

use crate::chain::Leaves;
use crate::cohort::{Choice, Cohort, Seen};
use crate::lanes::{Lane, Lanes};
use crate::pace::{Clock, Pace};
use crate::report::{Accepted, RoundError, RoundReport};
use crate::states::{States, encode, sum};
use crate::summary::CohortSummary;
use crate::world::{Micros, World};
use rayon::prelude::*;
use serde::Serialize;
use sottovoce_aggregator::{Aggregation, Part, Rejection};
use sottovoce_core::wire::UpdateHead;
use sottovoce_core::{
    Address, Aggregate, Algorithm, Broadcast, Checksum, ClientError, ClientId, Format, LedgerLine, Params,
    Population, Purpose, ServerCx, Stale, StartCx, Summing, Transform, digest, sampling, wire,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

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
    lanes: Lanes<P::Worker>,
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
    /// How the server waits for answers.
    pub pace: Pace,
    /// How long things take, and who is there; without it, and for answers that are awaited all, there is no time.
    pub world: Option<&'a World>,
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
            pace: Pace::default(),
            world: None,
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
    /// Virtual time, what is awaited, and what is known of clients.
    pub clock: Clock,
}

impl<S: Serialize> State<S> {
    /// Checksum of the parameters, and of parameters and server state.
    fn checksums(&mut self) -> (Checksum, Checksum) {
        let params = self.params.settle(|params, rows| {
            rows.par_chunks(ROWS).flat_map_iter(|some| params.row_sums(some)).collect()
        });
        (params, sum(&self.server, Summing::default().bytes(&params.0)).finish())
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
        Self::at(
            algorithm,
            population,
            plan,
            State { round: 0, params, server, clients, clock: Clock::default() },
        )
    }

    /// A run as it stood between two rounds.
    ///
    /// # Panics
    /// If the algorithm's messages are larger than a layout can be.
    pub fn at(algorithm: &'a A, population: &'a P, plan: Plan<'a>, mut state: State<A::Server>) -> Self {
        let (base, checksum) = state.checksums();
        let format = Format::new(state.params.layout().clone(), algorithm.contents(population.clients()));
        let format = format.expect("messages of a size that a layout can have");
        Self { algorithm, population, plan, state, format, base, checksum, lanes: Lanes::new() }
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
        let report = match self.plan.world {
            Some(world) => self.timed(world, tap)?,
            None => self.at_once(tap)?,
        };
        self.state.round += 1;
        Ok(report)
    }

    /// A round without time: the whole cohort answers before anything else happens.
    fn at_once(&mut self, tap: &dyn Tap) -> Result<RoundReport, RoundError> {
        let cohort = self.choose(0, None, None);
        self.prepare(cohort.len());
        let open =
            self.plan.aggregation.open(self.format.message().clone(), self.state.round, self.base, &cohort);
        let outcomes = self.ask(&cohort, tap, |part, client, message, sent| {
            match open.receive_from(client, part, message) {
                Ok(head) => Outcome::Accepted(head, sent),
                Err(why) => Outcome::Rejected(why, sent),
            }
        });
        let outcomes: Vec<Outcome> =
            outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(Outcome::Dropped)).collect();
        let broadcast = self.checksum;
        let (shards, messages, states) = leaves_of(&cohort, &outcomes);

        let (mut accepted, mut rejected, mut dropped, mut sent) = (vec![], vec![], vec![], vec![]);
        for (client, outcome) in cohort.iter().zip(outcomes) {
            let client = ClientId(*client);
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
            aggregate = self.apply(cohort.len() as u64, &rejected, &[], tap)?;
        }
        self.remember(accepted.iter().map(|a| (a, 0)));
        let ledger = self.keep(sent)?;
        Ok(RoundReport {
            round: self.state.round,
            cohort: cohort.len() as u64,
            summary: CohortSummary::of(&accepted),
            bytes_down: cohort.len() as u64 * self.broadcast_bytes(),
            bytes_up: ledger.iter().map(|l| l.bytes).sum(),
            time: None,
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
        })
    }

    /// Clients to ask.
    fn choose(&self, slot: u64, size: Option<u64>, eligible: Option<&dyn Fn(u64) -> bool>) -> Vec<u64> {
        let now = self.state.clock.now;
        self.plan.cohort.draw(&Choice {
            seed: self.plan.seed,
            round: self.state.round,
            slot,
            clients: self.population.clients(),
            size,
            eligible,
            examples: &|client| self.population.examples(ClientId(client)),
            share_there: &|client, ahead| {
                self.plan.world.map_or(1.0, |world| world.share_there(client, now, ahead))
            },
            seen: &self.state.clock.seen,
        })
    }

    /// Lanes for so much work.
    fn prepare(&mut self, work: usize) {
        let (population, format, aggregation) = (self.population, &self.format, &self.plan.aggregation);
        self.lanes.prepare(work, || Lane {
            worker: population.worker(),
            part: aggregation.part(format.message().clone()),
        });
    }

    /// Asks clients for their answers to the present model and hands these to `each`; threads take the next client as they
    /// become free. Results are in the order of `clients`.
    fn ask<R: Send>(
        &self,
        clients: &[u64],
        tap: &dyn Tap,
        each: impl Fn(&mut Part, ClientId, &[u8], Sent) -> R + Sync,
    ) -> Vec<Result<R, ClientError>> {
        let State { round, params, server, clients: states, .. } = &self.state;
        let format = &self.format;
        let broadcast = Broadcast { round: *round, params, checksum: self.base, server, format };
        let dropout = Address::new(self.plan.seed, Purpose::Dropout).round(*round);
        let mut order: Vec<usize> = (0..clients.len()).collect();
        if let Some(seed) = self.plan.arrival {
            sampling::shuffle(&mut Address::new(seed, Purpose::Arrival).round(*round).stream(), &mut order);
        }
        self.lanes.over(&order, |Lane { worker, part }, place| {
            let client = ClientId(clients[place]);
            let drops = |p| p > 0.0 && sampling::chance(&mut dropout.client(client.0).stream(), p);
            if drops(self.plan.dropout) {
                return Err(ClientError::DroppedOut { client });
            }
            let ask = || {
                let own = states.get::<A::Client>(client.0);
                let mut own = own.map_err(|_| ClientError::State { client })?;
                let (message, line) = self.population.answer(worker, &broadcast, client, &mut own)?;
                tap.message(client, message);
                Ok(each(part, client, message, Sent::of(line, encode(&own))))
            };
            catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| {
                // Whatever the panic left half done is thrown away.
                *worker = self.population.worker();
                Err(ClientError::Panicked { client })
            })
        })
    }

    /// Keeps what clients keep; returns the ledger.
    fn keep(&mut self, sent: Vec<Sent>) -> Result<Vec<LedgerLine>, RoundError> {
        let mut ledger = Vec::with_capacity(sent.len());
        for Sent { line, state } in sent {
            if line.state.is_some() {
                let put = self.state.clients.put(line.client.0, state);
                put.map_err(|e| RoundError::States { round: self.state.round, kind: e.kind() })?;
            }
            ledger.push(line);
        }
        Ok(ledger)
    }

    /// Notes the answers that counted, and how long each took, where cohorts are drawn by them.
    fn remember<'r>(&mut self, answers: impl Iterator<Item = (&'r Accepted, Micros)>) {
        if self.plan.cohort.remembers() {
            let round = self.state.round;
            let seen = answers.map(|(a, took)| (a.client.0, Seen { round, loss: a.loss, took }));
            self.state.clock.seen.extend(seen);
        }
    }

    /// Size of what is sent to a client.
    fn broadcast_bytes(&self) -> u64 {
        wire::broadcast_bytes(self.state.params.layout()) + 4 * self.algorithm.broadcast(&self.state.server)
    }

    /// The aggregate of all lanes becomes new parameters. Returns its checksum.
    fn apply(
        &mut self,
        cohort: u64,
        rejected: &[(ClientId, Rejection)],
        stale: &[Stale<'_>],
        tap: &dyn Tap,
    ) -> Result<Checksum, RoundError> {
        let aggregate = self.plan.aggregation.finish(&self.lanes.parts());
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
            stale,
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

/// The leaves of the clients: what they trained on, what became of their answers, what they keep.
fn leaves_of(cohort: &[u64], outcomes: &[Outcome]) -> (Checksum, Checksum, Checksum) {
    let (mut shards, mut messages, mut states) = (Summing::default(), Summing::default(), Summing::default());
    for (client, outcome) in cohort.iter().zip(outcomes) {
        messages.number(*client);
        let (line, why) = match outcome {
            Outcome::Accepted(_, sent) => (Some(&sent.line), String::new()),
            Outcome::Rejected(why, sent) => (Some(&sent.line), why.to_string()),
            Outcome::Dropped(why) => (None, why.to_string()),
        };
        if let Some(line) = line {
            shards.number(*client).bytes(&line.source.0);
            messages.bytes(&line.checksum.0);
            if let Some(state) = line.state {
                states.number(*client).bytes(&state.0);
            }
        }
        messages.bytes(why.as_bytes());
    }
    (shards.finish(), messages.finish(), states.finish())
}
