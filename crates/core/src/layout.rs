//! The shape of a model: named tensors of rows and columns, stored one after another.

use crate::digest::Digest;
use std::sync::Arc;

/// One tensor of `rows × cols` parameters, row-major. A vector is one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    name: String,
    rows: usize,
    cols: usize,
    offset: usize,
    first_row: usize,
}

impl Tensor {
    /// Name, unique within its layout.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Parameters in a row.
    pub fn cols(&self) -> usize {
        self.cols
    }
    /// Where the tensor lies among all parameters.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.rows * self.cols
    }
}

/// A layout that cannot exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Two tensors of one name.
    #[error("tensor name {name:?} is used twice")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A tensor without parameters.
    #[error("tensor {name:?} has no parameters ({rows} × {cols})")]
    Empty {
        /// Its name.
        name: String,
        /// Rows asked for.
        rows: usize,
        /// Columns asked for.
        cols: usize,
    },
    /// Row numbers are 32 bits wide and parameter counts 40.
    #[error(
        "a model of {rows} rows and {params} parameters is too large (at most 2^32 - 1 rows, 2^40 parameters)"
    )]
    TooLarge {
        /// Rows asked for, saturating.
        rows: u64,
        /// Parameters asked for, saturating.
        params: u64,
    },
}

/// Tensors in storage order. Rows are numbered through all tensors: that number names a row on the wire.
///
/// The first tensor of a hashed text model is its table, of which a client touches the rows of its own text
/// only ("row-sparse"); the tensors behind it are dense: every client touches all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    tensors: Vec<Tensor>,
    params: usize,
    rows: usize,
    schema: Digest,
}

impl Layout {
    /// Checks names and sizes. Each entry is `(name, rows, cols)`.
    pub fn new(tensors: &[(&str, usize, usize)]) -> Result<Arc<Self>, LayoutError> {
        let mut out: Vec<Tensor> = Vec::with_capacity(tensors.len());
        let (mut params, mut all_rows) = (0u64, 0u64);
        let mut hash = blake3::Hasher::new_derive_key("sottovoce 2026 layout schema v1");
        for &(name, rows, cols) in tensors {
            if rows == 0 || cols == 0 {
                return Err(LayoutError::Empty { name: name.to_owned(), rows, cols });
            }
            if out.iter().any(|t| t.name == name) {
                return Err(LayoutError::DuplicateName { name: name.to_owned() });
            }
            let (offset, first_row) = (params as usize, all_rows as usize);
            params = params.saturating_add((rows as u64).saturating_mul(cols as u64));
            all_rows = all_rows.saturating_add(rows as u64);
            if all_rows >= u64::from(u32::MAX) || params > 1 << 40 {
                return Err(LayoutError::TooLarge { rows: all_rows, params });
            }
            hash.update(&(name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
            hash.update(&(rows as u64).to_le_bytes());
            hash.update(&(cols as u64).to_le_bytes());
            out.push(Tensor { name: name.to_owned(), rows, cols, offset, first_row });
        }
        let schema = Digest::from(hash.finalize());
        Ok(Arc::new(Self { tensors: out, params: params as usize, rows: all_rows as usize, schema }))
    }

    /// The tensors in storage order.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }
    /// Number of parameters of all tensors.
    pub fn params(&self) -> usize {
        self.params
    }
    /// Number of rows of all tensors.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Hash over names and shapes: two sides agree on a model if and only if it is equal.
    pub fn schema(&self) -> Digest {
        self.schema
    }
    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|t| t.name == name)
    }

    /// Rows of a client that touches `table_rows` of the first tensor: those, then every row of the others.
    /// `table_rows` must be ascending.
    pub fn touched(&self, table_rows: &[u32]) -> Vec<u32> {
        let table = self.tensors[0].rows as u32;
        let mut rows = Vec::with_capacity(table_rows.len() + self.rows - table as usize);
        rows.extend_from_slice(table_rows);
        rows.extend(table..self.rows as u32);
        rows
    }

    /// Where each of `rows` (ascending, inside the layout) lies among all parameters; cost follows the rows.
    pub fn ranges<'a, I>(&'a self, rows: I) -> impl Iterator<Item = std::ops::Range<usize>> + use<'a, I>
    where
        I: IntoIterator<Item = u32>,
    {
        let mut tensor = 0;
        rows.into_iter().map(move |row| {
            let row = row as usize;
            while self.tensors[tensor].first_row + self.tensors[tensor].rows <= row {
                tensor += 1;
            }
            let t = &self.tensors[tensor];
            let start = t.offset + (row - t.first_row) * t.cols;
            start..start + t.cols
        })
    }

    /// Number of parameters in `rows` (ascending, inside the layout).
    pub fn params_in(&self, rows: impl IntoIterator<Item = u32>) -> usize {
        self.ranges(rows).map(|r| r.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbered_through_all_tensors() {
        let l = Layout::new(&[("table", 4, 3), ("out", 3, 2), ("bias", 1, 2)]).unwrap();
        assert_eq!((l.params(), l.rows()), (12 + 6 + 2, 8));
        let rows = l.touched(&[1, 3]);
        assert_eq!(rows, [1, 3, 4, 5, 6, 7]);
        let ranges: Vec<_> = l.ranges(rows.iter().copied()).collect();
        assert_eq!(ranges, [3..6, 9..12, 12..14, 14..16, 16..18, 18..20]);
        assert_eq!(l.params_in(rows), 6 + 6 + 2);
    }

    #[test]
    fn schema_depends_on_names_and_shapes() {
        let a = Layout::new(&[("ab", 4, 3), ("c", 1, 2)]).unwrap();
        for other in [[("ab", 3, 4), ("c", 1, 2)], [("a", 4, 3), ("bc", 1, 2)], [("ab", 4, 3), ("c", 2, 1)]] {
            assert_ne!(a.schema(), Layout::new(&other).unwrap().schema());
        }
    }

    #[test]
    fn impossible_layouts_are_refused() {
        assert!(matches!(Layout::new(&[("a", 0, 3)]), Err(LayoutError::Empty { .. })));
        assert!(matches!(Layout::new(&[("a", 1, 3), ("a", 1, 1)]), Err(LayoutError::DuplicateName { .. })));
        assert!(matches!(Layout::new(&[("a", usize::MAX, 3)]), Err(LayoutError::TooLarge { .. })));
    }
}
