//! Hierarchical aggregation: an edge aggregator sends its partial sum on, the one above merges it.
//!
//! A partial sum is integers, so any tree of aggregators ends with the bits of a single one that received every update
//! itself. The root trusts its edges to have checked their clients; what a message says of itself is checked: that its
//! weight is one that so many updates can have, that its bound is one that they can reach, that no sum is beyond it, and
//! that it has not come before. So an edge counts at most as much as the updates that it claims, each of the largest
//! weight and magnitude.
//!
//! ```
//! use sottovoce_aggregator::{PartialSum, finish};
//! use sottovoce_core::wire::UpdateView;
//! use sottovoce_core::{ClientId, Checksum, Layout, Outbound, RowBlock, Rows, Update};
//!
//! let (layout, base) = (Layout::new(&[("weight", 2, 2)])?, Checksum::of(b"parameters"));
//! let (mut root, mut flat) = (PartialSum::new(layout.clone(), 8), PartialSum::new(layout.clone(), 8));
//! for client in 0..4u64 {
//!     let delta = RowBlock::new(layout.clone(), Rows::All, vec![client as f32; 4])?;
//!     let mut message = Vec::new();
//!     Update { client: ClientId(client), round: 0, exchange: 0, base, weight: 1 + client, loss: 0.0, delta }.encode(&mut message);
//!     let update = UpdateView::parse(&message, &layout)?;
//!     flat.add(&update)?;
//!     let mut edge = PartialSum::new(layout.clone(), 8);
//!     edge.add(&update)?;
//!     root.receive_edge(0, base, &edge.message(0, base))?;
//! }
//! assert_eq!(finish(&[&root]), finish(&[&flat]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::PartialSum;
use crate::error::Rejection;
use sottovoce_core::Checksum;
use sottovoce_core::wire::{PartialHead, PartialView};

/// Updates without weight that an edge may claim.
const WITHOUT_WEIGHT: u64 = 1 << 32;

impl PartialSum {
    /// This part of a round as a message: what an edge sends to the aggregator above it. The same updates give the
    /// same bytes, whatever their order, as long as all or none of them were dense.
    pub fn message(&self, round: u64, base: Checksum) -> Vec<u8> {
        let mut rows = if self.dense { Vec::new() } else { self.rows.clone() };
        rows.sort_unstable();
        let sums: Vec<i64> = if self.dense {
            self.sums.clone()
        } else {
            let of = |row: &u32| {
                let start = self.starts[*row as usize];
                &self.sums[start..start + self.layout.params_in([*row])]
            };
            rows.iter().flat_map(of).copied().collect()
        };
        let head = PartialHead {
            round,
            base,
            schema: self.layout.schema(),
            cap: self.cap,
            grid: self.grid,
            weight: self.weight,
            updates: self.updates,
            bound: self.bound,
            rows: (!self.dense).then_some(rows.len() as u32),
        };
        let mut message = Vec::new();
        head.encode(&rows, sums.into_iter(), &mut message);
        message
    }

    /// Checks an edge's message and merges it. What is refused has not touched the sum. A message is taken once: two edges
    /// send the same bytes only if their clients sent the same updates with the same weights.
    pub fn receive_edge(
        &mut self,
        round: u64,
        base: Checksum,
        message: &[u8],
    ) -> Result<PartialHead, Rejection> {
        let view = PartialView::parse(message, &self.layout)?;
        let head = &view.head;
        if head.cap != self.cap {
            return Err(Rejection::OtherCap { expected: self.cap, got: head.cap });
        }
        if head.grid != self.grid {
            return Err(Rejection::OtherGrid { expected: self.grid, got: head.grid });
        }
        if (head.round, head.base) != (round, base) {
            return Err(Rejection::OtherRound {
                expected: round,
                got: head.round,
                expected_base: base,
                got_base: head.base,
            });
        }
        let (updates, weight) = (head.updates, head.weight);
        if updates > weight.max(WITHOUT_WEIGHT)
            || u128::from(weight) > u128::from(updates) * u128::from(self.cap)
        {
            return Err(Rejection::FalseWeight { updates, weight, cap: self.cap });
        }
        // An update without weight adds 0, and each is counted as half a unit more than it is at most.
        let reachable = u128::from(updates.min(weight)) * u128::from(self.grid.limit()) + u128::from(updates);
        if u128::from(head.bound) > reachable {
            let reachable = u64::try_from(reachable).unwrap_or(u64::MAX);
            return Err(Rejection::Unreachable { updates, bound: head.bound, reachable });
        }
        let checksum = Checksum::of(message);
        if updates > 0 && self.edges.contains(&checksum) {
            return Err(Rejection::SameSum { checksum });
        }
        let largest = view.sums().map(i64::unsigned_abs).max().unwrap_or(0);
        if largest > head.bound {
            return Err(Rejection::FalseBound { largest, bound: head.bound });
        }
        let mut part = Self::on(self.grid, self.layout.clone(), self.cap);
        match view.rows() {
            None => part.make_dense(),
            Some(rows) => rows.for_each(|row| {
                part.place(row, part.layout.params_in([row]));
            }),
        }
        part.sums.iter_mut().zip(view.sums()).for_each(|(to, sum)| *to = sum);
        (part.weight, part.updates, part.bound) = (head.weight, head.updates, head.bound);
        self.merge(&part);
        self.edges.insert(checksum);
        Ok(view.head)
    }
}
