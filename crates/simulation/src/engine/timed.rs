//! Rounds in virtual time: who is asked when, who is heard of when, and what counts.
//!
//! What happens is in the order of time, and of clients where they are heard of at the same time; a client is asked at
//! most once a round, and not in a round in which it has been heard of. Whoever is asked in a round trains with that round's model, so nobody is left untrained when the
//! server makes its step: between two rounds all that is awaited are messages.

use super::exchanges::Before;
use super::{Engine, Sent, Tap, checksum_of};
use crate::chain::Leaves;
use crate::cohort::Standby;
use crate::lanes::Lane;
use crate::pace::{Flight, Late, Pace};
use crate::report::{Accepted, RoundError, RoundReport, Times};
use crate::summary::CohortSummary;
use crate::world::{Ask, Awaited, LOOKS, Micros, SECOND, World, micros};
use sottovoce_aggregator::{Rejection, StaleUpdate};
use sottovoce_core::wire::UpdateHead;
use sottovoce_core::{
    Checksum, ClientError, ClientId, Exchange, LedgerLine, Population, Stale, Summing, Values,
};
use std::collections::{BTreeMap, BTreeSet};

/// How long the server waits where nobody is there, before it looks again.
const WAIT: Micros = 60 * SECOND;
/// Days without anybody after which a run is given up.
const DAYS: u64 = 30;

/// What has happened in a round so far.
#[derive(Default)]
pub(super) struct Happened {
    /// Everybody that was asked.
    asked: BTreeSet<u64>,
    /// Everybody that was heard of: an update counts in one step only, and a step counts one update of a client.
    heard: BTreeSet<u64>,
    /// Asked, on their way to being trained: with when they will be, in the order of asking.
    pub(super) training: Vec<(Ask, Micros)>,
    /// The exchanges before the last.
    pub(super) before: Before,
    /// Messages of those that were asked, whatever became of them.
    sent: BTreeMap<u64, LedgerLine>,
    /// Heard of in time, with a message.
    arrived: Vec<Flight>,
    /// Heard of without one.
    dropped: Vec<(Micros, u64, ClientError)>,
    /// Everybody that can be asked.
    standby: Standby,
}

impl<P: Population> Engine<'_, P> {
    /// A round in virtual time.
    pub(super) fn timed(&mut self, world: &World, tap: &dyn Tap) -> Result<RoundReport, RoundError> {
        let began = self.state.clock.now;
        let (broadcast, bytes) = (self.checksum, self.broadcast_bytes());
        let mut happened = Happened::default();
        match self.plan.pace {
            Pace::Synchronous { over_selection, deadline_seconds, late } => {
                self.synchronous(world, over_selection, deadline_seconds, late, &mut happened, tap)?;
            }
            Pace::Asynchronous { buffer } => self.asynchronous(world, buffer, &mut happened, tap)?,
        }
        self.close(began, (broadcast, bytes), happened, tap)
    }

    /// A cohort is asked, and heard of until enough have answered, all have been heard of, or time is up.
    fn synchronous(
        &mut self,
        world: &World,
        over_selection: f64,
        deadline: Option<f64>,
        late: Late,
        happened: &mut Happened,
        tap: &dyn Tap,
    ) -> Result<(), RoundError> {
        let size = self.plan.cohort.size();
        let wanted = size.map(|size| (size as f64 * over_selection) as u64);
        let mut waited = 0;
        while self.invite(world, 0, wanted, happened) == 0
            && size.is_some()
            && self.state.clock.flights.is_empty()
        {
            self.wait(world, happened, &mut waited)?;
        }
        let last =
            deadline.map_or(Micros::MAX, |seconds| self.state.clock.now.saturating_add(micros(seconds)));
        self.wait_before_last(world, last, happened, tap)?;
        self.train(world, happened, tap);
        let round = self.state.round;
        let out = happened.before.dropped.len() + happened.before.rejected.len();
        let mut left = (happened.asked.len() - out) as u64;
        let mut goal = size.unwrap_or(left);
        while left > 0 && goal > 0 {
            let Some(flight) = self.next_flight(last) else { break };
            if flight.round == round {
                left -= 1;
                goal -= u64::from(flight.answer.is_ok());
            }
            self.hear(flight, happened);
        }
        if left > 0 && goal > 0 {
            self.state.clock.now = last;
        } else if happened.asked.is_empty() {
            // Only late answers are awaited, or this round has no client by chance.
            let next =
                self.state.clock.flights.first().map_or(WAIT, |f| f.at.saturating_sub(self.state.clock.now));
            self.state.clock.now = self.state.clock.now.saturating_add(next.clamp(1, WAIT));
            while let Some(flight) = self.next_flight(self.state.clock.now) {
                self.hear(flight, happened);
            }
        }
        if late == Late::Drop {
            let now = self.state.clock.now;
            for flight in std::mem::take(&mut self.state.clock.flights) {
                // It stops: nothing has left it, and nothing has changed there.
                happened.sent.remove(&flight.client);
                let client = ClientId(flight.client);
                happened.dropped.push((now, flight.client, ClientError::Late { client }));
            }
        }
        Ok(())
    }

    /// So many clients are at work at any time, until `buffer` have answered.
    fn asynchronous(
        &mut self,
        world: &World,
        buffer: u64,
        happened: &mut Happened,
        tap: &dyn Tap,
    ) -> Result<(), RoundError> {
        let at_work =
            self.plan.cohort.size().expect("asynchronous rounds are configured with a cohort of a size");
        let (mut slot, mut waited) = (0, 0);
        while (happened.arrived.len() as u64) < buffer {
            let busy = (self.state.clock.flights.len() + happened.training.len()) as u64;
            if busy < at_work {
                self.invite(world, slot, Some(at_work - busy), happened);
                slot += 1;
            }
            let message = self.state.clock.flights.first().map(|f| f.at);
            let trained = happened.training.iter().map(|(_, at)| *at).min();
            match (message, trained) {
                (message, Some(trained)) if message.is_none_or(|at| trained <= at) => {
                    self.train(world, happened, tap);
                }
                (Some(at), _) => {
                    while (happened.arrived.len() as u64) < buffer {
                        let Some(flight) = self.next_flight(at) else { break };
                        self.hear(flight, happened);
                    }
                }
                _ if happened.asked.union(&happened.heard).count() as u64 == self.population.clients() => {
                    break;
                }
                // An invitation of its own, every time that the server looks.
                _ => slot += self.wait(world, happened, &mut waited)? - 1,
            }
        }
        self.train(world, happened, tap);
        Ok(())
    }

    /// The next client that is heard of until then.
    fn next_flight(&mut self, until: Micros) -> Option<Flight> {
        let flights = &mut self.state.clock.flights;
        if flights.first()?.at <= until { flights.pop_first() } else { None }
    }

    /// Time passes, because nobody is there: as often as the server looks until somebody is. `waited` is how often it has
    /// looked in this round.
    fn wait(&mut self, world: &World, happened: &Happened, waited: &mut u64) -> Result<u64, RoundError> {
        const DAY: Micros = 86_400 * SECOND;
        let clock = &self.state.clock;
        let Happened { asked, heard, .. } = happened;
        let busy = |c: &u64| asked.contains(c) || heard.contains(c) || clock.flights.is_busy(*c);
        let can_be = |client| !self.plan.cohort.weighs() || self.told(client) > 0;
        let clients = (0..self.population.clients()).filter(|client| !busy(client) && can_be(*client));
        let awaited = world.first_there(clients, clock.now, WAIT, DAYS * DAY / WAIT - *waited, LOOKS);
        let (Awaited::After(times) | Awaited::NotIn(times)) = awaited;
        *waited += times;
        self.state.clock.now = self.state.clock.now.saturating_add(times * WAIT);
        match awaited {
            Awaited::After(times) => Ok(times),
            Awaited::NotIn(_) => {
                Err(RoundError::Nobody { round: self.state.round, days: (*waited * WAIT).div_ceil(DAY) })
            }
        }
    }

    /// Asks clients that are there and not at work; returns how many. Those that will not have trained are in flight from
    /// now on, as what they will be heard of by.
    fn invite(&mut self, world: &World, slot: u64, size: Option<u64>, happened: &mut Happened) -> u64 {
        let (clock, at) = (&self.state.clock, self.state.clock.now);
        happened.standby.at(at);
        let nobody_yet = happened.asked.is_empty() && happened.heard.is_empty();
        let open = world.is_always_there() && clock.flights.is_empty() && nobody_yet;
        let Happened { asked, heard, standby, .. } = &*happened;
        let free = |c| !asked.contains(&c) && !heard.contains(&c) && !clock.flights.is_busy(c);
        let eligible = |c| free(c) && standby.there(world.presence(c, at));
        let eligible = (!open).then_some(&eligible as &dyn Fn(u64) -> bool);
        let (round, base, down) = (self.state.round, self.base, self.broadcast_bytes());
        let exchange = Exchange { number: 0, ..self.last() };
        let asked = self.choose(slot, size, eligible, (!open).then_some(standby));
        happened.standby.chosen(&asked);
        let number = asked.len() as u64;
        for client in asked {
            happened.asked.insert(client);
            let examples = self.population.examples(ClientId(client));
            let ask = Ask { client, round, exchange, at, down, examples };
            match world.train(&ask) {
                Ok(trained) => happened.training.push((ask, trained)),
                Err((then, why)) => {
                    let answer = Err(why);
                    self.state.clock.flights.insert(Flight {
                        client,
                        round,
                        base,
                        asked: at,
                        at: then,
                        answer,
                        state: Vec::new(),
                    });
                }
            }
        }
        number
    }

    /// All that were asked train, and are in flight from then on.
    fn train(&mut self, world: &World, happened: &mut Happened, tap: &dyn Tap) {
        let mut asks = std::mem::take(&mut happened.training);
        if asks.is_empty() {
            return;
        }
        asks.sort_unstable_by_key(|(ask, _)| ask.client);
        let clients: Vec<u64> = asks.iter().map(|(ask, _)| ask.client).collect();
        self.prepare(self.last(), clients.len());
        let answers = self.ask(self.last(), &clients, tap, |_, _, message, sent| (message.to_vec(), sent));
        for ((ask, trained), answer) in asks.into_iter().zip(answers) {
            let Ask { client, round, at: asked, .. } = ask;
            let (at, answer, state) = match answer {
                Err(why) => (asked, Err(why), Vec::new()),
                Ok((message, Sent { line, state })) => {
                    match world.send(&ask, trained, message.len() as u64) {
                        Ok(arrives) => {
                            happened.sent.insert(client, line);
                            (arrives, Ok(message), state)
                        }
                        Err((at, why)) => {
                            if matches!(why, ClientError::AnswerLost { .. }) {
                                happened.sent.insert(client, LedgerLine { state: None, ..line });
                            }
                            (at, Err(why), Vec::new())
                        }
                    }
                }
            };
            let base = self.base;
            self.state.clock.flights.insert(Flight { client, round, base, asked, at, answer, state });
        }
    }

    /// A client is heard of.
    fn hear(&mut self, flight: Flight, happened: &mut Happened) {
        self.state.clock.now = self.state.clock.now.max(flight.at);
        happened.heard.insert(flight.client);
        match flight.answer {
            Ok(_) => happened.arrived.push(flight),
            Err(why) => happened.dropped.push((flight.at, flight.client, why)),
        }
    }

    /// The server takes what has arrived and makes its step.
    fn close(
        &mut self,
        began: Micros,
        (broadcast, bytes): (Checksum, u64),
        happened: Happened,
        tap: &dyn Tap,
    ) -> Result<RoundReport, RoundError> {
        let Happened { asked, mut sent, mut arrived, mut dropped, before, .. } = happened;
        let asked: Vec<u64> = asked.into_iter().collect();
        let bytes_down = asked.len() as u64 * bytes + before.bytes_down;
        // What was heard of first matters to what stale updates are mixed into; elsewhere clients are in their order.
        let order: Vec<(u64, u64)> = arrived.iter().map(|f| (f.client, f.round)).collect();
        arrived.sort_unstable_by_key(|f| f.client);
        dropped.sort_unstable_by_key(|(_, client, _)| *client);
        let results = self.receive(&arrived);

        let messages = self.messages(&sent, &arrived, &results, &dropped);
        let Before { rejected: earlier, dropped: lost, mut ledger, messages: past, aggregates, .. } = before;
        let (mut accepted, mut rejected, mut took, mut states) = (vec![], earlier, vec![], BTreeMap::new());
        for (flight, result) in arrived.iter_mut().zip(&results) {
            let client = ClientId(flight.client);
            match result {
                Ok(head) => {
                    accepted.push(Accepted { client, weight: head.weight, loss: head.loss });
                    took.push(flight.at - flight.asked);
                    states.insert(flight.client, std::mem::take(&mut flight.state));
                }
                Err(why) => {
                    rejected.push((client, why.clone()));
                    forget(&mut sent, flight);
                }
            }
        }
        rejected.sort_by_key(|(client, _)| client.0);
        let dropped = dropped.into_iter().map(|(_, client, why)| (ClientId(client), why));
        let mut dropped: Vec<(ClientId, ClientError)> = lost.into_iter().chain(dropped).collect();
        dropped.sort_by_key(|(client, _)| client.0);
        self.all_diverged(arrived.len(), dropped.iter().map(|(_, why)| why))?;
        let weight: u64 = accepted.iter().map(|a| a.weight).sum();
        let mut stale = Vec::new();
        let bases = std::mem::take(&mut self.state.clock.bases);
        for (client, round) in order.into_iter().filter(|(_, round)| *round < self.state.round) {
            let place = accepted.binary_search_by_key(&client, |a| a.client.0);
            if let Ok(place) = place {
                let rounds = self.state.round - round;
                let share = accepted[place].weight as f32 / weight as f32;
                stale.push(Stale { rounds, share, base: bases.get(&round).map_or(&[], |base| base) });
            }
        }
        let kept = self.facts.keeps_bases && self.awaits(self.state.round);
        let present = kept.then(|| Values(self.state.params.values().to_vec()));
        let (mut aggregate, mut skipped) = (Checksum::default(), None);
        if !arrived.is_empty() {
            match self.apply(asked.len() as u64, &rejected, &stale, tap)? {
                Ok(checksum) => aggregate = checksum,
                Err(why) => skipped = Some(why),
            }
        }
        if accepted.is_empty() || skipped.is_some() {
            self.no_step();
        }
        if skipped.is_some() {
            arrived.iter().for_each(|flight| forget(&mut sent, flight));
            states.clear();
        }
        let number = stale.len() as u64;
        self.state.clock.bases = bases;
        self.state.clock.bases.extend(present.map(|values| (self.state.round, values)));
        let awaited: BTreeSet<u64> = self.state.clock.flights.iter().map(|f| f.round).collect();
        self.state.clock.bases.retain(|round, _| awaited.contains(round));
        if skipped.is_none() {
            self.remember(accepted.iter().zip(took));
        }
        states.retain(|_, state| !state.is_empty());
        let leaves = Leaves {
            cohort: checksum_of(&asked),
            broadcast,
            shards: leaf(sent.iter().map(|(client, line)| (*client, line.source))),
            messages: past.then(messages),
            states: leaf(states.iter().map(|(client, state)| (*client, Checksum::of(state)))),
            aggregate: aggregates.then(aggregate),
            server: self.checksum,
            evaluation: Checksum::default(),
        };
        self.keep(states)?;
        ledger.extend(sent.into_values());
        Ok(RoundReport {
            round: self.state.round,
            cohort: asked.len() as u64,
            summary: CohortSummary::of(&accepted),
            bytes_down,
            bytes_up: ledger.iter().map(|l| l.bytes).sum(),
            time: Some(Times {
                began,
                ended: self.state.clock.now,
                in_flight: self.state.clock.flights.len() as u64,
                stale: number,
            }),
            params: self.base,
            leaves,
            accepted,
            rejected,
            skipped,
            dropped,
            ledger,
        })
    }

    fn awaits(&self, round: u64) -> bool {
        self.state.clock.flights.iter().any(|f| f.round == round && f.answer.is_ok())
    }

    /// Checks messages and adds them to the lanes' parts. Results are in the order of the messages, which is that of the
    /// clients.
    fn receive(&mut self, arrived: &[Flight]) -> Vec<Result<UpdateHead, Rejection>> {
        let clients: Vec<u64> = arrived.iter().map(|f| f.client).collect();
        let last = self.last();
        self.prepare(last, clients.len());
        let (round, base) = (self.state.round, self.base);
        let open = self.plan.aggregation.open(&self.formats[last.number as usize], round, base, &clients);
        let open = open.in_exchange(last.number);
        let order: Vec<usize> = (0..clients.len()).collect();
        self.lanes.over(&order, |Lane { part, .. }, place| {
            let flight = &arrived[place];
            let client = ClientId(flight.client);
            let message = flight.answer.as_deref().expect("what has arrived is a message");
            if flight.round == round {
                return open.receive_from(client, part, message);
            }
            let factor = self.algorithm.staleness(round - flight.round);
            open.receive_stale(
                client,
                part,
                message,
                StaleUpdate { round: flight.round, base: flight.base, factor },
            )
        })
    }

    /// What left clients in this round, and what became of those that were heard of, and when.
    fn messages(
        &self,
        sent: &BTreeMap<u64, LedgerLine>,
        arrived: &[Flight],
        results: &[Result<UpdateHead, Rejection>],
        dropped: &[(Micros, u64, ClientError)],
    ) -> Checksum {
        let mut all = Summing::default();
        for (client, line) in sent {
            all.number(*client).bytes(&line.checksum.0);
        }
        for (flight, result) in arrived.iter().zip(results) {
            let why = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
            all.number(flight.client).number(flight.round).number(flight.at).bytes(why.as_bytes());
        }
        for (at, client, why) in dropped {
            all.number(*client).number(*at).bytes(why.to_string().as_bytes());
        }
        all.number(self.state.clock.now).finish()
    }
}

/// What a client would have kept of an answer that does not count.
fn forget(sent: &mut BTreeMap<u64, LedgerLine>, flight: &Flight) {
    if let Some(line) = sent.get_mut(&flight.client).filter(|line| line.round == flight.round) {
        line.state = None;
    }
}

fn leaf(of: impl Iterator<Item = (u64, Checksum)>) -> Checksum {
    let mut all = Summing::default();
    for (client, checksum) in of {
        all.number(client).bytes(&checksum.0);
    }
    all.finish()
}
