//! How the server waits for answers, and what it waits for.

use crate::cohort::Seen;
use crate::world::Micros;
use serde::{Deserialize, Serialize};
use sottovoce_core::{Checksum, ClientError, Values};
use std::collections::BTreeMap;

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
    /// What is awaited, in the order of time and client.
    pub flights: Vec<Flight>,
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
}

impl Clock {
    /// Puts another one in its place.
    pub(crate) fn await_flight(&mut self, flight: Flight) {
        let place = self.flights.partition_point(|f| (f.at, f.client) < (flight.at, flight.client));
        self.flights.insert(place, flight);
    }

    /// Whether a client is at work.
    pub(crate) fn is_busy(&self, client: u64) -> bool {
        self.flights.iter().any(|f| f.client == client)
    }
}
