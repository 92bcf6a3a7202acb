//! How rounds are run: what is the same in all of them.

use crate::cohort::Cohort;
use crate::pace::Pace;
use crate::world::World;
use serde::{Deserialize, Serialize};
use sottovoce_aggregator::Aggregation;
use sottovoce_core::Transform;

/// How rounds are run: what is the same in all of them.
#[derive(Clone)]
pub struct Plan<'a> {
    /// All randomness comes from it.
    pub seed: u64,
    /// Who takes part.
    pub cohort: Cohort,
    /// Probability with which a client of the cohort drops out before it trains.
    pub dropout: f64,
    /// How updates become one.
    pub aggregation: Aggregation,
    /// What happens where the rule gets too few updates.
    pub too_few: TooFew,
    /// Whether clients count alike, whatever the number of their examples, where the algorithm says nothing else.
    pub alike: bool,
    /// Their server halves run on the aggregate, last to first; the client halves are the population's.
    pub transforms: &'a [Box<dyn Transform>],
    /// Asks the clients of a cohort in an order drawn from this seed instead of by number. No bit depends on it, which
    /// is what it is for.
    pub arrival: Option<u64>,
    /// Bytes of client states that are kept in memory; a temporary file takes the others.
    pub state_memory: u64,
    /// How the server waits for answers.
    pub pace: Pace,
    /// How long things take, and who is there; without it, and for answers that are awaited all, there is no time.
    pub world: Option<&'a World>,
}

impl Plan<'_> {
    /// The weighted mean of all that the cohort sends.
    pub fn mean(seed: u64, cohort: Cohort, weight_cap: u64) -> Self {
        let aggregation = Aggregation::mean(weight_cap);
        Self {
            seed,
            cohort,
            dropout: 0.0,
            aggregation,
            too_few: TooFew::default(),
            alike: false,
            transforms: &[],
            arrival: None,
            state_memory: u64::MAX,
            pace: Pace::default(),
            world: None,
        }
    }
}

/// What happens where the rule gets too few updates, because clients dropped out or a cohort was small by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TooFew {
    /// The round passes without a step of the server, and is counted.
    #[default]
    Skip,
    /// The run ends with an error.
    End,
}
