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

use crate::encoder::Encoder;
use crate::examples::Example;
use crate::kernels::{COLUMNS, accumulate_product, pad};
use crate::model::{Batch, uniform};
use crate::scratch::{Dense, Encoding};
use sottovoce_core::lanes::Lanes;
use sottovoce_core::math::{add, axpy};
use sottovoce_core::{Layout, LayoutError, Params};
use std::sync::Arc;

/// One hidden layer: tensors `input` (inputs × hidden), `input_bias` (1 × hidden), `output` (hidden × classes), `bias`
/// (1 × classes), behind a table of a single number, `none`, which no example touches and which stays 0.
///
/// Examples must have dense vectors of `inputs` numbers and no rows.
#[derive(Debug, Clone)]
pub struct Mlp {
    layout: Arc<Layout>,
    inputs: usize,
    units: usize,
    classes: usize,
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
        Ok(Self { layout, inputs, units: hidden, classes })
    }
}

impl Encoder for Mlp {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
    fn init(&self, seed: u64) -> Params {
        let mut params = Params::zeros(self.layout.clone());
        uniform(&mut params, seed, 1, 3f32.sqrt());
        uniform(&mut params, seed, 3, 1.0 / (self.units as f32).sqrt());
        params
    }
    fn hidden(&self) -> usize {
        self.units
    }
    fn classes(&self) -> usize {
        self.classes
    }
    #[inline(always)]
    fn encode<L: Lanes>(
        &self,
        _: L,
        own: &[f32],
        example: Example<'_>,
        hidden: &mut [f32],
        _: &mut Encoding,
    ) {
        let (input, bias) =
            own[own.len() - (self.inputs + 1) * self.units..].split_at(self.inputs * self.units);
        hidden.copy_from_slice(bias);
        for (x, row) in example.dense.iter().zip(input.chunks_exact(self.units)) {
            axpy(hidden, *x, row);
        }
        rectify(hidden);
    }
    #[inline(always)]
    fn forward<'e, L: Lanes>(
        &self,
        lanes: L,
        own: &[f32],
        examples: impl ExactSizeIterator<Item = Example<'e>>,
        hidden: &mut [f32],
        buffers: &mut Encoding,
    ) {
        let (inputs, units, size) = (self.inputs, self.units, examples.len());
        let (input, bias) = own[own.len() - (inputs + 1) * units..].split_at(inputs * units);
        let Dense { inputs: vectors, wide, packed, .. } = &mut buffers.dense;
        // Rows of hidden values and of the input layer are padded to whole registers with zeros.
        let columns = units.next_multiple_of(COLUMNS);
        vectors.resize(size * inputs);
        wide.zeros(size * columns);
        pad(input, units, columns, packed);
        for ((example, x), h) in
            examples.zip(vectors.chunks_exact_mut(inputs)).zip(wide.chunks_exact_mut(columns))
        {
            x.copy_from_slice(example.dense);
            h[..units].copy_from_slice(bias);
        }
        accumulate_product(lanes, wide, vectors, (inputs, 1), packed, inputs, columns);
        for (h, row) in hidden.chunks_exact_mut(units).zip(wide.chunks_exact(columns)) {
            h.copy_from_slice(&row[..units]);
        }
        rectify(hidden);
    }
    #[inline(always)]
    fn backward<L: Lanes>(
        &self,
        lanes: L,
        _own: &[f32],
        _batch: &Batch<'_>,
        hidden: &[f32],
        back: &mut [f32],
        gradient: &mut [f32],
        buffers: &mut Encoding,
    ) {
        let (inputs, units) = (self.inputs, self.units);
        let (size, columns) = (hidden.len() / units, units.next_multiple_of(COLUMNS));
        let start = gradient.len() - (inputs + 1) * units;
        let (input_gradient, bias_gradient) = gradient[start..].split_at_mut(inputs * units);
        let Dense { inputs: vectors, wide, packed_gradient, .. } = &mut buffers.dense;
        for (b, h) in back.iter_mut().zip(hidden) {
            *b = if *h > 0.0 { *b } else { 0.0 };
        }
        for (row, b) in wide.chunks_exact_mut(columns).zip(back.chunks_exact(units)) {
            add(bias_gradient, b);
            row[..units].copy_from_slice(b);
            row[units..].fill(0.0);
        }
        packed_gradient.zeros(inputs * columns);
        accumulate_product(lanes, packed_gradient, vectors, (1, inputs), wide, size, columns);
        for (g, p) in input_gradient.chunks_exact_mut(units).zip(packed_gradient.chunks_exact(columns)) {
            add(g, &p[..units]);
        }
    }
}

#[inline(always)]
fn rectify(values: &mut [f32]) {
    for v in values {
        *v = if *v > 0.0 { *v } else { 0.0 };
    }
}
