//! Embedding bag whose table is frozen but for a correction of low rank.
//!
//! Edward Hu, Yelong Shen, Phillip Wallis, Zeyuan Allen-Zhu, Yuanzhi Li, Shean Wang, Lu Wang, Weizhu Chen: "LoRA:
//! Low-Rank Adaptation of Large Language Models", ICLR 2022, section 4.1.
//!
//! | symbol | meaning |
//! |---|---|
//! | `E₀` | the frozen table (buckets × dim): never trained and never sent; given, or random and computed where it is read |
//! | `A` | buckets × rank, zero at the start; a client touches the rows of its own text |
//! | `B` | rank × dim, random at the start; every client touches all of it |
//! | `h` | `scale · Σ_{r ∈ rows(x)} (E₀[r] + A[r] · B)` |
//! | `p(y \| x)` | `softmax(b + h · O)` |
//!
//! Deviations from the paper: what is adapted is a table of vectors, not the projections of a transformer; a random `E₀`
//! shows what the method costs and what its messages are, not what one that has learnt something gives; the factor that touches single rows is the one that starts at zero, so that a row nobody touched has
//! no correction; no factor α / rank, which the learning rate takes in; `O` and `b` are trained whole.
//!
//! Cost of an example: features × (dim + rank) + 3 × dim × (rank + classes). A client sends the touched rows of `A`, rank
//! and not dim numbers each, and `B`, `O`, `b`.

use crate::encoder::Encoder;
use crate::examples::Example;
use crate::frozen::FrozenTable;
use crate::model::{Batch, uniform};
use crate::scratch::Encoding;
use sottovoce_core::lanes::Lanes;
use sottovoce_core::math::{add, axpy, dot};
use sottovoce_core::{Layout, LayoutError, Params};
use std::sync::Arc;

/// Embedding bag with a frozen table: tensors `down` (`A`, buckets × rank), `up` (`B`, rank × dim), `output`
/// (dim × classes), `bias` (1 × classes).
#[derive(Debug, Clone)]
pub struct LowRank {
    layout: Arc<Layout>,
    rank: usize,
    dim: usize,
    classes: usize,
    frozen: FrozenTable,
}

impl LowRank {
    /// A model over that many buckets and classes, with vectors of `dim` numbers. At the start `B` is uniform in
    /// `±√(3 / dim)`, so that its rows have a norm of about 1, the output in `±1/√dim`, `A` and the bias 0.
    ///
    /// # Panics
    /// If a given table is not one of buckets × dim numbers.
    pub fn new(
        buckets: usize,
        rank: usize,
        dim: usize,
        classes: usize,
        frozen: FrozenTable,
    ) -> Result<Self, LayoutError> {
        let tensors =
            [("down", buckets, rank), ("up", rank, dim), ("output", dim, classes), ("bias", 1, classes)];
        let layout = Layout::new(&tensors)?;
        assert!(frozen.has(buckets * dim), "a frozen table of {buckets} rows of {dim}");
        Ok(Self { layout, rank, dim, classes, frozen })
    }
}

impl Encoder for LowRank {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
    fn init(&self, seed: u64) -> Params {
        let mut params = Params::zeros(self.layout.clone());
        uniform(&mut params, seed, 1, (3.0 / self.dim as f32).sqrt());
        uniform(&mut params, seed, 2, 1.0 / (self.dim as f32).sqrt());
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
        own: &[f32],
        examples: impl ExactSizeIterator<Item = Example<'e>>,
        hidden: &mut [f32],
        buffers: &mut Encoding,
    ) {
        let (down, up) = own.split_at(own.len() - self.rank * self.dim);
        buffers.low.resize(examples.len() * self.rank);
        let low = buffers.low.chunks_exact_mut(self.rank);
        for ((example, l), h) in examples.zip(low).zip(hidden.chunks_exact_mut(self.dim)) {
            l.fill(0.0);
            h.fill(0.0);
            for row in example.rows {
                add(l, &down[*row as usize * self.rank..][..self.rank]);
                self.frozen.add_row(example.table_row(*row), h);
            }
            for v in l.iter_mut().chain(h.iter_mut()) {
                *v *= example.scale;
            }
            for (factor, row) in l.iter().zip(up.chunks_exact(self.dim)) {
                axpy(h, *factor, row);
            }
        }
    }
    #[inline(always)]
    fn backward<L: Lanes>(
        &self,
        lanes: L,
        own: &[f32],
        batch: &Batch<'_>,
        _hidden: &[f32],
        back: &mut [f32],
        gradient: &mut [f32],
        buffers: &mut Encoding,
    ) {
        let table = own.len() - self.rank * self.dim;
        let (down_gradient, up_gradient) = gradient.split_at_mut(table);
        let low = buffers.low.chunks_exact_mut(self.rank);
        for ((example, l), b) in batch.iter().zip(low).zip(back.chunks_exact(self.dim)) {
            let rows = own[table..].chunks_exact(self.dim).zip(up_gradient.chunks_exact_mut(self.dim));
            for (v, (row, to)) in l.iter_mut().zip(rows) {
                axpy(to, *v, b);
                *v = example.scale * dot(lanes, row, b);
            }
            for row in example.rows {
                add(&mut down_gradient[*row as usize * self.rank..][..self.rank], l);
            }
        }
    }
}
