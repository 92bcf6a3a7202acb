//! Labelled feature vectors in one piece of memory.

use sottovoce_core::{Checksum, Layout, Summing};
use std::sync::Arc;

/// What each feature of an example counts with.
pub type Scale = f32;

/// Labelled examples: each a list of table rows in an order that is kept, one scale for all of them, and a class; and
/// a dense vector, of the same length for all, where the model reads such.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Examples {
    ends: Vec<usize>,
    rows: Vec<u32>,
    scales: Vec<Scale>,
    labels: Vec<u32>,
    dense: Vec<f32>,
    /// Numbers in a dense vector.
    width: usize,
    /// Where rows are not numbered in the whole table: the number there of each.
    table_rows: Option<Arc<[u32]>>,
}

/// One labelled feature vector: `Σ scale · table[row]` over its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Example<'a> {
    /// Table rows, ascending or, as a sequence of tokens, in the order of the text; a repeated row counts as often as it
    /// stands there.
    pub rows: &'a [u32],
    /// What each row counts with.
    pub scale: Scale,
    /// The class, below the number of classes.
    pub label: u32,
    /// What each row is in the whole table, where `rows` are numbered otherwise; empty where they are not.
    pub table_rows: &'a [u32],
    /// A dense vector; empty where there is none.
    pub dense: &'a [f32],
}

impl Example<'_> {
    /// The number in the whole table of one of its rows.
    #[inline(always)]
    pub fn table_row(&self, row: u32) -> u32 {
        if self.table_rows.is_empty() { row } else { self.table_rows[row as usize] }
    }
}

impl Examples {
    /// Adds an example without a dense vector.
    pub fn push(&mut self, rows: &[u32], scale: Scale, label: u32) {
        self.push_dense(rows, scale, &[], label);
    }
    /// Adds an example. Panics if its dense vector is not as long as the others'.
    pub fn push_dense(&mut self, rows: &[u32], scale: Scale, dense: &[f32], label: u32) {
        assert!(
            self.is_empty() || dense.len() == self.width,
            "a vector of {} numbers among vectors of {}",
            dense.len(),
            self.width
        );
        self.width = dense.len();
        self.dense.extend_from_slice(dense);
        self.rows.extend_from_slice(rows);
        self.ends.push(self.rows.len());
        self.scales.push(scale);
        self.labels.push(label);
    }
    /// Number of examples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
    /// Classes, in order.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }
    /// Example `i`.
    #[inline(always)]
    pub fn get(&self, i: usize) -> Example<'_> {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        Example {
            rows: &self.rows[start..self.ends[i]],
            scale: self.scales[i],
            label: self.labels[i],
            table_rows: self.table_rows.as_deref().unwrap_or_default(),
            dense: &self.dense[i * self.width..][..self.width],
        }
    }
    /// All examples, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Example<'_>> {
        (0..self.len()).map(|i| self.get(i))
    }
    /// Checksum of rows, scales, classes and dense vectors, in order.
    pub fn checksum(&self) -> Checksum {
        let mut all = Summing::default();
        all.numbers(&self.rows).values(&self.scales).numbers(&self.labels).number(self.ends.len() as u64);
        self.ends.iter().for_each(|end| {
            all.number(*end as u64);
        });
        if self.width > 0 {
            all.values(&self.dense).number(self.width as u64);
        }
        all.finish()
    }
    /// Renumbers the rows to those that occur: afterwards row `i` means table row `rows[i]` of the result. Order and
    /// repetition within an example stay.
    pub fn localise(mut self, layout: &Layout) -> LocalExamples {
        let mut table_rows = self.rows.clone();
        table_rows.sort_unstable();
        table_rows.dedup();
        for row in &mut self.rows {
            *row = table_rows.partition_point(|r| r < row) as u32;
        }
        self.ends.shrink_to_fit();
        self.rows.shrink_to_fit();
        self.dense.shrink_to_fit();
        let rows: Arc<[u32]> = layout.touched(&table_rows).into();
        self.table_rows = Some(rows.clone());
        LocalExamples { rows, examples: self }
    }
}

/// Examples whose rows are numbered within the table rows that they touch.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalExamples {
    /// Rows of the model that training on them touches, ascending: table rows that occur, then all dense rows.
    pub rows: Arc<[u32]>,
    /// The examples, their rows numbered in `rows`.
    pub examples: Examples,
}

impl LocalExamples {
    /// Checksum of the examples and of what their rows mean.
    pub fn checksum(&self) -> Checksum {
        Summing::default().numbers(&self.rows).bytes(&self.examples.checksum().0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_vectors_stay_with_their_examples_and_count_in_the_checksum() {
        let of = |vectors: [[f32; 2]; 2]| {
            let mut all = Examples::default();
            all.push_dense(&[], 1.0, &vectors[0], 3);
            all.push_dense(&[], 1.0, &vectors[1], 4);
            all
        };
        let all = of([[1.0, 2.0], [3.0, 4.0]]);
        let layout = Layout::new(&[("none", 1, 1), ("bias", 1, 3)]).unwrap();
        let local = all.clone().localise(&layout);
        assert_eq!((local.examples.get(1).dense, local.examples.get(1).label), (&[3.0, 4.0][..], 4));
        assert_eq!(*local.rows, [1]);
        assert_eq!(local.examples.checksum(), all.checksum());
        for other in [of([[1.0, 2.0], [3.0, 5.0]]), of([[3.0, 4.0], [1.0, 2.0]])] {
            assert_ne!(all.checksum(), other.checksum());
        }
    }

    /// Anything of an example that is another is another checksum; so is what its rows mean.
    #[test]
    fn a_checksum_is_of_everything() {
        let of = |examples: [(&[u32], f32, u32); 3]| {
            let mut all = Examples::default();
            examples.iter().for_each(|(rows, scale, label)| all.push(rows, *scale, *label));
            all
        };
        let all = of([(&[1, 2], 0.5, 0), (&[3], 1.0, 1), (&[], 1.0, 0)]);
        for other in [
            of([(&[1, 4], 0.5, 0), (&[3], 1.0, 1), (&[], 1.0, 0)]),
            of([(&[1, 2], 0.25, 0), (&[3], 1.0, 1), (&[], 1.0, 0)]),
            of([(&[1, 2], 0.5, 2), (&[3], 1.0, 1), (&[], 1.0, 0)]),
            of([(&[1], 0.5, 0), (&[2, 3], 1.0, 1), (&[], 1.0, 0)]),
            of([(&[1, 2], 0.5, 0), (&[], 1.0, 1), (&[3], 1.0, 0)]),
        ] {
            assert_ne!(all.checksum(), other.checksum());
        }
        let layout = Layout::new(&[("weight", 9, 2), ("bias", 1, 2)]).unwrap();
        let moved = of([(&[1, 2], 0.5, 0), (&[5], 1.0, 1), (&[], 1.0, 0)]).localise(&layout);
        let local = all.clone().localise(&layout);
        assert_eq!(local.examples.checksum(), moved.examples.checksum());
        assert_ne!(local.checksum(), moved.checksum());
        assert_eq!(local.checksum(), all.localise(&layout).checksum());
    }

    /// Each part once, in its order; where there are no vectors they are not part of it.
    #[test]
    fn a_checksum_is_of_the_parts_that_there_are() {
        let mut all = Examples::default();
        assert_eq!(
            all.checksum(),
            Summing::default().numbers(&[]).values(&[]).numbers(&[]).number(0).finish()
        );
        all.push(&[1, 2], 0.5, 3);
        all.push(&[], 0.25, 4);
        let mut parts = Summing::default();
        parts.numbers(&[1, 2]).values(&[0.5, 0.25]).numbers(&[3, 4]).number(2).number(2).number(2);
        assert_eq!(all.checksum(), parts.finish());
    }

    #[test]
    #[should_panic(expected = "a vector of 1 numbers among vectors of 2")]
    fn vectors_of_another_length_are_refused() {
        let mut all = Examples::default();
        all.push_dense(&[], 1.0, &[1.0, 2.0], 0);
        all.push_dense(&[], 1.0, &[1.0], 0);
    }

    #[test]
    fn localising_keeps_what_the_rows_mean() {
        let mut all = Examples::default();
        all.push(&[70, 900, 900], 0.5, 1);
        all.push(&[], 0.0, 0);
        all.push(&[3, 70], 1.0, 2);
        all.push(&[900, 3, 900, 70], 1.0, 1);
        let layout = Layout::new(&[("weight", 1000, 3), ("bias", 1, 3)]).unwrap();
        let local = all.clone().localise(&layout);
        assert_eq!(&*local.rows, [3, 70, 900, 1000]);
        for (a, b) in all.iter().zip(local.examples.iter()) {
            assert_eq!((a.dense, b.dense), (&[][..], &[][..]));
            let global: Vec<u32> = b.rows.iter().map(|r| local.rows[*r as usize]).collect();
            assert_eq!((a.rows, a.scale, a.label), (&global[..], b.scale, b.label));
            let known: Vec<u32> = b.rows.iter().map(|r| b.table_row(*r)).collect();
            assert!(known == global && a.rows.iter().all(|r| a.table_row(*r) == *r));
        }
    }
}
