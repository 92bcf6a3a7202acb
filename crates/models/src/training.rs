//! Local training over the rows that a client's examples touch.
//!
//! The client's rows are those that its examples touch, and all dense ones. An optimiser with a state steps over all of
//! them at every step, SGD over those of the batch, or over all after an `adjust` closure, which may have written
//! anywhere: that is the same, since rows of gradient 0 rest under SGD (see [`optimiser`](crate::optimiser)). An
//! adjustment that adds nothing therefore changes nothing. Rows that no example of the client touches have gradient 0 and
//! state 0 throughout, so the result is that of a dense optimiser over the whole model.

use crate::examples::LocalExamples;
use crate::model::{Batch, Model, Scratch};
use crate::optimiser::{Optimiser, State};
use serde::{Deserialize, Serialize};
use sottovoce_core::aligned::Aligned;
use sottovoce_core::{Address, Adjust, Params, RowBlock, Rows, Step, Trained, dispatch, sampling};
use std::cell::RefCell;

/// How a client trains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
    params: Aligned,
    start: Aligned,
    gradient: Aligned,
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

/// Where local training starts.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// At the client's rows of a whole model.
    Model(&'a Params),
    /// At values of the client's rows.
    Rows(&'a [f32]),
}

impl<'a> From<&'a Params> for Start<'a> {
    fn from(params: &'a Params) -> Self {
        Self::Model(params)
    }
}

/// Trains on `data` and returns what moved. `order` addresses the shuffles: epoch `e` uses the slot `e` behind its own.
/// Cost follows the examples' features and the rows that they touch, not the model; a step of an optimiser with a state,
/// or after an adjustment, goes over all of these rows.
pub fn train<'a>(
    model: &dyn Model,
    how: &LocalTraining,
    data: &LocalExamples,
    start: impl Into<Start<'a>>,
    order: Address,
    workspace: &mut Workspace,
    mut adjust: Option<&mut Adjust<'_>>,
) -> Result<Trained, NotFinite> {
    let (w, start) = (workspace, start.into());
    let cols = model.layout().tensors()[0].cols();
    let examples = &data.examples;
    match start {
        Start::Model(params) => params.gather(&data.rows, &mut w.params),
        Start::Rows(values) => {
            w.params.resize(values.len());
            w.params.copy_from_slice(values);
        }
    }
    if adjust.is_some() {
        w.start.clone_from(&w.params);
    }
    let dense = w.params.len() - model.dense();
    // Whether a step goes over all parameters, or over the batch's rows and the dense parameters.
    let all = adjust.is_some() || how.optimiser.states() > 0;
    w.gradient.zeros(w.params.len());
    w.state.reset(&how.optimiser, w.params.len());
    w.stamps.clear();
    w.stamps.resize(dense / cols, 0);
    w.stamp = 0;
    w.order.clear();
    w.order.extend(0..examples.len() as u32);

    let (mut loss, mut steps) = (0.0f64, 0);
    for epoch in 0..how.epochs {
        if how.shuffle {
            sampling::shuffle(&mut order.slot(order.slot + u64::from(epoch)).stream(), &mut w.order);
        }
        loss = 0.0;
        for chosen in w.order.chunks(how.batch as usize) {
            let batch = Batch { examples, chosen };
            loss += f64::from(model.gradient(&w.params, &batch, &mut w.gradient, &mut w.scratch));
            w.moved.clear();
            if let Some(adjust) = adjust.as_deref_mut() {
                let (params, scratch) = (&w.params, RefCell::new(&mut w.scratch));
                adjust(
                    &mut Step {
                        params,
                        start: &w.start,
                        rows: &data.rows,
                        lr: how.optimiser.lr(),
                        gradient_at: &mut |at, into| {
                            model.gradient(at, &batch, into, &mut scratch.borrow_mut());
                        },
                        represent: &mut |at, into| {
                            into.resize(chosen.len() * model.representation(), 0.0);
                            model.represent(at, &batch, into, &mut scratch.borrow_mut());
                        },
                        pull_back: &mut |back, into| {
                            model.pull_back(params, &batch, back, into, &mut scratch.borrow_mut());
                        },
                    },
                    &mut w.gradient,
                );
            }
            if !all {
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
            let from = if all { 0 } else { dense };
            w.state.step(&how.optimiser, &mut w.params, &mut w.gradient, &w.moved, cols, from);
            steps += 1;
        }
    }

    let mut values = std::mem::take(&mut w.spare);
    values.clear();
    values.resize(w.params.len(), 0.0);
    let finite = match start {
        Start::Model(params) => moves(&mut values, &w.params, params, &data.rows),
        Start::Rows(from) => moves_from(&mut values, &w.params, from),
    };
    if !finite {
        let at =
            values.iter().position(|v| !v.is_finite()).expect("a difference that is not finite was seen");
        return Err(NotFinite { at, value: values[at] });
    }
    let rows = Rows::Some(data.rows.clone());
    let delta =
        RowBlock::new(model.layout().clone(), rows, values).expect("gathered from this layout's rows");
    let mean = if examples.is_empty() { 0.0 } else { loss / examples.len() as f64 };
    Ok(Trained { delta, loss: mean as f32, steps, rates: how.optimiser.lr() * steps as f32 })
}

/// Sum of the losses over all examples at these values of the client's rows, in nats, and if `gradient` is given, as long
/// as the values, the gradient of their mean added to it. Batches of [`EVALUATED`] examples, in order.
pub fn loss(
    model: &dyn Model,
    data: &LocalExamples,
    at: &[f32],
    workspace: &mut Workspace,
    gradient: &mut [f32],
) -> f64 {
    let examples = &data.examples;
    let mut total = 0.0;
    workspace.order.clear();
    workspace.order.extend(0..examples.len() as u32);
    for chosen in workspace.order.chunks(EVALUATED) {
        workspace.gradient.zeros(at.len());
        let batch = Batch { examples, chosen };
        let sum = model.gradient(at, &batch, &mut workspace.gradient, &mut workspace.scratch);
        total += f64::from(sum);
        let share = chosen.len() as f32 / examples.len() as f32;
        for (g, batch) in gradient.iter_mut().zip(&*workspace.gradient) {
            *g += share * batch;
        }
    }
    total
}

/// Examples whose loss or gradient is taken at a time.
pub const EVALUATED: usize = 256;

dispatch! {
    /// Writes local minus broadcast parameters to `out`; false if any of it is not finite.
    fn moves(out: &mut [f32], local: &[f32], broadcast: &Params, rows: &[u32]) -> bool {
        let (mut out, mut local, mut largest) = (out, local, 0u32);
        for range in broadcast.layout().ranges(rows.iter().copied()) {
            let (to, out_rest) = out.split_at_mut(range.len());
            let (from, local_rest) = local.split_at(range.len());
            (out, local) = (out_rest, local_rest);
            for ((o, p), s) in to.iter_mut().zip(from).zip(&broadcast.values()[range]) {
                *o = p - s;
                // Magnitudes order like their bits, infinity and NaN last: no branch.
                let magnitude = o.to_bits() & 0x7fff_ffff;
                largest = if magnitude > largest { magnitude } else { largest };
            }
        }
        largest < f32::INFINITY.to_bits()
    }
}

dispatch! {
    /// The same from values of the client's rows.
    fn moves_from(out: &mut [f32], local: &[f32], start: &[f32]) -> bool {
        let mut largest = 0u32;
        for ((o, p), s) in out.iter_mut().zip(local).zip(start) {
            *o = p - s;
            let magnitude = o.to_bits() & 0x7fff_ffff;
            largest = if magnitude > largest { magnitude } else { largest };
        }
        largest < f32::INFINITY.to_bits()
    }
}
