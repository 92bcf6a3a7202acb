//! Why a message is not taken, and why a sum is not opened.

use crate::message::{Kind, MessageError};
use sottovoce_core::{ClientId, Digest};

/// A message that is not taken. Its sender has dropped out, unless it sends another; nothing else has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not the message that was due.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// From somebody who is no member, or who was not there in the stage before.
    #[error("client {0} has no part in this stage")]
    UnknownSender(ClientId),
    /// A client's second message of this kind.
    #[error("client {0} has sent this before")]
    DuplicateSender(ClientId),
    /// Something that the client did not sign.
    #[error("the signature of client {0} is not under this")]
    BadSignature(ClientId),
    /// Shares for others than its neighbours, or not for all of them; or shares of others than were asked for.
    #[error("client {0} sent shares that are not those wanted")]
    WrongShares(ClientId),
    /// A vector of another length.
    #[error("client {client} sent a vector of {got} bytes where {expected} are wanted")]
    Dimension {
        /// Who.
        client: ClientId,
        /// Bytes of the plan's dimension.
        expected: usize,
        /// Bytes sent.
        got: usize,
    },
    /// Received into a partial sum of another plan.
    #[error("a partial sum of plan {got} in plan {expected}")]
    ForeignPartial {
        /// This plan's digest.
        expected: Digest,
        /// The partial's.
        got: Digest,
    },
}

/// Why there is no sum. Nothing of any vector is revealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Abort {
    /// Fewer clients than the plan's minimum went on.
    #[error("{got} clients sent {stage:?}, at least {needed} are needed")]
    TooFewClients {
        /// What they sent.
        stage: Kind,
        /// The plan's minimum.
        needed: usize,
        /// How many there were.
        got: usize,
    },
    /// A secret that is needed cannot be recovered: too few holders of its shares are left.
    #[error("not enough shares of client {client}: {got} holders are left, {needed} are needed")]
    NotEnoughShares {
        /// Whose secret.
        client: ClientId,
        /// The threshold.
        needed: usize,
        /// Holders left.
        got: usize,
    },
    /// The shares of a client's secret give something else: its owner or a holder has lied.
    #[error("the shares of client {0} give another secret than it had")]
    WrongSecret(ClientId),
    /// A public key with which everybody shares the same secret.
    #[error("the public key of client {0} shares no secret")]
    BadKey(ClientId),
    /// A partial sum of another plan.
    #[error("a partial sum of plan {got} in plan {expected}")]
    ForeignPartial {
        /// This plan's digest.
        expected: Digest,
        /// The partial's.
        got: Digest,
    },
}
