//! What a file with an algorithm begins with.

pub use schemars::JsonSchema;
pub use serde::{Deserialize, Serialize};
pub use sottovoce_core::{
    Adjust, Algorithm, Answer, ClientError, Contents, Exchange, LocalTask, Mean, Params, Personal, ServerCx,
    Stale, StartCx, Step, Trained, Values,
};

/// `to ← to + factor · what`.
pub fn add(to: &mut [f32], factor: f32, what: &[f32]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += factor * what;
    }
}

/// The gradient over the client's examples at the broadcast parameters, as the answer of an exchange before training.
pub fn gradient(task: &mut dyn LocalTask) -> Result<Answer, ClientError> {
    let gradient = task.gradient(&task.start());
    let block = task.block(gradient);
    Ok(Answer { blocks: vec![(0, block)], numbers: Vec::new(), weight: None, loss: 0.0 })
}

/// `gradient ← share · (gradient − that of the same batch where training started + all)`; an empty `all` stands for zeros.
pub fn corrected(step: &mut Step<'_>, gradient: &mut [f32], all: &[f32], share: f32) {
    let mut before = vec![0.0; gradient.len()];
    (step.gradient_at)(step.start, &mut before);
    add(gradient, -1.0, &before);
    add(gradient, 1.0, all);
    gradient.iter_mut().for_each(|g| *g *= share);
}

/// The usual rate of a server.
pub fn one() -> f32 {
    1.0
}
