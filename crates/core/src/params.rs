//! All parameters of a model, and what is added to them.

use crate::aligned::Aligned;
use crate::bytes;
use crate::digest::{Checksum, Digest, Summing};
use crate::dispatch;
use crate::layout::Layout;
use crate::row_block::{RowBlock, Rows};
use crate::row_sums::{RowSums, row_sum, row_sums};
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
        assert_eq!(self.layout.schema(), block.layout().schema(), "a block of another layout");
        let all: Vec<u32>;
        let rows = match block.rows() {
            Rows::Some(rows) => &rows[..],
            Rows::All => {
                all = (0..self.layout.rows() as u32).collect();
                &all
            }
        };
        let (values, sums) = (&mut self.values[..], &mut self.sums.sums[..]);
        let piece = Piece { values, first: 0, sums, first_row: 0, rows, from: block.values() };
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
    /// The first value that is not finite, and its place. Only rows of `changed` are looked at where nothing but
    /// [`add_scaled`](Self::add_scaled) of such rows has happened since the sums of rows were last taken.
    pub fn first_not_finite(&self, changed: &Rows) -> Option<(usize, f32)> {
        let within = |range: Range<usize>| {
            let values = &self.values[range.clone()];
            let finite = bytes::largest_magnitude(&bytes::le_bytes(values)) < f32::INFINITY.to_bits();
            let at = (!finite).then(|| values.iter().position(|v| !v.is_finite()))??;
            Some((range.start + at, values[at]))
        };
        match changed {
            Rows::Some(rows) if self.sums.settled() => {
                self.layout.ranges(rows.iter().copied()).find_map(within)
            }
            _ => within(0..self.values.len()),
        }
    }
    /// The tensor that a place among all values belongs to.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn tensor_at(&self, place: usize) -> &str {
        let tensor = self.layout.tensors().iter().find(|t| t.range().contains(&place));
        tensor.expect("a place among the values").name()
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
        hash.update(&bytes::le_bytes(&self.values));
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
    fn add_and_sum(piece: Piece<'_>, layout: &Layout, factor: f32) {
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
        *p.values_mut().last_mut().unwrap() = 9.0;
        seen.push(settle(&mut p, true));
        for (i, a) in seen.iter().enumerate() {
            assert!(seen[..i].iter().all(|b| a != b), "{i}");
        }
    }

    #[test]
    fn whatever_is_not_finite_is_found_where_it_is_first() {
        let l = layout();
        let rows = |rows: &[u32]| Rows::Some(rows.into());
        for value in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX] {
            for (settled, at) in [(false, 0), (true, 0), (false, 5), (true, 5)] {
                let mut p = Params::from_values(l.clone(), vec![f32::MIN; 11]).unwrap();
                if settled {
                    p.settle(Params::row_sums);
                }
                // Twice, so that the first has to be named.
                let held = rows(&[at / 2, 4]);
                let mut values = vec![0.0; 5];
                (values[at as usize % 2], values[4]) = (value, value);
                p.add_scaled(1.0, &RowBlock::new(l.clone(), held.clone(), values).unwrap());
                let found = (value != f32::MAX).then_some(at as usize);
                for changed in [Rows::All, held] {
                    let seen = p.first_not_finite(&changed);
                    assert_eq!(seen.map(|(at, _)| at), found, "{value} {settled}");
                    assert!(seen.is_none_or(|(_, v)| v == value || v.is_nan() && value.is_nan()));
                }
                let beside = p.first_not_finite(&rows(&[1])).map(|(at, _)| at);
                assert_eq!(beside, found.filter(|_| !settled), "{value} {settled}");
            }
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
