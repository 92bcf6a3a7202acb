//! Embedding bag: a table of vectors, their sum or mean, a linear layer, softmax.
//!
//! `h = scale · Σ_{r ∈ rows(x)} E[r]`, `p(y | x) = softmax(b + h · O)`. With scale 1 / number of features this is
//! fastText's classifier (Joulin, Grave, Bojanowski, Mikolov: "Bag of Tricks for Efficient Text Classification",
//! EACL 2017); it differs in that features are hashed n-grams of words, characters and Han alike, and that the
//! whole softmax is computed. Cost of an example: features × dim + 3 × dim × classes.

use crate::encoder::Encoder;
use crate::examples::Example;
use crate::model::{Batch, uniform};
use crate::scratch::Encoding;
use sottovoce_core::lanes::Lanes;
use sottovoce_core::math::add;
use sottovoce_core::{Layout, LayoutError, Params};
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

impl Encoder for EmbeddingBag {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
    fn init(&self, seed: u64) -> Params {
        let mut params = Params::zeros(self.layout.clone());
        uniform(&mut params, seed, 0, self.table_init);
        uniform(&mut params, seed, 1, 1.0 / (self.dim as f32).sqrt());
        params
    }
    fn hidden(&self) -> usize {
        self.dim
    }
    fn classes(&self) -> usize {
        self.classes
    }
    #[inline(always)]
    fn forward<'e, L: Lanes>(
        &self,
        _: L,
        table: &[f32],
        examples: impl ExactSizeIterator<Item = Example<'e>>,
        hidden: &mut [f32],
        _: &mut Encoding,
    ) {
        for (example, h) in examples.zip(hidden.chunks_exact_mut(self.dim)) {
            h.fill(0.0);
            for row in example.rows {
                add(h, &table[*row as usize * self.dim..][..self.dim]);
            }
            for v in h.iter_mut() {
                *v *= example.scale;
            }
        }
    }
    #[inline(always)]
    fn backward<L: Lanes>(
        &self,
        _: L,
        _table: &[f32],
        batch: &Batch<'_>,
        _hidden: &[f32],
        back: &mut [f32],
        gradient: &mut [f32],
        _: &mut Encoding,
    ) {
        for (example, b) in batch.iter().zip(back.chunks_exact_mut(self.dim)) {
            for v in b.iter_mut() {
                *v *= example.scale;
            }
            for row in example.rows {
                add(&mut gradient[*row as usize * self.dim..][..self.dim], b);
            }
        }
    }
}
