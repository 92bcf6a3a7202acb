//! What is done to an update between local training and the wire.
//!
//! Transforms run on the client, first to last. A bound that does not bind, noise of 0 and a share of 1 change no bit.
//! Finite values stay finite; NaN and infinity are left for the aggregator to refuse.

#![forbid(unsafe_code)]

pub mod clip;
pub mod gaussian_noise;
pub mod quantise;
pub mod top_rows;

pub use clip::{ClipNorm, ClipValue};
pub use gaussian_noise::GaussianNoise;
pub use quantise::Quantise;
pub use top_rows::TopRows;

use serde::{Deserialize, Serialize};
use sottovoce_core::Transform;

/// A transform chosen in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// Adds normal noise to every value that an update carries. Not a guarantee of differential privacy.
    GaussianNoise {
        /// Standard deviation in units of the update, at least 0.
        std: f64,
    },
    /// Sends only the rows of largest norm.
    TopRows {
        /// Share of the rows, above 0, at most 1.
        share: f64,
    },
    /// Rounds every value at random, without bias, to one of few multiples of the largest.
    Quantise {
        /// Bits of a value, 2 to 16.
        bits: u32,
    },
}

impl TransformConfig {
    /// The transform, or which of its parameters is out of range.
    pub fn build(&self) -> Result<Box<dyn Transform>, OutOfRange> {
        const POSITIVE: &str = "a positive finite number";
        // Written so that NaN is outside.
        let (kind, key, value, allowed, expected) = match *self {
            Self::ClipNorm { max } => ("clip_norm", "max", max, max > 0.0 && max.is_finite(), POSITIVE),
            Self::ClipValue { max } => {
                ("clip_value", "max", f64::from(max), max > 0.0 && max.is_finite(), POSITIVE)
            }
            Self::GaussianNoise { std } => {
                let allowed = std >= 0.0 && std.is_finite();
                ("gaussian_noise", "std", std, allowed, "a finite number of at least 0")
            }
            Self::TopRows { share } => {
                ("top_rows", "share", share, share > 0.0 && share <= 1.0, "a share above 0, at most 1")
            }
            Self::Quantise { bits } => {
                ("quantise", "bits", f64::from(bits), (2..=16).contains(&bits), "2 to 16")
            }
        };
        if !allowed {
            return Err(OutOfRange { kind, key, value, expected });
        }
        Ok(match *self {
            Self::ClipNorm { max } => Box::new(ClipNorm { max }),
            Self::ClipValue { max } => Box::new(ClipValue { max }),
            Self::GaussianNoise { std } => Box::new(GaussianNoise { std }),
            Self::TopRows { share } => Box::new(TopRows { share }),
            Self::Quantise { bits } => Box::new(Quantise { bits }),
        })
    }
}

/// A parameter that a transform cannot work with.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{kind}: {key} = {value}, expected {expected}")]
pub struct OutOfRange {
    /// The transform.
    pub kind: &'static str,
    /// The parameter.
    pub key: &'static str,
    /// Its value.
    pub value: f64,
    /// What it may be.
    pub expected: &'static str,
}
