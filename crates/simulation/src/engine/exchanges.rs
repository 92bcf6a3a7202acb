//! A round's exchanges: who answers in each, and what those before the last come to.

use super::{Engine, Outcome, Sent, State, Tap, pieces};
use crate::lanes::Lane;
use crate::report::RoundError;
use sottovoce_aggregator::{Part, Rejection};
use sottovoce_core::{
    Address, Broadcast, Checksum, ClientError, ClientId, Exchange, LedgerLine, Population, Purpose, Summing,
    sampling,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What has happened before the last exchange of a round.
#[derive(Default)]
pub(super) struct Before {
    /// Who takes part in the next exchange, ascending: all whose answers were accepted so far.
    pub(super) left: Vec<u64>,
    /// Answers that were refused. Whoever sent one is out of the round, as is who did not answer.
    pub(super) rejected: Vec<(ClientId, Rejection)>,
    /// Clients without an answer.
    pub(super) dropped: Vec<(ClientId, ClientError)>,
    /// Messages that left clients.
    pub(super) ledger: Vec<LedgerLine>,
    /// Bytes of what clients are told between exchanges.
    pub(super) bytes_down: u64,
    /// What clients sent.
    pub(super) messages: Past,
    /// What it came to.
    pub(super) aggregates: Past,
}

/// Checksums of the exchanges before the last.
#[derive(Default)]
pub(super) struct Past(Vec<Checksum>);

impl Past {
    pub(super) fn push(&mut self, of: Checksum) {
        self.0.push(of);
    }
    /// That of the whole round, the last exchange's being `last`: in rounds of one exchange it is that.
    pub(super) fn then(&self, last: Checksum) -> Checksum {
        if self.0.is_empty() {
            return last;
        }
        let mut all = Summing::default();
        self.0.iter().chain([&last]).for_each(|of| {
            all.bytes(&of.0);
        });
        all.finish()
    }
}

impl<P: Population> Engine<'_, P> {
    /// The exchange of which the server makes its step.
    pub(super) fn last(&self) -> Exchange {
        let of = self.formats.len() as u32;
        Exchange { number: of - 1, of }
    }

    /// Those before.
    pub(super) fn preliminary(&self) -> impl Iterator<Item = Exchange> + use<P> {
        let of = self.formats.len() as u32;
        (0..of - 1).map(move |number| Exchange { number, of })
    }

    /// Lanes for so much work in an exchange.
    pub(super) fn prepare(&mut self, exchange: Exchange, work: usize) {
        let (population, aggregation) = (self.population, &self.plan.aggregation);
        let format = &self.formats[exchange.number as usize];
        self.lanes.prepare(
            work,
            |part| part.is_for(format),
            || aggregation.part(format),
            || population.worker(),
        );
    }

    /// Asks clients for their answers to the present model and hands these to `each`; threads take the next client as they
    /// become free. Results are in the order of `clients`.
    pub(super) fn ask<R: Send>(
        &self,
        exchange: Exchange,
        clients: &[u64],
        tap: &dyn Tap,
        each: impl Fn(&mut Part, ClientId, &[u8], Sent) -> R + Sync,
    ) -> Vec<Result<R, ClientError>> {
        let (states, broadcast) = (&self.state.clients, self.broadcast(exchange));
        let round = broadcast.round;
        let dropout = Address::new(self.plan.seed, Purpose::Dropout).round(round);
        let mut order: Vec<usize> = (0..clients.len()).collect();
        if let Some(seed) = self.plan.arrival {
            sampling::shuffle(&mut Address::new(seed, Purpose::Arrival).round(round).stream(), &mut order);
        }
        self.lanes.over(&order, |Lane { worker, part }, place| {
            let client = ClientId(clients[place]);
            let drops = |p| p > 0.0 && sampling::chance(&mut dropout.client(client.0).stream(), p);
            if drops(self.plan.dropout) {
                return Err(ClientError::DroppedOut { client });
            }
            let own = states.bytes(client.0).map_err(|_| ClientError::State { client })?;
            let own = own.as_deref().unwrap_or_default();
            // Only the client's own code: what the server does with the answer is not the client's fault.
            let with = (&mut *worker, &broadcast);
            let answer = catch_unwind(AssertUnwindSafe(move || {
                let (worker, broadcast) = with;
                self.population.answer(worker, broadcast, client, own)
            }));
            let Ok(answer) = answer else {
                // Whatever the panic left half done is thrown away.
                *worker = self.population.worker();
                return Err(ClientError::Panicked { client });
            };
            let sottovoce_core::Sent { message, line, state } = answer?;
            tap.message(exchange, client, message);
            Ok(each(part, client, message, Sent::of(line, state)))
        })
    }

    /// What clients are told in an exchange of this round.
    pub(super) fn broadcast(&self, exchange: Exchange) -> Broadcast<'_> {
        let State { round, params, .. } = &self.state;
        let (format, alike) = (&self.formats[exchange.number as usize], self.plan.alike);
        let (checksum, algorithm) = (self.base, &*self.algorithm);
        Broadcast { round: *round, exchange, params, checksum, algorithm, format, alike }
    }

    /// Asks clients in an exchange and adds their answers to the lanes' parts. Outcomes are in the order of `clients`.
    pub(super) fn answers(&mut self, exchange: Exchange, clients: &[u64], tap: &dyn Tap) -> Vec<Outcome> {
        self.prepare(exchange, clients.len());
        let format = &self.formats[exchange.number as usize];
        let open = self.plan.aggregation.open(format, self.state.round, self.base, clients);
        let open = open.in_exchange(exchange.number);
        let outcomes = self.ask(exchange, clients, tap, |part, client, message, sent| {
            match open.receive_from(client, part, message) {
                Ok(head) => Outcome::Accepted(head, sent),
                Err(why) => Outcome::Rejected(why, sent),
            }
        });
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(Outcome::Dropped)).collect()
    }

    /// Keeps the server's state, where exchanges before the last may change it.
    pub(super) fn keep_state(&mut self) {
        self.before = (self.formats.len() > 1).then(|| self.algorithm.state());
    }

    /// The round has come to no step: the server's state is what it was before its exchanges.
    pub(super) fn no_step(&mut self) {
        let Some(before) = self.before.take() else { return };
        self.algorithm = self.source.resume(&before).expect("the state that the algorithm gave");
        self.checksum = self.state.checksums(&*self.algorithm).1;
    }

    /// All exchanges of a round but the last.
    pub(super) fn before_last(&mut self, cohort: &[u64], tap: &dyn Tap) -> Result<Before, RoundError> {
        self.keep_state();
        let mut before = Before { left: cohort.to_vec(), ..Before::default() };
        for exchange in self.preliminary() {
            let asked = std::mem::take(&mut before.left);
            let outcomes = self.answers(exchange, &asked, tap);
            self.settle(exchange, &asked, outcomes, &mut before, tap)?;
        }
        Ok(before)
    }

    /// Notes what has become of the clients that were asked in a preliminary exchange, and gathers what they sent.
    pub(super) fn settle(
        &mut self,
        exchange: Exchange,
        asked: &[u64],
        outcomes: Vec<Outcome>,
        before: &mut Before,
        tap: &dyn Tap,
    ) -> Result<(), RoundError> {
        let mut messages = Summing::default();
        for (client, outcome) in asked.iter().zip(outcomes) {
            let of = ClientId(*client);
            messages.number(*client);
            match outcome {
                Outcome::Accepted(_, Sent { line, .. }) => {
                    messages.bytes(&line.checksum.0);
                    before.left.push(*client);
                    before.ledger.push(line);
                }
                Outcome::Rejected(why, Sent { line, .. }) => {
                    messages.bytes(&line.checksum.0).bytes(why.to_string().as_bytes());
                    before.rejected.push((of, why));
                    before.ledger.push(line);
                }
                Outcome::Dropped(why) => {
                    messages.bytes(why.to_string().as_bytes());
                    before.dropped.push((of, why));
                }
            }
        }
        // What was lost on its way is in the ledger already.
        before.ledger.sort_by_key(|line| (line.exchange, line.client));
        before.messages.push(messages.finish());
        let aggregate = self.gather(exchange, before, asked.len() as u64, tap)?;
        before.aggregates.push(aggregate);
        before.bytes_down += before.left.len() as u64 * self.news_bytes();
        Ok(())
    }

    /// What a preliminary exchange has come to becomes part of the server's state. Returns the aggregate's checksum.
    fn gather(
        &mut self,
        exchange: Exchange,
        before: &Before,
        asked: u64,
        tap: &dyn Tap,
    ) -> Result<Checksum, RoundError> {
        if before.left.is_empty() {
            return Ok(Checksum::default());
        }
        let aggregate = self.aggregate(exchange, asked, &before.rejected, tap)?;
        let Ok(aggregate) = aggregate else { return Ok(Checksum::default()) };
        let format = &self.formats[exchange.number as usize];
        self.algorithm.gathered(exchange, &format.split(&aggregate));
        self.checksum = self.state.checksums(&*self.algorithm).1;
        Ok(aggregate.checksum_by(pieces))
    }

    /// Size of what clients are told between two exchanges: what of the server's state is theirs. The parameters they have.
    pub(super) fn news_bytes(&self) -> u64 {
        4 * self.algorithm.news()
    }
}
