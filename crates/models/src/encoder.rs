//! Classifiers with a hidden vector: an encoder makes it of an example, the softmax layer of [`head`] reads it.

use crate::examples::Example;
use crate::head;
use crate::model::{Batch, Model};
use crate::scratch::{Encoding, Scratch};
use sottovoce_core::lanes::Lanes;
use sottovoce_core::{Layout, Params, dispatch};
use std::iter;
use std::sync::Arc;

/// Makes hidden vectors. Its parameters (`own`) are those before the last layer's, in storage order.
pub(crate) trait Encoder: Send + Sync {
    /// Names and shapes of the whole model, whose last two tensors are the output layer's.
    fn layout(&self) -> &Arc<Layout>;
    /// Parameters to start from, the output layer's too.
    fn init(&self, seed: u64) -> Params;
    /// Numbers in a hidden vector.
    fn hidden(&self) -> usize;
    /// Number of classes.
    fn classes(&self) -> usize;

    /// Writes the hidden vectors of examples, one after another, and to the buffers what `backward` needs.
    fn forward<'e, L: Lanes>(
        &self,
        lanes: L,
        own: &[f32],
        examples: impl ExactSizeIterator<Item = Example<'e>>,
        hidden: &mut [f32],
        buffers: &mut Encoding,
    );

    /// Writes the hidden vector of a single example: the same bits.
    #[inline(always)]
    fn encode<L: Lanes>(
        &self,
        lanes: L,
        own: &[f32],
        example: Example<'_>,
        hidden: &mut [f32],
        buffers: &mut Encoding,
    ) {
        self.forward(lanes, own, iter::once(example), hidden, buffers);
    }

    /// Adds to `gradient`, which lies as `own` does, that of a loss whose derivative by the hidden vectors is `back`, whose
    /// place it may use. Hidden vectors and buffers are `forward`'s.
    #[allow(clippy::too_many_arguments)]
    fn backward<L: Lanes>(
        &self,
        lanes: L,
        own: &[f32],
        batch: &Batch<'_>,
        hidden: &[f32],
        back: &mut [f32],
        gradient: &mut [f32],
        buffers: &mut Encoding,
    );
}

/// Where the output layer begins.
fn layer<E: Encoder>(encoder: &E, params: &[f32]) -> usize {
    params.len() - (encoder.hidden() + 1) * encoder.classes()
}

impl<E: Encoder> Model for E {
    fn layout(&self) -> &Arc<Layout> {
        self.layout()
    }
    fn classes(&self) -> usize {
        self.classes()
    }
    fn init(&self, seed: u64) -> Params {
        self.init(seed)
    }
    fn gradient(
        &self,
        params: &[f32],
        batch: &Batch<'_>,
        gradient: &mut [f32],
        scratch: &mut Scratch,
    ) -> f32 {
        gradient_kernel(self, params, batch, gradient, scratch)
    }
    fn logits(&self, params: &[f32], example: Example<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        logits_kernel(self, params, example, logits, scratch);
    }
    fn representation(&self) -> usize {
        self.hidden()
    }
    /// The output layer and its bias; all that an encoder has is body.
    fn head(&self) -> usize {
        2
    }
    fn represent(&self, params: &[f32], batch: &Batch<'_>, into: &mut [f32], scratch: &mut Scratch) {
        represent_kernel(self, params, batch, into, scratch);
    }
    fn pull_back(
        &self,
        params: &[f32],
        batch: &Batch<'_>,
        back: &[f32],
        gradient: &mut [f32],
        scratch: &mut Scratch,
    ) {
        pull_back_kernel(self, params, batch, back, gradient, scratch);
    }
}

dispatch! {
    fn gradient_kernel<L, E: Encoder>(
        lanes: L, encoder: &E, params: &[f32], batch: &Batch<'_>, gradient: &mut [f32], scratch: &mut Scratch,
    ) -> f32 {
        let Scratch { hidden, back, encoder: buffers, layer: layer_buffers } = scratch;
        let (own, layer) = params.split_at(layer(encoder, params));
        let (own_gradient, layer_gradient) = gradient.split_at_mut(own.len());
        let values = batch.chosen.len() * encoder.hidden();
        hidden.resize(values);
        back.resize(values);
        encoder.forward(lanes, own, batch.iter(), hidden, buffers);
        let loss =
            head::gradient(lanes, encoder.classes(), layer, batch, hidden, back, layer_gradient, layer_buffers);
        encoder.backward(lanes, own, batch, hidden, back, own_gradient, buffers);
        loss
    }
}

dispatch! {
    fn logits_kernel<L, E: Encoder>(
        lanes: L, encoder: &E, params: &[f32], example: Example<'_>, logits: &mut [f32], scratch: &mut Scratch,
    ) {
        let Scratch { hidden, encoder: buffers, .. } = scratch;
        let (own, layer) = params.split_at(layer(encoder, params));
        hidden.resize(encoder.hidden());
        encoder.encode(lanes, own, example, hidden, buffers);
        head::scores(layer, hidden, logits);
    }
}

dispatch! {
    fn represent_kernel<L, E: Encoder>(
        lanes: L, encoder: &E, params: &[f32], batch: &Batch<'_>, into: &mut [f32], scratch: &mut Scratch,
    ) {
        encoder.forward(lanes, &params[..layer(encoder, params)], batch.iter(), into, &mut scratch.encoder);
    }
}

dispatch! {
    fn pull_back_kernel<L, E: Encoder>(
        lanes: L, encoder: &E, params: &[f32], batch: &Batch<'_>, back: &[f32], gradient: &mut [f32], scratch: &mut Scratch,
    ) {
        let Scratch { hidden, back: inner, encoder: buffers, .. } = scratch;
        let own = &params[..layer(encoder, params)];
        hidden.resize(back.len());
        inner.resize(back.len());
        inner.copy_from_slice(back);
        encoder.forward(lanes, own, batch.iter(), hidden, buffers);
        encoder.backward(lanes, own, batch, hidden, inner, &mut gradient[..own.len()], buffers);
    }
}
