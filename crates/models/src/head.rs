//! The last layer of classifiers with a hidden vector `h`: `softmax(b + h · O)`, its loss and its gradient.
//!
//! Parameters of the layer lie together: `O` (dim × classes), then `b`. Cost of an example: 3 × dim × classes.

use crate::kernels::{COLUMNS, accumulate_product, pad, products_with_rows};
use crate::model::Batch;
use crate::scratch::Layer;
use sottovoce_core::lanes::Lanes;
use sottovoce_core::math::{add, axpy, softmax};

/// Writes the scores of one hidden vector to `logits`, one for each class.
#[inline(always)]
pub(crate) fn scores(layer: &[f32], hidden: &[f32], logits: &mut [f32]) {
    let classes = logits.len();
    let (output, bias) = layer.split_at(hidden.len() * classes);
    logits.copy_from_slice(bias);
    for (h, row) in hidden.iter().zip(output.chunks_exact(classes)) {
        axpy(logits, *h, row);
    }
}

/// Adds the gradient of the batch's mean cross-entropy to `gradient`, which lies as `layer` does, and writes the one by
/// the hidden vectors to `back`. `hidden` and `back` are batch × dim. Returns the sum of the losses.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(crate) fn gradient<L: Lanes>(
    lanes: L,
    classes: usize,
    layer: &[f32],
    batch: &Batch<'_>,
    hidden: &[f32],
    back: &mut [f32],
    gradient: &mut [f32],
    buffers: &mut Layer,
) -> f32 {
    let Layer { scores, packed, packed_gradient } = buffers;
    let size = batch.chosen.len();
    let dim = (layer.len() - classes) / classes;
    let (output, bias) = layer.split_at(dim * classes);
    // Rows of scores and of the output layer are padded to whole registers; the padding holds zeros, and
    // scores of minus infinity, which are zeros after the softmax.
    let wide = classes.next_multiple_of(COLUMNS);
    scores.resize(size * wide);
    pad(output, classes, wide, packed);
    for score in scores.chunks_exact_mut(wide) {
        score[..classes].copy_from_slice(bias);
        score[classes..].fill(f32::NEG_INFINITY);
    }
    accumulate_product(lanes, scores, hidden, (dim, 1), packed, dim, wide);

    let share = 1.0 / size as f32;
    let (output_gradient, bias_gradient) = gradient.split_at_mut(dim * classes);
    let mut loss = 0.0;
    for (example, score) in batch.iter().zip(scores.chunks_exact_mut(wide)) {
        let own = score[example.label as usize];
        loss += softmax(lanes, score) - own;
        score[example.label as usize] -= 1.0;
        for s in score.iter_mut() {
            *s *= share;
        }
        add(bias_gradient, &score[..classes]);
    }

    packed_gradient.zeros(dim * wide);
    accumulate_product(lanes, packed_gradient, hidden, (1, dim), scores, size, wide);
    for (g, p) in output_gradient.chunks_exact_mut(classes).zip(packed_gradient.chunks_exact(wide)) {
        add(g, &p[..classes]);
    }
    products_with_rows(lanes, back, scores, packed, size, dim, wide);
    loss
}
