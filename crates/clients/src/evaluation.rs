//! Classifying held-out examples.

use crate::gate::Gate;
use crate::shard::Shards;
use crate::source::SourceKey;
use rayon::prelude::*;
use sottovoce_core::evaluation::Prediction;
use sottovoce_core::{ClientId, EvaluationCounts, LedgerLine, Params, dispatch, math};
use sottovoce_models::{Examples, Model, Scratch};
use std::borrow::Cow;

/// Examples that one thread classifies at a time.
const CHUNK: usize = 256;

/// Classifies `examples` (rows numbered in the whole table), in their order.
pub fn predict(model: &dyn Model, params: &Params, examples: &Examples) -> Vec<Prediction> {
    let chunks = examples.len().div_ceil(CHUNK);
    (0..chunks)
        .into_par_iter()
        .flat_map_iter(|chunk| {
            let (mut scratch, mut logits) = (Scratch::default(), vec![0.0; model.classes()]);
            let range = chunk * CHUNK..examples.len().min((chunk + 1) * CHUNK);
            range
                .map(|i| {
                    let example = examples.get(i);
                    model.logits(params.values(), example, &mut logits, &mut scratch);
                    let (predicted, confidence) = decide(&mut logits);
                    Prediction { label: example.label, predicted, confidence }
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The class with the highest score, the first of equals, and its probability. Overwrites the scores.
pub fn decide(logits: &mut [f32]) -> (u32, f32) {
    let mut best = 0;
    for (k, score) in logits.iter().enumerate() {
        if *score > logits[best] {
            best = k;
        }
    }
    probabilities(logits);
    (best as u32, logits[best])
}

dispatch! {
    fn probabilities<L>(lanes: L, logits: &mut [f32]) {
        math::softmax(lanes, logits);
    }
}

/// Asks each of `clients` to classify its own held-out examples with the parameters that `params` says it uses; what
/// comes back are counts, through the gate. Clients without parameters are passed over.
pub fn over_clients<'a, S: Shards + ?Sized, E: Send>(
    model: &dyn Model,
    params: impl Fn(ClientId) -> Result<Option<Cow<'a, Params>>, E> + Sync,
    shards: &S,
    sources: &SourceKey,
    round: u64,
    clients: &[u64],
) -> Result<Vec<(EvaluationCounts, LedgerLine)>, E> {
    clients
        .par_iter()
        .filter_map(|&client| {
            let client = ClientId(client);
            let params = match params(client) {
                Ok(params) => params?,
                Err(why) => return Some(Err(why)),
            };
            let held_out = shards.held_out(client);
            let predictions = predict(model, &params, &held_out);
            let correct = predictions.iter().filter(|p| p.label == p.predicted).count() as u64;
            let counts = EvaluationCounts { client, round, examples: predictions.len() as u64, correct };
            let mut gate = Gate::default();
            let (message, line) = gate.send(&counts, sources.name(held_out.checksum()));
            Some(Ok((EvaluationCounts::decode(message).expect("a message that was just encoded"), line)))
        })
        .collect()
}
