//! Blocks of up to 20 rows in registers: sorted, and split in two by size.
//!
//! Of two sorted blocks `a` and `b` of g rows, the g smallest rows are min(a[i], b[g-1-i]) and the g largest
//! max(a[i], b[g-1-i]); the former rise and then fall, the latter fall and then rise, and a bitonic merge sorts either
//! (Batcher, Sorting networks and their applications, AFIPS 1968). The networks are in [`sorters`].
//!
//! Registers matter because of the stores: a comparator in memory takes two, and they cost more than it does.

use super::ahead::{Ahead, EVERY};
use super::number::Number;
use super::sorters::{self, each_row};
use super::vector::Vectors;
use super::{Line, WIDTH};

/// Sixteen columns from `at` on of up to `G` rows, sorted; rows that are not there are the largest keys.
#[inline(always)]
pub(super) fn sort<T: Number, V: Vectors<T>, const G: usize>(
    vectors: V,
    rows: &[&[T]],
    at: usize,
    lines: &mut [Line<T::Key>; G],
) {
    let absent = [T::LAST; WIDTH];
    let edge;
    let mut values = [&absent; G];
    if at + WIDTH > rows[0].len() {
        edge = padded::<T, G>(rows, at);
        values = edge.each_ref();
    } else if let Some(rows) = rows.first_chunk::<G>() {
        // Of a full block no row need be asked whether it is there.
        macro_rules! find {
            ($i:literal) => {
                values[$i] = sixteen(rows[$i], at);
            };
        }
        each_row!(G, find);
    } else {
        macro_rules! find {
            ($i:literal) => {
                if let Some(row) = rows.get($i) {
                    values[$i] = sixteen(row, at);
                }
            };
        }
        each_row!(G, find);
    }
    for part in 0..V::PARTS {
        let mut v = [vectors.top(); G];
        macro_rules! load {
            ($i:literal) => {
                v[$i] = vectors.keys(values[$i], part);
            };
        }
        each_row!(G, load);
        sorters::sort::<T, V, G>(vectors, &mut v);
        store::<T, V, G>(vectors, &v, lines, part);
    }
}

#[inline(always)]
fn sixteen<T>(row: &[T], at: usize) -> &[T; WIDTH] {
    row[at..at + WIDTH].first_chunk().expect("sixteen values")
}

/// Rows that end before sixteen columns do: zeros after the end of a row, the largest keys after the last row.
#[cold]
#[inline(never)]
fn padded<T: Number, const G: usize>(rows: &[&[T]], at: usize) -> [[T; WIDTH]; G] {
    std::array::from_fn(|i| match rows.get(i) {
        Some(row) => std::array::from_fn(|c| row.get(at + c).copied().unwrap_or(T::nearest(0.0))),
        None => [T::LAST; WIDTH],
    })
}

/// Two sorted blocks, and where what they are split into goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    /// First lines of the blocks.
    pub(super) blocks: [usize; 2],
    /// The smaller half of the rows.
    pub(super) low: Half,
    /// The larger half of the rows.
    pub(super) high: Half,
}

/// What becomes of one half of the rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Half {
    /// Nobody wants it.
    Dropped,
    /// In any order from this line on, which lies outside the blocks.
    Unsorted(usize),
    /// Sorted from this line on, which lies outside the blocks.
    Sorted(usize),
}

/// Splits two sorted blocks.
#[inline(always)]
pub(super) fn split<T: Number, V: Vectors<T>, const G: usize>(
    vectors: V,
    lines: &mut [Line<T::Key>],
    by: &Split,
    ahead: &mut Ahead<'_, '_, T>,
) {
    let [a, b] = by.blocks;
    for part in 0..V::PARTS {
        match (by.low, by.high) {
            (Half::Sorted(low), Half::Unsorted(high)) => {
                let lines = distinct::<_, G>(lines, [a, b, low, high]);
                halves::<T, V, G, true>(vectors, lines, part, ahead);
            }
            (Half::Unsorted(low), Half::Sorted(high)) => {
                let lines = distinct::<_, G>(lines, [a, b, high, low]);
                halves::<T, V, G, false>(vectors, lines, part, ahead);
            }
            (low, high) => {
                half::<T, V, G, true>(vectors, lines, by.blocks, part, low, ahead);
                half::<T, V, G, false>(vectors, lines, by.blocks, part, high, ahead);
            }
        }
    }
}

/// One half, the smaller one if `LOW`.
#[inline(always)]
fn half<T: Number, V: Vectors<T>, const G: usize, const LOW: bool>(
    vectors: V,
    lines: &mut [Line<T::Key>],
    [a, b]: [usize; 2],
    part: usize,
    to: Half,
    ahead: &mut Ahead<'_, '_, T>,
) {
    let (to, sorted) = match to {
        Half::Dropped => return,
        Half::Unsorted(to) => (to, false),
        Half::Sorted(to) => (to, true),
    };
    let (a, b) = (block::<_, G>(lines, a), block::<_, G>(lines, b));
    let mut v = [vectors.top(); G];
    macro_rules! pair {
        ($i:literal) => {
            let (a, b) = (vectors.load(&a[$i], part), vectors.load(&b[G - 1 - $i], part));
            v[$i] = if LOW { vectors.smaller(a, b) } else { vectors.larger(a, b) };
            if $i % EVERY == 0 {
                ahead.step(vectors);
            }
        };
    }
    each_row!(G, pair);
    if sorted {
        sorters::bitonic::<T, V, G, LOW>(vectors, &mut v);
    }
    let to = lines[to..].first_chunk_mut().expect("a block lies within the lines");
    store::<T, V, G>(vectors, &v, to, part);
}

/// Both halves in one go: the smaller one sorted if `LOW`, else the larger one, and the other one in any order. Two
/// that are to be sorted would need more registers than there are.
#[inline(always)]
fn halves<T: Number, V: Vectors<T>, const G: usize, const LOW: bool>(
    vectors: V,
    [a, b, sorted, unsorted]: [&mut [Line<T::Key>; G]; 4],
    part: usize,
    ahead: &mut Ahead<'_, '_, T>,
) {
    let mut v = [vectors.top(); G];
    macro_rules! pair {
        ($i:literal) => {
            let (low, high) = vectors.sort2(vectors.load(&a[$i], part), vectors.load(&b[G - 1 - $i], part));
            v[$i] = if LOW { low } else { high };
            vectors.store(if LOW { high } else { low }, &mut unsorted[$i], part);
            if $i % EVERY == 0 {
                ahead.step(vectors);
                ahead.step(vectors);
            }
        };
    }
    each_row!(G, pair);
    sorters::bitonic::<T, V, G, LOW>(vectors, &mut v);
    store::<T, V, G>(vectors, &v, sorted, part);
}

#[inline(always)]
fn block<K, const G: usize>(lines: &[Line<K>], at: usize) -> &[Line<K>; G] {
    lines[at..].first_chunk().expect("a block lies within the lines")
}

/// The blocks that begin at four lines.
#[inline(always)]
fn distinct<K, const G: usize>(lines: &mut [Line<K>], at: [usize; 4]) -> [&mut [Line<K>; G]; 4] {
    let blocks = lines.get_disjoint_mut(at.map(|at| at..at + G));
    let blocks = blocks.expect("blocks lie within the lines, and halves outside the blocks they are made of");
    blocks.map(|block| block.first_chunk_mut().expect("as many lines as a block has"))
}

#[inline(always)]
fn store<T: Number, V: Vectors<T>, const G: usize>(
    vectors: V,
    v: &[V::Vector; G],
    lines: &mut [Line<T::Key>; G],
    part: usize,
) {
    macro_rules! store {
        ($i:literal) => {
            vectors.store(v[$i], &mut lines[$i], part);
        };
    }
    each_row!(G, store);
}
