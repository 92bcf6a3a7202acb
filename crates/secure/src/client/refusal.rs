//! Why a client does not go on: its secrets are gone then, and to everybody else it has dropped out.

use crate::entropy::EntropyError;
use crate::message::MessageError;
use sottovoce_core::ClientId;

/// Why a client refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not the message that was due.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// No random bytes for its keys.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// It is not a member of the plan.
    #[error("client {0} is no member of this sum")]
    NotAMember(ClientId),
    /// A vector of another length than the plan's.
    #[error("a vector of {got} elements where the plan has {expected}")]
    Dimension {
        /// The plan's.
        expected: usize,
        /// The vector's.
        got: usize,
    },
    /// Something of a client from whom nothing can come at this stage: no neighbour, or one who was not there before.
    #[error("client {0} cannot have sent anything at this stage")]
    UnknownSender(ClientId),
    /// The same client twice in a list.
    #[error("client {0} is in the message twice")]
    DuplicateSender(ClientId),
    /// Keys, or a set of survivors, that a client did not sign.
    #[error("the signature of client {0} is not under this")]
    BadSignature(ClientId),
    /// A public key with which everybody shares the same secret.
    #[error("the public key of client {0} shares no secret")]
    BadKey(ClientId),
    /// Sealed shares that do not open.
    #[error("the sealed shares of client {0} do not open")]
    Seal(ClientId),
    /// Too few holders of its shares are left: its secrets could not be recovered.
    #[error("{got} clients hold this client's shares, {needed} are needed")]
    TooFewHolders {
        /// The threshold.
        needed: usize,
        /// Holders left.
        got: usize,
    },
    /// A sum of too few clients.
    #[error("a sum of {got} clients, at least {needed} are wanted")]
    TooFewSurvivors {
        /// The plan's minimum.
        needed: usize,
        /// Clients in the sum.
        got: usize,
    },
    /// A set of survivors without this client, whose vector was sent.
    #[error("the sum is said to be without this client")]
    LeftOut,
    /// Too few signatures under the set of survivors that this client was told.
    #[error("{got} signatures under the set of survivors, {needed} are needed")]
    TooFewSignatures {
        /// The threshold.
        needed: usize,
        /// Signatures, with its own where it holds a share of its own.
        got: usize,
    },
    /// Both secrets of one client are asked for: they would unmask it.
    #[error("both secrets of client {0} are asked for")]
    BothSecrets(ClientId),
    /// A secret of somebody whose shares this client does not hold.
    #[error("client {0} is no neighbour of this client")]
    NotANeighbour(ClientId),
    /// The secret of somebody that does not follow from the set of survivors that was signed, or is missing.
    #[error("what is asked about client {0} differs from the set of survivors that was signed")]
    SetDiffers(ClientId),
}
