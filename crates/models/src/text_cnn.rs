//! Convolutions over a sequence of token vectors, maximum over time, a linear layer, softmax (TextCNN).
//!
//! Yoon Kim: "Convolutional Neural Networks for Sentence Classification", EMNLP 2014.
//!
//! | symbol | meaning |
//! |---|---|
//! | `x₀ … xₙ₋₁` | rows of the table `E` of the example's tokens, in the order of the text; zeros behind the last |
//! | `w` | a width: tokens that a filter sees at once; `W_w` (w · dim × filters), `c_w` (filters) |
//! | `h_{w,f}` | `max(0, max_i (c_w + [xᵢ … xᵢ₊w₋₁] · W_w)_f)`, `i` from 0 to `max(n, w) − w` |
//! | `p(y \| x)` | `softmax(b + h · O)`, `h` the values of all widths and filters, one after another |
//!
//! Deviations from the paper: tokens are hashed and their vectors start at random (its CNN-rand), no drop-out, no bound
//! on the norm of `O`, no padding but for texts shorter than a filter. Where a filter has its maximum at several places
//! the gradient goes to the first; where the maximum is not positive it goes nowhere. An example's scale is not used.
//!
//! Cost of an example with `n` tokens: n × dim × filters × Σw forward and 2 × dim × filters × Σw back, since only the
//! maxima take part, and 3 × widths × filters × classes. A client sends the rows of its tokens and everything behind the
//! table.

use crate::examples::Example;
use crate::head;
use crate::kernels::{COLUMNS, accumulate_product, pad};
use crate::model::{Batch, Model, Scratch, uniform};
use sottovoce_core::aligned::Aligned;
use sottovoce_core::lanes::Lanes;
use sottovoce_core::math::axpy;
use sottovoce_core::{Layout, LayoutError, Params, dispatch};
use std::sync::Arc;

/// TextCNN: tensors `table` (buckets × dim), `convolution_w` (w · dim × filters; token by token) for each width `w`,
/// `convolution_bias` (1 × widths · filters), `output` (widths · filters × classes), `bias` (1 × classes).
///
/// Examples must be sequences: [`FeatureConfig::sequence`](crate::FeatureConfig::sequence).
#[derive(Debug, Clone)]
pub struct TextCnn {
    layout: Arc<Layout>,
    shape: Shape,
    table_init: f32,
}

#[derive(Debug, Clone)]
struct Shape {
    dim: usize,
    widths: Vec<usize>,
    filters: usize,
    classes: usize,
}

impl Shape {
    /// Values of the hidden vector.
    fn hidden(&self) -> usize {
        self.widths.len() * self.filters
    }
    /// Weights of all convolutions.
    fn weights(&self) -> usize {
        self.widths.iter().sum::<usize>() * self.dim * self.filters
    }
    fn layer(&self) -> usize {
        (self.hidden() + 1) * self.classes
    }
    fn dense(&self) -> usize {
        self.weights() + self.hidden() + self.layer()
    }
}

/// What one call needs beside the buffers of every model.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    words: Aligned,
    windows: Aligned,
    packed: Aligned,
    turned: Aligned,
    turned_gradient: Aligned,
    peaks: Vec<u32>,
}

/// The peak of a filter that saw nothing above zero.
const NOWHERE: u32 = u32::MAX;

impl TextCnn {
    /// A model over that many buckets, vectors of `dim` numbers, `filters` filters of each of `widths`, and classes. At
    /// the start the table is uniform in `±table_init`, a convolution in `±1/√(w · dim)`, the output in
    /// `±1/√(widths · filters)`, all biases 0. Widths must differ.
    pub fn new(
        buckets: usize,
        dim: usize,
        widths: &[usize],
        filters: usize,
        classes: usize,
        table_init: f32,
    ) -> Result<Self, LayoutError> {
        let names: Vec<String> = widths.iter().map(|w| format!("convolution_{w}")).collect();
        let hidden = widths.len().saturating_mul(filters);
        let mut tensors = vec![("table", buckets, dim)];
        tensors.extend(names.iter().zip(widths).map(|(name, w)| (&**name, w.saturating_mul(dim), filters)));
        tensors.extend([("convolution_bias", 1, hidden), ("output", hidden, classes), ("bias", 1, classes)]);
        let layout = Layout::new(&tensors)?;
        let shape = Shape { dim, widths: widths.to_vec(), filters, classes };
        Ok(Self { layout, shape, table_init })
    }
}

impl Model for TextCnn {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
    fn classes(&self) -> usize {
        self.shape.classes
    }
    fn init(&self, seed: u64) -> Params {
        let mut params = Params::zeros(self.layout.clone());
        uniform(&mut params, seed, 0, self.table_init);
        for (tensor, width) in (1..).zip(&self.shape.widths) {
            uniform(&mut params, seed, tensor, 1.0 / ((width * self.shape.dim) as f32).sqrt());
        }
        let output = self.shape.widths.len() + 2;
        uniform(&mut params, seed, output, 1.0 / (self.shape.hidden() as f32).sqrt());
        params
    }
    fn gradient(
        &self,
        params: &[f32],
        batch: &Batch<'_>,
        gradient: &mut [f32],
        scratch: &mut Scratch,
    ) -> f32 {
        gradient_kernel(&self.shape, params, batch, gradient, scratch)
    }
    fn logits(&self, params: &[f32], example: Example<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        logits_kernel(&self.shape, params, example, logits, scratch);
    }
    fn representation(&self) -> usize {
        self.shape.hidden()
    }
    fn represent(&self, params: &[f32], batch: &Batch<'_>, into: &mut [f32], scratch: &mut Scratch) {
        represent_kernel(&self.shape, params, batch, into, scratch);
    }
    fn pull_back(
        &self,
        params: &[f32],
        batch: &Batch<'_>,
        back: &[f32],
        gradient: &mut [f32],
        scratch: &mut Scratch,
    ) {
        pull_back_kernel(&self.shape, params, batch, back, gradient, scratch);
    }
}

/// Writes the hidden vector of an example, and where each of its values comes from, to `hidden` and `peaks`.
/// `packed` holds the convolutions and their biases, rows padded to whole registers.
#[inline(always)]
fn convolve<L: Lanes>(
    shape: &Shape,
    table: &[f32],
    packed: &[f32],
    example: Example<'_>,
    (words, windows): (&mut Aligned, &mut Aligned),
    hidden: &mut [f32],
    peaks: &mut [u32],
) {
    let (dim, filters) = (shape.dim, shape.filters);
    let wide = filters.next_multiple_of(COLUMNS);
    let longest = shape.widths.iter().copied().max().unwrap_or(0);
    words.resize(example.rows.len().max(longest) * dim);
    let (known, behind) = words.split_at_mut(example.rows.len() * dim);
    for (word, row) in known.chunks_exact_mut(dim).zip(example.rows) {
        word.copy_from_slice(&table[*row as usize * dim..][..dim]);
    }
    behind.fill(0.0);
    hidden.fill(0.0);
    peaks.fill(NOWHERE);
    let (mut packed, mut biases) = packed.split_at(packed.len() - shape.widths.len() * wide);
    for ((width, hidden), peaks) in
        shape.widths.iter().zip(hidden.chunks_exact_mut(filters)).zip(peaks.chunks_exact_mut(filters))
    {
        let places = example.rows.len().max(*width) - width + 1;
        let (weights, other_weights) = packed.split_at(width * dim * wide);
        let (bias, other_biases) = biases.split_at(wide);
        (packed, biases) = (other_weights, other_biases);
        windows.resize(places * wide);
        for window in windows.chunks_exact_mut(wide) {
            window.copy_from_slice(bias);
        }
        // A window's vectors lie one behind the other, and the next window's one vector further on.
        accumulate_product::<L>(windows, words, (dim, 1), weights, places, width * dim, wide);
        for (place, window) in (0..).zip(windows.chunks_exact(wide)) {
            for ((value, peak), seen) in hidden.iter_mut().zip(peaks.iter_mut()).zip(window) {
                let higher = *seen > *value;
                *value = if higher { *seen } else { *value };
                *peak = if higher { place } else { *peak };
            }
        }
    }
}

/// Writes the hidden vectors of a batch, and where their values come from to the buffers.
#[inline(always)]
fn forward<L: Lanes>(
    shape: &Shape,
    params: &[f32],
    batch: &Batch<'_>,
    hidden: &mut [f32],
    buffers: &mut Buffers,
) {
    let (table, dense) = params.split_at(params.len() - shape.dense());
    let convolutions = &dense[..shape.weights() + shape.hidden()];
    let Buffers { words, windows, packed, peaks, .. } = buffers;
    peaks.resize(hidden.len(), NOWHERE);
    pad(convolutions, shape.filters, shape.filters.next_multiple_of(COLUMNS), packed);
    for ((example, h), p) in
        batch.iter().zip(hidden.chunks_exact_mut(shape.hidden())).zip(peaks.chunks_exact_mut(shape.hidden()))
    {
        convolve::<L>(shape, table, packed, example, (words, windows), h, p);
    }
}

/// Adds the gradient of the table and the convolutions, given the one by the hidden vectors; the buffers are `forward`'s.
#[inline(always)]
fn backward(
    shape: &Shape,
    params: &[f32],
    batch: &Batch<'_>,
    back: &[f32],
    gradient: &mut [f32],
    buffers: &mut Buffers,
) {
    let (dim, filters) = (shape.dim, shape.filters);
    let (table, convolutions) = params.split_at(params.len() - shape.dense());
    let (table_gradient, dense_gradient) = gradient.split_at_mut(table.len());
    let (weights_gradient, behind) = dense_gradient.split_at_mut(shape.weights());
    let biases_gradient = &mut behind[..shape.hidden()];
    let Buffers { turned, turned_gradient, peaks, .. } = buffers;
    // Back through a filter goes one column of its convolution: turned, it is a row.
    turned.resize(shape.weights());
    turned_gradient.zeros(shape.weights());
    let mut from = 0;
    for width in &shape.widths {
        let place = from..from + width * dim * filters;
        turn(&convolutions[place.clone()], filters, &mut turned[place.clone()]);
        from = place.end;
    }
    for ((example, back), peaks) in
        batch.iter().zip(back.chunks_exact(shape.hidden())).zip(peaks.chunks_exact(shape.hidden()))
    {
        let (mut at, mut start) = (0, 0);
        for width in &shape.widths {
            for _ in 0..filters {
                if peaks[at] != NOWHERE {
                    biases_gradient[at] += back[at];
                    let seen = example.rows[peaks[at] as usize..].iter().take(*width);
                    for (row, k) in seen.zip((start..).step_by(dim)) {
                        let word = *row as usize * dim;
                        axpy(&mut turned_gradient[k..][..dim], back[at], &table[word..][..dim]);
                        axpy(&mut table_gradient[word..][..dim], back[at], &turned[k..][..dim]);
                    }
                }
                at += 1;
                start += width * dim;
            }
        }
    }
    let mut from = 0;
    for width in &shape.widths {
        let place = from..from + width * dim * filters;
        let columns = turned_gradient[place.clone()].chunks_exact(width * dim);
        for (f, column) in columns.enumerate() {
            for (to, g) in weights_gradient[place.clone()][f..].iter_mut().step_by(filters).zip(column) {
                *to += g;
            }
        }
        from = place.end;
    }
}

dispatch! {
    fn represent_kernel<L>(
        shape: &Shape, params: &[f32], batch: &Batch<'_>, into: &mut [f32], scratch: &mut Scratch,
    ) {
        forward::<L>(shape, params, batch, into, &mut scratch.convolution);
    }
}

dispatch! {
    fn pull_back_kernel<L>(
        shape: &Shape, params: &[f32], batch: &Batch<'_>, back: &[f32], gradient: &mut [f32], scratch: &mut Scratch,
    ) {
        let Scratch { hidden, convolution, .. } = scratch;
        hidden.resize(back.len());
        forward::<L>(shape, params, batch, hidden, convolution);
        backward(shape, params, batch, back, gradient, convolution);
    }
}

dispatch! {
    fn logits_kernel<L>(
        shape: &Shape, params: &[f32], example: Example<'_>, logits: &mut [f32], scratch: &mut Scratch,
    ) {
        let (table, dense) = params.split_at(params.len() - shape.dense());
        let (convolutions, layer) = dense.split_at(shape.weights() + shape.hidden());
        let Scratch { hidden, convolution, .. } = scratch;
        let Buffers { words, windows, packed, peaks, .. } = convolution;
        hidden.resize(shape.hidden());
        peaks.resize(shape.hidden(), NOWHERE);
        pad(convolutions, shape.filters, shape.filters.next_multiple_of(COLUMNS), packed);
        convolve::<L>(shape, table, packed, example, (words, windows), hidden, peaks);
        head::scores(layer, hidden, logits);
    }
}

dispatch! {
    fn gradient_kernel<L>(
        shape: &Shape, params: &[f32], batch: &Batch<'_>, gradient: &mut [f32], scratch: &mut Scratch,
    ) -> f32 {
        let (layer, values) = (params.len() - shape.layer(), batch.chosen.len() * shape.hidden());
        let Scratch { hidden, back, layer: buffers, convolution, .. } = scratch;
        hidden.resize(values);
        back.resize(values);
        forward::<L>(shape, params, batch, hidden, convolution);
        let (layer, layer_gradient) = (&params[layer..], &mut gradient[layer..]);
        let loss = head::gradient::<L>(shape.classes, layer, batch, hidden, back, layer_gradient, buffers);
        backward(shape, params, batch, back, gradient, convolution);
        loss
    }
}

/// Columns of `matrix`, whose rows have `cols` numbers, as rows.
#[inline(always)]
fn turn(matrix: &[f32], cols: usize, into: &mut [f32]) {
    for (f, column) in into.chunks_exact_mut(matrix.len() / cols).enumerate() {
        for (to, from) in column.iter_mut().zip(matrix[f..].iter().step_by(cols)) {
            *to = *from;
        }
    }
}
