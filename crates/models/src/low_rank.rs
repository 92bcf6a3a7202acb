//! Embedding bag whose table is frozen but for a correction of low rank.
//!
//! Edward Hu, Yelong Shen, Phillip Wallis, Zeyuan Allen-Zhu, Yuanzhi Li, Shean Wang, Lu Wang, Weizhu Chen: "LoRA:
//! Low-Rank Adaptation of Large Language Models", ICLR 2022, section 4.1.
//!
//! | symbol | meaning |
//! |---|---|
//! | `E₀` | the frozen table (buckets × dim): never trained, sent or kept, but computed where it is read |
//! | `A` | buckets × rank, zero at the start; a client touches the rows of its own text |
//! | `B` | rank × dim, random at the start; every client touches all of it |
//! | `h` | `scale · Σ_{r ∈ rows(x)} (E₀[r] + A[r] · B)` |
//! | `p(y \| x)` | `softmax(b + h · O)` |
//!
//! Deviations from the paper: what is adapted is a table of vectors, not the projections of a transformer; `E₀` is random
//! and not the result of training, so this shows what the method costs and what its messages are rather than what a good
//! `E₀` would give; the factor that touches single rows is the one that starts at zero, so that a row nobody touched has
//! no correction; no factor α / rank, which the learning rate takes in; `O` and `b` are trained whole.
//!
//! Cost of an example: features × (dim + rank) + 3 × dim × (rank + classes). A client sends the touched rows of `A`, rank
//! and not dim numbers each, and `B`, `O`, `b`.

use crate::examples::Example;
use crate::frozen::Frozen;
use crate::head;
use crate::model::{Batch, Model, Scratch, uniform};
use sottovoce_core::lanes::Lanes;
use sottovoce_core::math::{add, axpy, dot};
use sottovoce_core::{Layout, LayoutError, Params, dispatch};
use std::sync::Arc;

/// Embedding bag with a frozen table: tensors `down` (`A`, buckets × rank), `up` (`B`, rank × dim), `output`
/// (dim × classes), `bias` (1 × classes).
#[derive(Debug, Clone)]
pub struct LowRank {
    layout: Arc<Layout>,
    shape: Shape,
    frozen: Frozen,
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    rank: usize,
    dim: usize,
    classes: usize,
}

impl Shape {
    fn layer(&self) -> usize {
        (self.dim + 1) * self.classes
    }
    fn dense(&self) -> usize {
        self.rank * self.dim + self.layer()
    }
}

impl LowRank {
    /// A model over that many buckets and classes, with vectors of `dim` numbers. The frozen table is that of `seed`,
    /// uniform in `±table_init`. At the start `B` is uniform in `±√(3 / dim)`, so that its rows have a norm of about 1,
    /// the output in `±1/√dim`, `A` and the bias 0.
    pub fn new(
        buckets: usize,
        rank: usize,
        dim: usize,
        classes: usize,
        seed: u64,
        table_init: f32,
    ) -> Result<Self, LayoutError> {
        let tensors =
            [("down", buckets, rank), ("up", rank, dim), ("output", dim, classes), ("bias", 1, classes)];
        let layout = Layout::new(&tensors)?;
        Ok(Self { layout, shape: Shape { rank, dim, classes }, frozen: Frozen::new(seed, table_init) })
    }
}

impl Model for LowRank {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
    fn classes(&self) -> usize {
        self.shape.classes
    }
    fn init(&self, seed: u64) -> Params {
        let mut params = Params::zeros(self.layout.clone());
        uniform(&mut params, seed, 1, (3.0 / self.shape.dim as f32).sqrt());
        uniform(&mut params, seed, 2, 1.0 / (self.shape.dim as f32).sqrt());
        params
    }
    fn gradient(
        &self,
        params: &[f32],
        batch: &Batch<'_>,
        gradient: &mut [f32],
        scratch: &mut Scratch,
    ) -> f32 {
        gradient_kernel(self.shape, &self.frozen, params, batch, gradient, scratch)
    }
    fn logits(&self, params: &[f32], example: Example<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        logits_kernel(self.shape, &self.frozen, params, example, logits, scratch);
    }
    fn representation(&self) -> usize {
        self.shape.dim
    }
    fn represent(&self, params: &[f32], batch: &Batch<'_>, into: &mut [f32], scratch: &mut Scratch) {
        represent_kernel(self.shape, &self.frozen, params, batch, into, scratch);
    }
    fn pull_back(
        &self,
        params: &[f32],
        batch: &Batch<'_>,
        back: &[f32],
        gradient: &mut [f32],
        scratch: &mut Scratch,
    ) {
        pull_back_kernel(self.shape, &self.frozen, params, batch, back, gradient, scratch);
    }
}

/// Writes `scale · Σ A[r]` to `low` and the hidden vector to `hidden`.
#[inline(always)]
fn bag(frozen: &Frozen, down: &[f32], up: &[f32], example: Example<'_>, low: &mut [f32], hidden: &mut [f32]) {
    let (rank, dim) = (low.len(), hidden.len());
    low.fill(0.0);
    hidden.fill(0.0);
    for row in example.rows {
        add(low, &down[*row as usize * rank..][..rank]);
        frozen.add_row(example.table_row(*row), hidden);
    }
    for v in low.iter_mut().chain(hidden.iter_mut()) {
        *v *= example.scale;
    }
    for (factor, row) in low.iter().zip(up.chunks_exact(dim)) {
        axpy(hidden, *factor, row);
    }
}

/// Writes what `bag` does for each example of a batch.
#[inline(always)]
fn forward(
    shape: Shape,
    frozen: &Frozen,
    params: &[f32],
    batch: &Batch<'_>,
    low: &mut [f32],
    hidden: &mut [f32],
) {
    let (down, dense) = params.split_at(params.len() - shape.dense());
    let up = &dense[..shape.rank * shape.dim];
    for ((example, l), h) in
        batch.iter().zip(low.chunks_exact_mut(shape.rank)).zip(hidden.chunks_exact_mut(shape.dim))
    {
        bag(frozen, down, up, example, l, h);
    }
}

/// Adds the gradient of both factors, given the one by the hidden vectors; `low` is `forward`'s, and its place is used.
#[inline(always)]
fn backward<L: Lanes>(
    shape: Shape,
    params: &[f32],
    batch: &Batch<'_>,
    low: &mut [f32],
    back: &[f32],
    gradient: &mut [f32],
) {
    let (rank, dim) = (shape.rank, shape.dim);
    let table = params.len() - shape.dense();
    let up = &params[table..][..rank * dim];
    let (down_gradient, dense_gradient) = gradient.split_at_mut(table);
    let up_gradient = &mut dense_gradient[..rank * dim];
    for ((example, l), b) in batch.iter().zip(low.chunks_exact_mut(rank)).zip(back.chunks_exact(dim)) {
        for ((v, row), to) in l.iter_mut().zip(up.chunks_exact(dim)).zip(up_gradient.chunks_exact_mut(dim)) {
            axpy(to, *v, b);
            *v = example.scale * dot::<L>(row, b);
        }
        for row in example.rows {
            add(&mut down_gradient[*row as usize * rank..][..rank], l);
        }
    }
}

dispatch! {
    fn represent_kernel<L>(
        shape: Shape, frozen: &Frozen, params: &[f32], batch: &Batch<'_>, into: &mut [f32], scratch: &mut Scratch,
    ) {
        scratch.low.resize(batch.chosen.len() * shape.rank);
        forward(shape, frozen, params, batch, &mut scratch.low, into);
    }
}

dispatch! {
    fn pull_back_kernel<L>(
        shape: Shape, frozen: &Frozen, params: &[f32], batch: &Batch<'_>, back: &[f32], gradient: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let Scratch { hidden, low, .. } = scratch;
        hidden.resize(back.len());
        low.resize(batch.chosen.len() * shape.rank);
        forward(shape, frozen, params, batch, low, hidden);
        backward::<L>(shape, params, batch, low, back, gradient);
    }
}

dispatch! {
    fn logits_kernel<L>(
        shape: Shape, frozen: &Frozen, params: &[f32], example: Example<'_>, logits: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (down, dense) = params.split_at(params.len() - shape.dense());
        let (up, layer) = dense.split_at(shape.rank * shape.dim);
        let Scratch { hidden, low, .. } = scratch;
        low.resize(shape.rank);
        hidden.resize(shape.dim);
        bag(frozen, down, up, example, low, hidden);
        head::scores(layer, hidden, logits);
    }
}

dispatch! {
    fn gradient_kernel<L>(
        shape: Shape, frozen: &Frozen, params: &[f32], batch: &Batch<'_>, gradient: &mut [f32],
        scratch: &mut Scratch,
    ) -> f32 {
        let (rank, dim, size) = (shape.rank, shape.dim, batch.chosen.len());
        let layer = params.len() - shape.layer();
        let Scratch { hidden, back, low, layer: buffers, .. } = scratch;
        hidden.resize(size * dim);
        back.resize(size * dim);
        low.resize(size * rank);
        forward(shape, frozen, params, batch, low, hidden);
        let (layer, layer_gradient) = (&params[layer..], &mut gradient[layer..]);
        let loss = head::gradient::<L>(shape.classes, layer, batch, hidden, back, layer_gradient, buffers);
        backward::<L>(shape, params, batch, low, back, gradient);
        loss
    }
}
