//! Parameters of a model, whole ([`Params`]) or some rows of them ([`RowBlock`]).

use crate::aligned::Aligned;
use crate::digest::{Checksum, Digest, Summing, pieces};
use crate::dispatch;
use crate::layout::Layout;
use crate::row_sums::{RowSums, row_sum, row_sums};
use ndarray::{ArrayView2, ArrayViewMut2};
use std::ops::Range;
use std::sync::Arc;

/// All parameters of a model: one `f32` for each place of its layout.
#[derive(Debug, Clone)]
pub struct Params {
    layout: Arc<Layout>,
    values: Vec<f32>,
    sums: RowSums,
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        (&self.layout, &self.values) == (&other.layout, &other.values)
    }
}

/// Runs two pieces of work, perhaps at the same time: this crate starts no threads, others lend it theirs.
pub type Join<'a> = dyn Fn(&mut (dyn FnMut() + Send), &mut (dyn FnMut() + Send)) + Sync + 'a;

/// One piece of work after the other.
fn in_turn(first: &mut (dyn FnMut() + Send), second: &mut (dyn FnMut() + Send)) {
    first();
    second();
}

impl Params {
    /// All zero.
    pub fn zeros(layout: Arc<Layout>) -> Self {
        let values = vec![0.0; layout.params()];
        Self { layout, values, sums: RowSums::default() }
    }
    /// Values in storage order; `None` if their number does not fit the layout.
    pub fn from_values(layout: Arc<Layout>, values: Vec<f32>) -> Option<Self> {
        let sums = RowSums::default();
        (values.len() == layout.params()).then_some(Self { layout, values, sums })
    }
    /// The shape.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
    /// Values in storage order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
    /// Values in storage order, to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        self.sums.forget();
        &mut self.values
    }
    /// The tensor of that name as a matrix.
    pub fn tensor(&self, name: &str) -> Option<ArrayView2<'_, f32>> {
        let t = self.layout.tensor(name)?;
        ArrayView2::from_shape((t.rows(), t.cols()), &self.values[t.range()]).ok()
    }
    /// The tensor of that name as a matrix, to be changed.
    pub fn tensor_mut(&mut self, name: &str) -> Option<ArrayViewMut2<'_, f32>> {
        self.sums.forget();
        let t = self.layout.tensor(name)?;
        let shape = (t.rows(), t.cols());
        ArrayViewMut2::from_shape(shape, &mut self.values[t.range()]).ok()
    }
    /// Copies the values of `rows` (ascending) into `into`, one row after another; cost follows the rows.
    pub fn gather(&self, rows: &[u32], into: &mut Aligned) {
        into.resize(self.layout.params_in(rows.iter().copied()));
        let mut rest = &mut **into;
        for range in self.layout.ranges(rows.iter().copied()) {
            let (row, tail) = rest.split_at_mut(range.len());
            row.copy_from_slice(&self.values[range]);
            rest = tail;
        }
    }
    /// Adds `factor · block`, row by row; cost follows the rows of the block.
    ///
    /// # Panics
    /// If the block belongs to another layout.
    pub fn add_scaled(&mut self, factor: f32, block: &RowBlock) {
        self.add_scaled_by(factor, block, &in_turn);
    }
    /// The same, with rows here and there at the same time.
    ///
    /// # Panics
    /// If the block belongs to another layout.
    pub fn add_scaled_by(&mut self, factor: f32, block: &RowBlock, join: &Join<'_>) {
        assert_eq!(self.layout.schema(), block.layout.schema(), "a block of another layout");
        let all: Vec<u32>;
        let rows = match &block.rows {
            Rows::Some(rows) => &rows[..],
            Rows::All => {
                all = (0..self.layout.rows() as u32).collect();
                &all
            }
        };
        let (values, sums) = (&mut self.values[..], &mut self.sums.sums[..]);
        let piece = Piece { values, first: 0, sums, first_row: 0, rows, from: &block.values };
        piece.add(&self.layout, factor, join);
    }
    /// Checksum of schema and values, by way of a sum for each row: what a round names its parameters by.
    pub fn checksum(&self) -> Checksum {
        let rows: Vec<u32> = (0..self.layout.rows() as u32).collect();
        self.checksum_over(&self.row_sums(&rows))
    }
    /// The same at no cost where nothing but [`add_scaled`](Self::add_scaled) has happened since the last time, since
    /// it takes a row's sum anew while the row is in the cache. Otherwise `sums` is given the numbers of all rows and
    /// returns their [`row_sums`](Self::row_sums), taken on as many threads as it likes.
    pub fn settle(&mut self, sums: impl FnOnce(&Self, &[u32]) -> Vec<[u8; 8]>) -> Checksum {
        if !self.sums.settled() {
            let rows: Vec<u32> = (0..self.layout.rows() as u32).collect();
            self.sums.sums = sums(self, &rows);
        }
        self.checksum_over(&self.sums.sums)
    }
    /// A sum of eight bytes for each of `rows` (ascending, inside the layout).
    pub fn row_sums(&self, rows: &[u32]) -> Vec<[u8; 8]> {
        row_sums(&self.layout, &self.values, rows)
    }
    fn checksum_over(&self, sums: &[[u8; 8]]) -> Checksum {
        Summing::default().bytes(&self.layout.schema().0).bytes(sums.as_flattened()).finish()
    }
    /// BLAKE3 over schema and little-endian values: equal if and only if the models are, bit for bit.
    pub fn digest(&self) -> Digest {
        let mut hash = blake3::Hasher::new_derive_key("sottovoce 2026 parameters v1");
        hash.update(&self.layout.schema().0);
        hash.update(&crate::bytes::le_bytes(&self.values));
        hash.finalize().into()
    }
}

/// Rows ahead of the one that is added that memory is asked for: they lie here and there, where no CPU expects them.
const AHEAD: usize = 8;

/// Asks memory for values that are about to be used.
#[inline(always)]
fn ask_for(values: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks(16) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 has SSE, and a prefetch does nothing that could be noticed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Rows that a thread adds at a time.
const TOGETHER: usize = 1024;

/// Some rows of a block, and the part of a model that they belong to.
struct Piece<'a> {
    values: &'a mut [f32],
    /// Where the values begin among all of them.
    first: usize,
    /// Empty where there are none.
    sums: &'a mut [[u8; 8]],
    first_row: u32,
    rows: &'a [u32],
    from: &'a [f32],
}

impl Piece<'_> {
    fn add(self, layout: &Layout, factor: f32, join: &Join<'_>) {
        if self.rows.len() <= TOGETHER {
            return add_and_sum(self, layout, factor);
        }
        let middle = self.rows.len() / 2;
        let (rows, other_rows) = self.rows.split_at(middle);
        let row = other_rows[0];
        let start = layout.ranges([row]).next().expect("a row of the layout").start;
        let (values, other_values) = self.values.split_at_mut(start - self.first);
        let at = if self.sums.is_empty() { 0 } else { (row - self.first_row) as usize };
        let (sums, other_sums) = self.sums.split_at_mut(at);
        let (from, other_from) = self.from.split_at(layout.params_in(rows.iter().copied()));
        let (first, first_row) = (self.first, self.first_row);
        let mut left = Some(Piece { values, first, sums, first_row, rows, from });
        let mut right = Some(Piece {
            values: other_values,
            first: start,
            sums: other_sums,
            first_row: row,
            rows: other_rows,
            from: other_from,
        });
        let add = |piece: &mut Option<Piece<'_>>| {
            if let Some(piece) = piece.take() {
                piece.add(layout, factor, join);
            }
        };
        join(&mut || add(&mut left), &mut || add(&mut right));
    }
}

dispatch! {
    /// Adds rows, and takes their sums while they are in the cache, which the memory's latency hides.
    fn add_and_sum<L>(piece: Piece<'_>, layout: &Layout, factor: f32) {
        let Piece { values, first, sums, first_row, rows, from } = piece;
        let mut rest = from;
        let mut ahead = layout.ranges(rows.iter().copied()).skip(AHEAD);
        for (row, range) in rows.iter().zip(layout.ranges(rows.iter().copied())) {
            if let Some(range) = ahead.next() {
                ask_for(&values[range.start - first..range.end - first]);
            }
            let (from, tail) = rest.split_at(range.len());
            rest = tail;
            let to = &mut values[range.start - first..range.end - first];
            for (p, d) in to.iter_mut().zip(from) {
                *p += factor * *d;
            }
            if !sums.is_empty() {
                sums[(row - first_row) as usize] = row_sum(*row, to).to_le_bytes();
            }
        }
    }
}

/// Which rows of a layout a block holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Every row.
    All,
    /// These, ascending, each once.
    Some(Arc<[u32]>),
}

/// The values of some rows of a model, one row after another: an update, a gradient, a client's working copy.
#[derive(Debug, Clone, PartialEq)]
pub struct RowBlock {
    layout: Arc<Layout>,
    rows: Rows,
    values: Vec<f32>,
}

/// A block that does not fit its layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Row numbers must rise strictly and lie inside the layout.
    #[error("row number {row} at position {at} is out of order or beyond the {rows} rows of the layout")]
    Row {
        /// The row number.
        row: u32,
        /// Its position in the list.
        at: usize,
        /// Rows of the layout.
        rows: usize,
    },
    /// As many values as the rows have parameters.
    #[error("expected {expected} values, got {got}")]
    Values {
        /// Parameters in the named rows.
        expected: usize,
        /// Values given.
        got: usize,
    },
}

impl RowBlock {
    /// Checks rows and number of values.
    pub fn new(layout: Arc<Layout>, rows: Rows, values: Vec<f32>) -> Result<Self, BlockError> {
        let expected = match &rows {
            Rows::All => layout.params(),
            Rows::Some(rows) => {
                check_rows(&layout, rows.iter().copied())?;
                layout.params_in(rows.iter().copied())
            }
        };
        if values.len() != expected {
            return Err(BlockError::Values { expected, got: values.len() });
        }
        Ok(Self { layout, rows, values })
    }
    /// The shape of the whole model.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
    /// Which rows.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }
    /// Values, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
    /// Values, to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
    /// Gives the storage back for another use.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }
    /// Checksum of schema, rows and values.
    pub fn checksum(&self) -> Checksum {
        self.checksum_by(pieces)
    }
    /// The same, with the checksums of the [`pieces`] of the values taken by somebody else.
    pub fn checksum_by(&self, pieces: impl FnOnce(&[f32]) -> Vec<Checksum>) -> Checksum {
        let mut all = Summing::default();
        all.bytes(&self.layout.schema().0);
        match &self.rows {
            Rows::All => all.number(u64::MAX),
            Rows::Some(rows) => all.numbers(rows),
        };
        all.pieces(&pieces(&self.values)).finish()
    }
    /// Where each held row lies among all parameters.
    pub fn ranges(&self) -> Box<dyn Iterator<Item = Range<usize>> + '_> {
        match &self.rows {
            Rows::All => Box::new(self.layout.tensors().iter().map(|t| t.range())),
            Rows::Some(rows) => Box::new(self.layout.ranges(rows.iter().copied())),
        }
    }
    /// The held rows in order, each with its values.
    pub fn each_row(&self) -> impl Iterator<Item = (u32, &[f32])> {
        let mut rest = &self.values[..];
        held(&self.layout, &self.rows).map(move |(row, params)| {
            let (values, behind) = rest.split_at(params);
            rest = behind;
            (row, values)
        })
    }
    /// Drops the rows for which `keep`, given their place among the held rows, is false. Values move within their
    /// storage, which stays as large as it was; a block that keeps every row stays as it is.
    pub fn retain_rows(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let (mut kept, mut rows, mut from, mut to) = (Vec::new(), 0, 0, 0);
        for (row, params) in held(&self.layout, &self.rows) {
            if keep(rows) {
                kept.push(row);
                self.values.copy_within(from..from + params, to);
                to += params;
            }
            from += params;
            rows += 1;
        }
        if kept.len() < rows {
            self.values.truncate(to);
            self.rows = Rows::Some(kept.into());
        }
    }
    /// Euclidean norm, summed in `f64` in storage order.
    pub fn norm(&self) -> f64 {
        let mut sum = 0.0f64;
        for v in &self.values {
            sum += f64::from(*v) * f64::from(*v);
        }
        libm::sqrt(sum)
    }
}

/// The rows of a block, each with its number of parameters.
fn held(layout: &Layout, rows: &Rows) -> impl Iterator<Item = (u32, usize)> {
    let (count, list) = match rows {
        Rows::All => (layout.rows(), None),
        Rows::Some(rows) => (rows.len(), Some(&rows[..])),
    };
    let number = move |at: usize| list.map_or(at as u32, |list| list[at]);
    layout.ranges((0..count).map(number)).enumerate().map(move |(at, range)| (number(at), range.len()))
}

/// Row numbers must rise strictly and lie inside the layout.
pub(crate) fn check_rows(layout: &Layout, rows: impl Iterator<Item = u32>) -> Result<(), BlockError> {
    let mut least = 0u64;
    for (at, row) in rows.enumerate() {
        if u64::from(row) < least || row as usize >= layout.rows() {
            return Err(BlockError::Row { row, at, rows: layout.rows() });
        }
        least = u64::from(row) + 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Arc<Layout> {
        Layout::new(&[("table", 4, 2), ("bias", 1, 3)]).unwrap()
    }

    #[test]
    fn gathering_and_adding_touch_the_named_rows_only() {
        let l = layout();
        let mut p = Params::from_values(l.clone(), (0..11).map(|v| v as f32).collect()).unwrap();
        let rows: Arc<[u32]> = l.touched(&[1, 3]).into();
        let mut local = Aligned::default();
        p.gather(&rows, &mut local);
        assert_eq!(*local, [2.0, 3.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        let block = RowBlock::new(l, Rows::Some(rows), vec![1.0; 7]).unwrap();
        p.add_scaled(2.0, &block);
        assert_eq!(p.values(), [0.0, 1.0, 4.0, 5.0, 4.0, 5.0, 8.0, 9.0, 10.0, 11.0, 12.0]);
    }

    #[test]
    fn blocks_that_do_not_fit_are_refused() {
        let l = layout();
        let try_rows = |rows: &[u32], n| RowBlock::new(l.clone(), Rows::Some(rows.into()), vec![0.0; n]);
        assert!(try_rows(&[0, 4], 5).is_ok());
        assert_eq!(try_rows(&[0, 4], 4), Err(BlockError::Values { expected: 5, got: 4 }));
        assert_eq!(try_rows(&[4, 0], 5), Err(BlockError::Row { row: 0, at: 1, rows: 5 }));
        assert_eq!(try_rows(&[0, 0], 4), Err(BlockError::Row { row: 0, at: 1, rows: 5 }));
        assert_eq!(try_rows(&[5], 3), Err(BlockError::Row { row: 5, at: 0, rows: 5 }));
    }

    #[test]
    fn rows_are_read_and_dropped_one_by_one() {
        let l = layout();
        let values: Vec<f32> = (0..11).map(|v| v as f32).collect();
        let mut all = RowBlock::new(l.clone(), Rows::All, values.clone()).unwrap();
        let rows: Vec<(u32, Vec<f32>)> = all.each_row().map(|(row, v)| (row, v.to_vec())).collect();
        assert_eq!(rows[3], (3, vec![6.0, 7.0]));
        assert_eq!(rows[4], (4, vec![8.0, 9.0, 10.0]));
        assert_eq!(rows.len(), 5);
        all.retain_rows(|_| true);
        assert_eq!(all, RowBlock::new(l.clone(), Rows::All, values).unwrap());
        let storage = all.values().as_ptr();
        all.retain_rows(|at| at % 2 == 0);
        let some = |rows: &[u32], values: &[f32]| {
            RowBlock::new(l.clone(), Rows::Some(rows.into()), values.to_vec()).unwrap()
        };
        assert_eq!(all, some(&[0, 2, 4], &[0.0, 1.0, 4.0, 5.0, 8.0, 9.0, 10.0]));
        all.retain_rows(|at| at > 0);
        assert_eq!(all, some(&[2, 4], &[4.0, 5.0, 8.0, 9.0, 10.0]));
        all.retain_rows(|_| false);
        assert_eq!((&all, all.values().as_ptr()), (&some(&[], &[]), storage));
        assert_eq!(all.each_row().count(), 0);
    }

    #[test]
    fn settling_what_changed_gives_the_checksum_of_all() {
        let rows = 3 * TOGETHER + 7;
        let l = Layout::new(&[("table", rows, 3), ("output", 5, 17), ("bias", 1, 3)]).unwrap();
        let mut p = Params::zeros(l.clone());
        let settle = |p: &mut Params, all: bool| {
            let mut asked = false;
            let seen = p.settle(|p, rows| {
                asked = true;
                p.row_sums(rows)
            });
            assert_eq!(asked, all);
            assert_eq!(seen, p.checksum());
            assert_eq!(seen, p.clone().checksum());
            seen
        };
        let block = |rows: Vec<u32>| {
            let values = (0..l.params_in(rows.iter().copied())).map(|v| v as f32 + 0.5).collect();
            RowBlock::new(l.clone(), Rows::Some(rows.into()), values).unwrap()
        };
        let every = |step: usize| -> Vec<u32> { (0..l.rows() as u32).step_by(step).collect() };
        p.add_scaled(1.0, &block(vec![3]));
        let mut seen = vec![settle(&mut p, true)];
        assert_eq!(settle(&mut p, false), seen[0]);
        for rows in [vec![1, 4], vec![2], every(1), every(2), vec![l.rows() as u32 - 1], vec![]] {
            let mut plain = p.values().to_vec();
            for (v, i) in block(rows.clone()).values().iter().zip(l.ranges(rows.iter().copied()).flatten()) {
                plain[i] += 0.3 * v;
            }
            p.add_scaled(0.3, &block(rows.clone()));
            assert_eq!(p.values(), plain);
            if !rows.is_empty() {
                seen.push(settle(&mut p, false));
            }
        }
        p.add_scaled(1.0, &RowBlock::new(l.clone(), Rows::All, vec![1.0; l.params()]).unwrap());
        seen.push(settle(&mut p, false));
        p.values_mut()[3] = -0.0;
        p.add_scaled(1.0, &block(vec![1]));
        seen.push(settle(&mut p, true));
        p.tensor_mut("bias").unwrap()[[0, 2]] = 9.0;
        seen.push(settle(&mut p, true));
        for (i, a) in seen.iter().enumerate() {
            assert!(seen[..i].iter().all(|b| a != b), "{i}");
        }
    }

    #[test]
    fn digest_sees_every_bit() {
        let mut p = Params::zeros(layout());
        let zero = p.digest();
        p.values_mut()[10] = -0.0;
        assert_ne!(zero, p.digest());
    }
}
