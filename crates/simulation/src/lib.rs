//! The round loop: cohorts, executor, checkpoints. It meets clients through a trait and cannot name a transcript.

pub mod chain;
pub mod checkpoint;
pub mod cohort;
pub mod durable;
pub mod engine;
pub mod states;
pub mod summary;

pub use chain::{CONTRACT, Chain, Leaves, Stage};
pub use checkpoint::{Checkpoint, CheckpointError, Standing};
pub use cohort::Cohort;
pub use engine::{Engine, Plan, RoundError, RoundReport, State, Tap};
pub use states::States;
