//! Buffers of models, kept between calls.

use sottovoce_core::aligned::Aligned;

/// Buffers of a model, kept between calls; their content carries nothing from one call to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) hidden: Aligned,
    pub(crate) back: Aligned,
    pub(crate) encoder: Encoding,
    pub(crate) layer: Layer,
}

/// What encoders keep between calls.
#[derive(Debug, Default)]
pub(crate) struct Encoding {
    pub(crate) low: Aligned,
    pub(crate) convolution: Convolution,
    pub(crate) dense: Dense,
}

/// What convolutions need beside the buffers of every model.
#[derive(Debug, Default)]
pub(crate) struct Convolution {
    pub(crate) words: Aligned,
    pub(crate) windows: Aligned,
    pub(crate) packed: Aligned,
    pub(crate) turned: Aligned,
    pub(crate) turned_gradient: Aligned,
    pub(crate) peaks: Vec<u32>,
}

/// What a hidden layer over given vectors needs.
#[derive(Debug, Default)]
pub(crate) struct Dense {
    pub(crate) inputs: Aligned,
    pub(crate) wide: Aligned,
    pub(crate) packed: Aligned,
    pub(crate) packed_gradient: Aligned,
}

/// What the gradient of the last layer needs.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) scores: Aligned,
    pub(crate) packed: Aligned,
    pub(crate) packed_gradient: Aligned,
}
