//! Embedding bag: a table of vectors, their sum or mean, a linear layer, softmax.
//!
//! `h = scale · Σ_{r ∈ rows(x)} E[r]`, `p(y | x) = softmax(b + h · O)`. With scale 1 / number of features this is
//! fastText's classifier (Joulin, Grave, Bojanowski, Mikolov: "Bag of Tricks for Efficient Text Classification",
//! EACL 2017); it differs in that features are hashed n-grams of words, characters and Han alike, and that the
//! whole softmax is computed. Cost of an example: features × dim + 3 × dim × classes.

use crate::examples::Example;
use crate::head;
use crate::model::{Batch, Model, Scratch, uniform};
use sottovoce_core::math::add;
use sottovoce_core::{Layout, LayoutError, Params, dispatch};
use std::sync::Arc;

/// Embedding bag: tensors `table` (buckets × dim), `output` (dim × classes), `bias` (1 × classes).
#[derive(Debug, Clone)]
pub struct EmbeddingBag {
    layout: Arc<Layout>,
    dim: usize,
    classes: usize,
    table_init: f32,
}

impl EmbeddingBag {
    /// A model over that many buckets, vectors of `dim` numbers, and classes. At the start the table is uniform in
    /// `±table_init`, the output in `±1/√dim`, the bias 0.
    pub fn new(buckets: usize, dim: usize, classes: usize, table_init: f32) -> Result<Self, LayoutError> {
        let layout = Layout::new(&[("table", buckets, dim), ("output", dim, classes), ("bias", 1, classes)])?;
        Ok(Self { layout, dim, classes, table_init })
    }
}

impl Model for EmbeddingBag {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
    fn classes(&self) -> usize {
        self.classes
    }
    fn init(&self, seed: u64) -> Params {
        let mut params = Params::zeros(self.layout.clone());
        uniform(&mut params, seed, 0, self.table_init);
        uniform(&mut params, seed, 1, 1.0 / (self.dim as f32).sqrt());
        params
    }
    fn gradient(
        &self,
        params: &[f32],
        batch: &Batch<'_>,
        gradient: &mut [f32],
        scratch: &mut Scratch,
    ) -> f32 {
        gradient_kernel(self.dim, self.classes, params, batch, gradient, scratch)
    }
    fn logits(&self, params: &[f32], example: Example<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        logits_kernel(self.dim, self.classes, params, example, logits, scratch);
    }
    fn representation(&self) -> usize {
        self.dim
    }
    fn represent(&self, params: &[f32], batch: &Batch<'_>, into: &mut [f32], _scratch: &mut Scratch) {
        represent_kernel(self.dim, params, batch, into);
    }
    fn pull_back(
        &self,
        _params: &[f32],
        batch: &Batch<'_>,
        back: &[f32],
        gradient: &mut [f32],
        scratch: &mut Scratch,
    ) {
        scratch.back.resize(back.len());
        scratch.back.copy_from_slice(back);
        pull_back_kernel(self.dim, batch, &mut scratch.back, gradient);
    }
}

#[inline(always)]
fn bag(table: &[f32], example: Example<'_>, hidden: &mut [f32]) {
    let dim = hidden.len();
    hidden.fill(0.0);
    for row in example.rows {
        add(hidden, &table[*row as usize * dim..][..dim]);
    }
    for h in hidden.iter_mut() {
        *h *= example.scale;
    }
}

/// Writes the hidden vectors of a batch.
#[inline(always)]
fn forward(dim: usize, table: &[f32], batch: &Batch<'_>, hidden: &mut [f32]) {
    for (example, h) in batch.iter().zip(hidden.chunks_exact_mut(dim)) {
        bag(table, example, h);
    }
}

/// Adds the table's gradient, given the one by the hidden vectors, whose place it uses.
#[inline(always)]
fn backward(dim: usize, batch: &Batch<'_>, back: &mut [f32], table_gradient: &mut [f32]) {
    for (example, b) in batch.iter().zip(back.chunks_exact_mut(dim)) {
        for v in b.iter_mut() {
            *v *= example.scale;
        }
        for row in example.rows {
            add(&mut table_gradient[*row as usize * dim..][..dim], b);
        }
    }
}

dispatch! {
    fn represent_kernel<L>(dim: usize, params: &[f32], batch: &Batch<'_>, into: &mut [f32]) {
        forward(dim, params, batch, into);
    }
}

dispatch! {
    fn pull_back_kernel<L>(dim: usize, batch: &Batch<'_>, back: &mut [f32], gradient: &mut [f32]) {
        backward(dim, batch, back, gradient);
    }
}

dispatch! {
    fn logits_kernel<L>(
        dim: usize, classes: usize, params: &[f32], example: Example<'_>, logits: &mut [f32], scratch: &mut Scratch,
    ) {
        let (table, layer) = params.split_at(params.len() - dim * classes - classes);
        scratch.hidden.resize(dim);
        bag(table, example, &mut scratch.hidden);
        head::scores(layer, &scratch.hidden, logits);
    }
}

dispatch! {
    fn gradient_kernel<L>(
        dim: usize, classes: usize, params: &[f32], batch: &Batch<'_>, gradient: &mut [f32], scratch: &mut Scratch,
    ) -> f32 {
        let table_len = params.len() - dim * classes - classes;
        let (table, layer) = params.split_at(table_len);
        let (table_gradient, layer_gradient) = gradient.split_at_mut(table_len);
        let size = batch.chosen.len();
        let Scratch { hidden, back, layer: buffers, .. } = scratch;
        hidden.resize(size * dim);
        back.resize(size * dim);
        forward(dim, table, batch, hidden);
        let loss = head::gradient::<L>(classes, layer, batch, hidden, back, layer_gradient, buffers);
        backward(dim, batch, back, table_gradient);
        loss
    }
}
