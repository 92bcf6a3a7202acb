//! What one thread holds of a round: a sum, or the updates themselves, taken apart into blocks and numbers.

use super::Absent;
use crate::error::Rejection;
use crate::sum::PartialSum;
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{ClientId, Contents, Format, bytes};

/// What takes the accepted updates of a round, on one thread.
pub trait Accumulator {
    /// The factor of the update's values, if it can be taken; nothing is changed.
    fn factor(&self, update: &UpdateView<'_>) -> Result<f64, Rejection>;
    /// Takes an update with the factor that [`factor`](Self::factor) gave it.
    fn take(&mut self, update: &UpdateView<'_>, factor: f64);
}

impl Accumulator for PartialSum {
    fn factor(&self, update: &UpdateView<'_>) -> Result<f64, Rejection> {
        PartialSum::factor(self, update)
    }
    fn take(&mut self, update: &UpdateView<'_>, factor: f64) {
        self.add_one(update, factor);
    }
}

/// What one thread holds of a round.
#[derive(Debug)]
pub enum Part {
    /// A sum.
    Sum(PartialSum),
    /// The updates themselves.
    Kept(Kept),
}

/// Updates kept until the end of a round.
#[derive(Debug)]
pub struct Kept {
    pub(super) format: Format,
    pub(super) absent: Absent,
    pub(super) updates: Vec<KeptUpdate>,
}

#[derive(Debug)]
pub(super) struct KeptUpdate {
    pub(super) client: ClientId,
    pub(super) weight: u64,
    /// The blocks that were sent, ascending.
    pub(super) blocks: Vec<KeptBlock>,
    /// The numbers that were sent, each with its place, ascending.
    pub(super) numbers: Vec<(u32, f32)>,
}

#[derive(Debug)]
pub(super) struct KeptBlock {
    /// The block's place in a message.
    pub(super) place: usize,
    /// The rows that were sent, of the model's, where the others abstain; `None` for all.
    pub(super) rows: Option<Vec<u32>>,
    /// Row after row; all rows, zeros for absent ones, unless `rows` says which.
    pub(super) values: Vec<f32>,
}

impl Part {
    /// Whether it is for messages of that format.
    pub fn is_for(&self, format: &Format) -> bool {
        let layout = match self {
            Self::Sum(sum) => sum.layout(),
            Self::Kept(kept) => kept.format.message(),
        };
        layout.schema() == format.message().schema()
    }

    /// Forgets what was taken.
    pub fn clear(&mut self) {
        match self {
            Self::Sum(sum) => sum.clear(),
            Self::Kept(kept) => kept.updates.clear(),
        }
    }

    pub(super) fn sum(&self) -> Option<&PartialSum> {
        if let Self::Sum(sum) = self { Some(sum) } else { None }
    }

    pub(super) fn kept(&self) -> Option<&Kept> {
        if let Self::Kept(kept) = self { Some(kept) } else { None }
    }
}

impl Accumulator for Part {
    fn factor(&self, update: &UpdateView<'_>) -> Result<f64, Rejection> {
        match self {
            Self::Sum(sum) => sum.factor(update),
            Self::Kept(_) if update.largest().is_finite() => Ok(1.0),
            Self::Kept(_) => Err(Rejection::not_finite(update)),
        }
    }

    fn take(&mut self, update: &UpdateView<'_>, factor: f64) {
        match self {
            Self::Sum(sum) => sum.add_one(update, factor),
            Self::Kept(kept) => kept.take(update),
        }
    }
}

impl Kept {
    pub(super) fn new(format: Format, absent: Absent) -> Self {
        Self { format, absent, updates: Vec::new() }
    }

    fn take(&mut self, update: &UpdateView<'_>) {
        let (client, weight) = (update.head.client, update.head.weight);
        let mut kept = KeptUpdate { client, weight, blocks: Vec::new(), numbers: Vec::new() };
        let mut values = bytes::f32s(update.value_bytes());
        let Some(rows) = update.rows() else {
            let params = self.format.model().params();
            for place in 0..self.format.contents().blocks {
                let values = values.by_ref().take(params).collect();
                kept.blocks.push(KeptBlock { place, rows: None, values });
            }
            kept.numbers = (0..).zip(values).collect();
            return self.updates.push(kept);
        };
        let numbers = self.format.number_rows();
        for (row, range) in rows.zip(update.ranges()) {
            if row >= numbers.start {
                kept.numbers.extend(values.by_ref().take(1).map(|value| (row - numbers.start, value)));
                continue;
            }
            let place = row as usize / self.format.model().rows();
            if kept.blocks.last().is_none_or(|block| block.place != place) {
                kept.blocks.push(self.empty(place));
            }
            let block = kept.blocks.last_mut().expect("it was put there");
            let sent = values.by_ref().take(range.len());
            match &mut block.rows {
                Some(rows) => {
                    rows.push(row - self.format.block_rows(place).start);
                    block.values.extend(sent);
                }
                None => {
                    let start = range.start - self.format.block_values(place).start;
                    block.values[start..start + range.len()].iter_mut().zip(sent).for_each(|(to, v)| *to = v);
                }
            }
        }
        // A delta alone is about its one block, even if no row of it moved.
        if kept.blocks.is_empty() && self.format.contents() == Contents::DELTA {
            kept.blocks.push(self.empty(0));
        }
        self.updates.push(kept);
    }

    /// A block of which no row is there yet.
    fn empty(&self, place: usize) -> KeptBlock {
        match self.absent {
            Absent::Zero => KeptBlock { place, rows: None, values: vec![0.0; self.format.model().params()] },
            Absent::Abstain => KeptBlock { place, rows: Some(Vec::new()), values: Vec::new() },
        }
    }
}
