//! The vocabulary of both sides of Sottovoce: what clients and server have to agree on, and nothing that only
//! one of them may see. No text, no files, no clock, no threads.

pub mod aggregate;
pub mod algorithm;
pub mod aligned;
pub mod any_algorithm;
pub mod bytes;
pub mod client_error;
mod dense;
pub mod digest;
pub mod evaluation;
pub mod ids;
pub mod lanes;
pub mod layout;
pub mod math;
pub mod message;
pub mod normals;
pub mod params;
pub mod row_block;
mod row_sums;
pub mod sampling;
pub mod share;
pub mod state;
pub mod stream;
pub mod task;
pub mod transform;
pub mod update;
pub mod values;
pub mod wire;

pub use aggregate::Aggregate;
pub use algorithm::{Algorithm, Broadcast, Personal, Population, Sent, ServerCx, Stale, StartCx};
pub use any_algorithm::{AnyAlgorithm, Facts, Running};
pub use client_error::ClientError;
pub use digest::{Checksum, Digest, Summing};
pub use evaluation::{Evaluation, OverClients, Prediction};
pub use ids::ClientId;
pub use layout::{Layout, LayoutError};
pub use message::{Answer, Contents, Format, Mean};
pub use params::{Join, Params};
pub use row_block::{BlockError, RowBlock, Rows};
pub use stream::{Address, Purpose, Stream};
pub use task::{Adjust, LocalTask, Step, Trained};
pub use transform::{Transform, transform};
pub use update::{EvaluationCounts, Kind, LedgerLine, Outbound, Update};
pub use values::Values;
pub use wire::WireError;
