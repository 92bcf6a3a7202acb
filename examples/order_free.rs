//! The sum has no order: the same thousand updates in any order, over any number of partial sums, give the same
//! bits; a plain loop over floats does not.
//!
//! ```text
//! cargo run --release --example order_free
//! ```

use sottovoce::aggregator::{PartialSum, finish};
use sottovoce::core::wire::UpdateView;
use sottovoce::core::{
    Address, Checksum, ClientId, Layout, Outbound, Params, Purpose, RowBlock, Rows, Update, sampling,
};
use std::collections::BTreeSet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let layout = Layout::new(&[("weight", 500, 20), ("bias", 1, 20)])?;
    let mut stream = Address::new(1, Purpose::Test).stream();
    let mut messages = Vec::new();
    for client in 0..1000 {
        let values = (0..layout.params()).map(|_| 0.01 * sampling::normal(&mut stream) as f32).collect();
        let delta = RowBlock::new(layout.clone(), Rows::All, values)?;
        let weight = 1 + sampling::below(&mut stream, 500);
        let mut message = Vec::new();
        Update {
            client: ClientId(client),
            round: 0,
            exchange: 0,
            base: Checksum::of(b""),
            weight,
            loss: 0.0,
            delta,
        }
        .encode(&mut message);
        messages.push(message);
    }
    let (mut ours, mut plain) = (BTreeSet::new(), BTreeSet::new());
    for attempt in 0..20 {
        sampling::shuffle(&mut stream, &mut messages);
        let mut parts: Vec<PartialSum> =
            (0..1 + attempt % 8).map(|_| PartialSum::new(layout.clone(), 500)).collect();
        let (mut sum, mut total) = (vec![0.0f32; layout.params()], 0.0f32);
        for (i, message) in messages.iter().enumerate() {
            let update = UpdateView::parse(message, &layout)?;
            let part = i % parts.len();
            parts[part].add(&update)?;
            let weight = update.head.weight as f32;
            total += weight;
            for (s, v) in sum.iter_mut().zip(update.to_update().delta.values()) {
                *s += weight * v;
            }
        }
        let mean = finish(&parts.iter().collect::<Vec<_>>())?;
        let digest = |values: Vec<f32>| Params::from_values(layout.clone(), values).map(|p| p.digest());
        ours.insert(digest(mean.delta.into_values()));
        plain.insert(digest(sum.iter().map(|s| s / total).collect()));
    }
    #[allow(clippy::print_stdout)]
    {
        println!("1,000 updates of {} parameters, 20 orders, 1 to 8 partial sums", layout.params());
        println!("different results of the reproducible sum: {}", ours.len());
        println!("different results of a loop over floats:   {}", plain.len());
    }
    Ok(())
}
