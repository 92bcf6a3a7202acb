//! Why a client has no answer.

use crate::ids::ClientId;
use serde::{Deserialize, Serialize};

/// Why a client has no answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The client holds no training example; it is left out of the round.
    #[error("client {client} has no training examples")]
    EmptyShard {
        /// Who.
        client: ClientId,
    },
    /// The client's code panicked; the others go on.
    #[error("client {client}: panicked")]
    Panicked {
        /// Who.
        client: ClientId,
    },
    /// The client dropped out of the round, as the simulated world has it.
    #[error("client {client} dropped out")]
    DroppedOut {
        /// Who.
        client: ClientId,
    },
    /// The client's device failed before its training was over, as the simulated world has it.
    #[error("client {client} failed while it trained")]
    FailedTraining {
        /// Who.
        client: ClientId,
    },
    /// The client's answer was lost on its way, as the simulated world has it.
    #[error("client {client}: its answer was lost on the way")]
    AnswerLost {
        /// Who.
        client: ClientId,
    },
    /// The client's device went away before it had answered, as the simulated world has it.
    #[error("client {client} went offline")]
    WentOffline {
        /// Who.
        client: ClientId,
    },
    /// The model does not fit into the memory of the client's device.
    #[error("client {client}: training takes {needed} bytes of memory, its device has {available}")]
    Memory {
        /// Who.
        client: ClientId,
        /// Bytes that training takes.
        needed: u64,
        /// Bytes that the device has.
        available: u64,
    },
    /// The round was over before the client had answered.
    #[error("client {client} was too late")]
    Late {
        /// Who.
        client: ClientId,
    },
    /// What the client has kept cannot be read back.
    #[error("client {client}: what it kept cannot be read")]
    State {
        /// Who.
        client: ClientId,
    },
    /// The algorithm sends what it has not announced: a mistake in its code.
    #[error("client {client}: its algorithm sends blocks or numbers that its contents have no room for")]
    Message {
        /// Who.
        client: ClientId,
    },
    /// The algorithm works on representations, and the model has none.
    #[error(
        "client {client}: the model has no representation; choose one with a hidden vector, say an embedding bag"
    )]
    NoRepresentation {
        /// Who.
        client: ClientId,
    },
    /// Local training diverged.
    #[error("client {client}: training gave a {value} at parameter {at} of its rows; lower local.lr")]
    NotFinite {
        /// Who.
        client: ClientId,
        /// Position among the client's parameters.
        at: usize,
        /// The value: NaN or infinite.
        value: f32,
    },
}
