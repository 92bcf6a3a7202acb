//! The answers of a cohort as one.

use crate::digest::{Checksum, Summing};
use crate::row_block::RowBlock;

/// The answers of a cohort as one: `delta = Σ w·delta / Σ w`, over all accepted updates.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Weighted mean; rows that nobody touched are absent.
    pub delta: RowBlock,
    /// Sum of the weights.
    pub weight: u64,
    /// Number of updates in it.
    pub updates: u64,
}

impl Aggregate {
    /// Checksum of all of it, with the checksums of the [`pieces`](crate::digest::pieces) of the values taken by somebody
    /// else.
    pub fn checksum_by(&self, pieces: impl FnOnce(&[f32]) -> Vec<Checksum>) -> Checksum {
        let delta = self.delta.checksum_by(pieces);
        Summing::default().bytes(&delta.0).number(self.weight).number(self.updates).finish()
    }
}
