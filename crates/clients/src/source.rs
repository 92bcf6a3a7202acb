//! What a ledger says of the examples behind a message: that they are the same as elsewhere in this run, and nothing else.
//!
//! A plain checksum of a client's few examples could be found by trying texts. The key is a digest of the training data of
//! all clients, which is never written: who does not know all of it cannot try. Who knows everything but one client's
//! examples can, as he can with the messages themselves.

use crate::shard::Shards;
use rayon::prelude::*;
use sottovoce_core::{Checksum, ClientId, Digest};

/// Names examples for a ledger.
#[derive(Debug, Clone, Copy)]
pub struct SourceKey(Digest);

impl SourceKey {
    /// Of the training data of all clients. It reads them once; clients that are made when they are asked for have none
    /// that could tell anything, and their key is that of the population ([`Shards::made_up`]).
    pub fn of<S: Shards + ?Sized>(shards: &S) -> Self {
        if let Some(population) = shards.made_up() {
            return Self(population);
        }
        let all: Vec<[u8; 16]> = (0..shards.training_clients())
            .into_par_iter()
            .map(|client| shards.shard(ClientId(client)).checksum().0)
            .collect();
        Self(Digest::of(all.as_flattened()))
    }

    /// The name of examples with this checksum.
    pub fn name(&self, examples: Checksum) -> Checksum {
        let Digest(name) = self.0.keyed(&examples.0);
        Checksum(std::array::from_fn(|i| name[i]))
    }
}
