//! The vocabulary of both sides of Sottovoce: what clients and server have to agree on, and nothing that only
//! one of them may see. No text, no files, no clock, no threads.

pub mod algorithm;
pub mod aligned;
pub mod bytes;
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
mod row_sums;
pub mod sampling;
pub mod stream;
pub mod update;
pub mod values;
pub mod wire;

pub use algorithm::{
    Adjust, Aggregate, Algorithm, Broadcast, ClientError, LocalTask, Personal, Population, ServerCx, Stale,
    StartCx, Step, Trained, Transform,
};
pub use digest::{Checksum, Digest, Summing};
pub use evaluation::{Evaluation, OverClients, Prediction};
pub use ids::ClientId;
pub use layout::{Layout, LayoutError};
pub use message::{Answer, Contents, Format, Mean};
pub use params::{BlockError, Join, Params, RowBlock, Rows};
pub use stream::{Address, Purpose, Stream};
pub use update::{EvaluationCounts, Kind, LedgerLine, Outbound, Update};
pub use values::Values;
pub use wire::WireError;
