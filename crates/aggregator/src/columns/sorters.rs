//! Sorting networks on blocks of rows in registers, written out comparator by comparator.
//!
//! Ten rows take 29 comparators, and no network has fewer (Codish, Cruz-Filipe, Frank, Schneider-Kamp, Twenty-five
//! comparators is optimal when sorting nine inputs (and twenty-nine for ten), ICTAI 2014). Twenty rows are two tens and
//! Batcher's odd-even merge, 93 comparators; sixteen take his merge sort, and what two sorted blocks are split into his
//! bitonic merge (Batcher, Sorting networks and their applications, AFIPS 1968). Every comparator is one vector minimum
//! and one maximum.

use super::number::Number;
use super::vector::Vectors;

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
pub(super) use each_row;

/// Puts the smaller keys into `i` and the larger into `j`.
#[inline(always)]
pub(super) fn compare<T: Number, V: Vectors<T>, const G: usize>(
    vectors: V,
    v: &mut [V::Vector; G],
    i: usize,
    j: usize,
) {
    (v[i], v[j]) = vectors.sort2(v[i], v[j]);
}

/// The network for ten rows.
macro_rules! ten {
    ($network:ident) => {
        $network! {
            0 8, 1 9, 2 7, 3 5, 4 6,
            0 2, 1 4, 5 8, 7 9,
            0 3, 2 4, 5 7, 6 9,
            0 1, 3 6, 8 9,
            1 5, 2 3, 4 8, 6 7,
            1 2, 3 5, 4 6, 7 8,
            2 3, 4 5, 6 7,
            3 4, 5 6,
        }
    };
}

/// The network for twenty rows: ten, ten and the merge one after the other, so that fewer registers are in use at a time.
/// The second ten are in the order in which the merge leaves them: 16, 17, 10 to 15, 18, 19.
macro_rules! twenty {
    ($network:ident) => {
        $network! {
            0 8, 1 9, 2 7, 3 5, 4 6,
            0 2, 1 4, 5 8, 7 9,
            0 3, 2 4, 5 7, 6 9,
            0 1, 3 6, 8 9,
            1 5, 2 3, 4 8, 6 7,
            1 2, 3 5, 4 6, 7 8,
            2 3, 4 5, 6 7,
            3 4, 5 6,
            16 18, 17 19, 10 15, 11 13, 12 14,
            16 10, 17 12, 13 18, 15 19,
            16 11, 10 12, 13 15, 14 19,
            16 17, 11 14, 18 19,
            17 13, 10 11, 12 18, 14 15,
            17 10, 11 13, 12 14, 15 18,
            10 11, 12 13, 14 15,
            11 12, 13 14,
            0 16, 2 10, 4 12, 6 14, 8 18,
            6 10, 8 16,
            4 8, 12 16,
            2 4, 6 8, 10 12, 14 16,
            1 17, 3 11, 5 13, 7 15, 9 19,
            7 11, 9 17,
            5 9, 13 17,
            3 5, 7 9, 11 13, 15 17,
            1 2, 3 4, 5 6, 7 8, 9 10, 11 12, 13 14, 15 16, 17 18,
        }
    };
}

/// Sorts rows of a block.
#[inline(always)]
pub(super) fn sort<T: Number, V: Vectors<T>, const G: usize>(vectors: V, v: &mut [V::Vector; G]) {
    macro_rules! network {
        ($($i:literal $j:literal,)*) => {{
            $(compare::<T, V, G>(vectors, v, $i, $j);)*
        }};
    }
    match G {
        10 => ten!(network),
        20 => twenty!(network),
        _ => odd_even::<T, V, G>(vectors, v),
    }
}

/// Whether `i` is compared with `i + d` when sorted runs of `run` rows are merged, at the step with distance `d`.
const fn odd_even_pair(i: usize, run: usize, d: usize) -> bool {
    i >= d % run && (i - d % run) & d == 0 && i / (2 * run) == (i + d) / (2 * run)
}

/// Sorts up to sixteen rows.
#[inline(always)]
fn odd_even<T: Number, V: Vectors<T>, const G: usize>(vectors: V, v: &mut [V::Vector; G]) {
    macro_rules! merges {
        ($($run:literal $d:literal,)*) => {
            $(if $run < G {
                macro_rules! layer {
                    ($i:literal) => {
                        if $i + $d < G && const { odd_even_pair($i, $run, $d) } {
                            compare::<T, V, G>(vectors, v, $i, $i + $d);
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
    }
}

/// Sorts rows that rise and then fall (`RISES`) or fall and then rise.
///
/// It is the bitonic merge of 32 rows without those that are missing: the smallest before the former, the largest
/// after the latter.
#[inline(always)]
pub(super) fn bitonic<T: Number, V: Vectors<T>, const G: usize, const RISES: bool>(
    vectors: V,
    v: &mut [V::Vector; G],
) {
    macro_rules! layers {
        ($($d:literal)*) => {
            $(
                macro_rules! layer {
                    ($i:literal) => {
                        if $i & $d == 0 && $i + $d < G {
                            if RISES {
                                compare::<T, V, G>(vectors, v, G - 1 - $i - $d, G - 1 - $i);
                            } else {
                                compare::<T, V, G>(vectors, v, $i, $i + $d);
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
    macro_rules! count {
        ($($i:literal $j:literal,)*) => {
            [$(($i, $j)),*].len()
        };
    }
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
    match rows {
        10 => sort = ten!(count),
        20 => sort = twenty!(count),
        _ => {}
    }
    Comparators { sort, bitonic }
}
