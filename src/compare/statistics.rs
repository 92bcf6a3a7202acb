//! Paired differences: mean, Student's interval and test, Welch's interval beside them, Holm's adjustment.
//!
//! Student, "The probable error of a mean", Biometrika 1908; Welch, "The generalization of 'Student's' problem when
//! several different population variances are involved", Biometrika 1947; Holm, "A simple sequentially rejective
//! multiple test procedure", Scandinavian Journal of Statistics 1979.
//!
//! | symbol | meaning |
//! |---|---|
//! | n | pairs, at least 2 |
//! | dᵢ | bᵢ − aᵢ, group less baseline |
//! | s | standard deviation of dᵢ, with n − 1 |
//! | t | mean(d) / (s / √n), Student with n − 1 degrees of freedom if dᵢ are normal with mean 0 |
//!
//! Deviation: where the dᵢ are all the same, up to rounding, there is no interval and no p of t. The formulas would give
//! a width and a p of 0, from two equal differences already. Cost: O(n), and [`sign_flip`].

use super::flips::sign_flip;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// What pairs of figures say about the difference between two ways.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Paired {
    /// Mean of the baseline.
    pub baseline: f64,
    /// Mean of the group.
    pub group: f64,
    /// Mean of group less baseline.
    pub difference: f64,
    /// Whether every difference is exactly 0.
    pub identical: bool,
    /// Student's interval of the difference from the paired differences; none where these are all the same.
    pub interval: Option<[f64; 2]>,
    /// Welch's interval of the same difference, as if the pairs were not known; none where neither side varies.
    pub unpaired_interval: Option<[f64; 2]>,
    /// Two-sided p of the paired t-test; none where there is no interval.
    pub p_t: Option<f64>,
    /// Two-sided p of the sign-flip test.
    pub p_sign_flip: f64,
    /// Pairs in which the group is higher.
    #[serde(skip)]
    pub higher: u64,
    /// Pairs in which both are equal.
    #[serde(skip)]
    pub equal: u64,
    /// Pairs in which the group is lower.
    #[serde(skip)]
    pub lower: u64,
}

impl Paired {
    /// Of the pairs `(baseline, group)`, which are finite numbers, with intervals of this confidence, above 0 and
    /// below 1. `None` for fewer than two pairs.
    pub fn of(pairs: &[(f64, f64)], confidence: f64) -> Option<Self> {
        if pairs.len() < 2 {
            return None;
        }
        let n = pairs.len() as f64;
        let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
        let (baseline, variance_a) = moments(pairs.iter().map(|p| p.0));
        let (group, variance_b) = moments(pairs.iter().map(|p| p.1));
        let (difference, variance) = moments(differences.iter().copied());

        // What rounding alone can make of a figure: a spread below it is none.
        let mut size = 0.0;
        for (a, b) in pairs {
            size += a.abs() + b.abs();
        }
        let rounding = 4.0 * f64::EPSILON * size;
        let around = |error: f64, freedom: f64| {
            (error > rounding).then(|| {
                let half = quantile(freedom, confidence) * error;
                [difference - half, difference + half]
            })
        };
        let error = (variance / n).sqrt();
        let interval = around(error, n - 1.0);
        let both = variance_a + variance_b;
        // Welch's degrees of freedom for two sides of one size, by the first one's share of the variance.
        let share = if both > 0.0 { variance_a / both } else { 0.5 };
        let freedom = (n - 1.0) / (share * share + (1.0 - share) * (1.0 - share));
        let count = |f: fn(f64) -> bool| differences.iter().filter(|d| f(**d)).count() as u64;
        Some(Self {
            baseline,
            group,
            difference,
            identical: differences.iter().all(|d| *d == 0.0),
            interval,
            unpaired_interval: around((both / n).sqrt(), freedom),
            p_t: interval.map(|_| two_sided(n - 1.0, difference / error)),
            p_sign_flip: sign_flip(&differences, rounding),
            higher: count(|d| d > 0.0),
            equal: count(|d| d == 0.0),
            lower: count(|d| d < 0.0),
        })
    }
}

/// Mean and variance with n − 1, in two passes and the order given.
fn moments(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.len() as f64;
    let mut sum = 0.0;
    for v in values.clone() {
        sum += v;
    }
    let (mean, mut squares) = (sum / n, 0.0);
    for v in values {
        squares += (v - mean) * (v - mean);
    }
    (mean, squares / (n - 1.0))
}

fn student(freedom: f64) -> StudentsT {
    StudentsT::new(0.0, 1.0, freedom).expect("at least two pairs leave a degree of freedom")
}

/// The t between which and its negative lies this much of Student's distribution.
fn quantile(freedom: f64, confidence: f64) -> f64 {
    student(freedom).inverse_cdf(0.5 + 0.5 * confidence)
}

/// Probability of a t at least as far from 0.
fn two_sided(freedom: f64, t: f64) -> f64 {
    2.0 * student(freedom).sf(t.abs())
}

/// Holm's adjustment of a family of p-values, in their order. One that does not exist stays so and counts as a member.
pub fn holm(family: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(f64, usize)> =
        family.iter().enumerate().filter_map(|(i, p)| Some(((*p)?, i))).collect();
    order.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut adjusted = vec![None; family.len()];
    let mut largest = 0.0f64;
    for (rank, (p, i)) in order.into_iter().enumerate() {
        largest = largest.max((p * (family.len() - rank) as f64).min(1.0));
        adjusted[i] = Some(largest);
    }
    adjusted
}
