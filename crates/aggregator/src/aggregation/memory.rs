//! What a rule remembers from round to round.

use serde::{Deserialize, Serialize};
use sottovoce_core::Values;

/// The last result of a rule that begins a round where the last one ended (centered clipping): for each block of a
/// message what the rule made of it, before it was scaled by the share of those who sent it. Empty where nothing is
/// remembered; a block that nobody has sent yet is empty, which stands for zeros.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory(Vec<Values>);

impl Memory {
    /// Results in the order of the blocks.
    pub fn blocks(&self) -> &[Values] {
        &self.0
    }

    /// The last result for a block; nothing stands for zeros.
    pub(super) fn of(&self, block: usize) -> &[f32] {
        self.0.get(block).map_or(&[], |values| &values[..])
    }

    /// Takes new results, each with its block's place. A block without a new one keeps its last.
    pub(super) fn keep(&mut self, results: Vec<(usize, Vec<f32>)>) {
        for (block, result) in results {
            if self.0.len() <= block {
                self.0.resize(block + 1, Values::default());
            }
            self.0[block] = result.into();
        }
    }
}
