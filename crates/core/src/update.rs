//! What a client sends: its update, or counts of an evaluation. Nothing else implements [`Outbound`].

use crate::digest::Checksum;
use crate::ids::ClientId;
use crate::row_block::RowBlock;
use serde::{Deserialize, Serialize};

/// A client's answer to a round: how its parameters moved, and how many examples moved them.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Who.
    pub client: ClientId,
    /// In which round, from 0.
    pub round: u64,
    /// In which exchange of the round, from 0.
    pub exchange: u32,
    /// Checksum of the parameters that the client started from.
    pub base: Checksum,
    /// Number of local training examples: the weight in the mean.
    pub weight: u64,
    /// Mean training loss over the client's last local epoch, in nats.
    pub loss: f32,
    /// Local minus broadcast parameters, for the rows that the client touched.
    pub delta: RowBlock,
}

/// A client's evaluation of broadcast parameters on its own held-out examples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationCounts {
    /// Who.
    pub client: ClientId,
    /// After which round.
    pub round: u64,
    /// Held-out examples.
    pub examples: u64,
    /// Of these, classified right.
    pub correct: u64,
}

/// Kinds of message. The first two leave a client, the last an edge aggregator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u16)]
pub enum Kind {
    /// An [`Update`].
    Update = 1,
    /// [`EvaluationCounts`].
    EvaluationCounts = 2,
    /// A partial sum of updates, on its way to the aggregator above.
    PartialSum = 3,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Update {}
    impl Sealed for super::EvaluationCounts {}
}

/// What may leave a client. Sealed: a type outside this crate, a transcript above all, cannot implement it.
///
/// ```compile_fail
/// struct Transcript(String);
/// impl sottovoce_core::Outbound for Transcript {}
/// ```
pub trait Outbound: sealed::Sealed {
    /// What the ledger calls it.
    const KIND: Kind;
    /// Who sends it.
    fn client(&self) -> ClientId;
    /// The round that it belongs to.
    fn round(&self) -> u64;
    /// The exchange of the round, from 0.
    fn exchange(&self) -> u32 {
        0
    }
    /// Appends the framed message to `out` and returns the checksum that it ends with.
    fn encode(&self, out: &mut Vec<u8>) -> Checksum;
}

fn is_first(exchange: &u32) -> bool {
    *exchange == 0
}

/// One line of a client's ledger: a message that passed the egress gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// The round that the message belongs to.
    pub round: u64,
    /// The exchange of the round, from 0; only rounds with several have others.
    #[serde(default, skip_serializing_if = "is_first")]
    pub exchange: u32,
    /// Who sent it.
    pub client: ClientId,
    /// What it was.
    pub kind: Kind,
    /// Its size on the wire.
    pub bytes: u64,
    /// The checksum that it ends with.
    pub checksum: Checksum,
    /// A name of the examples that it was made from, for the simulation's record: no part of the message. It is keyed by all
    /// training data, so that nobody finds the examples by trying.
    pub source: Checksum,
    /// That of what the client keeps from then on that its message is accepted, if it keeps anything: no part of the message
    /// either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Checksum>,
}
