//! The round loop: cohorts, virtual time, executor, checkpoints. It meets clients through a trait and cannot name a transcript.

#![forbid(unsafe_code)]

pub mod chain;
pub mod checkpoint;
pub mod cohort;
pub mod durable;
pub mod engine;
mod lanes;
pub mod pace;
pub mod plan;
pub mod report;
pub mod states;
pub mod summary;
pub mod world;

pub use chain::{CONTRACT, Chain, Leaves, Stage};
pub use checkpoint::{Checkpoint, CheckpointError, Mark, Standing};
pub use cohort::{Choice, Cohort};
pub use engine::{Best, Engine, State, Tap};
pub use pace::{Clock, Flight, Flights, Late, Pace};
pub use plan::{Plan, TooFew};
pub use report::{Accepted, RoundError, RoundReport, Times};
pub use states::States;
pub use world::{Trace, World, WorldConfig};
