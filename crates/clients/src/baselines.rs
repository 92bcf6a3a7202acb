//! What the same data give without federation: everything in one place, and every client alone.

use crate::evaluation::predict;
use crate::shard::Shards;
use rayon::prelude::*;
use sottovoce_core::evaluation::{Evaluation, Prediction};
use sottovoce_core::{Address, ClientId, Params, Purpose, sampling};
use sottovoce_models::{Examples, LocalExamples, LocalTraining, Model, NotFinite, Workspace, train};

/// Trains one model on `examples` as if they were in one place and returns it.
pub fn centralised(
    model: &dyn Model,
    how: &LocalTraining,
    examples: &LocalExamples,
    seed: u64,
) -> Result<Params, NotFinite> {
    let mut params = model.init(seed);
    let order = Address::new(seed, Purpose::BaselineOrder);
    let trained = train(model, how, examples, &params, order, &mut Workspace::default(), None)?;
    params.add_scaled(1.0, &trained.delta);
    Ok(params)
}

/// Trains a model for each of up to `at_most` clients on its own examples alone and evaluates all of them on the same
/// `test` examples. Clients are drawn by `seed`; those without examples are passed over.
///
/// Returns the figures averaged over clients, and how many there were.
pub fn local_only<S: Shards + ?Sized>(
    model: &dyn Model,
    how: &LocalTraining,
    shards: &S,
    test: &Examples,
    seed: u64,
    at_most: u64,
) -> Result<Option<(Evaluation, u64)>, NotFinite> {
    let mut stream = Address::new(seed, Purpose::Sample).stream();
    let clients = shards.training_clients();
    let chosen = sampling::distinct(&mut stream, clients, at_most.min(clients));
    let start = model.init(seed);
    let evaluated: Vec<Evaluation> = chosen
        .par_iter()
        .map_init(
            || (Workspace::default(), start.clone()),
            |(workspace, params), &client| {
                let shard = shards.shard(ClientId(client));
                if shard.examples.is_empty() {
                    return Ok(None);
                }
                let order = Address::new(seed, Purpose::BaselineOrder).client(client + 1);
                let trained = train(model, how, &shard, &start, order, workspace, None)?;
                params.clone_from(&start);
                params.add_scaled(1.0, &trained.delta);
                let predictions: Vec<Prediction> = predict(model, params, test);
                Ok(Some(Evaluation::of(&predictions, model.classes())))
            },
        )
        .collect::<Result<Vec<_>, NotFinite>>()?
        .into_iter()
        .flatten()
        .collect();
    let n = evaluated.len() as f64;
    let mean = |of: fn(&Evaluation) -> f64| {
        let mut total = 0.0;
        for e in &evaluated {
            total += of(e);
        }
        total / n
    };
    Ok((!evaluated.is_empty()).then(|| {
        let figures = Evaluation {
            examples: test.len() as u64,
            accuracy: mean(|e| e.accuracy),
            macro_f1: mean(|e| e.macro_f1),
            ece: mean(|e| e.ece),
        };
        (figures, evaluated.len() as u64)
    }))
}
