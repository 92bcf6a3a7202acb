//! How the server waits for answers, and what it waits for.

use crate::cohort::Seen;
use crate::world::Micros;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sottovoce_core::{Checksum, ClientError, Values};
use std::collections::{BTreeMap, BTreeSet};

/// How the server waits for answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Pace {
    /// In rounds: a cohort is asked, its answers are awaited, the server makes a step.
    Synchronous {
        /// So many times the cohort's size are asked, and the first answers up to that size are taken.
        #[serde(default = "one")]
        #[schemars(extend("minimum" = 1, "maximum" = 100))]
        over_selection: f64,
        /// Seconds after which the round ends, whoever has answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        deadline_seconds: Option<f64>,
        /// What becomes of answers that come later.
        #[serde(default)]
        late: Late,
    },
    /// The cohort's size is the number of clients that are at work at any time: whoever has answered is replaced. The server
    /// makes a step whenever it has so many answers, which may be stale by then.
    Asynchronous {
        /// Answers in a step.
        #[schemars(extend("minimum" = 1))]
        buffer: u64,
    },
}

fn one() -> f64 {
    1.0
}

impl Default for Pace {
    fn default() -> Self {
        Self::Synchronous { over_selection: one(), deadline_seconds: None, late: Late::Drop }
    }
}

impl Pace {
    /// Whether answers may belong to an earlier model.
    pub fn may_be_stale(&self) -> bool {
        matches!(self, Self::Asynchronous { .. } | Self::Synchronous { late: Late::Keep, .. })
    }
}

/// What becomes of answers that come when the round is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// The client is told to stop, and keeps what it kept before.
    #[default]
    Drop,
    /// The client goes on, and its answer counts in the round in which it arrives, as stale as it then is.
    Keep,
}

/// Where virtual time stands between two rounds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Microseconds since the start.
    pub now: Micros,
    /// What is awaited.
    pub flights: Flights,
    /// Parameters of earlier rounds that clients in flight started from, where the algorithm keeps them.
    pub bases: BTreeMap<u64, Values>,
    /// Clients' last answers, where cohorts are drawn by them.
    pub seen: BTreeMap<u64, Seen>,
}

/// A client that has been asked and not heard of since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flight {
    /// Who.
    pub client: u64,
    /// In which round it was asked.
    pub round: u64,
    /// Checksum of the parameters that it was sent.
    pub base: Checksum,
    /// When it was asked.
    pub asked: Micros,
    /// When it will be heard of.
    pub at: Micros,
    /// Its message, or why there will be none.
    pub answer: Result<Vec<u8>, ClientError>,
    /// What the client keeps if the message is accepted, as bytes.
    pub state: Vec<u8>,
}

/// What is awaited, in the order of time and client; a client has one flight at most. As bytes it is the list of the
/// flights.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flights {
    by_time: BTreeMap<(Micros, u64), Flight>,
    busy: BTreeSet<u64>,
}

impl Flights {
    /// How many.
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Whether nothing is awaited.
    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Flight> {
        self.by_time.values()
    }

    /// The next one.
    pub fn first(&self) -> Option<&Flight> {
        Some(self.by_time.first_key_value()?.1)
    }

    /// Takes the next one.
    pub(crate) fn pop_first(&mut self) -> Option<Flight> {
        let (_, flight) = self.by_time.pop_first()?;
        self.busy.remove(&flight.client);
        Some(flight)
    }

    /// Puts another one in its place.
    pub(crate) fn insert(&mut self, flight: Flight) {
        self.busy.insert(flight.client);
        self.by_time.insert((flight.at, flight.client), flight);
    }

    /// Whether a client is at work.
    pub(crate) fn is_busy(&self, client: u64) -> bool {
        self.busy.contains(&client)
    }
}

impl FromIterator<Flight> for Flights {
    fn from_iter<I: IntoIterator<Item = Flight>>(flights: I) -> Self {
        let mut all = Self::default();
        flights.into_iter().for_each(|flight| all.insert(flight));
        all
    }
}

impl IntoIterator for Flights {
    type Item = Flight;
    type IntoIter = std::collections::btree_map::IntoValues<(Micros, u64), Flight>;
    fn into_iter(self) -> Self::IntoIter {
        self.by_time.into_values()
    }
}

impl Serialize for Flights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Flights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_core::sampling;
    use sottovoce_core::state;
    use sottovoce_core::{Address, Purpose};

    fn flight(client: u64, at: Micros) -> Flight {
        Flight {
            client,
            round: 1,
            base: Checksum::of(b"parameters"),
            asked: 0,
            at,
            answer: Ok(vec![1]),
            state: vec![],
        }
    }

    /// Against a list that is searched and sorted, while flights come and go.
    #[test]
    fn flights_are_in_the_order_of_time_and_client_and_whoever_has_one_is_busy() {
        let stream = &mut Address::new(1, Purpose::Test).stream();
        let (mut flights, mut list) = (Flights::default(), Vec::new());
        for _ in 0..3000 {
            let client = sampling::below(stream, 60);
            if sampling::chance(stream, 0.6) {
                let one = flight(client, sampling::below(stream, 20));
                if !flights.is_busy(client) {
                    flights.insert(one.clone());
                    list.push(one);
                }
            } else {
                list.sort_by_key(|f: &Flight| (f.at, f.client));
                let first = (!list.is_empty()).then(|| list.remove(0));
                assert_eq!(flights.first(), first.as_ref());
                assert_eq!(flights.pop_first(), first);
            }
            assert!((0..60).all(|c| flights.is_busy(c) == list.iter().any(|f| f.client == c)));
            assert_eq!((flights.len(), flights.is_empty()), (list.len(), list.is_empty()));
        }
        list.sort_by_key(|f| (f.at, f.client));
        assert!(list.len() > 5 && flights.iter().eq(&list));
    }

    /// A checkpoint has the list, as it had before there was anything beside it; who is busy follows from it.
    #[test]
    fn flights_are_written_as_their_list() {
        let list = vec![flight(7, 3), flight(2, 4), flight(5, 4)];
        let flights: Flights = list.iter().rev().cloned().collect();
        let bytes = state::encode(&flights);
        assert_eq!(bytes, state::encode(&list));
        let read: Flights = state::decode(&bytes).unwrap();
        assert_eq!(read, flights);
        assert!(read.is_busy(5) && !read.is_busy(3));
        assert!(flights.into_iter().eq(list));
    }
}
