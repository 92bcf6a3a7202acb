//! Updates of a small layout, and their messages.

use sottovoce_aggregator::{PartialSum, Rejection};
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{Checksum, ClientId, Layout, Outbound, RowBlock, Rows, Update};
use std::sync::Arc;

pub(crate) const CAP: u64 = 1000;

pub(crate) fn layout() -> Arc<Layout> {
    Layout::new(&[("table", 6, 3), ("bias", 1, 2)]).unwrap()
}

pub(crate) fn update(client: u64, weight: u64, rows: Rows, values: Vec<f32>) -> Update {
    let delta = RowBlock::new(layout(), rows, values).unwrap();
    Update {
        client: ClientId(client),
        round: 4,
        exchange: 0,
        base: Checksum::of(b"base"),
        weight,
        loss: 0.5,
        delta,
    }
}

pub(crate) fn message(update: &Update) -> Vec<u8> {
    let mut bytes = Vec::new();
    update.encode(&mut bytes);
    bytes
}

pub(crate) fn add(part: &mut PartialSum, update: &Update) -> Result<(), Rejection> {
    part.add(&UpdateView::parse(&message(update), &layout()).unwrap())
}
