//! Where a client's examples come from.

use sottovoce_core::{ClientId, Digest};
use sottovoce_models::{Examples, LocalExamples};
use std::borrow::Cow;

/// Every client's examples, by number. A pure function: asking twice gives the same.
pub trait Shards: Send + Sync {
    /// Number of clients.
    fn clients(&self) -> u64;

    /// How many of them can be asked to train: the first so many. The others have held-out examples only.
    fn training_clients(&self) -> u64 {
        self.clients()
    }

    /// A client's training examples, their rows numbered within what they touch.
    fn shard(&self, client: ClientId) -> Cow<'_, LocalExamples>;

    /// Number of a client's training examples.
    fn examples(&self, client: ClientId) -> u64 {
        self.shard(client).examples.len() as u64
    }

    /// Where examples are made up by a program, as they are asked for: a digest of what the program was given.
    fn made_up(&self) -> Option<Digest> {
        None
    }

    /// A client's own held-out examples, their rows numbered in the whole table; may be empty.
    fn held_out(&self, client: ClientId) -> Cow<'_, Examples>;
}

/// Shards that lie in memory.
#[derive(Debug, Default)]
pub struct StoredShards {
    /// Training examples of each client.
    pub train: Vec<LocalExamples>,
    /// Held-out examples of each client: of those in `train`, then of clients that have nothing else.
    pub held_out: Vec<Examples>,
}

impl Shards for StoredShards {
    fn clients(&self) -> u64 {
        self.held_out.len() as u64
    }
    fn training_clients(&self) -> u64 {
        self.train.len() as u64
    }
    fn shard(&self, client: ClientId) -> Cow<'_, LocalExamples> {
        Cow::Borrowed(&self.train[client.0 as usize])
    }
    fn held_out(&self, client: ClientId) -> Cow<'_, Examples> {
        Cow::Borrowed(&self.held_out[client.0 as usize])
    }
}
