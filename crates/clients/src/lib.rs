//! A node: its shard, its local training, its egress gate. The transcript stops here.

#![forbid(unsafe_code)]

pub mod baselines;
pub mod evaluation;
pub mod gate;
pub mod intake;
pub mod nodes;
pub mod shard;
pub mod source;

pub use gate::Gate;
pub use intake::{Featurised, Intake, SyntheticShards};
pub use nodes::Nodes;
pub use shard::{Shards, StoredShards};
pub use source::SourceKey;
