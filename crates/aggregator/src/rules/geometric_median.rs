//! Geometric median: the point whose distances to the rows have the least sum, or a few steps towards it.
//!
//! Weiszfeld, "Sur le point pour lequel la somme des distances de n points donnés est minimum", Tôhoku Math. J.
//! 1937; rows as minimisers: Vardi and Zhang, "The multivariate L1-median and associated data depth", PNAS 2000;
//! a few smoothed steps with weights: Pillutla, Kakade, Harchaoui, "Robust Aggregation for Federated Learning"
//! (RFA), IEEE TSP 2022, algorithm 2.
//!
//! | symbol | meaning |
//! |---|---|
//! | `αᵢ` | share of row i, `1/n` or from declared weights |
//! | `ν` | distances below it count as it |
//! | `T`, `R` | steps |
//!
//! A step: `v ← Σᵢ βᵢ xᵢ / Σᵢ βᵢ`, `βᵢ = αᵢ / max(ν, ‖v - xᵢ‖)`. The point itself is never stored: it is a
//! combination of the rows, made again block by block while all rows' pieces lie in the cache, and compared with
//! them at once, so that a step reads memory once.
//!
//! To convergence (`ν = 0`), from the mean: each step is taken not from the last point but from the best of all
//! affine combinations of the last few, which [`hull`] finds without reading the rows; rows that lie near a line,
//! where steps of their own hardly move, take few steps then. Ends when what is left moves the point by less than
//! `tolerance` times the harmonic mean of the distances, by the last step and the hull's slowest direction (or the
//! ratio of steps, where it has none), and for certain by less than 1000 times as much in any direction; or when
//! rounding hides the step; or at a row that is the minimiser, which is checked exactly and then returned as it is;
//! or after `iterations` steps, with the point reached. Cost: one pass over the rows a step, one before and one
//! behind.
//!
//! What falls short: for rows within `w` of a line, relative to their spread, the minimum is flat along it, and
//! rounding leaves up to `1e-14 / w²` of the spread, in a sum of distances that is the same to 13 digits (found: 1e-8
//! for `w = 1e-3`, 5e-5 for `1e-5`, no digit below). Rows more than `1e12` times as far as the others hide directions:
//! then steps shrink at Weiszfeld's rate, which in two or three dimensions takes hundreds of them (of 200 cases one
//! more than 1000, after which 1e-7 was missing).

mod hull;

use super::combination::{Measured, shares, sum};
use crate::distances::squared_distances_to;
use crate::grid::{Products, sum_block};
use crate::stack::Element;
use hull::{Contraction, Hull, Least};
use rayon::prelude::*;
use sottovoce_core::dispatch;
use sottovoce_core::lanes::fold;

/// Coordinates that are worked on together: their pieces of a hundred rows fit the second-level cache.
const BLOCK: usize = 1024;
/// Sums of squares that a kernel keeps side by side.
const COLUMNS: usize = 16;
/// Closer than this to a row, relative to the median distance, the point is taken for that row.
const COINCIDENT: f64 = 1.0 / (1u64 << 40) as f64;
/// So many times the tolerance may be left in directions that were not met.
const CERTAIN: f64 = 1000.0;
/// A change, by the harmonic mean of the distances, that rounding may have made.
const ROUNDING: f64 = 1.0 / (1u64 << 47) as f64;

/// Squared distances from a point in `f64` for one type of number.
pub trait Residuals: Products {
    /// `Σ (row[j] - point[j])²`.
    fn squared_residuals(row: &[Self], point: &[f64]) -> f64;
}

macro_rules! residuals {
    ($float:ty, $name:ident) => {
        dispatch! {
            fn $name(row: &[$float], point: &[f64]) -> f64 {
                let mut sums = [0.0; COLUMNS];
                let (rows, points) = (row.chunks_exact(COLUMNS), point.chunks_exact(COLUMNS));
                let rest = rows.remainder().iter().zip(points.remainder());
                for (row, point) in rows.zip(points) {
                    for ((sum, x), v) in sums.iter_mut().zip(row).zip(point) {
                        let residual = f64::from(*x) - v;
                        *sum += residual * residual;
                    }
                }
                for (sum, (x, v)) in sums.iter_mut().zip(rest) {
                    let residual = f64::from(*x) - v;
                    *sum += residual * residual;
                }
                fold(sums)
            }
        }
        impl Residuals for $float {
            fn squared_residuals(row: &[Self], point: &[f64]) -> f64 {
                $name(row, point)
            }
        }
    };
}

residuals!(f32, squared_residuals_f32);
residuals!(f64, squared_residuals_f64);

/// Distance of every row to `Σᵢ coefficients[i] · row i`.
fn distances_to_combination<T: Element>(rows: &Measured<'_, '_, T>, coefficients: &[f64]) -> Vec<f64> {
    let (stack, grid) = (rows.stack, rows.grid(coefficients));
    let (counted, factors): (Vec<&[T]>, Vec<f64>) = stack
        .rows()
        .iter()
        .zip(coefficients)
        .filter(|(_, c)| **c != 0.0)
        .map(|(row, c)| (*row, c * grid.scale))
        .unzip();
    let parts: Vec<Vec<f64>> = (0..stack.params().div_ceil(BLOCK))
        .into_par_iter()
        .map_init(
            || (vec![0i64; BLOCK], vec![0.0; BLOCK]),
            |(sums, point), block| {
                let range = block * BLOCK..stack.params().min((block + 1) * BLOCK);
                let (sums, point) = (&mut sums[..range.len()], &mut point[..range.len()]);
                sum_block(&counted, range.clone(), &factors, sums);
                grid.read(sums, 1.0, point);
                stack.rows().iter().map(|row| T::squared_residuals(&row[range.clone()], point)).collect()
            },
        )
        .collect();
    // In the order of the blocks, whoever made them.
    let mut squared = vec![0.0; stack.clients()];
    for part in parts {
        squared.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    squared.into_iter().map(f64::sqrt).collect()
}

/// Where a fixed number of steps begins.
#[derive(Debug)]
pub(super) enum From<'p, T> {
    /// At a combination of the rows with these coefficients.
    Combination(Vec<f64>),
    /// At a point.
    Point(&'p [T]),
}

/// `steps` steps, at least one, of the smoothed iteration.
pub(super) fn smoothed<T: Element>(
    rows: &Measured<'_, '_, T>,
    alphas: &[f64],
    from: From<'_, T>,
    nu: f64,
    steps: usize,
) -> Vec<T> {
    let mut distances: Vec<f64> = match from {
        From::Combination(coefficients) => distances_to_combination(rows, &coefficients),
        From::Point(point) => squared_distances_to(rows.stack, point).into_iter().map(f64::sqrt).collect(),
    };
    let step = |distances: &[f64]| {
        let betas: Vec<f64> = alphas.iter().zip(distances).map(|(a, d)| a / d.max(nu)).collect();
        shares(&betas)
    };
    let mut coefficients = step(&distances);
    for _ in 1..steps {
        distances = distances_to_combination(rows, &coefficients);
        let next = step(&distances);
        if next == coefficients {
            break;
        }
        coefficients = next;
    }
    rows.combine(&coefficients)
}

/// Rows at a distance of 0 from row `row`, and where the others pull.
struct Corner {
    row: usize,
    /// Coefficients of the point at which the others' iteration would go on.
    others: Vec<f64>,
    /// How much the rows hold that lie here, and how much the others pull away.
    hold: f64,
    pull: f64,
}

impl Corner {
    fn at<T: Element>(rows: &Measured<'_, '_, T>, alphas: &[f64], row: usize) -> Self {
        let distances: Vec<f64> = squared_distances_to(rows.stack, rows.stack.rows()[row]);
        let here = |(alpha, d): (&f64, &f64)| if *d == 0.0 { *alpha } else { 0.0 };
        let hold = sum(alphas.iter().zip(&distances).map(here));
        let away = |(alpha, d): (&f64, &f64)| if *d == 0.0 { 0.0 } else { alpha / d.sqrt() };
        let betas: Vec<f64> = alphas.iter().zip(&distances).map(away).collect();
        let total = sum(betas.iter().copied());
        if total == 0.0 {
            return Self { row, others: betas, hold, pull: 0.0 };
        }
        let others = shares(&betas);
        let pull = total * distances_to_combination(rows, &others)[row];
        Self { row, others, hold, pull }
    }

    /// Whether the row is the geometric median: Vardi and Zhang, equation 2.4, up to rounding.
    fn is_minimum(&self) -> bool {
        self.pull <= self.hold * (1.0 + 1e-9)
    }

    /// The next point after this row, where it is not the minimiser: Vardi and Zhang, equation 2.6.
    fn escape(mut self) -> Vec<f64> {
        let stay = self.hold / self.pull;
        self.others.iter_mut().for_each(|c| *c *= 1.0 - stay);
        self.others[self.row] += stay;
        self.others
    }
}

/// What is minimised.
fn objective(alphas: &[f64], distances: &[f64]) -> f64 {
    sum(alphas.iter().zip(distances).map(|(alpha, d)| alpha * d))
}

/// How far from the exact combination the rounding of its products may put a point.
fn resolution<T: Element>(rows: &Measured<'_, '_, T>, coefficients: &[f64]) -> f64 {
    rows.rows() as f64 * (rows.stack.params() as f64).sqrt() / rows.grid(coefficients).scale
}

/// Median distance of the rows that count: a scale that less than half of them cannot move.
fn middle(alphas: &[f64], distances: &[f64]) -> f64 {
    let counts = alphas.iter().zip(distances).filter(|(alpha, _)| **alpha > 0.0);
    let mut sorted: Vec<f64> = counts.map(|(_, d)| *d).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The geometric median.
pub(super) fn converged<T: Element>(
    rows: &Measured<'_, '_, T>,
    alphas: &[f64],
    tolerance: f64,
    iterations: usize,
) -> Vec<T> {
    let mut coefficients = alphas.to_vec();
    let mut distances = distances_to_combination(rows, &coefficients);
    let mut hull = Hull::default();
    let (mut last_change, mut last_ratio) = (None, 1.0);
    let mut looked_at = vec![false; rows.rows()];
    for step in 1..=iterations {
        let nearest = (0..rows.rows())
            .filter(|row| alphas[*row] > 0.0)
            .min_by(|a, b| distances[*a].total_cmp(&distances[*b]))
            .expect("some share is positive: they sum to 1");
        let typical = middle(alphas, &distances);
        let resolution = resolution(rows, &coefficients);
        let coincides = distances[nearest] <= f64::max(COINCIDENT * typical, resolution);
        // A row that is the minimiser is approached more and more slowly: it is tried now and then.
        let tried = step.is_power_of_two() && distances[nearest] < typical / 2.0 && !looked_at[nearest];
        if coincides || tried {
            looked_at[nearest] = true;
            let corner = Corner::at(rows, alphas, nearest);
            if corner.is_minimum() {
                return rows.stack.rows()[nearest].to_vec();
            }
            if coincides {
                coefficients = corner.escape();
                distances = distances_to_combination(rows, &coefficients);
                hull.clear();
                (last_change, last_ratio) = (None, 1.0);
                continue;
            }
        }
        hull.visit(&coefficients, &distances);
        let least = hull.least(alphas);
        let (next, change) = weiszfeld(alphas, &least, COINCIDENT / 1024.0 * typical);
        // Without a direction nothing is known of how steps shrink, but for those before: the larger of two ratios,
        // since one alone may be that of a fast direction, while the point creeps along a slow one.
        let ratio = last_change.map_or(1.0, |last: f64| change / last);
        let slowest = f64::max(ratio, std::mem::replace(&mut last_ratio, ratio));
        last_change = Some(change);
        let contraction = least.contraction.unwrap_or(Contraction { known: slowest, certain: slowest });
        let nearness = sum(alphas.iter().zip(&distances).map(|(a, d)| a / d));
        let rounding = f64::max(ROUNDING, resolution * nearness);
        let known = change * contraction.known <= tolerance * (1.0 - contraction.known);
        let certain = change * contraction.certain <= CERTAIN * tolerance * (1.0 - contraction.certain);
        if change <= rounding || (known && certain) {
            coefficients = next;
            break;
        }
        let reached = distances_to_combination(rows, &next);
        // Weiszfeld's own step cannot make it larger, a minimum that rounding has moved can.
        if hull.is_more_than_a_point()
            && objective(alphas, &reached) > objective(alphas, &distances) * (1.0 + 1e-14)
        {
            hull.clear();
            continue;
        }
        (coefficients, distances) = (next, reached);
    }
    rows.combine(&coefficients)
}

/// Coefficients after Weiszfeld's step, and how far it goes at most, by the harmonic mean of the distances, which no
/// row can make large.
fn weiszfeld(alphas: &[f64], from: &Least, shortest: f64) -> (Vec<f64>, f64) {
    let betas: Vec<f64> = alphas.iter().zip(&from.distances).map(|(a, d)| a / d.max(shortest)).collect();
    let next = shares(&betas);
    // The point moves by Σ (next - now) (row - point), since both sets of shares sum to 1.
    let moves = next.iter().zip(&from.coefficients).zip(&from.distances);
    let change = sum(moves.map(|((next, now), d)| (next - now).abs() * d)) * sum(betas.into_iter());
    (next, change)
}
