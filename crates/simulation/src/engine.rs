//! One round after another: broadcast, answers, one aggregate, new parameters.

mod exchanges;
mod sent;
mod timed;
mod waited;

use crate::chain::Leaves;
use crate::cohort::{Choice, Seen, Standby, Told};
use crate::engine::sent::{Sent, checksum_of, leaves_of};
use crate::lanes::Lanes;
use crate::pace::Clock;
use crate::plan::{Plan, TooFew};
use crate::report::{Accepted, RoundError, RoundReport};
use crate::states::States;
use crate::summary::CohortSummary;
use crate::world::Micros;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sottovoce_aggregator::{AggregateError, Memory, Moment, Recipe, Rejection};
use sottovoce_core::wire::UpdateHead;
use sottovoce_core::{
    Address, Aggregate, AnyAlgorithm, Checksum, ClientError, ClientId, Contents, Exchange, Facts, Format,
    LedgerLine, Params, Population, Purpose, Rows, Running, ServerCx, Stale, StartCx, Summing, Values,
    digest, wire,
};

/// Rows whose sums a thread takes at a time.
const ROWS: usize = 512;

/// A run between two rounds.
///
/// Threads are those of the rayon pool that [`Engine::step`] is called in; their number changes no bit.
pub struct Engine<'a, P: Population> {
    facts: Facts,
    source: &'a dyn AnyAlgorithm,
    algorithm: Box<dyn Running + 'a>,
    /// The server's state before the exchanges of a round that has come to no step so far.
    before: Option<Vec<u8>>,
    population: &'a P,
    plan: Plan<'a>,
    state: State,
    /// Of messages, by exchange; the last one's is the last.
    formats: Vec<Format>,
    /// Of the parameters.
    base: Checksum,
    /// Of parameters and server state.
    checksum: Checksum,
    lanes: Lanes<P::Worker>,
    told: Told,
}

/// Where a run stands between two rounds, beside the algorithm's server state.
#[derive(Debug, PartialEq)]
pub struct State {
    /// The next round, from 0.
    pub round: u64,
    /// Global parameters.
    pub params: Params,
    /// What clients keep.
    pub clients: States,
    /// Virtual time, what is awaited, and what is known of clients.
    pub clock: Clock,
    /// The parameters that somebody has found best so far.
    pub best: Option<Best>,
    /// What the rule of aggregation remembers.
    pub memory: Memory,
}

/// Parameters of an earlier round that are kept, and how many rounds had been run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Rounds that made them.
    pub rounds: u64,
    /// All parameters.
    pub params: Values,
}

impl State {
    /// Checksum of the parameters, and of parameters and server state.
    fn checksums(&mut self, algorithm: &dyn Running) -> (Checksum, Checksum) {
        let params = self.params.settle(|params, rows| {
            rows.par_chunks(ROWS).flat_map_iter(|some| params.row_sums(some)).collect()
        });
        let mut all = Summing::default();
        algorithm.sum(all.bytes(&params.0));
        (params, all.finish())
    }
}

/// Looks on at what passes between clients and server.
pub trait Tap: Sync {
    /// A message left a client in an exchange. Called from the thread that received it.
    fn message(&self, _exchange: Exchange, _client: ClientId, _message: &[u8]) {}
    /// All messages of an exchange have become one.
    fn aggregate(&self, _exchange: Exchange, _aggregate: &Aggregate) {}
}

/// Looks away.
impl Tap for () {}

enum Outcome {
    Accepted(UpdateHead, Sent),
    Rejected(Rejection, Sent),
    Dropped(ClientError),
}

impl<'a, P: Population> Engine<'a, P> {
    /// A run before its first round.
    ///
    /// # Panics
    /// If the algorithm's messages are larger than a layout can be.
    pub fn new(algorithm: &'a dyn AnyAlgorithm, population: &'a P, plan: Plan<'a>, params: Params) -> Self {
        let clients = population.clients();
        let examples = |client| population.examples(ClientId(client));
        let examples = || (0..clients).into_par_iter().map(examples).collect::<Vec<u64>>().into_iter().sum();
        let weight = || if plan.alike { clients } else { examples() };
        let cx = StartCx { params: &params, clients, weight: &weight, seed: plan.seed };
        let running = algorithm.begin(&cx);
        let state = State {
            round: 0,
            params,
            clients: States::with_limit(plan.state_memory),
            clock: Clock::default(),
            best: None,
            memory: Memory::default(),
        };
        Self::of(algorithm, running, population, plan, state)
    }

    /// A run as it stood between two rounds, the server's state as [`Running::state`] gave it; `None` if these bytes are no state
    /// of the algorithm.
    ///
    /// # Panics
    /// If the algorithm's messages are larger than a layout can be.
    pub fn at(
        algorithm: &'a dyn AnyAlgorithm,
        population: &'a P,
        plan: Plan<'a>,
        state: State,
        server: &[u8],
    ) -> Option<Self> {
        Some(Self::of(algorithm, algorithm.resume(server)?, population, plan, state))
    }

    fn of(
        algorithm: &'a dyn AnyAlgorithm,
        running: Box<dyn Running + 'a>,
        population: &'a P,
        plan: Plan<'a>,
        mut state: State,
    ) -> Self {
        let facts = algorithm.facts(population.clients());
        let (base, checksum) = state.checksums(&*running);
        let contents = facts.preliminary.iter().chain([&facts.contents]);
        let format = |contents: &Contents| {
            let format = Format::new(state.params.layout().clone(), *contents);
            format.expect("messages of a size that a layout can have")
        };
        let formats = contents.map(format).collect();
        Self {
            facts,
            source: algorithm,
            algorithm: running,
            before: None,
            population,
            plan,
            state,
            formats,
            base,
            checksum,
            lanes: Lanes::new(),
            told: Told::default(),
        }
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
    /// All that the rounds so far have left behind, but the algorithm's server state.
    pub fn state(&self) -> &State {
        &self.state
    }
    /// The algorithm, with its server's state.
    pub fn algorithm(&self) -> &dyn Running {
        &*self.algorithm
    }

    /// Keeps the present parameters as the best so far.
    pub fn keep_best(&mut self) {
        let params = Values(self.state.params.values().to_vec());
        self.state.best = Some(Best { rounds: self.state.round, params });
    }

    /// Runs one round. A round in which nobody has anything to send leaves the model as it is.
    pub fn step(&mut self) -> Result<RoundReport, RoundError> {
        self.step_with(&())
    }

    /// Runs one round while `tap` looks on.
    pub fn step_with(&mut self, tap: &dyn Tap) -> Result<RoundReport, RoundError> {
        let report = match self.plan.world {
            Some(world) => self.timed(world, tap),
            None => self.at_once(tap),
        };
        match report {
            Ok(_) => self.state.round += 1,
            Err(_) => self.no_step(),
        }
        report
    }

    /// A round without time: the whole cohort answers before anything else happens.
    fn at_once(&mut self, tap: &dyn Tap) -> Result<RoundReport, RoundError> {
        let (cohort, broadcast) = (self.choose(0, None, None, None), self.checksum);
        let told = cohort.len() as u64 * self.broadcast_bytes();
        let mut before = self.before_last(&cohort, tap)?;
        let bytes_down = told + before.bytes_down;
        let left = std::mem::take(&mut before.left);
        let outcomes = self.answers(self.last(), &left, tap);

        let (mut accepted, mut sent) = (vec![], vec![]);
        let (mut rejected, mut dropped) =
            (std::mem::take(&mut before.rejected), std::mem::take(&mut before.dropped));
        for (client, outcome) in left.iter().zip(outcomes) {
            let client = ClientId(*client);
            match outcome {
                Outcome::Accepted(head, message) => {
                    accepted.push(Accepted { client, weight: head.weight, loss: head.loss });
                    sent.push(message);
                }
                Outcome::Rejected(why, message) => {
                    rejected.push((client, why));
                    sent.push(message.forgotten());
                }
                Outcome::Dropped(why) => dropped.push((client, why)),
            }
        }
        rejected.sort_by_key(|(client, _)| client.0);
        dropped.sort_by_key(|(client, _)| client.0);
        self.all_diverged(accepted.len() + rejected.len(), dropped.iter().map(|(_, why)| why))?;
        let (mut aggregate, mut skipped) = (Checksum::default(), None);
        if !accepted.is_empty() || !rejected.is_empty() {
            // Before anything that clients keep is written: a round that fails here has changed nothing.
            match self.apply(cohort.len() as u64, &rejected, &[], tap)? {
                Ok(checksum) => aggregate = checksum,
                Err(why) => skipped = Some(why),
            }
        }
        if accepted.is_empty() || skipped.is_some() {
            self.no_step();
        }
        if skipped.is_some() {
            sent = sent.into_iter().map(Sent::forgotten).collect();
        } else {
            self.remember(accepted.iter().map(|a| (a, 0)));
        }
        let (shards, messages, kept_leaf) = leaves_of(&cohort, &sent, &rejected, &dropped);
        let (ledger, states): (Vec<LedgerLine>, Vec<Vec<u8>>) =
            sent.into_iter().map(|s| (s.line, s.state)).unzip();
        let kept = ledger.iter().zip(states).filter(|(line, _)| line.state.is_some());
        self.keep(kept.map(|(line, state)| (line.client.0, state)))?;
        let ledger = [before.ledger, ledger].concat();
        Ok(RoundReport {
            round: self.state.round,
            cohort: cohort.len() as u64,
            summary: CohortSummary::of(&accepted),
            bytes_down,
            bytes_up: ledger.iter().map(|l| l.bytes).sum(),
            time: None,
            params: self.base,
            leaves: Leaves {
                cohort: checksum_of(&cohort),
                broadcast,
                shards,
                messages: before.messages.then(messages),
                states: kept_leaf,
                aggregate: before.aggregates.then(aggregate),
                server: self.checksum,
                evaluation: Checksum::default(),
            },
            accepted,
            rejected,
            dropped,
            skipped,
            ledger,
        })
    }

    /// An error where clients trained and all of them diverged; `answers` is how many did not.
    fn all_diverged<'e>(
        &self,
        answers: usize,
        dropped: impl Iterator<Item = &'e ClientError>,
    ) -> Result<(), RoundError> {
        let mut diverged = dropped.filter(|why| matches!(why, ClientError::NotFinite { .. }));
        match diverged.next() {
            Some(first) if answers == 0 => {
                let (round, clients) = (self.state.round, 1 + diverged.count() as u64);
                Err(RoundError::AllDiverged { round, clients, first: first.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Clients to ask.
    fn choose(
        &self,
        slot: u64,
        size: Option<u64>,
        eligible: Option<&dyn Fn(u64) -> bool>,
        standby: Option<&Standby>,
    ) -> Vec<u64> {
        let now = self.state.clock.now;
        self.plan.cohort.draw(&Choice {
            seed: self.plan.seed,
            round: self.state.round,
            slot,
            clients: self.population.clients(),
            size,
            eligible,
            standby,
            examples: &|client| self.told(client),
            share_there: &|client, ahead| {
                self.plan.world.map_or(1.0, |world| world.share_there(client, now, ahead))
            },
            seen: &self.state.clock.seen,
        })
    }

    /// A client's training examples.
    fn told(&self, client: u64) -> u64 {
        let ask = || self.population.examples(ClientId(client));
        self.told.examples(self.population.clients(), client, ask)
    }

    /// Keeps what clients keep from now on.
    fn keep(&mut self, states: impl IntoIterator<Item = (u64, Vec<u8>)>) -> Result<(), RoundError> {
        for (client, state) in states {
            let put = self.state.clients.put(client, state);
            put.map_err(|e| RoundError::States { round: self.state.round, kind: e.kind() })?;
        }
        Ok(())
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
        wire::broadcast_bytes(self.state.params.layout()) + 4 * self.algorithm.broadcast()
    }

    /// The aggregate of all lanes, or why there is no step.
    fn aggregate(
        &mut self,
        exchange: Exchange,
        cohort: u64,
        rejected: &[(ClientId, Rejection)],
        tap: &dyn Tap,
    ) -> Result<Result<Aggregate, AggregateError>, RoundError> {
        let trusted = self.trusted()?;
        let at = Moment { seed: self.plan.seed, round: self.state.round, trusted: trusted.as_deref() };
        let aggregate = self.plan.aggregation.finish(&self.lanes.parts(), at, &mut self.state.memory);
        let mut aggregate = match aggregate {
            Ok(aggregate) => aggregate,
            Err(why) if self.plan.too_few == TooFew::Skip && why.is_too_few() => return Ok(Err(why)),
            Err(source) => {
                return Err(RoundError::Aggregate {
                    round: self.state.round,
                    cohort,
                    rejected: rejected.len() as u64,
                    first: rejected.first().map(|(_, why)| format!(", the first: {why}")).unwrap_or_default(),
                    source,
                });
            }
        };
        for (slot, transform) in self.plan.transforms.iter().enumerate().rev() {
            let slot = slot as u64 | u64::from(exchange.number) << 48;
            let at = Address::new(self.plan.seed, Purpose::ServerTransform).slot(slot);
            transform.server(at.round(self.state.round), &mut aggregate);
        }
        tap.aggregate(exchange, &aggregate);
        Ok(Ok(aggregate))
    }

    /// The aggregate of all lanes becomes new parameters. Returns its checksum, or why there is no step.
    fn apply(
        &mut self,
        cohort: u64,
        rejected: &[(ClientId, Rejection)],
        stale: &[Stale<'_>],
        tap: &dyn Tap,
    ) -> Result<Result<Checksum, AggregateError>, RoundError> {
        let aggregate = match self.aggregate(self.last(), cohort, rejected, tap)? {
            Ok(aggregate) => aggregate,
            Err(why) => return Ok(Err(why)),
        };
        let mut cx = ServerCx {
            params: &mut self.state.params,
            mean: self.formats[self.formats.len() - 1].split(&aggregate),
            stale,
            round: self.state.round,
            clients: self.population.clients(),
            join: &|first, second| {
                rayon::join(first, second);
            },
        };
        self.algorithm.step(&mut cx);
        self.before = None;
        self.finite(aggregate.delta.rows())?;
        let (state, aggregate) =
            rayon::join(|| self.state.checksums(&*self.algorithm), || aggregate.checksum_by(pieces));
        (self.base, self.checksum) = state;
        Ok(Ok(aggregate))
    }

    /// The server's own update, where the rule trusts it.
    fn trusted(&self) -> Result<Option<Vec<f32>>, RoundError> {
        let round = self.state.round;
        if !self.plan.aggregation.recipe.as_ref().is_some_and(Recipe::needs_trusted) {
            return Ok(None);
        }
        let own = self.population.trusted(&mut self.population.worker(), &self.broadcast(self.last()));
        match own.map_err(|source| RoundError::Root { round, source })? {
            None => Err(RoundError::NoRoot { round }),
            own => Ok(own),
        }
    }

    /// An error where a parameter is not finite; rows that the aggregate does not hold are as they were, unless the algorithm
    /// wrote to all of them.
    fn finite(&self, changed: &Rows) -> Result<(), RoundError> {
        // Rows of a message with several blocks are not the model's.
        let changed = if self.facts.contents == Contents::DELTA { changed } else { &Rows::All };
        let Some((at, value)) = self.state.params.first_not_finite(changed) else { return Ok(()) };
        Err(RoundError::Diverged {
            round: self.state.round,
            algorithm: self.facts.name,
            tensor: self.state.params.tensor_at(at).to_owned(),
            at,
            value,
        })
    }
}

/// The checksums of the pieces of something long, on all threads.
fn pieces(values: &[f32]) -> Vec<Checksum> {
    values.par_chunks(digest::LONG).map(Checksum::of_values).collect()
}
