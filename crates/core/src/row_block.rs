//! Some rows of a model: an update, a gradient, a client's working copy.

use crate::digest::{Checksum, Summing};
use crate::layout::Layout;
use std::ops::Range;
use std::sync::Arc;

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
    /// Checksum of schema, rows and values, with the checksums of the [`pieces`](crate::digest::pieces) of the values taken
    /// by somebody else.
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
}
