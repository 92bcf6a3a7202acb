//! The vocabulary of both sides: what clients and server have to agree on, and nothing that only one of them may see.

pub mod ids;
pub mod sampling;
pub mod stream;

pub use ids::ClientId;
pub use stream::{Address, Purpose, Stream};
