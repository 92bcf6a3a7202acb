//! Sums over a block of coordinates: pairs of rows in tiles that stay in registers.

use super::{FARTHEST, bounded};
use sottovoce_core::dispatch;
use sottovoce_core::lanes::{Columns as _, LANES, Lanes, fold};
use std::ops::Range;

/// Coordinates in a block: those of a hundred rows of `f32` lie in the second cache.
pub(crate) const BLOCK: usize = 2048;
/// Terms that a column adds up to a run, and runs to a group: a block has at most four groups, so that 8, 4 and 4
/// additions of positive numbers stand between a term and the block's sum.
const RUN: usize = 8;
const GROUP: usize = 4;
/// Rows of a tile, and rows that they meet.
const TALL: usize = 4;
const WIDE: usize = 2;

/// Part of all distances: `range` of the coordinates, from the rows of `band` to all rows behind them.
#[derive(Debug)]
pub struct Block<'a, T> {
    pub(crate) rows: &'a [&'a [T]],
    pub(crate) range: Range<usize>,
    pub(crate) band: Range<usize>,
}

/// Sums over coordinates for one type of number.
pub trait Distances: Copy {
    /// `Σ a[j] · b[j]`.
    fn inner(a: &[Self], b: &[Self]) -> f64;
    /// `Σ (a[j] - b[j])²`, at most [`FARTHEST`].
    fn squared_distance(a: &[Self], b: &[Self]) -> f64;
    /// Adds the block's squared distances of row i (counted from the band's first) and row j to
    /// `sums[i * rows + j]`, for rows j behind row i.
    fn add_distances(block: Block<'_, Self>, sums: &mut [f64]);
    /// Whether a sum of [`Distances::add_distances`] has its digits: nothing overflowed or vanished.
    fn trusted(sum: f64) -> bool;
}

/// Numbers that move together through a tile.
pub(super) trait Columns: Copy {
    /// As they lie in memory.
    type Chunk;
    /// As they lie in registers.
    type Moved: Copy;
    fn zero(self) -> Self::Moved;
    fn load(self, from: &Self::Chunk) -> Self::Moved;
    fn add(self, a: Self::Moved, b: Self::Moved) -> Self::Moved;
    fn squared_difference(self, a: Self::Moved, b: Self::Moved) -> Self::Moved;
    /// The sum of all.
    fn fold(self, of: Self::Moved) -> f64;
}

/// Sixteen `f32`.
#[derive(Clone, Copy)]
pub(super) struct Floats<L>(pub(super) L);

impl<L: Lanes> Columns for Floats<L> {
    type Chunk = [f32; LANES];
    type Moved = L::Columns;
    #[inline(always)]
    fn zero(self) -> L::Columns {
        self.0.splat(0.0)
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> L::Columns {
        self.0.load(from)
    }
    #[inline(always)]
    fn add(self, a: L::Columns, b: L::Columns) -> L::Columns {
        a.add(b)
    }
    #[inline(always)]
    fn squared_difference(self, a: L::Columns, b: L::Columns) -> L::Columns {
        let difference = a.sub(b);
        difference.mul(difference)
    }
    #[inline(always)]
    fn fold(self, of: L::Columns) -> f64 {
        let mut columns = [0.0; LANES];
        of.store(&mut columns);
        fold(columns.map(f64::from))
    }
}

/// As many `f64` as fill what sixteen `f32` fill.
const DOUBLES: usize = LANES / 2;

#[derive(Clone, Copy)]
struct Doubles;

impl Columns for Doubles {
    type Chunk = [f64; DOUBLES];
    type Moved = [f64; DOUBLES];
    #[inline(always)]
    fn zero(self) -> [f64; DOUBLES] {
        [0.0; DOUBLES]
    }
    #[inline(always)]
    fn load(self, from: &[f64; DOUBLES]) -> [f64; DOUBLES] {
        *from
    }
    #[inline(always)]
    fn add(self, mut a: [f64; DOUBLES], b: [f64; DOUBLES]) -> [f64; DOUBLES] {
        for i in 0..DOUBLES {
            a[i] += b[i];
        }
        a
    }
    #[inline(always)]
    fn squared_difference(self, mut a: [f64; DOUBLES], b: [f64; DOUBLES]) -> [f64; DOUBLES] {
        for i in 0..DOUBLES {
            a[i] = (a[i] - b[i]) * (a[i] - b[i]);
        }
        a
    }
    #[inline(always)]
    fn fold(self, of: [f64; DOUBLES]) -> f64 {
        fold(of)
    }
}

type Tile<T> = [[T; WIDE]; TALL];

// Loops over columns are written out: closures are compiled without the features of the CPU.

/// Squared distances of each of `a` to each of `b`, all of the same length.
#[inline(always)]
pub(super) fn tile<C: Columns>(columns: C, a: [&[C::Chunk]; TALL], b: [&[C::Chunk]; WIDE]) -> Tile<f64> {
    let (a, b) = (a.map(|row| row.as_chunks::<RUN>()), b.map(|row| row.as_chunks::<RUN>()));
    let mut total = [[columns.zero(); WIDE]; TALL];
    for start in (0..a[0].0.len()).step_by(GROUP) {
        let mut group = [[columns.zero(); WIDE]; TALL];
        for at in start..a[0].0.len().min(start + GROUP) {
            // Arrays, so that the loop inside has no bounds to check.
            let run = run(columns, a.map(|row| &row.0[at][..]), b.map(|row| &row.0[at][..]));
            group = added(columns, group, run);
        }
        total = added(columns, total, group);
    }
    total = added(columns, total, run(columns, a.map(|row| row.1), b.map(|row| row.1)));
    let mut sums = [[0.0; WIDE]; TALL];
    for i in 0..TALL {
        for j in 0..WIDE {
            sums[i][j] = columns.fold(total[i][j]);
        }
    }
    sums
}

/// Up to [`RUN`] terms. Tiles go from step to step as values: what is borrowed would be stored each time.
#[inline(always)]
fn run<C: Columns>(columns: C, a: [&[C::Chunk]; TALL], b: [&[C::Chunk]; WIDE]) -> Tile<C::Moved> {
    let mut sums = [[columns.zero(); WIDE]; TALL];
    for step in 0..a[0].len() {
        let mut met = [columns.zero(); WIDE];
        for j in 0..WIDE {
            met[j] = columns.load(&b[j][step]);
        }
        for i in 0..TALL {
            let own = columns.load(&a[i][step]);
            for j in 0..WIDE {
                sums[i][j] = columns.add(sums[i][j], columns.squared_difference(own, met[j]));
            }
        }
    }
    sums
}

#[inline(always)]
fn added<C: Columns>(columns: C, mut a: Tile<C::Moved>, b: Tile<C::Moved>) -> Tile<C::Moved> {
    for i in 0..TALL {
        for j in 0..WIDE {
            a[i][j] = columns.add(a[i][j], b[i][j]);
        }
    }
    a
}

macro_rules! distances {
    ($float:ty, $columns:expr, $width:expr, $add:ident, $inner:ident, $squared:ident, $trusted:expr) => {
        dispatch! {
            fn $add<L>(lanes: L, block: Block<'_, $float>, sums: &mut [f64]) {
                let Block { rows, range, band } = block;
                let last = rows.len() - 1;
                let chunks = |i: usize| rows[i.min(last)][range.clone()].as_chunks::<{ $width }>().0;
                for top in band.clone().step_by(TALL) {
                    let a: [_; TALL] = std::array::from_fn(|i| chunks(top + i));
                    for left in (top + 1..rows.len()).step_by(WIDE) {
                        let b: [_; WIDE] = std::array::from_fn(|j| chunks(left + j));
                        let squared = tile($columns(lanes), a, b);
                        // Tiles on the diagonal and at the edge have more than is asked for.
                        for (i, squared) in (top..band.end).zip(squared) {
                            for (j, squared) in (left..rows.len()).zip(squared) {
                                if i < j {
                                    sums[(i - band.start) * rows.len() + j] += squared;
                                }
                            }
                        }
                    }
                }
                // What does not fill a chunk, in the last block.
                let rest = |i: usize| rows[i][range.clone()].as_chunks::<{ $width }>().1;
                if !rest(0).is_empty() {
                    for i in band.clone() {
                        for j in i + 1..rows.len() {
                            sums[(i - band.start) * rows.len() + j] += $squared(rest(i), rest(j));
                        }
                    }
                }
            }
        }
        dispatch! {
            fn $inner(a: &[$float], b: &[$float]) -> f64 {
                #[inline(always)]
                fn product(a: $float, b: $float) -> f64 {
                    f64::from(a) * f64::from(b)
                }
                sum::<$float>(a, b, product)
            }
        }
        dispatch! {
            fn $squared(a: &[$float], b: &[$float]) -> f64 {
                #[inline(always)]
                fn square(a: $float, b: $float) -> f64 {
                    let difference = f64::from(a) - f64::from(b);
                    difference * difference
                }
                sum::<$float>(a, b, square)
            }
        }
        impl Distances for $float {
            fn inner(a: &[Self], b: &[Self]) -> f64 {
                bounded($inner(a, b))
            }
            fn squared_distance(a: &[Self], b: &[Self]) -> f64 {
                bounded($squared(a, b))
            }
            fn add_distances(block: Block<'_, Self>, sums: &mut [f64]) {
                $add(block, sums);
            }
            fn trusted(sum: f64) -> bool {
                $trusted(sum)
            }
        }
    };
}

/// `Σ of(a[j], b[j])` as `f64`: sixteen columns for a block, blocks one after the other.
#[inline(always)]
fn sum<T: Copy>(a: &[T], b: &[T], of: impl Fn(T, T) -> f64) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let mut columns = [0.0; LANES];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for i in 0..LANES {
                columns[i] += of(a[i], b[i]);
            }
        }
        let rest = a_rest.iter().zip(b_rest).fold(0.0, |sum, (a, b)| sum + of(*a, *b));
        total += fold(columns) + rest;
    }
    total
}

// Squares of f32 below 2^-126 lose digits: at most 2^-150 for each coordinate, nothing beside a sum of 2^-90. Squares
// above 2^128 make the sum infinite (and the sum of the stripes the farthest).
distances!(f32, Floats, LANES, add_f32, inner_f32, squared_f32, |sum: f64| (8e-28..FARTHEST).contains(&sum));
distances!(f64, (|_| Doubles), DOUBLES, add_f64, inner_f64, squared_f64, |_| true);
