//! Partitioning: which client holds which example, decided from labels and keys, never from text.
//!
//! A [`Scheme`] deals the items of a training set into shards, every item to exactly one client, as a pure
//! function of (items, scheme, seed). [`partition_like`] then deals held-out items in the same proportions, so
//! that a client can be evaluated on its own distribution. Every scheme terminates on every input: what cannot
//! be met is a [`PartitionError`]. Streams are those of `Purpose::Partition`; slots are listed in `deal`.

mod deal;
mod error;
mod like;
mod pool;
mod scheme;

pub use error::PartitionError;
pub use like::{HeldOut, partition_like};
pub use pool::{Item, Pool, PoolBuilder};
pub use scheme::{Partition, Scheme, partition};
