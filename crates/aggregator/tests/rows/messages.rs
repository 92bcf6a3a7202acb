//! Messages of one format, and rounds of them: what the tests of aggregation share.

use sottovoce_aggregator::rules::Value;
use sottovoce_aggregator::{Absent, AggregateError, Aggregation, Memory, Moment, Part, Recipe};
use sottovoce_core::{
    Aggregate, Answer, Checksum, ClientId, Contents, Format, Layout, Outbound, RowBlock, Rows, Update,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) fn base() -> Checksum {
    Checksum::of(b"base")
}

/// Room for so much over a model.
pub(crate) fn format(model: &Arc<Layout>, blocks: usize, numbers: usize) -> Format {
    Format::new(model.clone(), Contents { blocks, numbers }).unwrap()
}

/// A block with these rows of a model; `None` for all.
pub(crate) fn block(model: &Arc<Layout>, rows: Option<&[u32]>, values: &[f32]) -> RowBlock {
    let rows = rows.map_or(Rows::All, |rows| Rows::Some(rows.into()));
    RowBlock::new(model.clone(), rows, values.to_vec()).unwrap()
}

/// A client's blocks and numbers, each with its place, and its weight.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) weight: u64,
    pub(crate) blocks: Vec<(usize, RowBlock)>,
    pub(crate) numbers: Vec<(usize, f32)>,
}

impl Sent {
    pub(crate) fn message(self, format: &Format, client: u64) -> Vec<u8> {
        let (client, weight) = (ClientId(client), self.weight);
        let answer = Answer { blocks: self.blocks, numbers: self.numbers, weight: None, loss: 0.5 };
        let delta = format.join(client, answer).unwrap();
        let mut bytes = Vec::new();
        Update { client, round: 0, exchange: 0, base: base(), weight, loss: 0.5, delta }.encode(&mut bytes);
        bytes
    }
}

pub(crate) fn recipe(names: &str, values: &BTreeMap<String, Value>) -> Recipe {
    Recipe::in_rounds(names, values).unwrap_or_else(|e| panic!("{names}: {e}"))
}

pub(crate) fn by(recipe: Recipe, absent: Absent) -> Aggregation {
    Aggregation { recipe: Some(recipe), absent, ..Aggregation::mean(1 << 20) }
}

/// A round in which each of `sent` is a client's, the numbers of the clients rising, received over two parts.
pub(crate) fn round(
    aggregation: &Aggregation,
    format: &Format,
    sent: &[(u64, Sent)],
    at: Moment<'_>,
    memory: &mut Memory,
) -> Result<Aggregate, AggregateError> {
    let mut cohort: Vec<u64> = sent.iter().map(|(client, _)| *client).collect();
    cohort.sort_unstable();
    let open = aggregation.open(format, 0, base(), &cohort);
    let mut parts: Vec<Part> = (0..2).map(|_| aggregation.part(format)).collect();
    for (i, (client, sent)) in sent.iter().enumerate() {
        open.receive(&mut parts[i % 2], &sent.clone().message(format, *client)).unwrap();
    }
    aggregation.finish(&parts.iter().collect::<Vec<_>>(), at, memory)
}

/// Clients numbered from 0 on.
pub(crate) fn numbered(sent: Vec<Sent>) -> Vec<(u64, Sent)> {
    (0..).zip(sent).collect()
}

/// All values of a block, 0 where a row is absent.
pub(crate) fn dense(block: &RowBlock) -> Vec<f32> {
    let mut all = vec![0.0; block.layout().params()];
    let mut values = block.values().iter();
    for range in block.ranges() {
        all[range].iter_mut().for_each(|to| *to = *values.next().unwrap());
    }
    all
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}
