//! The reproducible sum: a weighted mean whose bits do not depend on the order of arrival.
//!
//! Every product `weight · value` is rounded once to a fixed grid and added as a 64-bit integer; integer addition
//! is associative and commutative, so any order, any split over threads and any merge tree give the same sum.
//!
//! With `cap` the largest weight allowed (a power of two, 2^k), the grid of `weight · value / cap` is 2⁻⁴⁰:
//! - a value is refused, not wrapped, if `|value| · weight / cap ≥ 2^11`;
//! - a round whose updates together could overflow 62 bits has no mean: 2,048 updates at the largest magnitude;
//! - each update moves the mean by at most `2⁻⁴¹ · cap / Σ weight` from its exact contribution;
//! - the quotient is rounded once to `f64` and once to `f32`.
//!
//! The product is exact in `f64` (24 bits of value, at most 29 of weight, a power of two), and rounding is
//! the addition of 1.5 · 2^52: to nearest, ties to even, without a branch.

use crate::error::{AggregateError, Rejection};
use rayon::prelude::*;
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{Aggregate, Layout, RowBlock, Rows, bytes, dispatch};
use std::sync::Arc;

/// Bits behind the point of the grid.
const GRID_BITS: i32 = 40;
/// Rounded products stay below this: the range in which adding [`ROUND`] rounds to integers.
const LARGEST: f64 = 2_251_799_813_685_248.0; // 2^51
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 · 2^52
/// Largest weight that any configuration may allow: products with 24-bit values stay exact.
pub const MAX_WEIGHT_CAP: u64 = 1 << 29;
const ABSENT: usize = usize::MAX;

/// Part of a round's sum: rows that its updates touched, as integers. One for each thread, merged at the end.
#[derive(Debug)]
pub struct PartialSum {
    layout: Arc<Layout>,
    cap: u64,
    /// Where each row of the layout lies in `sums`, or [`ABSENT`].
    starts: Vec<usize>,
    /// Rows present, in order of arrival.
    rows: Vec<u32>,
    sums: Vec<i64>,
    weight: u64,
    updates: u64,
    /// Bound on the absolute value of every sum; saturating.
    bound: u64,
}

impl PartialSum {
    /// An empty sum for weights up to `cap`, which is raised to a power of two.
    ///
    /// # Panics
    /// If `cap` exceeds [`MAX_WEIGHT_CAP`].
    pub fn new(layout: Arc<Layout>, cap: u64) -> Self {
        let cap = cap.max(1).next_power_of_two();
        assert!(cap <= MAX_WEIGHT_CAP, "a weight cap of {cap} leaves no exact products");
        let starts = vec![ABSENT; layout.rows()];
        Self { layout, cap, starts, rows: Vec::new(), sums: Vec::new(), weight: 0, updates: 0, bound: 0 }
    }

    /// Forgets everything and keeps the memory; cost follows the rows present.
    pub fn clear(&mut self) {
        for row in self.rows.drain(..) {
            self.starts[row as usize] = ABSENT;
        }
        self.sums.clear();
        (self.weight, self.updates, self.bound) = (0, 0, 0);
    }

    /// Adds an update, reading its numbers where they are. What is refused has not touched the sum.
    pub fn add(&mut self, update: &UpdateView<'_>) -> Result<(), Rejection> {
        let client = update.head.client;
        let weight = update.head.weight;
        if weight > self.cap {
            return Err(Rejection::WeightAboveCap { client, weight, cap: self.cap });
        }
        let factor = weight as f64 / self.cap as f64 * (1u64 << GRID_BITS) as f64;
        let values = update.value_bytes();
        let largest = largest_magnitude(values);
        // NaN and infinity have the largest bit patterns, so one comparison finds them as well.
        let product = f64::from(f32::from_bits(largest)) * factor;
        if largest >= f32::INFINITY.to_bits() || product >= LARGEST {
            return Err(self.first_refused(update, factor));
        }
        // Whether the sum is full is for `finish` to say, over all parts: an answer here would depend on which
        // updates met in this part. Until then a full sum wraps, and nobody reads it.
        let bound = self.bound.saturating_add(product as u64 + 1);

        match update.rows() {
            None => {
                let layout = self.layout.clone();
                self.add_rows(layout.ranges(0..layout.rows() as u32).zip(0..), values, factor);
            }
            Some(rows) => {
                let layout = self.layout.clone();
                let rows: Vec<u32> = rows.collect();
                self.add_rows(layout.ranges(rows.iter().copied()).zip(rows.iter().copied()), values, factor);
            }
        }
        self.bound = bound;
        self.weight += weight;
        self.updates += 1;
        Ok(())
    }

    fn add_rows(
        &mut self,
        rows: impl Iterator<Item = (std::ops::Range<usize>, u32)>,
        mut values: &[u8],
        factor: f64,
    ) {
        for (range, row) in rows {
            let (these, rest) = values.split_at(4 * range.len());
            values = rest;
            let start = &mut self.starts[row as usize];
            if *start == ABSENT {
                *start = self.sums.len();
                self.rows.push(row);
                self.sums.resize(*start + range.len(), 0);
            }
            let start = *start;
            add_products(&mut self.sums[start..start + range.len()], these, factor);
        }
    }

    fn first_refused(&self, update: &UpdateView<'_>, factor: f64) -> Rejection {
        let client = update.head.client;
        let places = match update.rows() {
            None => self.layout.ranges(0..self.layout.rows() as u32).flatten().collect::<Vec<_>>(),
            Some(rows) => self.layout.ranges(rows).flatten().collect(),
        };
        for (coordinate, value) in places.into_iter().zip(bytes::f32s(update.value_bytes())) {
            if !value.is_finite() {
                return Rejection::NotFinite { client, coordinate, value };
            }
            if f64::from(value.abs()) * factor >= LARGEST {
                let limit = (LARGEST / factor) as f32;
                return Rejection::OutOfRange { client, coordinate, value, limit };
            }
        }
        unreachable!("called for an update whose largest magnitude is refused")
    }
}

dispatch! {
    /// Largest bit pattern without the sign: magnitudes order like their bits, NaN above infinity above all.
    fn largest_magnitude<L>(values: &[u8]) -> u32 {
        let mut largest = 0u32;
        for v in bytes::u32s(values) {
            let magnitude = v & 0x7fff_ffff;
            largest = if magnitude > largest { magnitude } else { largest };
        }
        largest
    }
}

dispatch! {
    /// `sums += round(values · factor)`.
    fn add_products<L>(sums: &mut [i64], values: &[u8], factor: f64) {
        for (sum, value) in sums.iter_mut().zip(bytes::f32s(values)) {
            let rounded = (f64::from(value) * factor + ROUND).to_bits() as i64 - ROUND.to_bits() as i64;
            *sum = sum.wrapping_add(rounded);
        }
    }
}

/// Merges the parts of a round into one mean. Rows come out ascending; the bits depend on the updates alone.
pub fn finish(parts: &[&PartialSum]) -> Result<Aggregate, AggregateError> {
    let updates: u64 = parts.iter().map(|p| p.updates).sum();
    let weight: u64 = parts.iter().map(|p| p.weight).sum();
    let Some(first) = parts.first().filter(|_| updates > 0) else { return Err(AggregateError::NoUpdates) };
    if weight == 0 {
        return Err(AggregateError::ZeroTotalWeight { updates });
    }
    let bound = parts.iter().try_fold(0u64, |all, p| all.checked_add(p.bound)).filter(|b| *b < 1 << 62);
    if bound.is_none() {
        return Err(AggregateError::SumFull { updates });
    }
    let mut rows: Vec<u32> = parts.iter().flat_map(|p| p.rows.iter().copied()).collect();
    rows.sort_unstable();
    rows.dedup();
    let (layout, cap) = (&first.layout, first.cap);
    let (divisor, unit) = (weight as f64, cap as f64 / (1u64 << GRID_BITS) as f64);
    let pieces: Vec<Vec<f32>> = rows
        .par_chunks(256)
        .map(|rows| {
            let mut means = Vec::with_capacity(layout.params_in(rows.iter().copied()));
            let mut sums = Vec::new();
            for (row, range) in rows.iter().zip(layout.ranges(rows.iter().copied())) {
                sums.clear();
                sums.resize(range.len(), 0i64);
                for part in parts {
                    let start = part.starts[*row as usize];
                    if start != ABSENT {
                        for (sum, s) in sums.iter_mut().zip(&part.sums[start..]) {
                            *sum += *s;
                        }
                    }
                }
                means.extend(sums.iter().map(|s| (*s as f64 / divisor * unit) as f32));
            }
            means
        })
        .collect();
    let values = pieces.concat();
    let rows = if rows.len() == layout.rows() { Rows::All } else { Rows::Some(rows.into()) };
    let delta = RowBlock::new(layout.clone(), rows, values).expect("rows are sorted and inside the layout");
    Ok(Aggregate { delta, weight, updates })
}
