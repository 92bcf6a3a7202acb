//! What an algorithm may do with a client's data.

use crate::client_error::ClientError;
use crate::ids::ClientId;
use crate::layout::Layout;
use crate::math::axpy;
use crate::params::Params;
use crate::row_block::{RowBlock, Rows};
use std::ops::Range;
use std::sync::Arc;

/// All that an algorithm may do with a client's data. There is no way to the examples. Slices and vectors hold the
/// client's rows, one after another.
pub trait LocalTask {
    /// Who trains.
    fn client(&self) -> ClientId;
    /// In which round, from 0.
    fn round(&self) -> u64;
    /// Number of local training examples.
    fn num_examples(&self) -> u64;
    /// The rows that the client's data touch, ascending.
    fn rows(&self) -> &Arc<[u32]>;
    /// Global parameters as broadcast, all of them.
    fn broadcast(&self) -> &Params;
    /// Configured number of local epochs.
    fn epochs(&self) -> u32;
    /// Steps of the optimiser in all of these epochs.
    fn steps(&self) -> u64;
    /// Numbers in the representation of an example; 0 for a model that has none.
    fn representation(&self) -> usize;
    /// Rows of the model's head, the last layer, which are the last of [`rows`](Self::rows); 0 for a model without a body in
    /// front of it.
    fn head(&self) -> usize;

    /// Local training from `start` (the broadcast parameters where absent) with the configured optimiser and batch
    /// size, for `epochs`, whose numbers address their shuffles. `adjust`, if given, may edit each batch's gradient
    /// before the optimiser's step.
    fn train_from(
        &mut self,
        start: Option<&[f32]>,
        epochs: Range<u32>,
        adjust: Option<&mut Adjust<'_>>,
    ) -> Result<Trained, ClientError>;

    /// Mean loss over the client's training examples, in nats.
    fn loss(&mut self, at: &[f32]) -> f64;

    /// Gradient of that loss.
    fn gradient(&mut self, at: &[f32]) -> Vec<f32>;

    /// Local training from the broadcast parameters, as configured.
    fn train(&mut self, adjust: Option<&mut Adjust<'_>>) -> Result<Trained, ClientError> {
        self.train_from(None, 0..self.epochs(), adjust)
    }

    /// The client's rows of a vector over all parameters; zeros if it is empty.
    fn gather(&self, all: &[f32]) -> Vec<f32> {
        let (rows, layout) = (self.rows(), self.broadcast().layout());
        let numbers = layout.params_in(rows.iter().copied());
        if all.is_empty() {
            return vec![0.0; numbers];
        }
        let mut own = Vec::with_capacity(numbers);
        layout.ranges(rows.iter().copied()).for_each(|range| own.extend_from_slice(&all[range]));
        own
    }

    /// Where the values of the body's rows end and those of the head begin.
    fn body(&self) -> usize {
        let (rows, layout) = (self.rows(), self.broadcast().layout());
        layout.params_in(rows[..rows.len() - self.head()].iter().copied())
    }

    /// Adds `factor · block` to a vector of the client's rows.
    ///
    /// # Panics
    /// If the block has a row that is none of the client's.
    fn add(&self, to: &mut [f32], factor: f32, block: &RowBlock) {
        let mut own = self.broadcast().layout().ranges(self.rows().iter().copied()).zip(self.rows().iter());
        let mut end = 0;
        for (row, values) in block.each_row() {
            loop {
                let (range, mine) = own.next().expect("a row of the client's");
                end += range.len();
                if *mine == row {
                    break;
                }
            }
            axpy(&mut to[end - values.len()..end], factor, values);
        }
    }

    /// The client's rows of the broadcast parameters.
    fn start(&self) -> Vec<f32> {
        self.gather(self.broadcast().values())
    }

    /// Values of the client's rows as a block of the model.
    ///
    /// # Panics
    /// If there are more or fewer values than the rows have.
    fn block(&self, values: Vec<f32>) -> RowBlock {
        let layout: &Arc<Layout> = self.broadcast().layout();
        RowBlock::new(layout.clone(), Rows::Some(self.rows().clone()), values)
            .expect("values of the client's rows")
    }
}

/// Edits a batch's gradient before the optimiser's step: FedProx, SCAFFOLD and their kin.
pub type Adjust<'a> = dyn FnMut(&mut Step<'_>, &mut [f32]) + 'a;

/// Where local training stands at a step. All slices hold the client's rows, one after another.
pub struct Step<'a> {
    /// Parameters now.
    pub params: &'a [f32],
    /// Parameters that training started from.
    pub start: &'a [f32],
    /// Row numbers that the slices hold, ascending.
    pub rows: &'a [u32],
    /// Learning rate of the optimiser.
    pub lr: f32,
    /// Adds the gradient of the same batch at other parameters to a vector.
    pub gradient_at: &'a mut dyn FnMut(&[f32], &mut [f32]),
    /// Fills a vector with the representations of the same batch at other parameters: what the last layer reads of each
    /// example, [`LocalTask::representation`] numbers, one example after another.
    pub represent: &'a mut dyn FnMut(&[f32], &mut Vec<f32>),
    /// Takes the derivative of a loss by the batch's representations at the parameters now, and adds what follows by the
    /// parameters to a gradient.
    pub pull_back: &'a mut dyn FnMut(&[f32], &mut [f32]),
}

/// What local training gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// How the parameters moved from where training started, for the rows that the client's data touch.
    pub delta: RowBlock,
    /// Mean loss over the last local epoch, in nats, before each step.
    pub loss: f32,
    /// Number of optimiser steps.
    pub steps: u64,
    /// Sum of the learning rates of all steps.
    pub rates: f32,
}
