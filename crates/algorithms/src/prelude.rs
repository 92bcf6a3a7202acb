//! What a file with an algorithm begins with.

pub use schemars::JsonSchema;
pub use serde::{Deserialize, Serialize};
pub use sottovoce_core::{
    Adjust, Algorithm, Answer, ClientError, Contents, LocalTask, Params, Personal, ServerCx, Stale, StartCx,
    Step, Trained, Values,
};

/// `to ← to + factor · what`.
pub fn add(to: &mut [f32], factor: f32, what: &[f32]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += factor * what;
    }
}

/// The usual rate of a server.
pub fn one() -> f32 {
    1.0
}
