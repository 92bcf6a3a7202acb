//! The reproducible sum: a weighted mean whose bits do not depend on the order of arrival.
//!
//! Every product `weight · value` is rounded once to a fixed grid and added as a 64-bit integer; integer addition
//! is associative and commutative, so any order, any split over threads and any merge tree give the same sum. The grid
//! is that of [`Grid`], which clients of secure rounds encode by themselves.
//!
//! With `cap` the largest weight allowed (a power of two, 2^k), the grid of `weight · value / cap` is 2⁻⁴⁰ unless another was
//! asked for:
//! - a value is refused, not wrapped, if `|value| · weight / cap ≥ 2^11`;
//! - a round whose updates together could overflow 62 bits has no mean: 2,048 updates at the largest magnitude;
//! - each update moves the mean by at most `2⁻⁴¹ · cap / Σ weight` from its exact contribution;
//! - the quotient is rounded once to `f64` and once to `f32`.
//!
//! The product is exact in `f64` (24 bits of value, at most 29 of weight, a power of two), and rounded to nearest,
//! ties to even. Memory is the sums of the rows that were touched, however many updates arrive.

mod edge;
mod stream;

use crate::error::{AggregateError, Rejection};
use crate::grid::kernels::{Rows as Addends, add_f32};
use crate::grid::{BLOCK, Products};
use rayon::prelude::*;
use sottovoce_core::wire::{UpdateHead, UpdateView};
use sottovoce_core::{Aggregate, Checksum, Grid, Layout, RowBlock, Rows, bytes};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
pub(crate) use stream::Early;

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
    grid: Grid,
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
    /// Messages of edges that are in the sum.
    edges: BTreeSet<Checksum>,
}

impl PartialSum {
    /// The layout of the messages that it takes.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// An empty sum for weights up to `cap`, which is raised to a power of two.
    ///
    /// # Panics
    /// If `cap` exceeds [`MAX_WEIGHT_CAP`].
    pub fn new(layout: Arc<Layout>, cap: u64) -> Self {
        Self::on(Grid::default(), layout, cap)
    }

    /// The same on another grid.
    ///
    /// # Panics
    /// If `cap` exceeds [`MAX_WEIGHT_CAP`].
    pub fn on(grid: Grid, layout: Arc<Layout>, cap: u64) -> Self {
        let cap = cap.max(1).next_power_of_two();
        assert!(cap <= MAX_WEIGHT_CAP, "a weight cap of {cap} leaves no exact products");
        let starts = vec![ABSENT; layout.rows()];
        let (rows, sums) = (Vec::new(), Vec::new());
        let edges = BTreeSet::new();
        Self {
            layout,
            cap,
            grid,
            starts,
            rows,
            dense: false,
            stale: false,
            sums,
            weight: 0,
            updates: 0,
            bound: 0,
            edges,
        }
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
        self.edges.clear();
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
        if update.head.rows.is_none() {
            self.make_dense();
            self.set();
            add_f32(&mut self.sums, &Addends { rows: &[update.value_bytes()], factors: &[factor] });
        } else {
            self.add_rows(update, factor);
        }
        self.count(update, factor);
    }

    /// What the update's values are multiplied with, if it can be added.
    pub(crate) fn factor(&self, update: &UpdateView<'_>) -> Result<f64, Rejection> {
        let factor = self.scale(&update.head)?;
        if self.grid.fits(update.largest(), factor) {
            return Ok(factor);
        }
        let client = update.head.client;
        let mut values = update.ranges().flatten().zip(bytes::f32s(update.value_bytes()));
        let (coordinate, value) = values
            .find(|(_, v)| !self.grid.fits(*v, factor))
            .expect("the largest magnitude is one of the values");
        Err(if value.is_finite() {
            Rejection::OutOfRange {
                client,
                coordinate,
                value,
                limit: (self.grid.limit() as f64 / factor) as f32,
            }
        } else {
            Rejection::NotFinite { client, coordinate, value }
        })
    }

    /// What the values of an update with this head are multiplied with.
    pub(crate) fn scale(&self, head: &UpdateHead) -> Result<f64, Rejection> {
        let (client, weight) = (head.client, head.weight);
        if weight > self.cap {
            return Err(Rejection::WeightAboveCap { client, weight, cap: self.cap });
        }
        Ok(self.grid.factor(weight, self.cap))
    }

    /// Notes an update that has been added.
    pub(crate) fn count(&mut self, update: &UpdateView<'_>, factor: f64) {
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
    /// If the other part is for another model, weight cap or grid.
    pub fn merge(&mut self, other: &Self) {
        assert!(self.layout.schema() == other.layout.schema(), "parts of one model");
        assert_eq!((self.cap, self.grid), (other.cap, other.grid), "parts with one weight cap, on one grid");
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
    finish_in(parts, Vec::new())
}

/// The same in memory that is there already, of an earlier mean's values: fresh memory costs as much as the sum of a few
/// updates. What it holds does not matter.
pub fn finish_in(parts: &[&PartialSum], memory: Vec<f32>) -> Result<Aggregate, AggregateError> {
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
    let (divisor, unit) = (weight as f64, first.cap as f64 / first.grid.scale());
    let parts: Vec<&PartialSum> = parts.iter().copied().filter(|p| !p.rows.is_empty()).collect();
    let (rows, values) = if parts.iter().all(|p| p.dense) {
        (Rows::All, dense_means(memory, layout, &parts, divisor, unit))
    } else {
        row_means(memory, layout, &parts, divisor, unit)
    };
    let delta = RowBlock::new(layout.clone(), rows, values).expect("rows are sorted and inside the layout");
    Ok(Aggregate { delta, weight, updates })
}

/// Numbers of which each is written before it is read.
fn sized(mut memory: Vec<f32>, len: usize) -> Vec<f32> {
    if memory.capacity() < len {
        // The system hands out zeros, and a page of them only when it is written.
        return vec![0.0; len];
    }
    memory.resize(len, 0.0);
    memory
}

fn dense_means(
    memory: Vec<f32>,
    layout: &Layout,
    parts: &[&PartialSum],
    divisor: f64,
    unit: f64,
) -> Vec<f32> {
    let mut means = sized(memory, layout.params());
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

fn row_means(
    memory: Vec<f32>,
    layout: &Layout,
    parts: &[&PartialSum],
    divisor: f64,
    unit: f64,
) -> (Rows, Vec<f32>) {
    let mut rows: Vec<u32> = parts.iter().flat_map(|p| p.rows.iter().copied()).collect();
    rows.sort_unstable();
    rows.dedup();
    let mut means = sized(memory, layout.params_in(rows.iter().copied()));
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
