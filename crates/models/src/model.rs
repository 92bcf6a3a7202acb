//! What a classifier is: pure functions of its parameters.

use crate::examples::{Example, Examples};
pub use crate::scratch::Scratch;
use sottovoce_core::sampling::uniform_f32;
use sottovoce_core::{Address, Layout, Params, Purpose};
use std::sync::Arc;

/// A classifier. Parameters come as one slice in storage order: the table first, the dense tensors behind it.
///
/// The table may be whole or hold just the rows that a client touches; examples number their rows accordingly.
/// All functions are pure, and give the same bits on every CPU.
pub trait Model: Send + Sync {
    /// Names and shapes of the whole model; the first tensor is the table. A model without one has a table of a single
    /// row that no example names.
    fn layout(&self) -> &Arc<Layout>;

    /// Number of classes.
    fn classes(&self) -> usize;

    /// Parameters to start from: a pure function of the seed.
    fn init(&self, seed: u64) -> Params;

    /// Adds the gradient of the batch's mean cross-entropy to `gradient` (same shape as `params`); rows of the
    /// table that no example of the batch has are left alone. Returns the sum of the losses, in nats.
    fn gradient(&self, params: &[f32], batch: &Batch<'_>, gradient: &mut [f32], scratch: &mut Scratch)
    -> f32;

    /// Writes the class scores of one example to `logits`, one for each class.
    fn logits(&self, params: &[f32], example: Example<'_>, logits: &mut [f32], scratch: &mut Scratch);

    /// Numbers in an example's representation, the vector that the last linear layer reads; 0 for a model without one.
    fn representation(&self) -> usize {
        0
    }

    /// Tensors at the end of the layout that are the model's head, the last layer: personalisation keeps them on the
    /// client and shares the body before them, on which alone representations depend. 0 for a model without a body.
    fn head(&self) -> usize {
        0
    }

    /// Writes the batch's representations to `into`, one after another: batch × [`representation`](Self::representation).
    fn represent(&self, _params: &[f32], _batch: &Batch<'_>, _into: &mut [f32], _scratch: &mut Scratch) {}

    /// Adds to `gradient` (same shape as `params`) that of a loss whose derivative by the batch's representations is
    /// `back`, which lies as they do: the last layer and rows of the table that no example of the batch has are left alone.
    fn pull_back(
        &self,
        _params: &[f32],
        _batch: &Batch<'_>,
        _back: &[f32],
        _gradient: &mut [f32],
        _scratch: &mut Scratch,
    ) {
    }

    /// Parameters of the dense tensors, those behind the table.
    fn dense(&self) -> usize {
        self.layout().params() - self.layout().tensors()[0].range().len()
    }
}

/// Some examples, by number.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// All examples of the shard.
    pub examples: &'a Examples,
    /// Which of them.
    pub chosen: &'a [u32],
}

impl<'a> Batch<'a> {
    /// The batch's examples.
    #[inline(always)]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Example<'a>> + use<'a> {
        let examples = self.examples;
        self.chosen.iter().map(move |i| examples.get(*i as usize))
    }
}

/// Draws a tensor uniformly from `±bound`, at the address of its number.
pub(crate) fn uniform(params: &mut Params, seed: u64, tensor: usize, bound: f32) {
    let mut stream = Address::new(seed, Purpose::Init).slot(tensor as u64).stream();
    let range = params.layout().tensors()[tensor].range();
    for v in &mut params.values_mut()[range] {
        *v = uniform_f32(&mut stream, -bound, bound);
    }
}
