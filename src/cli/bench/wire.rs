//! The weighted mean from encoded messages: frame, checksum, shape, cohort, sum, and the mean at the end.

use super::super::aggregate::AggregateFailure;
use crate::aggregator::sum::finish_in;
use crate::aggregator::{OpenRound, PartialSum};
use crate::arrays::Number;
use crate::core::{Checksum, ClientId, Layout, Outbound, RowBlock, Rows, Update};
use rayon::prelude::*;
use std::hint::black_box;
use std::sync::Arc;

/// Its name beside the rules.
pub(super) const NAME: &str = "mean-wire";
/// Largest weight.
const CAP: u64 = 1024;

/// The layout of a model of one tensor with `params` parameters.
pub(super) fn layout(params: usize) -> Result<Arc<Layout>, AggregateFailure> {
    // Messages number rows with 32 bits, and a row of one parameter costs more than its share.
    let columns = [100, 10].into_iter().find(|c| params.is_multiple_of(*c)).unwrap_or(1);
    Ok(Layout::new(&[("weight", params / columns, columns)])?)
}

/// Rows as encoded dense updates.
pub(super) fn messages(layout: &Arc<Layout>, rows: &[&[f32]]) -> Vec<Vec<u8>> {
    let message = |(client, row): (usize, &&[f32])| {
        let delta = RowBlock::new(layout.clone(), Rows::All, row.to_vec()).expect("as long as its layout");
        let (base, weight) = (Checksum::default(), 100 + client as u64 % 50);
        let client = ClientId(client as u64);
        let mut bytes = Vec::new();
        Update { client, round: 0, exchange: 0, base, weight, loss: 0.0, delta }.encode(&mut bytes);
        bytes
    };
    rows.par_iter().enumerate().map(message).collect()
}

/// A message as numbers, for a plain read: whole multiples of four bytes, where they are aligned.
pub(super) fn readable(message: &[u8]) -> Option<&[f32]> {
    f32::in_place(&message[..message.len() / 4 * 4])
}

/// Receives rounds of messages. As in a simulation, memory is kept from round to round.
pub(super) struct Server {
    layout: Arc<Layout>,
    cohort: Vec<u64>,
    part: PartialSum,
    /// The values of the last mean.
    mean: Vec<f32>,
}

impl Server {
    /// With an empty sum.
    pub(super) fn new(layout: Arc<Layout>, clients: usize) -> Self {
        let part = PartialSum::new(layout.clone(), CAP);
        Self { layout, cohort: (0..clients as u64).collect(), part, mean: Vec::new() }
    }

    /// Receives all messages on the threads of the current pool, and finishes the mean.
    pub(super) fn mean(&mut self, messages: &[Vec<u8>]) -> Result<(), AggregateFailure> {
        let open = OpenRound::new(self.layout.clone(), 0, Checksum::default(), &self.cohort, CAP);
        self.part.clear();
        for answer in open.receive_all(&mut self.part, messages) {
            answer?;
        }
        let mean = finish_in(&[&self.part], std::mem::take(&mut self.mean))?;
        self.mean = black_box(mean).delta.into_values();
        Ok(())
    }
}
