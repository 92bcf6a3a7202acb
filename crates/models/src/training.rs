//! Local training over the rows that a client's examples touch.

use crate::examples::LocalExamples;
use crate::model::{Batch, Model, Scratch};
use crate::optimiser::{Optimiser, State};
use serde::{Deserialize, Serialize};
use sottovoce_core::{Address, Adjust, Params, RowBlock, Rows, Step, Trained, sampling};

/// How a client trains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalTraining {
    /// Passes over the client's examples, 1 to 1,000.
    pub epochs: u32,
    /// Examples in a step, 1 to 65,536; the last batch of an epoch may be smaller.
    pub batch: u32,
    /// Shuffles the examples before each epoch; otherwise they keep the shard's order.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// The step rule.
    pub optimiser: Optimiser,
}

fn yes() -> bool {
    true
}

/// Buffers of local training, kept between clients; their content carries nothing from one to the next.
#[derive(Debug, Default)]
pub struct Workspace {
    params: Vec<f32>,
    start: Vec<f32>,
    gradient: Vec<f32>,
    state: State,
    order: Vec<u32>,
    stamps: Vec<u32>,
    stamp: u32,
    moved: Vec<u32>,
    scratch: Scratch,
    spare: Vec<f32>,
}

impl Workspace {
    /// Gives the memory of a sent delta back for the next client.
    pub fn reuse(&mut self, delta: RowBlock) {
        self.spare = delta.into_values();
    }
}

/// A value that is not a number, and its place among the client's parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NotFinite {
    /// Position among the client's parameters.
    pub at: usize,
    /// NaN or infinite.
    pub value: f32,
}

/// Trains from `broadcast` on `data` and returns what moved. `order` addresses the shuffles: epoch `e` uses its
/// slot `e`. Cost follows the examples' features and the rows that they touch, not the model.
pub fn train(
    model: &dyn Model,
    how: &LocalTraining,
    data: &LocalExamples,
    broadcast: &Params,
    order: Address,
    workspace: &mut Workspace,
    mut adjust: Option<&mut Adjust<'_>>,
) -> Result<Trained, NotFinite> {
    let w = workspace;
    let cols = model.layout().tensors()[0].cols();
    let examples = &data.examples;
    broadcast.gather(&data.rows, &mut w.start);
    w.params.clone_from(&w.start);
    let dense = w.params.len() - model.dense();
    let table_rows = dense / cols;
    w.gradient.clear();
    w.gradient.resize(w.params.len(), 0.0);
    w.state.reset(&how.optimiser, w.params.len());
    w.stamps.clear();
    w.stamps.resize(table_rows, 0);
    w.stamp = 0;
    w.order.clear();
    w.order.extend(0..examples.len() as u32);

    let (mut loss, mut steps) = (0.0f64, 0);
    for epoch in 0..how.epochs {
        if how.shuffle {
            sampling::shuffle(&mut order.slot(u64::from(epoch)).stream(), &mut w.order);
        }
        loss = 0.0;
        for chosen in w.order.chunks(how.batch as usize) {
            let batch = Batch { examples, chosen };
            loss += f64::from(model.gradient(&w.params, &batch, &mut w.gradient, &mut w.scratch));
            w.moved.clear();
            if let Some(adjust) = adjust.as_deref_mut() {
                adjust(&Step { params: &w.params, start: &w.start, rows: &data.rows }, &mut w.gradient);
                w.moved.extend(0..table_rows as u32);
            } else {
                w.stamp += 1;
                for example in batch.iter() {
                    for row in example.rows {
                        let stamp = &mut w.stamps[*row as usize];
                        if *stamp != w.stamp {
                            *stamp = w.stamp;
                            w.moved.push(*row);
                        }
                    }
                }
            }
            w.state.step(&how.optimiser, &mut w.params, &mut w.gradient, &w.moved, cols, dense);
            steps += 1;
        }
    }

    let mut values = std::mem::take(&mut w.spare);
    values.clear();
    values.extend(w.params.iter().zip(&w.start).map(|(p, s)| p - s));
    if let Some(at) = first_not_finite(&values) {
        return Err(NotFinite { at, value: values[at] });
    }
    let rows = Rows::Some(data.rows.clone());
    let delta =
        RowBlock::new(model.layout().clone(), rows, values).expect("gathered from this layout's rows");
    let mean = if examples.is_empty() { 0.0 } else { loss / examples.len() as f64 };
    Ok(Trained { delta, loss: mean as f32, steps })
}

fn first_not_finite(values: &[f32]) -> Option<usize> {
    // Without an early exit the common case runs in whole registers.
    let clean = values.iter().fold(true, |ok, v| ok & v.is_finite());
    if clean { None } else { values.iter().position(|v| !v.is_finite()) }
}
