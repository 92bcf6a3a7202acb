//! One round after another: broadcast, answers, one aggregate, new parameters.

use crate::cohort::Cohort;
use crate::summary::CohortSummary;
use rayon::prelude::*;
use sottovoce_aggregator::{AggregateError, Aggregation, Part, Rejection};
use sottovoce_core::wire::UpdateHead;
use sottovoce_core::{
    Algorithm, Broadcast, ClientError, ClientId, Digest, LedgerLine, Params, Population, wire,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A run between two rounds.
///
/// Threads are those of the rayon pool that [`Engine::step`] is called in; their number changes no bit.
pub struct Engine<'a, A: Algorithm, P: Population<A::Server>> {
    algorithm: &'a A,
    population: &'a P,
    cohort: Cohort,
    seed: u64,
    aggregation: Aggregation,
    round: u64,
    params: Params,
    server: A::Server,
    digest: Digest,
    lanes: Vec<Mutex<Lane<P::Worker>>>,
}

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
    /// Digest of the parameters after the round.
    pub params: Digest,
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

/// Why a round failed. The model is as it was before the round.
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
}

enum Outcome {
    Accepted(UpdateHead, LedgerLine),
    Rejected(Rejection, LedgerLine),
    Dropped(ClientError),
}

impl<'a, A: Algorithm, P: Population<A::Server>> Engine<'a, A, P> {
    /// A run before its first round.
    pub fn new(
        algorithm: &'a A,
        population: &'a P,
        cohort: Cohort,
        seed: u64,
        aggregation: Aggregation,
        params: Params,
    ) -> Self {
        let server = algorithm.start(&params);
        Self::at(algorithm, population, cohort, seed, aggregation, params, server, 0)
    }

    /// A run before `round`, with the parameters and the server's state that it had there.
    #[allow(clippy::too_many_arguments)]
    pub fn at(
        algorithm: &'a A,
        population: &'a P,
        cohort: Cohort,
        seed: u64,
        aggregation: Aggregation,
        params: Params,
        server: A::Server,
        round: u64,
    ) -> Self {
        let digest = params.digest();
        let lanes = Vec::new();
        Self { algorithm, population, cohort, seed, aggregation, round, params, server, digest, lanes }
    }

    /// The next round, from 0.
    pub fn round(&self) -> u64 {
        self.round
    }
    /// Global parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }
    /// Digest of the global parameters.
    pub fn digest(&self) -> Digest {
        self.digest
    }
    /// The algorithm's server state.
    pub fn server(&self) -> &A::Server {
        &self.server
    }

    /// Runs one round. A round in which nobody has anything to send leaves the model as it is.
    pub fn step(&mut self) -> Result<RoundReport, RoundError> {
        let cohort = self.cohort.draw(self.seed, self.round, self.population.clients());
        let mut outcomes = self.answers(&cohort);
        outcomes.sort_unstable_by_key(|(place, _)| *place);

        let (mut accepted, mut rejected, mut dropped, mut ledger) = (vec![], vec![], vec![], vec![]);
        for (place, outcome) in outcomes {
            let client = ClientId(cohort[place]);
            match outcome {
                Outcome::Accepted(head, line) => {
                    accepted.push(Accepted { client, weight: head.weight, loss: head.loss });
                    ledger.push(line);
                }
                Outcome::Rejected(why, line) => {
                    rejected.push((client, why));
                    ledger.push(line);
                }
                Outcome::Dropped(why) => dropped.push((client, why)),
            }
        }
        if !accepted.is_empty() || !rejected.is_empty() {
            self.apply(cohort.len() as u64, &rejected)?;
        }
        let report = RoundReport {
            round: self.round,
            cohort: cohort.len() as u64,
            summary: CohortSummary::of(&accepted),
            bytes_down: cohort.len() as u64 * wire::broadcast_bytes(self.params.layout()),
            bytes_up: ledger.iter().map(|l| l.bytes).sum(),
            params: self.digest,
            accepted,
            rejected,
            dropped,
            ledger,
        };
        self.round += 1;
        Ok(report)
    }

    /// Asks every client of the cohort; threads take the next client as they become free.
    fn answers(&mut self, cohort: &[u64]) -> Vec<(usize, Outcome)> {
        let threads = rayon::current_num_threads().min(cohort.len().max(1));
        while self.lanes.len() < threads {
            let part = self.aggregation.part(self.params.layout().clone());
            self.lanes.push(Mutex::new(Lane { worker: self.population.worker(), part }));
        }
        let base = self.digest;
        let open = self.aggregation.open(self.params.layout().clone(), self.round, base, cohort);
        let broadcast =
            Broadcast { round: self.round, params: &self.params, digest: base, server: &self.server };
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
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(client) = cohort.get(place) else { return outcomes };
                    let client = ClientId(*client);
                    let ask = || match self.population.answer(worker, &broadcast, client) {
                        Err(why) => Outcome::Dropped(why),
                        Ok((message, line)) => match open.receive_from(client, part, message) {
                            Ok(head) => Outcome::Accepted(head, line),
                            Err(why) => Outcome::Rejected(why, line),
                        },
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

    /// The aggregate of all lanes becomes new parameters.
    fn apply(&mut self, cohort: u64, rejected: &[(ClientId, Rejection)]) -> Result<(), RoundError> {
        let parts: Vec<&Part> = self
            .lanes
            .iter_mut()
            .map(|lane| &lane.get_mut().expect("no thread has panicked with this lock").part)
            .collect();
        let aggregate = self.aggregation.finish(&parts);
        let aggregate = aggregate.map_err(|source| RoundError::Aggregate {
            round: self.round,
            cohort,
            rejected: rejected.len() as u64,
            first: rejected.first().map(|(_, why)| format!(", the first: {why}")).unwrap_or_default(),
            source,
        })?;
        self.algorithm.server(&mut self.params, &mut self.server, &aggregate);
        self.digest = self.params.digest();
        Ok(())
    }
}
