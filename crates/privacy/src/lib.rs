//! What is done to an update between local training and the wire.
//!
//! Transforms run on the client, first to last. A bound that does not bind changes no bit.

pub mod clip;

pub use clip::{ClipNorm, ClipValue};

use serde::{Deserialize, Serialize};
use sottovoce_core::Transform;

/// A transform chosen in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TransformConfig {
    /// Scales an update down to a Euclidean norm.
    ClipNorm {
        /// Largest norm, positive.
        max: f64,
    },
    /// Limits every value of an update.
    ClipValue {
        /// Largest magnitude, positive.
        max: f32,
    },
}

impl TransformConfig {
    /// The transform, or what is wrong with its bound.
    pub fn build(&self) -> Result<Box<dyn Transform>, BadBound> {
        let (kind, max) = match *self {
            Self::ClipNorm { max } => ("clip_norm", max),
            Self::ClipValue { max } => ("clip_value", f64::from(max)),
        };
        if !max.is_finite() || max <= 0.0 {
            return Err(BadBound { kind, max });
        }
        Ok(match *self {
            Self::ClipNorm { max } => Box::new(ClipNorm { max }),
            Self::ClipValue { max } => Box::new(ClipValue { max }),
        })
    }
}

/// A bound that bounds nothing.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{kind}: max = {max}, expected a positive finite number")]
pub struct BadBound {
    /// The transform.
    pub kind: &'static str,
    /// The bound given.
    pub max: f64,
}
