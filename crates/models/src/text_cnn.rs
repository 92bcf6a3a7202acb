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

use crate::encoder::Encoder;
use crate::examples::Example;
use crate::kernels::{COLUMNS, accumulate_product, pad};
use crate::model::{Batch, uniform};
use crate::scratch::{Convolution, Encoding};
use sottovoce_core::aligned::Aligned;
use sottovoce_core::lanes::Lanes;
use sottovoce_core::math::axpy;
use sottovoce_core::{Layout, LayoutError, Params};
use std::sync::Arc;

/// TextCNN: tensors `table` (buckets × dim), `convolution_w` (w · dim × filters; token by token) for each width `w`,
/// `convolution_bias` (1 × widths · filters), `output` (widths · filters × classes), `bias` (1 × classes).
///
/// Examples must be sequences: [`FeatureConfig::sequence`](crate::FeatureConfig::sequence).
#[derive(Debug, Clone)]
pub struct TextCnn {
    layout: Arc<Layout>,
    dim: usize,
    widths: Vec<usize>,
    filters: usize,
    classes: usize,
    table_init: f32,
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
        Ok(Self { layout, dim, widths: widths.to_vec(), filters, classes, table_init })
    }

    /// Weights of all convolutions.
    fn weights(&self) -> usize {
        self.widths.iter().sum::<usize>() * self.dim * self.filters
    }

    /// The table, the convolutions and their biases.
    fn split<'a>(&self, own: &'a [f32]) -> (&'a [f32], &'a [f32]) {
        own.split_at(own.len() - self.weights() - self.hidden())
    }

    /// Writes the hidden vector of an example, and where each of its values comes from, to `hidden` and `peaks`.
    /// `packed` holds the convolutions and their biases, rows padded to whole registers.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn convolve<L: Lanes>(
        &self,
        lanes: L,
        table: &[f32],
        packed: &[f32],
        example: Example<'_>,
        (words, windows): (&mut Aligned, &mut Aligned),
        hidden: &mut [f32],
        peaks: &mut [u32],
    ) {
        let (dim, filters) = (self.dim, self.filters);
        let wide = filters.next_multiple_of(COLUMNS);
        let longest = self.widths.iter().copied().max().unwrap_or(0);
        words.resize(example.rows.len().max(longest) * dim);
        let (known, behind) = words.split_at_mut(example.rows.len() * dim);
        for (word, row) in known.chunks_exact_mut(dim).zip(example.rows) {
            word.copy_from_slice(&table[*row as usize * dim..][..dim]);
        }
        behind.fill(0.0);
        hidden.fill(0.0);
        peaks.fill(NOWHERE);
        let (mut packed, mut biases) = packed.split_at(packed.len() - self.widths.len() * wide);
        for ((width, hidden), peaks) in
            self.widths.iter().zip(hidden.chunks_exact_mut(filters)).zip(peaks.chunks_exact_mut(filters))
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
            accumulate_product(lanes, windows, words, (dim, 1), weights, width * dim, wide);
            for (place, window) in (0..).zip(windows.chunks_exact(wide)) {
                for ((value, peak), seen) in hidden.iter_mut().zip(peaks.iter_mut()).zip(window) {
                    let higher = *seen > *value;
                    *value = if higher { *seen } else { *value };
                    *peak = if higher { place } else { *peak };
                }
            }
        }
    }
}

impl Encoder for TextCnn {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
    fn init(&self, seed: u64) -> Params {
        let mut params = Params::zeros(self.layout.clone());
        uniform(&mut params, seed, 0, self.table_init);
        for (tensor, width) in (1..).zip(&self.widths) {
            uniform(&mut params, seed, tensor, 1.0 / ((width * self.dim) as f32).sqrt());
        }
        let output = self.widths.len() + 2;
        uniform(&mut params, seed, output, 1.0 / (self.hidden() as f32).sqrt());
        params
    }
    fn hidden(&self) -> usize {
        self.widths.len() * self.filters
    }
    fn classes(&self) -> usize {
        self.classes
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
        let (table, convolutions) = self.split(own);
        let Convolution { words, windows, packed, peaks, .. } = &mut buffers.convolution;
        peaks.resize(hidden.len(), NOWHERE);
        pad(convolutions, self.filters, self.filters.next_multiple_of(COLUMNS), packed);
        let places = hidden.chunks_exact_mut(self.hidden()).zip(peaks.chunks_exact_mut(self.hidden()));
        for (example, (h, p)) in examples.zip(places) {
            self.convolve(lanes, table, packed, example, (words, windows), h, p);
        }
    }
    #[inline(always)]
    fn backward<L: Lanes>(
        &self,
        _: L,
        own: &[f32],
        batch: &Batch<'_>,
        _hidden: &[f32],
        back: &mut [f32],
        gradient: &mut [f32],
        buffers: &mut Encoding,
    ) {
        let (dim, filters) = (self.dim, self.filters);
        let (table, convolutions) = self.split(own);
        let (table_gradient, dense_gradient) = gradient.split_at_mut(table.len());
        let (weights_gradient, biases_gradient) = dense_gradient.split_at_mut(self.weights());
        let Convolution { turned, turned_gradient, peaks, .. } = &mut buffers.convolution;
        // Back through a filter goes one column of its convolution: turned, it is a row.
        turned.resize(self.weights());
        turned_gradient.zeros(self.weights());
        let mut from = 0;
        for width in &self.widths {
            let place = from..from + width * dim * filters;
            turn(&convolutions[place.clone()], filters, &mut turned[place.clone()]);
            from = place.end;
        }
        for ((example, back), peaks) in
            batch.iter().zip(back.chunks_exact(self.hidden())).zip(peaks.chunks_exact(self.hidden()))
        {
            let (mut at, mut start) = (0, 0);
            for width in &self.widths {
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
        for width in &self.widths {
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
