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
//! The product is exact in `f64` (24 bits of value, at most 29 of weight, a power of two), and rounded to nearest,
//! ties to even. Cost: one read of the message, and of the sums for each group of dense messages; memory is the sums
//! of the rows that were touched, however many updates arrive.

mod edge;

use crate::error::{AggregateError, Rejection};
use crate::grid::kernels::{Rows as Addends, TOGETHER, add_f32};
use crate::grid::{BLOCK, Grid, LARGEST, Products, group_size};
use rayon::prelude::*;
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{Aggregate, Layout, RowBlock, Rows, bytes};
use std::array;
use std::ops::Range;
use std::sync::Arc;

/// Largest weight that any configuration may allow: products with 24-bit values stay exact.
pub const MAX_WEIGHT_CAP: u64 = 1 << 29;
const ABSENT: usize = usize::MAX;
/// Rows of a finished mean that are made together.
const ROWS: usize = 256;

/// Part of a round's sum: rows that its updates touched, as integers. One for each thread or edge, merged at the end.
#[derive(Debug, Clone)]
pub struct PartialSum {
    layout: Arc<Layout>,
    cap: u64,
    /// Where each row of the layout lies in `sums`, or [`ABSENT`].
    starts: Vec<usize>,
    /// Rows present, in order of arrival.
    rows: Vec<u32>,
    /// Every row is present, in the order of the layout.
    dense: bool,
    /// The sums are dense and left from an earlier round: they count as 0, and are made so where they are next used.
    stale: bool,
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
        let (rows, sums) = (Vec::new(), Vec::new());
        Self { layout, cap, starts, rows, dense: false, stale: false, sums, weight: 0, updates: 0, bound: 0 }
    }

    /// Forgets everything and keeps the memory; cost follows the rows present.
    pub fn clear(&mut self) {
        for row in self.rows.drain(..) {
            self.starts[row as usize] = ABSENT;
        }
        // Dense sums are made 0 where they are next added to, in the cache; see `stale`.
        self.stale = self.dense || self.stale;
        self.dense = false;
        if !self.stale {
            self.sums.clear();
        }
        (self.weight, self.updates, self.bound) = (0, 0, 0);
    }

    /// Number of updates added.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Adds an update, reading its numbers where they are. What is refused has not touched the sum.
    pub fn add(&mut self, update: &UpdateView<'_>) -> Result<(), Rejection> {
        let factor = self.factor(update)?;
        self.add_one(update, factor);
        Ok(())
    }

    /// Adds an update with the factor that [`factor`](Self::factor) gave it.
    pub(crate) fn add_one(&mut self, update: &UpdateView<'_>, factor: f64) {
        if update.rows().is_none() {
            self.make_dense();
            self.set();
            add_f32(&mut self.sums, &Addends { rows: &[update.value_bytes()], factors: &[factor] });
        } else {
            self.add_rows(update, factor);
        }
        self.count(update, factor);
    }

    /// Adds updates together, dense ones in parallel over coordinates: the sums are read and written once for
    /// [`TOGETHER`] of them. Each with its factor, as [`factor`](Self::factor) gave it.
    pub(crate) fn add_all(&mut self, updates: &[(UpdateView<'_>, f64)]) {
        let dense: Vec<_> = updates.iter().filter(|(u, _)| u.rows().is_none()).collect();
        if !dense.is_empty() {
            self.make_dense();
            let stale = std::mem::take(&mut self.stale);
            self.sums.par_chunks_mut(BLOCK).enumerate().for_each(|(block, sums)| {
                if stale {
                    sums.fill(0);
                }
                let range = 4 * block * BLOCK..4 * (block * BLOCK + sums.len());
                for group in dense.chunks(group_size(dense.len())) {
                    let get =
                        |i: usize| group.get(i).map_or(&[][..], |(u, _)| &u.value_bytes()[range.clone()]);
                    let rows: [&[u8]; TOGETHER] = array::from_fn(get);
                    let factors: [f64; TOGETHER] = array::from_fn(|i| group.get(i).map_or(0.0, |(_, f)| *f));
                    let n = group.len();
                    add_f32(sums, &Addends { rows: &rows[..n], factors: &factors[..n] });
                }
            });
        }
        for (update, factor) in updates {
            if update.rows().is_some() {
                self.add_rows(update, *factor);
            }
            self.count(update, *factor);
        }
    }

    /// What the update's values are multiplied with, if it can be added.
    pub(crate) fn factor(&self, update: &UpdateView<'_>) -> Result<f64, Rejection> {
        let (client, weight) = (update.head.client, update.head.weight);
        if weight > self.cap {
            return Err(Rejection::WeightAboveCap { client, weight, cap: self.cap });
        }
        let factor = weight as f64 / self.cap as f64 * Grid::STREAMING.scale;
        let refused = |v: f32| !v.is_finite() || f64::from(v.abs()) * factor >= LARGEST;
        if !refused(update.largest()) {
            return Ok(factor);
        }
        let mut values = update.ranges().flatten().zip(bytes::f32s(update.value_bytes()));
        let (coordinate, value) =
            values.find(|(_, v)| refused(*v)).expect("the largest magnitude is one of the values");
        Err(if value.is_finite() {
            Rejection::OutOfRange { client, coordinate, value, limit: (LARGEST / factor) as f32 }
        } else {
            Rejection::NotFinite { client, coordinate, value }
        })
    }

    fn count(&mut self, update: &UpdateView<'_>, factor: f64) {
        // Whether the sum is full is for `finish` to say, over all parts: an answer here would depend on which
        // updates met in this part. Until then a full sum wraps, and nobody reads it.
        self.bound = self.bound.saturating_add((f64::from(update.largest()) * factor) as u64 + 1);
        self.weight += update.head.weight;
        self.updates += 1;
    }

    /// Makes every row present, in the order of the layout.
    fn make_dense(&mut self) {
        if self.dense {
            return;
        }
        let mut sums = std::mem::take(&mut self.sums);
        if self.rows.is_empty() {
            if !self.stale {
                sums = vec![0; self.layout.params()];
            }
        } else {
            let mut all = vec![0; self.layout.params()];
            for (row, range) in (0..).zip(self.layout.ranges(0..self.layout.rows() as u32)) {
                let start: usize = self.starts[row as usize];
                if start != ABSENT {
                    all[range.clone()].copy_from_slice(&sums[start..start + range.len()]);
                }
            }
            sums = all;
        }
        self.sums = sums;
        self.rows.clear();
        self.rows.extend(0..self.layout.rows() as u32);
        for (start, range) in self.starts.iter_mut().zip(self.layout.ranges(0..self.layout.rows() as u32)) {
            *start = range.start;
        }
        self.dense = true;
    }

    /// Makes sums that count as 0 be 0.
    fn set(&mut self) {
        if std::mem::take(&mut self.stale) {
            self.sums.fill(0);
        }
    }

    /// Where the row's sums lie; zeros are appended for a row that was absent.
    fn place(&mut self, row: u32, len: usize) -> usize {
        if self.stale {
            self.stale = false;
            self.sums.clear();
        }
        let start = &mut self.starts[row as usize];
        if *start == ABSENT {
            *start = self.sums.len();
            self.rows.push(row);
            self.sums.resize(*start + len, 0);
        }
        *start
    }

    fn add_rows(&mut self, update: &UpdateView<'_>, factor: f64) {
        let layout = self.layout.clone();
        let mut values = update.value_bytes();
        let rows: Vec<u32> = update.rows().into_iter().flatten().collect();
        // Rows that lie one behind the other in the sums, too, are added in one go.
        let mut run = 0..0;
        for (row, range) in rows.iter().zip(layout.ranges(rows.iter().copied())) {
            let start = self.place(*row, range.len());
            if start != run.end {
                values = self.add_run(run, values, factor);
                run = start..start;
            }
            run.end += range.len();
        }
        self.add_run(run, values, factor);
    }

    /// Adds the first values to a run of sums, and returns the values behind them.
    fn add_run<'v>(&mut self, run: Range<usize>, values: &'v [u8], factor: f64) -> &'v [u8] {
        let (these, rest) = values.split_at(4 * run.len());
        add_f32(&mut self.sums[run], &Addends { rows: &[these], factors: &[factor] });
        rest
    }

    /// Adds another part of the same round, from another thread or an edge.
    ///
    /// # Panics
    /// If the other part is for another model or weight cap.
    pub fn merge(&mut self, other: &Self) {
        assert!(self.layout.schema() == other.layout.schema(), "parts of one model");
        assert_eq!(self.cap, other.cap, "parts with one weight cap");
        if other.dense {
            self.make_dense();
            self.set();
            self.sums.par_chunks_mut(BLOCK).zip(other.sums.par_chunks(BLOCK)).for_each(|(sums, others)| {
                add_sums(sums, others);
            });
        } else {
            let layout = self.layout.clone();
            for row in &other.rows {
                let (start, len) = (other.starts[*row as usize], layout.params_in([*row]));
                let place = self.place(*row, len);
                add_sums(&mut self.sums[place..place + len], &other.sums[start..start + len]);
            }
        }
        self.weight = self.weight.saturating_add(other.weight);
        self.updates = self.updates.saturating_add(other.updates);
        self.bound = self.bound.saturating_add(other.bound);
    }
}

/// Sums wrap, as those of a full sum do; nobody reads them.
fn add_sums(sums: &mut [i64], others: &[i64]) {
    for (sum, other) in sums.iter_mut().zip(others) {
        *sum = sum.wrapping_add(*other);
    }
}

/// Merges the parts of a round into one mean. Rows come out ascending; the bits depend on the updates alone.
pub fn finish(parts: &[&PartialSum]) -> Result<Aggregate, AggregateError> {
    let updates = parts.iter().fold(0u64, |all, p| all.saturating_add(p.updates));
    let weight = parts.iter().fold(0u64, |all, p| all.saturating_add(p.weight));
    let Some(first) = parts.first().filter(|_| updates > 0) else { return Err(AggregateError::NoUpdates) };
    if weight == 0 {
        return Err(AggregateError::ZeroTotalWeight { updates });
    }
    let bound = parts.iter().try_fold(0u64, |all, p| all.checked_add(p.bound)).filter(|b| *b < 1 << 62);
    if bound.is_none() {
        return Err(AggregateError::SumFull { updates });
    }
    let layout = &first.layout;
    let (divisor, unit) = (weight as f64, first.cap as f64 / Grid::STREAMING.scale);
    let parts: Vec<&PartialSum> = parts.iter().copied().filter(|p| !p.rows.is_empty()).collect();
    let (rows, values) = if parts.iter().all(|p| p.dense) {
        (Rows::All, dense_means(layout, &parts, divisor, unit))
    } else {
        row_means(layout, &parts, divisor, unit)
    };
    let delta = RowBlock::new(layout.clone(), rows, values).expect("rows are sorted and inside the layout");
    Ok(Aggregate { delta, weight, updates })
}

fn dense_means(layout: &Layout, parts: &[&PartialSum], divisor: f64, unit: f64) -> Vec<f32> {
    let mut means = vec![0.0; layout.params()];
    means.par_chunks_mut(BLOCK).enumerate().for_each(|(block, means)| {
        let range = block * BLOCK..block * BLOCK + means.len();
        if let [one] = parts {
            return f32::quotients(&one.sums[range], divisor, unit, means);
        }
        let mut sums = vec![0i64; means.len()];
        for part in parts {
            add_sums(&mut sums, &part.sums[range.clone()]);
        }
        f32::quotients(&sums, divisor, unit, means);
    });
    means
}

fn row_means(layout: &Layout, parts: &[&PartialSum], divisor: f64, unit: f64) -> (Rows, Vec<f32>) {
    let mut rows: Vec<u32> = parts.iter().flat_map(|p| p.rows.iter().copied()).collect();
    rows.sort_unstable();
    rows.dedup();
    let mut means = vec![0.0; layout.params_in(rows.iter().copied())];
    let mut rest = &mut means[..];
    let mut pieces = Vec::with_capacity(rows.len().div_ceil(ROWS));
    for rows in rows.chunks(ROWS) {
        let (piece, behind) = rest.split_at_mut(layout.params_in(rows.iter().copied()));
        rest = behind;
        pieces.push((rows, piece));
    }
    pieces.into_par_iter().for_each(|(rows, piece)| {
        let mut sums = vec![0i64; piece.len()];
        let mut at = 0;
        for (row, range) in rows.iter().zip(layout.ranges(rows.iter().copied())) {
            for part in parts {
                let start = part.starts[*row as usize];
                if start != ABSENT {
                    add_sums(&mut sums[at..at + range.len()], &part.sums[start..start + range.len()]);
                }
            }
            at += range.len();
        }
        f32::quotients(&sums, divisor, unit, piece);
    });
    (if rows.len() == layout.rows() { Rows::All } else { Rows::Some(rows.into()) }, means)
}
