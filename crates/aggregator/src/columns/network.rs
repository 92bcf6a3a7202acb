//! A sorting network over lines: sixteen rows at a time in registers.
//!
//! Sorted blocks of sixteen rows are merged in pairs with bitonic merges (Batcher, Sorting networks and their
//! applications, AFIPS 1968) whose first layer compares the two halves in opposite directions, so that every
//! comparator puts the larger key further back. Rows past the end then stay where they are as the largest keys, and
//! the number of rows need not be a power of two.
//!
//! A layer in memory costs two stores a comparator; four layers on sixteen rows held in registers cost half a store.

use super::ahead::Ahead;
use super::number::Number;
use super::vector::Vectors;
use super::{Line, blocks, sorters};

/// Sorts the sixteen columns from `at` on of up to as many rows as there are lines; the largest keys follow. There is
/// a multiple of sixteen lines.
#[inline(always)]
pub(super) fn sort<T: Number, V: Vectors<T>>(
    vectors: V,
    rows: &[&[T]],
    at: usize,
    lines: &mut [Line<T::Key>],
    ahead: &mut Ahead<'_, '_, T>,
) {
    let n = lines.len();
    for (rows, lines) in rows.chunks(16).zip(lines.as_chunks_mut().0) {
        blocks::sort::<T, V, 16>(vectors, rows, at, lines);
        ahead.ask::<V, 16>(vectors);
    }
    let mut half = 16;
    while half < n {
        for base in (0..n - half).step_by(2 * half) {
            merge::<T, V>(vectors, lines, base, half);
        }
        half *= 2;
    }
}

/// Comparators that [`sort`] runs for `n` rows.
pub(super) fn comparators(n: usize) -> usize {
    let tiles = n.div_ceil(16);
    let merges = (n.max(16) - 1).ilog2() as usize - 3;
    tiles * sorters::comparators(16).sort + (5..5 + merges).map(|layers| 8 * tiles * layers).sum::<usize>()
}

/// Merges the sorted rows from `base` on with the sorted rows from `base + half` on, `half` of each; `half` is a power
/// of two, at least 16.
#[inline(always)]
fn merge<T: Number, V: Vectors<T>>(vectors: V, lines: &mut [Line<T::Key>], base: usize, half: usize) {
    let stride = half / 8;
    for r in 0..stride {
        let opposite = base + 2 * half - 1 - r;
        let rows = Rows { base: [base + r, opposite], stride: [stride, stride.wrapping_neg()] };
        tile::<T, V>(vectors, lines, rows, halves::<T, V>);
    }
    let end = lines.len().min(base + 2 * half);
    let mut block = stride;
    while block >= 16 {
        let stride = block / 16;
        for start in (base..end).step_by(block) {
            for r in 0..stride {
                tile::<T, V>(vectors, lines, Rows::from(start + r, stride), clean::<T, V, 8>);
            }
        }
        block = stride;
    }
    for start in (base..end).step_by(16) {
        match block {
            8 => tile::<T, V>(vectors, lines, Rows::from(start, 1), clean::<T, V, 4>),
            4 => tile::<T, V>(vectors, lines, Rows::from(start, 1), clean::<T, V, 2>),
            2 => tile::<T, V>(vectors, lines, Rows::from(start, 1), clean::<T, V, 1>),
            _ => {}
        }
    }
}

/// Sixteen rows: twice eight at even distances, which may be negative.
#[derive(Clone, Copy)]
struct Rows {
    base: [usize; 2],
    stride: [usize; 2],
}

impl Rows {
    #[inline(always)]
    fn from(base: usize, stride: usize) -> Self {
        Self { base: [base, base + 8 * stride], stride: [stride; 2] }
    }

    #[inline(always)]
    fn index(self, j: usize) -> usize {
        self.base[j / 8].wrapping_add((j % 8).wrapping_mul(self.stride[j / 8]))
    }
}

/// Runs a statement for each of sixteen rows: written out, because a loop would keep the rows in memory.
macro_rules! sixteen {
    ($body:ident) => {
        $body!(0);
        $body!(1);
        $body!(2);
        $body!(3);
        $body!(4);
        $body!(5);
        $body!(6);
        $body!(7);
        $body!(8);
        $body!(9);
        $body!(10);
        $body!(11);
        $body!(12);
        $body!(13);
        $body!(14);
        $body!(15);
    };
}

/// Loads rows, compares them as `network` says, and stores them. Rows past the end are the largest keys.
#[inline(always)]
fn tile<T: Number, V: Vectors<T>>(
    vectors: V,
    lines: &mut [Line<T::Key>],
    rows: Rows,
    network: impl Fn(V, &mut [V::Vector; 16]),
) {
    for part in 0..V::PARTS {
        let mut v = [vectors.top(); 16];
        macro_rules! load {
            ($j:literal) => {
                if let Some(line) = lines.get(rows.index($j)) {
                    v[$j] = vectors.load(line, part);
                }
            };
        }
        sixteen!(load);
        network(vectors, &mut v);
        macro_rules! store {
            ($j:literal) => {
                if let Some(line) = lines.get_mut(rows.index($j)) {
                    vectors.store(v[$j], line, part);
                }
            };
        }
        sixteen!(store);
    }
}

/// Puts the smaller keys into `i` and the larger into `j`.
#[inline(always)]
fn compare<T: Number, V: Vectors<T>>(vectors: V, v: &mut [V::Vector; 16], i: usize, j: usize) {
    (v[i], v[j]) = vectors.sort2(v[i], v[j]);
}

/// The first four layers of a merge: eight rows of one half with their opposites in the other, then rows of the same
/// half at distances 4, 2 and 1.
#[inline(always)]
fn halves<T: Number, V: Vectors<T>>(vectors: V, v: &mut [V::Vector; 16]) {
    for j in 0..8 {
        compare::<T, V>(vectors, v, j, j + 8);
    }
    macro_rules! layer {
        ($d:literal) => {
            for j in 0..8 {
                if j & $d == 0 {
                    compare::<T, V>(vectors, v, j, j + $d);
                    compare::<T, V>(vectors, v, j + $d + 8, j + 8);
                }
            }
        };
    }
    layer!(4);
    layer!(2);
    layer!(1);
}

/// The layers of a merge at distances `FROM`, `FROM / 2` and so on to 1.
#[inline(always)]
fn clean<T: Number, V: Vectors<T>, const FROM: usize>(vectors: V, v: &mut [V::Vector; 16]) {
    macro_rules! layer {
        ($d:literal) => {
            if FROM >= $d {
                for j in 0..16 {
                    if j & $d == 0 {
                        compare::<T, V>(vectors, v, j, j + $d);
                    }
                }
            }
        };
    }
    layer!(8);
    layer!(4);
    layer!(2);
    layer!(1);
}
