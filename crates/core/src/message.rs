//! What an algorithm's clients send beside how their parameters moved, as one message of one layout.
//!
//! A message is a block of rows of a layout: blocks shaped like the model one after another, then numbers, a row each.
//! Codec and transforms see rows only, so that they serve every algorithm. Whoever aggregates tells blocks and numbers
//! apart by their places ([`Format`]). Rows and numbers that a client does not send count as 0 in the mean.

use crate::aggregate::Aggregate;
use crate::client_error::ClientError;
use crate::ids::ClientId;
use crate::layout::{Layout, LayoutError};
use crate::row_block::{RowBlock, Rows};
use crate::task::Trained;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// What a message has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Blocks shaped like the model, at least 1.
    pub blocks: usize,
    /// Numbers behind them.
    pub numbers: usize,
}

impl Contents {
    /// How the parameters moved, and nothing else.
    pub const DELTA: Self = Self { blocks: 1, numbers: 0 };
}

/// A client's answer before it is put into a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Each with its place among the message's blocks, ascending.
    pub blocks: Vec<(usize, RowBlock)>,
    /// Each with its place among the message's numbers, ascending.
    pub numbers: Vec<(usize, f32)>,
    /// Weight in the mean; the number of training examples where absent.
    pub weight: Option<u64>,
    /// Mean training loss, in nats.
    pub loss: f32,
}

impl From<Trained> for Answer {
    fn from(trained: Trained) -> Self {
        Self { blocks: vec![(0, trained.delta)], numbers: Vec::new(), weight: None, loss: trained.loss }
    }
}

impl Answer {
    /// Another block behind those that are there.
    pub fn block(mut self, block: RowBlock) -> Self {
        let place = self.blocks.last().map_or(0, |(place, _)| place + 1);
        self.blocks.push((place, block));
        self
    }
    /// Another number behind those that are there.
    pub fn number(mut self, number: f32) -> Self {
        let place = self.numbers.last().map_or(0, |(place, _)| place + 1);
        self.numbers.push((place, number));
        self
    }
    /// Counts as much as any other client, whatever the number of its examples.
    pub fn unweighted(mut self) -> Self {
        self.weight = Some(1);
        self
    }
}

/// The layout of an algorithm's messages for a model.
#[derive(Debug, Clone)]
pub struct Format {
    model: Arc<Layout>,
    message: Arc<Layout>,
    contents: Contents,
}

impl Format {
    /// Room for `contents` over a model.
    pub fn new(model: Arc<Layout>, contents: Contents) -> Result<Self, LayoutError> {
        let Contents { blocks, numbers } = contents;
        if contents == Contents::DELTA {
            return Ok(Self::delta(model));
        }
        let names: Vec<(String, usize, usize)> = (0..blocks)
            .flat_map(|b| {
                model.tensors().iter().map(move |t| (format!("{b}/{}", t.name()), t.rows(), t.cols()))
            })
            .chain((numbers > 0).then(|| ("numbers".to_owned(), numbers, 1)))
            .collect();
        let tensors: Vec<(&str, usize, usize)> = names.iter().map(|(n, r, c)| (&n[..], *r, *c)).collect();
        Ok(Self { message: Layout::new(&tensors)?, model, contents })
    }
    /// A delta alone: a message is shaped like the model.
    pub fn delta(model: Arc<Layout>) -> Self {
        Self { message: model.clone(), model, contents: Contents::DELTA }
    }
    /// What a message has room for.
    pub fn contents(&self) -> Contents {
        self.contents
    }
    /// The rows of the block at that place among a message's rows.
    pub fn block_rows(&self, block: usize) -> Range<u32> {
        let rows = self.model.rows();
        (block * rows) as u32..((block + 1) * rows) as u32
    }
    /// The values of the block at that place among all values of a message.
    pub fn block_values(&self, block: usize) -> Range<usize> {
        let params = self.model.params();
        block * params..(block + 1) * params
    }
    /// The rows of the numbers, one each, behind those of the blocks.
    pub fn number_rows(&self) -> Range<u32> {
        let first = self.block_rows(self.contents.blocks).start;
        first..first + self.contents.numbers as u32
    }
    /// The values of the numbers, behind those of the blocks.
    pub fn number_values(&self) -> Range<usize> {
        let first = self.block_values(self.contents.blocks).start;
        first..first + self.contents.numbers
    }
    /// The model's layout.
    pub fn model(&self) -> &Arc<Layout> {
        &self.model
    }
    /// Whether a message is a delta and nothing else.
    pub fn is_delta(&self) -> bool {
        self.contents == Contents::DELTA
    }
    /// A message's layout.
    pub fn message(&self) -> &Arc<Layout> {
        &self.message
    }

    /// An answer as one block of the message's layout. Nothing is copied where it is a delta alone.
    pub fn join(&self, client: ClientId, mut answer: Answer) -> Result<RowBlock, ClientError> {
        let fits = rises(answer.blocks.iter().map(|b| b.0), self.contents.blocks)
            && rises(answer.numbers.iter().map(|n| n.0), self.contents.numbers)
            && answer.blocks.iter().all(|(_, b)| b.layout().schema() == self.model.schema());
        if !fits {
            return Err(ClientError::Message { client });
        }
        if self.contents == Contents::DELTA
            && let Some((_, delta)) = answer.blocks.pop()
        {
            return Ok(delta);
        }
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for (place, block) in &answer.blocks {
            let first = (place * self.model.rows()) as u32;
            match block.rows() {
                Rows::All => rows.extend(first..first + self.model.rows() as u32),
                Rows::Some(some) => rows.extend(some.iter().map(|row| first + row)),
            }
            values.extend_from_slice(block.values());
        }
        let first = (self.contents.blocks * self.model.rows()) as u32;
        for (place, number) in answer.numbers {
            rows.push(first + place as u32);
            values.push(number);
        }
        let block = RowBlock::new(self.message.clone(), Rows::Some(rows.into()), values);
        Ok(block.expect("places rise, and rows rise within a block of the model"))
    }

    /// The parts of an aggregate. Nothing is copied where it is a delta alone.
    pub fn split<'a>(&self, aggregate: &'a Aggregate) -> Mean<'a> {
        let Aggregate { delta, weight, updates } = aggregate;
        let mut mean = Mean {
            blocks: Vec::new(),
            numbers: vec![0.0; self.contents.numbers],
            weight: *weight,
            updates: *updates,
        };
        if self.contents == Contents::DELTA {
            mean.blocks.push(Cow::Borrowed(delta));
            return mean;
        }
        let height = self.model.rows() as u32;
        let mut parts: Vec<(Vec<u32>, Vec<f32>)> = vec![Default::default(); self.contents.blocks];
        for (row, values) in delta.each_row() {
            match parts.get_mut((row / height) as usize) {
                Some((rows, all)) => {
                    rows.push(row % height);
                    all.extend_from_slice(values);
                }
                None => mean.numbers[row as usize - height as usize * self.contents.blocks] = values[0],
            }
        }
        for (rows, values) in parts {
            let block = RowBlock::new(self.model.clone(), Rows::Some(rows.into()), values);
            mean.blocks
                .push(Cow::Owned(block.expect("rows of one block rise and are as wide as the model's")));
        }
        mean
    }
}

/// Whether places rise strictly within the room that there is.
fn rises(mut places: impl Iterator<Item = usize>, room: usize) -> bool {
    let mut least = 0;
    places.all(|place| place < room && place >= std::mem::replace(&mut least, place + 1))
}

/// The answers of a cohort as one: each part `Σ w·part / Σ w`, over all accepted updates.
#[derive(Debug, Clone, PartialEq)]
pub struct Mean<'a> {
    /// Weighted means of the blocks; rows that nobody sent are absent.
    pub blocks: Vec<Cow<'a, RowBlock>>,
    /// Weighted means of the numbers.
    pub numbers: Vec<f32>,
    /// Sum of the weights.
    pub weight: u64,
    /// Number of updates.
    pub updates: u64,
}

impl Mean<'_> {
    /// The first block: how the parameters moved.
    pub fn delta(&self) -> &RowBlock {
        &self.blocks[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(model: &Arc<Layout>, rows: &[u32], values: &[f32]) -> RowBlock {
        RowBlock::new(model.clone(), Rows::Some(rows.into()), values.to_vec()).unwrap()
    }

    #[test]
    fn what_is_joined_can_be_split() {
        let model = Layout::new(&[("table", 3, 2), ("bias", 1, 1)]).unwrap();
        let format = Format::new(model.clone(), Contents { blocks: 3, numbers: 4 }).unwrap();
        assert_eq!((format.message().rows(), format.message().params()), (16, 25));
        let (a, c) = (block(&model, &[1, 3], &[1.0, 2.0, 3.0]), block(&model, &[0], &[4.0, 5.0]));
        let answer = Answer {
            blocks: vec![(0, a.clone()), (2, c.clone())],
            numbers: vec![(1, 7.0), (3, 8.0)],
            weight: None,
            loss: 0.5,
        };
        let delta = format.join(ClientId(1), answer).unwrap();
        assert_eq!(delta.values(), [1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 8.0]);
        let aggregate = Aggregate { delta, weight: 9, updates: 2 };
        let mean = format.split(&aggregate);
        assert_eq!(*mean.delta(), a);
        assert_eq!((&*mean.blocks[1], &*mean.blocks[2]), (&block(&model, &[], &[]), &c));
        assert_eq!((&mean.numbers[..], mean.weight, mean.updates), (&[0.0, 7.0, 0.0, 8.0][..], 9, 2));
    }

    /// The places that are named are those at which the layout has the parts.
    #[test]
    fn parts_lie_where_the_layout_has_them() {
        let model = Layout::new(&[("table", 3, 2), ("bias", 1, 1)]).unwrap();
        let format = Format::new(model.clone(), Contents { blocks: 3, numbers: 4 }).unwrap();
        let message = format.message();
        for block in 0..3 {
            let (rows, values) = (format.block_rows(block), format.block_values(block));
            assert_eq!(
                message.ranges(rows.clone()).flatten().collect::<Vec<_>>(),
                values.clone().collect::<Vec<_>>()
            );
            let (first, last) = (format!("{block}/table"), format!("{block}/bias"));
            assert_eq!(message.tensor(&first).unwrap().range().start, values.start);
            assert_eq!(message.tensor(&last).unwrap().range().end, values.end);
            assert_eq!(rows.len(), model.rows());
        }
        let (rows, values) = (format.number_rows(), format.number_values());
        assert_eq!(message.tensor("numbers").unwrap().range(), values);
        assert_eq!(message.ranges(rows.clone()).flatten().collect::<Vec<_>>(), values.collect::<Vec<_>>());
        assert_eq!(rows.end as usize, message.rows());
        let delta = Format::delta(model.clone());
        assert_eq!((delta.contents(), delta.block_values(0)), (Contents::DELTA, 0..model.params()));
        assert!(delta.number_rows().is_empty() && delta.number_values().is_empty());
    }

    #[test]
    fn a_delta_alone_is_the_message() {
        let model = Layout::new(&[("table", 3, 2)]).unwrap();
        let format = Format::new(model.clone(), Contents::DELTA).unwrap();
        let trained = Trained { delta: block(&model, &[2], &[1.0, 2.0]), loss: 0.1, steps: 1, rates: 0.5 };
        let storage = trained.delta.values().as_ptr();
        let delta = format.join(ClientId(0), trained.into()).unwrap();
        assert_eq!((delta.values().as_ptr(), format.message().schema()), (storage, model.schema()));
    }

    #[test]
    fn what_has_no_room_is_refused() {
        let model = Layout::new(&[("table", 3, 2)]).unwrap();
        let other = Layout::new(&[("table", 2, 3)]).unwrap();
        let format = Format::new(model.clone(), Contents { blocks: 2, numbers: 1 }).unwrap();
        let good = block(&model, &[2], &[1.0, 2.0]);
        let answer = |blocks: Vec<(usize, RowBlock)>, numbers| {
            format.join(ClientId(5), Answer { blocks, numbers, weight: None, loss: 0.0 })
        };
        assert!(answer(vec![(1, good.clone())], vec![(0, 1.0)]).is_ok());
        for (blocks, numbers) in [
            (vec![(2, good.clone())], vec![]),
            (vec![(0, good.clone()), (0, good.clone())], vec![]),
            (vec![(0, good.clone())], vec![(1, 0.0)]),
            (vec![(0, block(&other, &[1], &[1.0, 2.0, 3.0]))], vec![]),
        ] {
            assert_eq!(answer(blocks, numbers), Err(ClientError::Message { client: ClientId(5) }));
        }
    }
}
