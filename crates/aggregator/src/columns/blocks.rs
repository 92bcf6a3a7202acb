//! Blocks of up to 20 rows in registers: sorted, and split in two by size.
//!
//! A block is sorted with Batcher's odd-even merge sort. Of two sorted blocks `a` and `b` of g rows, the g smallest
//! rows are min(a[i], b[g-1-i]) and the g largest max(a[i], b[g-1-i]); the former rise and then fall, the latter fall
//! and then rise, and a bitonic merge sorts either (both: Batcher, Sorting networks and their applications, AFIPS
//! 1968). Every comparator is one vector minimum and one maximum.
//!
//! Registers matter because of the stores: a comparator in memory takes two, and they cost more than it does.

use super::number::Number;
use super::vector::Vector;
use super::{Line, WIDTH};

/// Columns of a row ahead of those being read that are asked for: so many rows are more than the CPU's own prefetching
/// follows.
const AHEAD: usize = 2 * WIDTH;

/// Runs a statement for each row of a block: written out, because a loop would keep the rows in memory.
macro_rules! each_row {
    ($size:ident, $body:ident) => {
        each_row!($size, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
    };
    ($size:ident, $body:ident, $($i:literal)*) => {
        $(if $i < $size {
            $body!($i);
        })*
    };
}

/// Sixteen columns from `at` on of up to `G` rows, sorted; rows that are not there are the largest keys.
#[inline(always)]
pub(super) fn sort<T: Number, V: Vector<T>, const G: usize>(
    rows: &[&[T]],
    at: usize,
    lines: &mut [Line<T::Key>; G],
) {
    let absent = [T::LAST; WIDTH];
    let edge;
    let mut values = [&absent; G];
    // One look at the length, and no branches between the loads, which would cost as much as they do.
    if at + WIDTH <= rows[0].len() {
        macro_rules! find {
            ($i:literal) => {
                if let Some(row) = rows.get($i) {
                    values[$i] = ahead::<T, V>(&row[at..at + WIDTH]);
                }
            };
        }
        each_row!(G, find);
    } else {
        edge = padded::<T, G>(rows, at);
        values = edge.each_ref();
    }
    for part in 0..V::PARTS {
        let mut v = [V::top(); G];
        macro_rules! load {
            ($i:literal) => {
                v[$i] = V::keys(values[$i], part);
            };
        }
        each_row!(G, load);
        odd_even::<T, V, G>(&mut v);
        store(&v, lines, part);
    }
}

/// Sixteen values; those that will be read from the same row later are asked for.
#[inline(always)]
fn ahead<T: Number, V: Vector<T>>(values: &[T]) -> &[T; WIDTH] {
    for bytes in (0..size_of::<Line<T::Key>>()).step_by(64) {
        V::prefetch(values.as_ptr().wrapping_add(AHEAD).wrapping_byte_add(bytes));
    }
    values.first_chunk().expect("sixteen values")
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
pub(super) fn split<T: Number, V: Vector<T>, const G: usize>(lines: &mut [Line<T::Key>], by: &Split) {
    for part in 0..V::PARTS {
        half::<T, V, G, true>(lines, by.blocks, part, by.low);
        half::<T, V, G, false>(lines, by.blocks, part, by.high);
    }
}

#[inline(always)]
fn half<T: Number, V: Vector<T>, const G: usize, const LOW: bool>(
    lines: &mut [Line<T::Key>],
    [a, b]: [usize; 2],
    part: usize,
    to: Half,
) {
    let (to, sorted) = match to {
        Half::Dropped => return,
        Half::Unsorted(to) => (to, false),
        Half::Sorted(to) => (to, true),
    };
    let mut v = [V::top(); G];
    let (a, b) = (block::<_, G>(lines, a), block::<_, G>(lines, b));
    macro_rules! pair {
        ($i:literal) => {
            let (a, b) = (V::load(&a[$i], part), V::load(&b[G - 1 - $i], part));
            v[$i] = if LOW { a.smaller(b) } else { a.larger(b) };
        };
    }
    each_row!(G, pair);
    if sorted {
        bitonic::<T, V, G, LOW>(&mut v);
    }
    let to = lines[to..].first_chunk_mut().expect("a block lies within the lines");
    store(&v, to, part);
}

#[inline(always)]
fn block<K, const G: usize>(lines: &[Line<K>], at: usize) -> &[Line<K>; G] {
    lines[at..].first_chunk().expect("a block lies within the lines")
}

#[inline(always)]
fn store<T: Number, V: Vector<T>, const G: usize>(v: &[V; G], lines: &mut [Line<T::Key>; G], part: usize) {
    macro_rules! store {
        ($i:literal) => {
            v[$i].store(&mut lines[$i], part);
        };
    }
    each_row!(G, store);
}

/// Puts the smaller keys into `i` and the larger into `j`.
#[inline(always)]
fn compare<T: Number, V: Vector<T>, const G: usize>(v: &mut [V; G], i: usize, j: usize) {
    (v[i], v[j]) = v[i].sort2(v[j]);
}

/// Whether `i` is compared with `i + d` when sorted runs of `run` rows are merged, at the step with distance `d`.
const fn odd_even_pair(i: usize, run: usize, d: usize) -> bool {
    i >= d % run && (i - d % run) & d == 0 && i / (2 * run) == (i + d) / (2 * run)
}

/// Sorts any rows.
#[inline(always)]
fn odd_even<T: Number, V: Vector<T>, const G: usize>(v: &mut [V; G]) {
    macro_rules! merges {
        ($($run:literal $d:literal,)*) => {
            $(if $run < G {
                macro_rules! layer {
                    ($i:literal) => {
                        if $i + $d < G && const { odd_even_pair($i, $run, $d) } {
                            compare::<T, V, G>(v, $i, $i + $d);
                        }
                    };
                }
                each_row!(G, layer);
            })*
        };
    }
    merges! {
        1 1,
        2 2, 2 1,
        4 4, 4 2, 4 1,
        8 8, 8 4, 8 2, 8 1,
        16 16, 16 8, 16 4, 16 2, 16 1,
    }
}

/// Sorts rows that rise and then fall (`RISES`) or fall and then rise.
///
/// It is the bitonic merge of 32 rows without those that are missing: the smallest before the former, the largest
/// after the latter.
#[inline(always)]
fn bitonic<T: Number, V: Vector<T>, const G: usize, const RISES: bool>(v: &mut [V; G]) {
    macro_rules! layers {
        ($($d:literal)*) => {
            $(
                macro_rules! layer {
                    ($i:literal) => {
                        if $i & $d == 0 && $i + $d < G {
                            if RISES {
                                compare::<T, V, G>(v, G - 1 - $i - $d, G - 1 - $i);
                            } else {
                                compare::<T, V, G>(v, $i, $i + $d);
                            }
                        }
                    };
                }
                each_row!(G, layer);
            )*
        };
    }
    layers!(16 8 4 2 1);
}

/// What work on blocks costs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Comparators {
    /// To sort a block.
    pub(super) sort: usize,
    /// To sort half of what two sorted blocks were split into.
    pub(super) bitonic: usize,
}

/// Comparators for blocks of `rows` rows.
pub(super) const fn comparators(rows: usize) -> Comparators {
    let (mut sort, mut bitonic, mut run) = (0, 0, 1);
    while run < rows {
        let mut d = run;
        while d > 0 {
            let mut i = 0;
            while i + d < rows {
                sort += odd_even_pair(i, run, d) as usize;
                bitonic += (d == run && i & d == 0) as usize;
                i += 1;
            }
            d /= 2;
        }
        run *= 2;
    }
    Comparators { sort, bitonic }
}
