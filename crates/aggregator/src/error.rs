//! Why an update is refused, and why a round has no result.

use crate::rules::RuleError;
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{Checksum, ClientId, Grid, WireError, bytes};

/// Why one update is left out. The round goes on without it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The bytes are not an update of this model.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A partial sum for another weight cap.
    #[error("a partial sum for weights up to {got}, this round has {expected}")]
    OtherCap {
        /// This round's cap, a power of two.
        expected: u64,
        /// The partial sum's.
        got: u64,
    },
    /// A partial sum on another grid.
    #[error(
        "a partial sum of multiples of 2^-{} below 2^{}, this round has 2^-{} and 2^{}",
        got.bits(), got.range(), expected.bits(), expected.range()
    )]
    OtherGrid {
        /// This round's.
        expected: Grid,
        /// The partial sum's.
        got: Grid,
    },
    /// A partial sum of another round, or of updates from other parameters.
    #[error(
        "a partial sum of round {got} from parameters {got_base}, this is round {expected} from {expected_base}"
    )]
    OtherRound {
        /// This round.
        expected: u64,
        /// The partial sum's.
        got: u64,
        /// Checksum of this round's parameters.
        expected_base: Checksum,
        /// Checksum that the partial sum names.
        got_base: Checksum,
    },
    /// A partial sum that claims less than it holds.
    #[error("a partial sum of magnitude {largest} that claims at most {bound}")]
    FalseBound {
        /// Largest magnitude found.
        largest: u64,
        /// Claimed.
        bound: u64,
    },
    /// A partial sum with a weight that its updates cannot have.
    #[error("a partial sum of {updates} updates that claims a weight of {weight}; each weighs at most {cap}")]
    FalseWeight {
        /// Claimed.
        updates: u64,
        /// Claimed.
        weight: u64,
        /// Allowed for each update.
        cap: u64,
    },
    /// A partial sum that claims more than its updates can come to.
    #[error("a partial sum of {updates} updates with a bound of {bound}; they can reach {reachable}")]
    Unreachable {
        /// Claimed.
        updates: u64,
        /// Claimed.
        bound: u64,
        /// Of so many updates of the largest weight and magnitude.
        reachable: u64,
    },
    /// A partial sum that has been merged already.
    #[error("the partial sum {checksum} has come before")]
    SameSum {
        /// Of the message.
        checksum: Checksum,
    },
    /// An update of another round.
    #[error("client {client}: an update of round {got}, this is round {expected}")]
    WrongRound {
        /// Who.
        client: ClientId,
        /// This round.
        expected: u64,
        /// The update's.
        got: u64,
    },
    /// An update of another exchange of the round.
    #[error("client {client}: an update of exchange {got} of the round, this is exchange {expected}")]
    WrongExchange {
        /// Who.
        client: ClientId,
        /// This exchange.
        expected: u32,
        /// The update's.
        got: u32,
    },
    /// Trained from other parameters than were broadcast.
    #[error("client {client}: started from parameters {got}, broadcast were {expected}")]
    StaleBase {
        /// Who.
        client: ClientId,
        /// Checksum of this round's parameters.
        expected: Checksum,
        /// Checksum that the update names.
        got: Checksum,
    },
    /// Nobody asked this client.
    #[error("client {client} is not in the cohort")]
    NotInCohort {
        /// Who.
        client: ClientId,
    },
    /// An update in the name of another client.
    #[error("client {client}: an update in the name of client {claimed}")]
    WrongSender {
        /// Who sent it.
        client: ClientId,
        /// Whom it names.
        claimed: ClientId,
    },
    /// A second update of one client.
    #[error("client {client} has answered already")]
    Duplicate {
        /// Who.
        client: ClientId,
    },
    /// More examples than a client may claim.
    #[error("client {client}: a weight of {weight} examples, at most {cap} are allowed")]
    WeightAboveCap {
        /// Who.
        client: ClientId,
        /// Claimed.
        weight: u64,
        /// Allowed.
        cap: u64,
    },
    /// A loss that is NaN or infinity: the rest may be right, but it could not be written down.
    #[error("client {client}: a loss of {loss}")]
    LossNotFinite {
        /// Who.
        client: ClientId,
        /// Claimed.
        loss: f32,
    },
    /// A longer update than the round allows.
    #[error(
        "client {client}: an update of norm {norm}{}, at most {bound} is allowed",
        .block.map_or_else(String::new, |block| format!(" in block {block}"))
    )]
    NormAboveBound {
        /// Who.
        client: ClientId,
        /// The block, where a message has several.
        block: Option<usize>,
        /// Euclidean norm of the block.
        norm: f64,
        /// Allowed.
        bound: f64,
    },
    /// NaN or infinity.
    #[error("client {client}: {value} at coordinate {coordinate}")]
    NotFinite {
        /// Who.
        client: ClientId,
        /// Place among all parameters.
        coordinate: usize,
        /// The value.
        value: f32,
    },
    /// Too large for the sum's grid.
    #[error("client {client}: {value} at coordinate {coordinate}, the sum takes magnitudes below {limit}")]
    OutOfRange {
        /// Who.
        client: ClientId,
        /// Place among all parameters.
        coordinate: usize,
        /// The value.
        value: f32,
        /// First magnitude refused at this weight.
        limit: f32,
    },
}

impl Rejection {
    /// For an update of which a value is not finite.
    pub(crate) fn not_finite(update: &UpdateView<'_>) -> Self {
        let mut values = update.ranges().flatten().zip(bytes::f32s(update.value_bytes()));
        let (coordinate, value) =
            values.find(|(_, v)| !v.is_finite()).expect("the caller has seen such a value");
        Self::NotFinite { client: update.head.client, coordinate, value }
    }

    /// A word for counting.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Wire(WireError::Schema { .. }) => "schema",
            Self::Wire(WireError::Block(_)) => "shape",
            Self::Wire(_) => "wire",
            Self::OtherCap { .. } => "other_cap",
            Self::OtherGrid { .. } => "other_grid",
            Self::OtherRound { .. } => "other_round",
            Self::FalseBound { .. } => "false_bound",
            Self::FalseWeight { .. } => "false_weight",
            Self::Unreachable { .. } => "unreachable_bound",
            Self::SameSum { .. } => "same_sum",
            Self::WrongRound { .. } => "wrong_round",
            Self::WrongExchange { .. } => "wrong_exchange",
            Self::StaleBase { .. } => "stale_base",
            Self::NotInCohort { .. } => "not_in_cohort",
            Self::WrongSender { .. } => "wrong_sender",
            Self::Duplicate { .. } => "duplicate",
            Self::WeightAboveCap { .. } => "weight_above_cap",
            Self::LossNotFinite { .. } => "loss_not_finite",
            Self::NormAboveBound { .. } => "norm_above_bound",
            Self::NotFinite { .. } => "not_finite",
            Self::OutOfRange { .. } => "out_of_range",
        }
    }
}

/// Why a round has no mean. The model stays as it was.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AggregateError {
    /// Not one update was accepted.
    #[error("no update was accepted")]
    NoUpdates,
    /// Updates, but all of weight 0.
    #[error("all {updates} updates have weight 0")]
    ZeroTotalWeight {
        /// Number of updates.
        updates: u64,
    },
    /// The rule does not apply to the updates that were accepted.
    #[error(transparent)]
    Rule(Box<RuleError>),
    /// The updates together could overflow the sum, however they are spread over parts.
    #[error("the sum of {updates} updates of this size is full; use a larger weight cap")]
    SumFull {
        /// Number of updates.
        updates: u64,
    },
}

impl AggregateError {
    /// Whether the rule was given too few updates to work with, of the whole message or of a block: with more of them,
    /// whatever they hold, the round may have a result.
    pub fn is_too_few(&self) -> bool {
        matches!(self, Self::Rule(source) if source.is_too_few())
    }
}

impl From<RuleError> for AggregateError {
    fn from(source: RuleError) -> Self {
        Self::Rule(Box::new(source))
    }
}
