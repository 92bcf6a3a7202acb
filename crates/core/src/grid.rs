//! One encoding of updates as integers: what the server adds, and what a client adds masks to.
//!
//! A value of an update of weight `w` becomes the integer nearest to `value · w / cap · 2^bits`, ties to even, `cap` being the
//! largest weight allowed, a power of two. The product is exact in `f64` (24 bits of value, at most 29 of weight, powers of two),
//! so the server and a client make the same integer of the same value. Sums of integers have no order; that of a ring of
//! `2^32` or `2^64` is the same as long as it fits the ring ([`Grid::sum_bits`]).

use serde::{Deserialize, Serialize};

/// 1.5 · 2^52: added to a magnitude below 2^51 it leaves the nearest integer in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Most bits of an integer before its sign: up to there adding [`ROUND`] rounds to integers.
const MOST_BITS: u32 = 51;

/// What values are rounded to, and how large they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Grid {
    bits: u32,
    range: u32,
}

/// As it is written: anything may be read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    bits: u32,
    range: u32,
}

impl TryFrom<Raw> for Grid {
    type Error = GridError;
    fn try_from(raw: Raw) -> Result<Self, GridError> {
        Self::new(raw.bits, raw.range)
    }
}

impl From<Grid> for Raw {
    fn from(Grid { bits, range }: Grid) -> Self {
        Self { bits, range }
    }
}

/// A grid that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a grid of 2^-{bits} up to 2^{range}: both together may be at most {MOST_BITS} bits")]
pub struct GridError {
    /// As given.
    pub bits: u32,
    /// As given.
    pub range: u32,
}

/// Multiples of 2⁻⁴⁰ below 2¹¹.
impl Default for Grid {
    fn default() -> Self {
        Self { bits: 40, range: 11 }
    }
}

impl Grid {
    /// Multiples of `2^-bits` with magnitudes below `2^range`.
    pub fn new(bits: u32, range: u32) -> Result<Self, GridError> {
        if bits.checked_add(range).is_some_and(|all| all <= MOST_BITS) {
            return Ok(Self { bits, range });
        }
        Err(GridError { bits, range })
    }

    /// Binary digits behind the point.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// Magnitudes are below 2 to this.
    pub fn range(self) -> u32 {
        self.range
    }

    /// Units in 1.
    pub fn scale(self) -> f64 {
        (1u64 << self.bits) as f64
    }

    /// Integers have magnitudes below this; rounding may reach it.
    pub fn limit(self) -> u64 {
        1 << (self.bits + self.range)
    }

    /// What the values of an update of that weight are multiplied with. `cap` is a power of two, and no less than the weight.
    pub fn factor(self, weight: u64, cap: u64) -> f64 {
        weight as f64 / cap as f64 * self.scale()
    }

    /// Whether a value with this factor is on the grid.
    pub fn fits(self, value: f32, factor: f64) -> bool {
        value.is_finite() && f64::from(value.abs()) * factor < self.limit() as f64
    }

    /// Bits that hold the sum of so many updates, whatever they are, sign included.
    pub fn sum_bits(self, updates: u64) -> u32 {
        let largest = u128::from(self.limit()) * u128::from(updates);
        (u128::BITS - largest.leading_zeros()) + 1
    }

    /// The integers of some values, written over `into`.
    ///
    /// # Errors
    /// The place of the first value that is not on the grid; `into` is then nothing.
    ///
    /// # Panics
    /// If `into` has another length.
    pub fn encode(self, values: &[f32], factor: f64, into: &mut [i64]) -> Result<(), usize> {
        assert_eq!(values.len(), into.len(), "an integer for each value");
        let mut largest = 0u32;
        for (integer, value) in into.iter_mut().zip(values) {
            // Infinity and NaN lie above all numbers.
            largest = largest.max(value.to_bits() & (u32::MAX >> 1));
            let rounded = (f64::from(*value) * factor + ROUND).to_bits() as i64;
            *integer = rounded.wrapping_sub(ROUND.to_bits() as i64);
        }
        if self.fits(f32::from_bits(largest), factor) {
            return Ok(());
        }
        let first = values.iter().position(|value| !self.fits(*value, factor));
        Err(first.expect("the largest magnitude is one of the values"))
    }

    /// The mean that a sum of integers stands for, where the weights of its updates come to `weight`: rounded once to `f64` and
    /// once to `f32`.
    pub fn mean(self, sum: i64, weight: u64, cap: u64) -> f32 {
        (sum as f64 / weight as f64 * (cap as f64 / self.scale())) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::below;
    use crate::{Address, Purpose};

    /// The nearest integer to `value · weight · 2^bits / cap`, ties to even, in integers alone.
    fn exact(value: f32, weight: u64, cap: u64, bits: u32) -> i64 {
        let raw = value.to_bits();
        let (exponent, fraction) = ((raw >> 23 & 0xff) as i32, i128::from(raw & 0x7f_ffff));
        let (mantissa, power) =
            if exponent == 0 { (fraction, -149) } else { (fraction | 1 << 23, exponent - 150) };
        let product = mantissa * i128::from(weight);
        let shift = power + bits as i32 - cap.trailing_zeros() as i32;
        let magnitude = if shift >= 0 {
            product << shift
        } else if -shift > 100 {
            0
        } else {
            let (whole, rest) = (product >> -shift, product & ((1 << -shift) - 1));
            let half = 1i128 << (-shift - 1);
            whole + i128::from(rest > half || rest == half && whole & 1 == 1)
        };
        (if raw >> 31 == 1 { -magnitude } else { magnitude }) as i64
    }

    #[test]
    fn integers_are_the_nearest_ties_to_even() {
        let mut s = Address::new(5, Purpose::Test).stream();
        for (bits, range) in [(40, 11), (20, 8), (0, 24), (51, 0), (16, 15)] {
            let grid = Grid::new(bits, range).unwrap();
            for _ in 0..2000 {
                let cap = 1u64 << below(&mut s, 30);
                let weight = below(&mut s, cap + 1);
                let factor = grid.factor(weight, cap);
                let value = f32::from_bits(below(&mut s, 1 << 32) as u32);
                let mut got = [0];
                let done = grid.encode(&[value], factor, &mut got);
                assert_eq!(done.is_ok(), grid.fits(value, factor));
                if done.is_ok() {
                    assert_eq!(got[0], exact(value, weight, cap, bits), "{value:e} · {weight} / {cap}");
                }
            }
        }
        // Halves go to the even neighbour.
        let (grid, mut got) = (Grid::new(0, 20).unwrap(), [0; 4]);
        grid.encode(&[0.5, 1.5, 2.5, -0.5], 1.0, &mut got).unwrap();
        assert_eq!(got, [0, 2, 2, 0]);
    }

    #[test]
    fn what_is_not_on_the_grid_is_named() {
        let grid = Grid::new(8, 3).unwrap();
        let mut into = [0; 3];
        assert_eq!(grid.encode(&[1.0, 8.0, f32::NAN], grid.factor(1, 1), &mut into), Err(1));
        assert_eq!(grid.encode(&[1.0, 7.99, f32::NAN], grid.factor(1, 1), &mut into), Err(2));
        assert_eq!(grid.encode(&[1.0, 7.99, f32::NEG_INFINITY], grid.factor(0, 4), &mut into), Err(2));
        // With a smaller weight a larger value has its place.
        assert_eq!(grid.encode(&[31.9, -31.9, 0.0], grid.factor(1, 4), &mut into), Ok(()));
        assert_eq!(Grid::new(41, 11), Err(GridError { bits: 41, range: 11 }));
        assert_eq!(Grid::new(u32::MAX, 2), Err(GridError { bits: u32::MAX, range: 2 }));
    }

    /// So many updates of the largest size reach no further than the bits say, and with one bit less they would.
    #[test]
    fn a_sum_fits_the_bits_that_it_is_said_to_need() {
        for (bits, range, updates) in [(40, 11, 2048), (16, 4, 100), (20, 8, 3), (10, 0, 1), (51, 0, 4095)] {
            let grid = Grid::new(bits, range).unwrap();
            let largest = i128::from(grid.limit()) * i128::from(updates);
            let holds = |all: u32| largest < 1i128 << (all - 1);
            let needed = grid.sum_bits(updates);
            assert!(holds(needed) && !holds(needed - 1), "{bits} {range} {updates}: {needed}");
        }
    }

    #[test]
    fn a_mean_comes_back() {
        let (grid, cap) = (Grid::default(), 64);
        let parts = [(40u64, 0.125f32), (20, -1.5), (4, 3.0)];
        let sum: i64 = parts
            .iter()
            .map(|(weight, value)| {
                let mut integer = [0];
                grid.encode(&[*value], grid.factor(*weight, cap), &mut integer).unwrap();
                integer[0]
            })
            .sum();
        let exact = (40.0 * 0.125 - 20.0 * 1.5 + 4.0 * 3.0) / 64.0;
        assert_eq!(grid.mean(sum, 64, cap), exact);
    }
}
