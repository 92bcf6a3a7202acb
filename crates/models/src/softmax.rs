//! Sparse softmax regression (multinomial logistic regression) over hashed features.
//!
//! `p(y | x) = softmax(b + scale · Σ_{r ∈ rows(x)} W[r])`, parameters zero at the start. One row of `W` holds a
//! bucket's weight for every class. Cost of an example: its features × classes.

use crate::examples::Example;
use crate::model::{Batch, Model, Scratch};
use sottovoce_core::math::{add, axpy, softmax};
use sottovoce_core::{Layout, LayoutError, Params, dispatch};
use std::sync::Arc;

/// Sparse softmax regression: tensors `weight` (buckets × classes) and `bias` (1 × classes).
#[derive(Debug, Clone)]
pub struct SoftmaxRegression {
    layout: Arc<Layout>,
    classes: usize,
}

impl SoftmaxRegression {
    /// A model over that many buckets and classes.
    pub fn new(buckets: usize, classes: usize) -> Result<Self, LayoutError> {
        let layout = Layout::new(&[("weight", buckets, classes), ("bias", 1, classes)])?;
        Ok(Self { layout, classes })
    }
}

impl Model for SoftmaxRegression {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
    fn classes(&self) -> usize {
        self.classes
    }
    fn init(&self, _seed: u64) -> Params {
        Params::zeros(self.layout.clone())
    }
    fn gradient(
        &self,
        params: &[f32],
        batch: &Batch<'_>,
        gradient: &mut [f32],
        scratch: &mut Scratch,
    ) -> f32 {
        scratch.hidden.resize(self.classes);
        gradient_kernel(params, batch, gradient, &mut scratch.hidden)
    }
    fn logits(&self, params: &[f32], example: Example<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        logits_kernel(params, example, logits);
    }
}

#[inline(always)]
fn forward(params: &[f32], example: Example<'_>, logits: &mut [f32]) {
    let classes = logits.len();
    let (weight, bias) = params.split_at(params.len() - classes);
    logits.fill(0.0);
    for row in example.rows {
        add(logits, &weight[*row as usize * classes..][..classes]);
    }
    for (l, b) in logits.iter_mut().zip(bias) {
        *l = *b + example.scale * *l;
    }
}

dispatch! {
    fn logits_kernel(params: &[f32], example: Example<'_>, logits: &mut [f32]) {
        forward(params, example, logits);
    }
}

dispatch! {
    fn gradient_kernel<L>(lanes: L, params: &[f32], batch: &Batch<'_>, gradient: &mut [f32], scores: &mut [f32]) -> f32 {
        let classes = scores.len();
        let share = 1.0 / batch.chosen.len() as f32;
        let (weight, bias) = gradient.split_at_mut(params.len() - classes);
        let mut loss = 0.0;
        for example in batch.iter() {
            forward(params, example, scores);
            let score = scores[example.label as usize];
            loss += softmax(lanes, scores) - score;
            scores[example.label as usize] -= 1.0;
            axpy(bias, share, scores);
            let factor = share * example.scale;
            for s in scores.iter_mut() {
                *s *= factor;
            }
            for row in example.rows {
                add(&mut weight[*row as usize * classes..][..classes], scores);
            }
        }
        loss
    }
}
