//! One hidden layer over given vectors: linear, rectifier, linear, softmax.
//!
//! Xavier Glorot, Antoine Bordes, Yoshua Bengio: "Deep Sparse Rectifier Neural Networks", AISTATS 2011, with a single
//! layer.
//!
//! `h = max(0, c + x · W)`, `p(y | x) = softmax(b + h · O)`, `x` the example's dense vector. An example's rows and scale
//! are not used. No drop-out, no penalty on the norm, no sparsity term. At zero the rectifier's derivative is 0.
//!
//! Cost of an example: 2 × inputs × hidden + 3 × hidden × classes, and for each batch a copy of `W`. A client sends all
//! parameters: no row belongs to some examples only.

use crate::examples::Example;
use crate::head;
use crate::kernels::{COLUMNS, accumulate_product, pad};
use crate::model::{Batch, Model, Scratch, uniform};
use sottovoce_core::aligned::Aligned;
use sottovoce_core::lanes::Lanes;
use sottovoce_core::math::{add, axpy};
use sottovoce_core::{Layout, LayoutError, Params, dispatch};
use std::sync::Arc;

/// One hidden layer: tensors `input` (inputs × hidden), `input_bias` (1 × hidden), `output` (hidden × classes), `bias`
/// (1 × classes), behind a table of a single number, `none`, which no example touches and which stays 0.
///
/// Examples must have dense vectors of `inputs` numbers and no rows.
#[derive(Debug, Clone)]
pub struct Mlp {
    layout: Arc<Layout>,
    shape: Shape,
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    inputs: usize,
    hidden: usize,
    classes: usize,
}

impl Shape {
    fn layer(&self) -> usize {
        (self.hidden + 1) * self.classes
    }
    fn dense(&self) -> usize {
        (self.inputs + 1) * self.hidden + self.layer()
    }
}

/// What one call needs beside the buffers of every model.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    inputs: Aligned,
    wide: Aligned,
    packed: Aligned,
    packed_gradient: Aligned,
}

impl Mlp {
    /// A model over vectors of `inputs` numbers, with `hidden` hidden values, and classes. At the start the input layer is
    /// uniform in `±√3`, so that a vector of norm 1 makes hidden values of about 1, the output in `±1/√hidden`, biases 0.
    pub fn new(inputs: usize, hidden: usize, classes: usize) -> Result<Self, LayoutError> {
        let layout = Layout::new(&[
            ("none", 1, 1),
            ("input", inputs, hidden),
            ("input_bias", 1, hidden),
            ("output", hidden, classes),
            ("bias", 1, classes),
        ])?;
        Ok(Self { layout, shape: Shape { inputs, hidden, classes } })
    }
}

impl Model for Mlp {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
    fn classes(&self) -> usize {
        self.shape.classes
    }
    fn init(&self, seed: u64) -> Params {
        let mut params = Params::zeros(self.layout.clone());
        uniform(&mut params, seed, 1, 3f32.sqrt());
        uniform(&mut params, seed, 3, 1.0 / (self.shape.hidden as f32).sqrt());
        params
    }
    fn gradient(
        &self,
        params: &[f32],
        batch: &Batch<'_>,
        gradient: &mut [f32],
        scratch: &mut Scratch,
    ) -> f32 {
        gradient_kernel(self.shape, params, batch, gradient, scratch)
    }
    fn logits(&self, params: &[f32], example: Example<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        logits_kernel(self.shape, params, example, logits, &mut scratch.hidden);
    }
    fn representation(&self) -> usize {
        self.shape.hidden
    }
    fn represent(&self, params: &[f32], batch: &Batch<'_>, into: &mut [f32], scratch: &mut Scratch) {
        represent_kernel(self.shape, params, batch, into, scratch);
    }
    fn pull_back(
        &self,
        params: &[f32],
        batch: &Batch<'_>,
        back: &[f32],
        gradient: &mut [f32],
        scratch: &mut Scratch,
    ) {
        pull_back_kernel(self.shape, params, batch, back, gradient, scratch);
    }
}

#[inline(always)]
fn rectify(values: &mut [f32]) {
    for v in values {
        *v = if *v > 0.0 { *v } else { 0.0 };
    }
}

/// Writes the hidden vectors of a batch to `hidden`, and its inputs to the buffers.
#[inline(always)]
fn forward<L: Lanes>(
    shape: Shape,
    params: &[f32],
    batch: &Batch<'_>,
    hidden: &mut [f32],
    buffers: &mut Buffers,
) {
    let (Shape { inputs, hidden: units, .. }, size) = (shape, batch.chosen.len());
    let (input, behind) = params[params.len() - shape.dense()..].split_at(inputs * units);
    let bias = &behind[..units];
    let Buffers { inputs: vectors, wide, packed, .. } = buffers;
    // Rows of hidden values and of the input layer are padded to whole registers with zeros.
    let columns = units.next_multiple_of(COLUMNS);
    vectors.resize(size * inputs);
    wide.zeros(size * columns);
    pad(input, units, columns, packed);
    for ((example, x), h) in
        batch.iter().zip(vectors.chunks_exact_mut(inputs)).zip(wide.chunks_exact_mut(columns))
    {
        x.copy_from_slice(example.dense);
        h[..units].copy_from_slice(bias);
    }
    accumulate_product::<L>(wide, vectors, (inputs, 1), packed, size, inputs, columns);
    for (h, row) in hidden.chunks_exact_mut(units).zip(wide.chunks_exact(columns)) {
        h.copy_from_slice(&row[..units]);
    }
    rectify(hidden);
}

/// Adds the input layer's gradient, given the one by the hidden vectors, whose place it uses; `hidden` and the inputs in
/// the buffers are `forward`'s.
#[inline(always)]
fn backward<L: Lanes>(
    shape: Shape,
    hidden: &[f32],
    back: &mut [f32],
    gradient: &mut [f32],
    buffers: &mut Buffers,
) {
    let Shape { inputs, hidden: units, .. } = shape;
    let (size, columns) = (hidden.len() / units, units.next_multiple_of(COLUMNS));
    let start = gradient.len() - shape.dense();
    let (input_gradient, behind) = gradient[start..].split_at_mut(inputs * units);
    let bias_gradient = &mut behind[..units];
    let Buffers { inputs: vectors, wide, packed_gradient, .. } = buffers;
    for (b, h) in back.iter_mut().zip(hidden) {
        *b = if *h > 0.0 { *b } else { 0.0 };
    }
    for (row, b) in wide.chunks_exact_mut(columns).zip(back.chunks_exact(units)) {
        add(bias_gradient, b);
        row[..units].copy_from_slice(b);
        row[units..].fill(0.0);
    }
    packed_gradient.zeros(inputs * columns);
    accumulate_product::<L>(packed_gradient, vectors, (1, inputs), wide, inputs, size, columns);
    for (g, p) in input_gradient.chunks_exact_mut(units).zip(packed_gradient.chunks_exact(columns)) {
        add(g, &p[..units]);
    }
}

dispatch! {
    fn represent_kernel<L>(
        shape: Shape, params: &[f32], batch: &Batch<'_>, into: &mut [f32], scratch: &mut Scratch,
    ) {
        forward::<L>(shape, params, batch, into, &mut scratch.dense);
    }
}

dispatch! {
    fn pull_back_kernel<L>(
        shape: Shape, params: &[f32], batch: &Batch<'_>, back: &[f32], gradient: &mut [f32], scratch: &mut Scratch,
    ) {
        let Scratch { hidden, back: inner, dense, .. } = scratch;
        hidden.resize(back.len());
        inner.resize(back.len());
        inner.copy_from_slice(back);
        forward::<L>(shape, params, batch, hidden, dense);
        backward::<L>(shape, hidden, inner, gradient, dense);
    }
}

dispatch! {
    fn logits_kernel<L>(
        shape: Shape, params: &[f32], example: Example<'_>, logits: &mut [f32], hidden: &mut Aligned,
    ) {
        let dense = &params[params.len() - shape.dense()..];
        let (input, behind) = dense.split_at(shape.inputs * shape.hidden);
        let (bias, layer) = behind.split_at(shape.hidden);
        hidden.resize(shape.hidden);
        hidden.copy_from_slice(bias);
        for (x, row) in example.dense.iter().zip(input.chunks_exact(shape.hidden)) {
            axpy(hidden, *x, row);
        }
        rectify(hidden);
        head::scores(layer, hidden, logits);
    }
}

dispatch! {
    fn gradient_kernel<L>(
        shape: Shape, params: &[f32], batch: &Batch<'_>, gradient: &mut [f32], scratch: &mut Scratch,
    ) -> f32 {
        let (layer, values) = (params.len() - shape.layer(), batch.chosen.len() * shape.hidden);
        let Scratch { hidden, back, layer: buffers, dense, .. } = scratch;
        hidden.resize(values);
        back.resize(values);
        forward::<L>(shape, params, batch, hidden, dense);
        let (layer, layer_gradient) = (&params[layer..], &mut gradient[layer..]);
        let loss = head::gradient::<L>(shape.classes, layer, batch, hidden, back, layer_gradient, buffers);
        backward::<L>(shape, hidden, back, gradient, dense);
        loss
    }
}
