//! Federated learning of intent classifiers on customer-service transcripts, simulated bit for bit.
//!
//! Simulated clients train on their own transcripts (Chinese and English) and send weight updates to an aggregator;
//! no transcript is ever centralised, and the build shows it: the server's crates cannot name one. The same
//! configuration gives the same bits on any number of threads and any x86-64 CPU.
//!
//! This crate puts the parts together: configurations, whole experiments, the command `sottovoce`. The parts are
//! crates of their own and are re-exported here.
//!
//! ```
//! use sottovoce::config;
//! use sottovoce::experiment::{Experiment, Record};
//!
//! let text = r#"
//! name = "tiny"
//! seed = 1
//! data = { synthetic = { clients = 4, transcripts_per_client = 20 }, test_examples = 50 }
//! model = { kind = "softmax_regression" }
//! features = { buckets = 4096 }
//! local = { epochs = 1, batch = 8, optimiser = { kind = "sgd", lr = 2.0 } }
//! rounds = { count = 3, cohort = { kind = "uniform", size = 2 } }
//! "#;
//! let experiment = Experiment::new(config::parse("tiny.toml", text, &[])?)?;
//! let (summary, params) = experiment.run(&mut Record::none(), &mut ())?;
//! assert_eq!(summary.rounds, 3);
//! assert_eq!(summary.digest, params.digest());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod arrays;
mod cli;
pub mod compare;
pub mod config;
pub mod experiment;
pub mod limits;
mod memory;
pub mod parts;
pub mod saved;
pub mod sweep;

pub use cli::command;
pub use parts::Parts;

pub use sottovoce_aggregator as aggregator;
pub use sottovoce_algorithms as algorithms;
pub use sottovoce_clients as clients;
pub use sottovoce_core as core;
pub use sottovoce_models as models;
pub use sottovoce_privacy as privacy;
pub use sottovoce_report as report;
pub use sottovoce_simulation as simulation;
pub use sottovoce_transcripts as transcripts;
