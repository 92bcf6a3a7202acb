//! Steps over all parameters, by several threads: each number is worked on by itself, so their share of the work changes no
//! bit.

use crate::layout::Layout;
use crate::params::Join;
use crate::row_block::{RowBlock, Rows};

/// Numbers that a thread takes at a time.
const TOGETHER: usize = 1 << 16;

/// Adds `factor · what` to `to`, place by place.
pub(crate) fn add(to: &mut [f32], factor: f32, what: &[f32], join: &Join<'_>) {
    if to.len() <= TOGETHER {
        for (p, v) in to.iter_mut().zip(what) {
            *p += factor * v;
        }
        return;
    }
    let middle = to.len() / 2;
    let ((left, right), (first, second)) = (to.split_at_mut(middle), what.split_at(middle));
    join(&mut || add(left, factor, first, join), &mut || add(right, factor, second, join));
}

/// Some rows of a layout, everything that lies beside them, and what a block has for them.
pub(crate) struct Beside<'a, const N: usize> {
    params: &'a mut [f32],
    vectors: [&'a mut [f32]; N],
    /// Rows of the layout.
    rows: std::ops::Range<u32>,
    held: &'a [u32],
    values: &'a [f32],
}

/// Hands every parameter to `each`, with its number in `block`, 0 where the block has none, and with those of `vectors`.
///
/// # Panics
/// If a vector has another length than the parameters.
pub(crate) fn each<const N: usize>(
    params: &mut [f32],
    block: &RowBlock,
    vectors: [&mut [f32]; N],
    join: &Join<'_>,
    each: &(impl Fn(&mut f32, f32, [&mut f32; N]) + Sync),
) {
    assert!(vectors.iter().all(|v| v.len() == params.len()), "vectors over all parameters");
    let layout = block.layout();
    let all: Vec<u32>;
    let held = match block.rows() {
        Rows::Some(rows) => &rows[..],
        Rows::All => {
            all = (0..layout.rows() as u32).collect();
            &all
        }
    };
    let rows = 0..layout.rows() as u32;
    Beside { params, vectors, rows, held, values: block.values() }.each(layout, join, each);
}

impl<const N: usize> Beside<'_, N> {
    fn each(self, layout: &Layout, join: &Join<'_>, each: &(impl Fn(&mut f32, f32, [&mut f32; N]) + Sync)) {
        if self.params.len() <= TOGETHER || self.rows.len() == 1 {
            return self.one_by_one(layout, each);
        }
        let (mut left, mut right) = self.halves(layout);
        let go = |half: &mut Option<Self>| {
            if let Some(half) = half.take() {
                half.each(layout, join, each);
            }
        };
        join(&mut || go(&mut left), &mut || go(&mut right));
    }

    fn halves(self, layout: &Layout) -> (Option<Self>, Option<Self>) {
        let Self { params, vectors, rows, held, values } = self;
        let middle = rows.start + (rows.end - rows.start) / 2;
        let start = |row| layout.ranges([row]).next().expect("a row of the layout").start;
        let at = start(middle) - start(rows.start);
        let (held, other_held) = held.split_at(held.partition_point(|row| *row < middle));
        let (values, other_values) = values.split_at(layout.params_in(held.iter().copied()));
        let (params, other_params) = params.split_at_mut(at);
        let mut others = Vec::with_capacity(N);
        let vectors = vectors.map(|vector| {
            let (vector, other) = vector.split_at_mut(at);
            others.push(other);
            vector
        });
        let others = <[&mut [f32]; N]>::try_from(others).ok();
        let right = others.map(|vectors| Self {
            params: other_params,
            vectors,
            rows: middle..rows.end,
            held: other_held,
            values: other_values,
        });
        (Some(Self { params, vectors, rows: rows.start..middle, held, values }), right)
    }

    fn one_by_one(mut self, layout: &Layout, each: &impl Fn(&mut f32, f32, [&mut f32; N])) {
        let (mut rest, mut done) = (self.values, 0);
        let first = layout.ranges([self.rows.start]).next().map_or(0, |range| range.start);
        for range in layout.ranges(self.held.iter().copied()) {
            let (row, behind) = rest.split_at(range.len());
            rest = behind;
            self.untouched(done..range.start - first, each);
            done = range.end - first;
            let (params, mut vectors) = self.part(range.start - first..done);
            for (i, (p, d)) in params.iter_mut().zip(row).enumerate() {
                each(p, *d, vectors.each_mut().map(|v| &mut v[i]));
            }
        }
        self.untouched(done..self.params.len(), each);
    }

    fn untouched(&mut self, place: std::ops::Range<usize>, each: &impl Fn(&mut f32, f32, [&mut f32; N])) {
        let (params, mut vectors) = self.part(place);
        for (i, p) in params.iter_mut().enumerate() {
            each(p, 0.0, vectors.each_mut().map(|v| &mut v[i]));
        }
    }

    fn part(&mut self, place: std::ops::Range<usize>) -> (&mut [f32], [&mut [f32]; N]) {
        (&mut self.params[place.clone()], self.vectors.each_mut().map(|v| &mut v[place.clone()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::row_block::RowBlock;

    fn in_turn(first: &mut (dyn FnMut() + Send), second: &mut (dyn FnMut() + Send)) {
        second();
        first();
    }

    /// Many small rows, one that is longer than a thread takes at a time, and none in a block.
    #[test]
    fn every_parameter_meets_its_own_numbers_once() {
        let layout = Layout::new(&[("table", 50_000, 3), ("dense", 1, 100_000), ("bias", 1, 7)]).unwrap();
        let len = layout.params();
        let some: Vec<u32> = (0..50_000).filter(|row| row % 7 == 3).chain([50_000]).collect();
        for rows in [Rows::Some(some.into()), Rows::Some([].into()), Rows::All] {
            let held = match &rows {
                Rows::All => len,
                Rows::Some(rows) => layout.params_in(rows.iter().copied()),
            };
            let values: Vec<f32> = (0..held).map(|i| 1.0 + i as f32).collect();
            let block = RowBlock::new(layout.clone(), rows, values).unwrap();
            let mut expected = vec![0.0; len];
            let mut rest = block.values();
            for range in block.ranges() {
                let (row, behind) = rest.split_at(range.len());
                expected[range].copy_from_slice(row);
                rest = behind;
            }
            let mut params: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let (mut seen, mut times) = (vec![0.0; len], vec![0.0; len]);
            each(&mut params, &block, [&mut seen, &mut times], &in_turn, &|p, d, [s, t]| {
                (*s, *t, *p) = (d, *t + 1.0, *p + 1.0);
            });
            assert!(seen == expected && times.iter().all(|t| *t == 1.0));
            assert!(params.iter().enumerate().all(|(i, p)| *p == i as f32 + 1.0));
            add(&mut params, 2.0, &seen, &in_turn);
            let sum = |(i, (p, s)): (usize, (&f32, &f32))| *p == i as f32 + 1.0 + 2.0 * s;
            assert!(params.iter().zip(&seen).enumerate().all(sum));
        }
    }
}
