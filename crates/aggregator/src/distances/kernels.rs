//! Sums over a block of coordinates: pairs of rows in tiles that stay in registers.

use super::{FARTHEST, bounded};
use sottovoce_core::dispatch;
use sottovoce_core::lanes::{LANES, Lanes, fold};
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
    fn zero() -> Self;
    fn load(from: &Self::Chunk) -> Self;
    fn add(self, other: Self) -> Self;
    fn squared_difference(self, other: Self) -> Self;
    /// The sum of all.
    fn fold(self) -> f64;
}

#[derive(Clone, Copy)]
pub(super) struct Floats<L>(L);

impl<L: Lanes> Columns for Floats<L> {
    type Chunk = [f32; LANES];
    #[inline(always)]
    fn zero() -> Self {
        Self(L::splat(0.0))
    }
    #[inline(always)]
    fn load(from: &[f32; LANES]) -> Self {
        Self(L::load(from))
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0.add(other.0))
    }
    #[inline(always)]
    fn squared_difference(self, other: Self) -> Self {
        let difference = self.0.sub(other.0);
        Self(difference.mul(difference))
    }
    #[inline(always)]
    fn fold(self) -> f64 {
        let mut columns = [0.0; LANES];
        self.0.store(&mut columns);
        fold(columns.map(f64::from))
    }
}

/// As many `f64` as fill what sixteen `f32` fill.
const DOUBLES: usize = LANES / 2;

#[derive(Clone, Copy)]
struct Doubles([f64; DOUBLES]);

impl Columns for Doubles {
    type Chunk = [f64; DOUBLES];
    #[inline(always)]
    fn zero() -> Self {
        Self([0.0; DOUBLES])
    }
    #[inline(always)]
    fn load(from: &[f64; DOUBLES]) -> Self {
        Self(*from)
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
    #[inline(always)]
    fn squared_difference(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| (self.0[i] - other.0[i]) * (self.0[i] - other.0[i])))
    }
    #[inline(always)]
    fn fold(self) -> f64 {
        fold(self.0)
    }
}

type Tile<C> = [[C; WIDE]; TALL];

/// Squared distances of each of `a` to each of `b`, all of the same length.
#[inline(always)]
pub(super) fn tile<C: Columns>(a: [&[C::Chunk]; TALL], b: [&[C::Chunk]; WIDE]) -> [[f64; WIDE]; TALL] {
    let (a, b) = (a.map(|row| row.as_chunks::<RUN>()), b.map(|row| row.as_chunks::<RUN>()));
    let mut total = [[C::zero(); WIDE]; TALL];
    for start in (0..a[0].0.len()).step_by(GROUP) {
        let mut group = [[C::zero(); WIDE]; TALL];
        for at in start..a[0].0.len().min(start + GROUP) {
            // Arrays, so that the loop inside has no bounds to check.
            group = added(group, run(a.map(|row| &row.0[at][..]), b.map(|row| &row.0[at][..])));
        }
        total = added(total, group);
    }
    total = added(total, run(a.map(|row| row.1), b.map(|row| row.1)));
    total.map(|row| row.map(C::fold))
}

/// Up to [`RUN`] terms. Tiles go from step to step as values: what is borrowed would be stored each time.
#[inline(always)]
fn run<C: Columns>(a: [&[C::Chunk]; TALL], b: [&[C::Chunk]; WIDE]) -> Tile<C> {
    let mut sums = [[C::zero(); WIDE]; TALL];
    for step in 0..a[0].len() {
        let (own, met) = (a.map(|row| C::load(&row[step])), b.map(|row| C::load(&row[step])));
        let terms = own.map(|own| met.map(|met| own.squared_difference(met)));
        sums = added(sums, terms);
    }
    sums
}

#[inline(always)]
fn added<C: Columns>(a: Tile<C>, b: Tile<C>) -> Tile<C> {
    std::array::from_fn(|i| std::array::from_fn(|j| a[i][j].add(b[i][j])))
}

macro_rules! distances {
    ($float:ty, $columns:ty, $width:expr, $add:ident, $inner:ident, $squared:ident, $trusted:expr) => {
        dispatch! {
            fn $add<L>(block: Block<'_, $float>, sums: &mut [f64]) {
                let Block { rows, range, band } = block;
                let last = rows.len() - 1;
                let chunks = |i: usize| rows[i.min(last)][range.clone()].as_chunks::<{ $width }>().0;
                for top in band.clone().step_by(TALL) {
                    let a: [_; TALL] = std::array::from_fn(|i| chunks(top + i));
                    for left in (top + 1..rows.len()).step_by(WIDE) {
                        let b: [_; WIDE] = std::array::from_fn(|j| chunks(left + j));
                        let squared = tile::<$columns>(a, b);
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
            fn $inner<L>(a: &[$float], b: &[$float]) -> f64 {
                #[inline(always)]
                fn product(a: $float, b: $float) -> f64 {
                    f64::from(a) * f64::from(b)
                }
                sum::<$float>(a, b, product)
            }
        }
        dispatch! {
            fn $squared<L>(a: &[$float], b: &[$float]) -> f64 {
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
distances!(f32, Floats<L>, LANES, add_f32, inner_f32, squared_f32, |sum: f64| (8e-28..FARTHEST)
    .contains(&sum));
distances!(f64, Doubles, DOUBLES, add_f64, inner_f64, squared_f64, |_| true);
