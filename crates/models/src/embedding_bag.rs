//! Embedding bag: a table of vectors, their sum or mean, a linear layer, softmax.
//!
//! `h = scale · Σ_{r ∈ rows(x)} E[r]`, `p(y | x) = softmax(b + h · O)`. With scale 1 / number of features this is
//! fastText's classifier (Joulin, Grave, Bojanowski, Mikolov: "Bag of Tricks for Efficient Text Classification",
//! EACL 2017); it differs in that features are hashed n-grams of words, characters and Han alike, and that the
//! whole softmax is computed. Cost of an example: features × dim + 3 × dim × classes.

use crate::examples::Example;
use crate::kernels::{COLUMNS, accumulate_product, pad, products_with_rows};
use crate::model::{Batch, Model, Scratch};
use sottovoce_core::math::{add, axpy, softmax};
use sottovoce_core::sampling::uniform_f32;
use sottovoce_core::{Address, Layout, LayoutError, Params, Purpose, dispatch};
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
        let output = 1.0 / (self.dim as f32).sqrt();
        for (tensor, bound) in [(0, self.table_init), (1, output)] {
            let mut stream = Address::new(seed, Purpose::Init).slot(tensor as u64).stream();
            let range = self.layout.tensors()[tensor].range();
            for v in &mut params.values_mut()[range] {
                *v = uniform_f32(&mut stream, -bound, bound);
            }
        }
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

dispatch! {
    fn logits_kernel<L>(
        dim: usize, classes: usize, params: &[f32], example: Example<'_>, logits: &mut [f32], scratch: &mut Scratch,
    ) {
        let (table, dense) = params.split_at(params.len() - dim * classes - classes);
        let (output, bias) = dense.split_at(dim * classes);
        scratch.hidden.resize(dim);
        bag(table, example, &mut scratch.hidden);
        logits.copy_from_slice(bias);
        for (h, row) in scratch.hidden.iter().zip(output.chunks_exact(classes)) {
            axpy(logits, *h, row);
        }
    }
}

dispatch! {
    fn gradient_kernel<L>(
        dim: usize, classes: usize, params: &[f32], batch: &Batch<'_>, gradient: &mut [f32], scratch: &mut Scratch,
    ) -> f32 {
        let table_len = params.len() - dim * classes - classes;
        let (table, dense) = params.split_at(table_len);
        let (output, bias) = dense.split_at(dim * classes);
        let size = batch.chosen.len();
        // Rows of scores and of the output layer are padded to whole registers; the padding holds zeros, and
        // scores of minus infinity, which are zeros after the softmax.
        let wide = classes.next_multiple_of(COLUMNS);
        let Scratch { hidden, scores, back, packed, packed_gradient } = scratch;
        hidden.resize(size * dim);
        back.resize(size * dim);
        scores.resize(size * wide);
        pad(output, classes, wide, packed);

        for ((example, h), score) in
            batch.iter().zip(hidden.chunks_exact_mut(dim)).zip(scores.chunks_exact_mut(wide))
        {
            bag(table, example, h);
            score[..classes].copy_from_slice(bias);
            score[classes..].fill(f32::NEG_INFINITY);
        }
        accumulate_product::<L>(scores, hidden, (dim, 1), packed, size, dim, wide);

        let share = 1.0 / size as f32;
        let (table_gradient, dense_gradient) = gradient.split_at_mut(table_len);
        let (output_gradient, bias_gradient) = dense_gradient.split_at_mut(dim * classes);
        let mut loss = 0.0;
        for (example, score) in batch.iter().zip(scores.chunks_exact_mut(wide)) {
            let own = score[example.label as usize];
            loss += softmax::<L>(score) - own;
            score[example.label as usize] -= 1.0;
            for s in score.iter_mut() {
                *s *= share;
            }
            add(bias_gradient, &score[..classes]);
        }

        packed_gradient.zeros(dim * wide);
        accumulate_product::<L>(packed_gradient, hidden, (1, dim), scores, dim, size, wide);
        for (g, p) in output_gradient.chunks_exact_mut(classes).zip(packed_gradient.chunks_exact(wide)) {
            add(g, &p[..classes]);
        }

        products_with_rows::<L>(back, scores, packed, size, dim, wide);
        for (example, b) in batch.iter().zip(back.chunks_exact_mut(dim)) {
            for v in b.iter_mut() {
                *v *= example.scale;
            }
            for row in example.rows {
                add(&mut table_gradient[*row as usize * dim..][..dim], b);
            }
        }
        loss
    }
}
