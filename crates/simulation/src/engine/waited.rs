//! Preliminary exchanges in virtual time: each is over when everybody in it has been heard of, or when time is up.

use super::timed::Happened;
use super::{Engine, Outcome, Sent, Tap};
use crate::lanes::Lane;
use crate::pace::Flight;
use crate::report::RoundError;
use crate::world::{Ask, Micros, World};
use sottovoce_core::{ClientError, ClientId, Exchange, LedgerLine, Population, Summing};
use std::collections::BTreeMap;

/// What a client sent, and when it arrived.
type Heard = (Micros, Result<(Vec<u8>, LedgerLine), ClientError>);

impl<P: Population> Engine<'_, P> {
    /// All exchanges but the last of those who are on their way to being trained; `last` is when time is up, of which each may
    /// take its share. Whoever is left is on the way to being trained in the last one.
    pub(super) fn wait_before_last(
        &mut self,
        world: &World,
        last: Micros,
        happened: &mut Happened,
        tap: &dyn Tap,
    ) -> Result<(), RoundError> {
        self.keep_state();
        let began = self.state.clock.now;
        for exchange in self.preliminary() {
            let share = (last - began) / Micros::from(exchange.of) * Micros::from(exchange.number + 1);
            let until = if last == Micros::MAX { last } else { began + share };
            let mut asks = std::mem::take(&mut happened.training);
            asks.sort_unstable_by_key(|(ask, _)| ask.client);
            let clients: Vec<u64> = asks.iter().map(|(ask, _)| ask.client).collect();
            let heard = self.heard(exchange, world, &asks, happened, tap);
            let over = heard.iter().map(|(at, _)| *at).max().unwrap_or(self.state.clock.now);
            self.state.clock.now = self.state.clock.now.max(over.min(until));
            let mut times = Summing::default();
            times.number(self.state.clock.now);
            heard.iter().for_each(|(at, _)| {
                times.number(*at);
            });
            let outcomes = self.received(exchange, &clients, heard, until);
            self.settle(exchange, &clients, outcomes, &mut happened.before, tap)?;
            happened.before.messages.push(times.finish());
            let left = std::mem::take(&mut happened.before.left);
            let next = Exchange { number: exchange.number + 1, ..exchange };
            let (at, down, base) = (self.state.clock.now, self.news_bytes(), self.base);
            for (ask, _) in asks.into_iter().filter(|(ask, _)| left.binary_search(&ask.client).is_ok()) {
                let ask = Ask { at, down, exchange: next, ..ask };
                match world.train(&ask) {
                    Ok(trained) => happened.training.push((ask, trained)),
                    Err((then, why)) => {
                        let (client, round) = (ask.client, ask.round);
                        let (answer, state) = (Err(why), Vec::new());
                        let flight = Flight { client, round, base, asked: at, at: then, answer, state };
                        self.state.clock.flights.insert(flight);
                    }
                }
            }
        }
        Ok(())
    }

    /// What is heard of each, and when.
    fn heard(
        &mut self,
        exchange: Exchange,
        world: &World,
        asks: &[(Ask, Micros)],
        happened: &mut Happened,
        tap: &dyn Tap,
    ) -> Vec<Heard> {
        let clients: Vec<u64> = asks.iter().map(|(ask, _)| ask.client).collect();
        self.prepare(exchange, clients.len());
        let answers = self.ask(exchange, &clients, tap, |_, _, message, sent| (message.to_vec(), sent.line));
        let mut heard = Vec::new();
        for ((ask, trained), answer) in asks.iter().zip(answers) {
            heard.push(match answer {
                Err(why) => (ask.at, Err(why)),
                Ok((message, line)) => match world.send(ask, *trained, message.len() as u64) {
                    Ok(at) => (at, Ok((message, line))),
                    Err((at, why)) => {
                        // It has left the client all the same.
                        if matches!(why, ClientError::AnswerLost { .. }) {
                            happened.before.ledger.push(line);
                        }
                        (at, Err(why))
                    }
                },
            });
        }
        heard
    }

    /// Checks what has arrived in time and adds it to the lanes' parts.
    fn received(
        &mut self,
        exchange: Exchange,
        clients: &[u64],
        heard: Vec<Heard>,
        until: Micros,
    ) -> Vec<Outcome> {
        self.prepare(exchange, clients.len());
        let format = &self.formats[exchange.number as usize];
        let open = self.plan.aggregation.open(format, self.state.round, self.base, clients);
        let open = open.in_exchange(exchange.number);
        let order: Vec<usize> = (0..clients.len()).collect();
        let heads = self.lanes.over(&order, |Lane { part, .. }, place| match &heard[place] {
            (at, Ok((message, _))) if *at <= until => {
                Some(open.receive_from(ClientId(clients[place]), part, message))
            }
            _ => None,
        });
        let mut heads: BTreeMap<usize, _> =
            (0..).zip(heads).filter_map(|(place, head)| Some((place, head?))).collect();
        let mut outcomes = Vec::new();
        for (place, (_, answer)) in heard.into_iter().enumerate() {
            let client = ClientId(clients[place]);
            outcomes.push(match (answer, heads.remove(&place)) {
                (Err(why), _) => Outcome::Dropped(why),
                // It stops: nothing has left it.
                (Ok(_), None) => Outcome::Dropped(ClientError::Late { client }),
                (Ok((_, line)), Some(Ok(head))) => Outcome::Accepted(head, Sent::of(line, Vec::new())),
                (Ok((_, line)), Some(Err(why))) => Outcome::Rejected(why, Sent::of(line, Vec::new())),
            });
        }
        outcomes
    }
}
