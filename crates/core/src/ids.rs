//! Names of things that messages and ledgers speak of.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A client's number in its population, from 0. Text keys stay with the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u64);

impl ClientId {
    /// The server, where it trains on data of its own: no population is so large.
    pub const SERVER: Self = Self(u64::MAX);
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
