//! Samplers against independent references. Today's draws are held in place in `value_stability.rs`.
//!
//! Seeds are fixed, so a test passes always or never; thresholds are those of one false alarm in 10,000.

use rand::SeedableRng;
use rand_distr::Distribution;
use sottovoce_core::sampling::{
    below, bernoulli_subset, chance, dirichlet, distinct, index, log_gamma_draw, normal, normals, shuffle,
    uniform_f32, unit, weighted,
};
use sottovoce_core::{Address, Purpose, Stream};

fn stream(seed: u64) -> Stream {
    Address::new(seed, Purpose::Test).stream()
}

/// The largest gap between the distribution of `draws` and `cdf`, in units of 1/√n: above 2.2253 once in 10,000.
fn kolmogorov(mut draws: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    draws.sort_unstable_by(f64::total_cmp);
    let n = draws.len() as f64;
    let gap = draws.iter().enumerate().map(|(i, x)| {
        let p = cdf(*x);
        (p - i as f64 / n).max((i + 1) as f64 / n - p)
    });
    gap.fold(0.0, f64::max) * n.sqrt()
}

/// The largest gap between the distributions of two samples of one size, in units of √(2/n).
fn smirnov(mut a: Vec<f64>, mut b: Vec<f64>) -> f64 {
    assert_eq!(a.len(), b.len());
    a.sort_unstable_by(f64::total_cmp);
    b.sort_unstable_by(f64::total_cmp);
    let (mut i, mut j, mut gap) = (0, 0, 0usize);
    while i < a.len() && j < b.len() {
        // Equal numbers, those of an underflow above all, move both sides at once.
        let x = if a[i] < b[j] { a[i] } else { b[j] };
        while i < a.len() && a[i] <= x {
            i += 1;
        }
        while j < b.len() && b[j] <= x {
            j += 1;
        }
        gap = gap.max(i.abs_diff(j));
    }
    gap as f64 / a.len() as f64 * (a.len() as f64 / 2.0).sqrt()
}

const GAP: f64 = 2.2253;

/// `Σ (seen − expected)² / expected`; freedom is the number of cells less one.
fn chi_square(seen: &[u64], shares: &[f64]) -> f64 {
    let n: u64 = seen.iter().sum();
    seen.iter().zip(shares).map(|(s, p)| squared(*s as f64 - p * n as f64) / (p * n as f64)).sum()
}

fn squared(x: f64) -> f64 {
    x * x
}

fn even(cells: usize) -> Vec<f64> {
    vec![1.0 / cells as f64; cells]
}

fn mean_and_variance(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    (mean, x.iter().map(|v| squared(v - mean)).sum::<f64>() / n)
}

const N: usize = 40_000;

#[test]
fn unit_numbers_are_uniform() {
    let mut s = stream(1);
    let draws: Vec<f64> = (0..N).map(|_| unit(&mut s)).collect();
    assert!(draws.iter().all(|x| (0.0..1.0).contains(x)));
    let gap = kolmogorov(draws.clone(), |x| x);
    assert!(gap < GAP, "{gap}");
    let neighbours: Vec<f64> = draws.windows(2).map(|w| (w[0] - 0.5) * (w[1] - 0.5) * 12.0).collect();
    assert!(mean_and_variance(&neighbours).0.abs() < 4.0 / (N as f64).sqrt());

    let draws: Vec<f64> = (0..N).map(|_| f64::from(uniform_f32(&mut s, -2.0, 6.0))).collect();
    assert!(draws.iter().all(|x| (-2.0..6.0).contains(x)));
    let gap = kolmogorov(draws, |x| (x + 2.0) / 8.0);
    assert!(gap < GAP, "{gap}");
    let heads = (0..N).filter(|_| chance(&mut s, 0.3)).count() as f64;
    assert!((heads - 0.3 * N as f64).abs() < 4.0 * (0.21 * N as f64).sqrt());
    assert!((0..1000).all(|_| !chance(&mut s, 0.0) && chance(&mut s, 1.0)));
}

#[test]
fn normal_numbers_are_normal() {
    let mut s = stream(2);
    let draws: Vec<f64> = (0..N).map(|_| normal(&mut s)).collect();
    let gap = kolmogorov(draws.clone(), |x| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2));
    assert!(gap < GAP, "{gap}");
    let (mean, variance) = mean_and_variance(&draws);
    let fourth = draws.iter().map(|x| squared(squared(*x))).sum::<f64>() / N as f64;
    let error = 4.0 / (N as f64).sqrt();
    assert!(mean.abs() < error, "{mean}");
    assert!((variance - 1.0).abs() < error * 2f64.sqrt(), "{variance}");
    assert!((fourth - 3.0).abs() < error * 96f64.sqrt(), "{fourth}");
}

#[test]
fn blocks_of_normal_numbers_are_normal_and_independent() {
    let mut draws = vec![0.0; 5 * N / 64 * 64];
    normals(&mut stream(14), &mut draws);
    let n = draws.len() as f64;
    let gap = kolmogorov(draws.clone(), |x| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2));
    assert!(gap < GAP, "{gap}");
    let error = 4.0 / n.sqrt();
    for (power, expected, spread) in
        [(1, 0.0, 1f64), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0), (6, 15.0, 10_170.0)]
    {
        let moment = draws.iter().map(|x| (0..power).fold(1.0, |p, _| p * x)).sum::<f64>() / n;
        assert!((moment - expected).abs() < error * spread.sqrt(), "moment {power}: {moment}");
    }
    // Both coordinates of a point lie half a block apart; neighbours share nothing but the block.
    for apart in [1, 31, 32, 33, 64] {
        let pairs = || draws.iter().zip(&draws[apart..]);
        let products = pairs().map(|(a, b)| a * b).sum::<f64>() / n;
        let squares = pairs().map(|(a, b)| (a * a - 1.0) * (b * b - 1.0)).sum::<f64>() / n;
        assert!(products.abs() < error && squares.abs() < 2.0 * error, "{apart}: {products} {squares}");
    }
    let beyond = draws.iter().filter(|x| x.abs() > 4.0).count() as f64;
    let expected = 6.334_248e-5 * n;
    assert!((beyond - expected).abs() < 4.0 * expected.sqrt(), "{beyond} {expected}");
}

/// Reference: `rand_distr::Gamma`, another sampler on another stream; and the mean and variance of the
/// logarithm, which are the digamma and trigamma functions (values of `scipy.special.polygamma`).
#[test]
fn gamma_numbers_are_gamma() {
    for (shape, digamma, trigamma) in [
        (0.01, -100.560_885_457_868_68, 10_001.621_213_528_311),
        (0.3, -3.502_524_222_200_133, 12.245_364_546_107_734),
        (1.0, -0.577_215_664_901_532_9, 1.644_934_066_848_226_5),
        (2.5, 0.703_156_640_645_243_2, 0.490_357_756_100_234_9),
        (50.0, 3.901_989_673_427_892_5, 0.020_201_333_226_697_13),
    ] {
        let mut s = stream(3);
        let logs: Vec<f64> = (0..N).map(|_| log_gamma_draw(&mut s, shape)).collect();
        let (mean, variance) = mean_and_variance(&logs);
        let error = 4.0 * (trigamma / N as f64).sqrt();
        assert!((mean - digamma).abs() < error, "shape {shape}: {mean} {digamma}");
        assert!((variance / trigamma - 1.0).abs() < 0.06, "shape {shape}: {variance} {trigamma}");

        let reference = rand_distr::Gamma::new(shape, 1.0).unwrap();
        let mut theirs = rand::rngs::ChaCha8Rng::seed_from_u64(4);
        let theirs: Vec<f64> = (0..N).map(|_| reference.sample(&mut theirs)).collect();
        let ours: Vec<f64> = logs.iter().map(|l| libm::exp(*l)).collect();
        let gap = smirnov(ours.clone(), theirs);
        assert!(gap < GAP, "shape {shape}: {gap}");
        let (mean, variance) = mean_and_variance(&ours);
        assert!((mean - shape).abs() < 4.0 * (shape / N as f64).sqrt(), "shape {shape}: {mean}");
        assert!((variance / shape - 1.0).abs() < 0.3, "shape {shape}: {variance}");
    }
}

/// Mean `1/k`, variance `(1/k)(1 − 1/k) / (kα + 1)`, covariance `−1/k² / (kα + 1)`.
#[test]
fn dirichlet_points_have_the_moments_of_dirichlet() {
    for (alpha, k) in [(0.1, 4), (1.0, 3), (0.5, 10), (20.0, 5)] {
        let mut s = stream(5);
        let n = 10_000;
        let points: Vec<Vec<f64>> = (0..n).map(|_| dirichlet(&mut s, alpha, k)).collect();
        let share = 1.0 / k as f64;
        let expected = share * (1.0 - share) / (k as f64 * alpha + 1.0);
        for corner in 0..k {
            let column: Vec<f64> = points.iter().map(|p| p[corner]).collect();
            let (mean, variance) = mean_and_variance(&column);
            assert!((mean - share).abs() < 4.0 * (expected / f64::from(n)).sqrt(), "{alpha} {k}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.08, "{alpha} {k}: {variance} {expected}");
        }
        let products: Vec<f64> = points.iter().map(|p| (p[0] - share) * (p[k - 1] - share)).collect();
        let (covariance, spread) = mean_and_variance(&products);
        let error = 4.0 * (spread / f64::from(n)).sqrt();
        assert!((covariance + share * share / (k as f64 * alpha + 1.0)).abs() < error, "{alpha} {k}");
        assert!(points.iter().all(|p| (p.iter().sum::<f64>() - 1.0).abs() < 1e-12));
    }
}

#[test]
fn extreme_parameters_give_numbers() {
    let mut s = stream(6);
    for shape in [f64::MIN_POSITIVE, 1e-300, 1e-9, 1e9, 1e300, f64::MAX] {
        for _ in 0..100 {
            let log = log_gamma_draw(&mut s, shape);
            assert!(!log.is_nan() && log < 710.0, "shape {shape}: {log}");
            if shape >= 1e9 {
                assert!((log - libm::log(shape)).abs() < 1e-3, "shape {shape}: {log}");
            }
        }
    }
    let mut corners = [0u64; 8];
    for alpha in [5e-324, 1e-300, 1e-9, 1e9, 1e300] {
        for _ in 0..400 {
            let point = dirichlet(&mut s, alpha, 8);
            assert!(point.iter().all(|p| (0.0..=1.0).contains(p)), "{alpha}: {point:?}");
            assert!((point.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{alpha}: {point:?}");
            if alpha < 1e-200 {
                let corner = point.iter().position(|p| *p == 1.0).expect("tiny alpha gives a corner");
                corners[corner] += 1;
            }
            if alpha >= 1e9 {
                assert!(point.iter().all(|p| (p - 0.125).abs() < 1e-4), "{alpha}: {point:?}");
            }
        }
    }
    assert!(chi_square(&corners, &even(8)) < 29.88, "{corners:?}");
    assert_eq!(dirichlet(&mut s, 1e-300, 1), [1.0]);
}

#[test]
fn integers_below_a_bound_are_even() {
    let mut s = stream(7);
    for (bound, limit) in [(2usize, 15.14), (3, 18.42), (6, 25.74), (10, 33.72)] {
        let mut seen = vec![0; bound];
        for _ in 0..N {
            seen[index(&mut s, bound)] += 1;
        }
        assert!(chi_square(&seen, &even(bound)) < limit, "{bound}: {seen:?}");
    }
    assert_eq!(below(&mut s, 1), 0);
    assert!((0..1000).all(|_| below(&mut s, u64::MAX) < u64::MAX));
}

/// At three quarters of the range, a multiplication without Lemire's rejection gives every third number twice as
/// often, and a remainder gives the lower third twice as often.
#[test]
fn integers_below_a_bound_are_even_where_bias_would_be_largest() {
    let mut s = stream(8);
    let bound = 3u64 << 62;
    let (mut thirds, mut remainders) = ([0; 3], [0; 3]);
    for _ in 0..N {
        let x = below(&mut s, bound);
        assert!(x < bound);
        thirds[(x >> 62) as usize] += 1;
        remainders[(x % 3) as usize] += 1;
    }
    assert!(chi_square(&thirds, &even(3)) < 18.42, "{thirds:?}");
    assert!(chi_square(&remainders, &even(3)) < 18.42, "{remainders:?}");
}

#[test]
fn distinct_numbers_are_any_subset_alike() {
    for (n, count, subsets, limit) in [(5u64, 2u64, 10usize, 33.72), (6, 3, 20, 50.80), (4, 1, 4, 21.11)] {
        let mut s = stream(9);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..N {
            *seen.entry(distinct(&mut s, n, count)).or_insert(0u64) += 1;
        }
        assert!(seen.keys().all(|set| set.is_sorted_by(|a, b| a < b) && set.iter().all(|x| *x < n)));
        let times: Vec<u64> = seen.into_values().collect();
        assert_eq!(times.len(), subsets);
        assert!(chi_square(&times, &even(subsets)) < limit, "{times:?}");
    }
    let mut s = stream(9);
    assert_eq!(distinct(&mut s, 5, 0), Vec::<u64>::new());
    assert_eq!(distinct(&mut s, 5, 5), [0, 1, 2, 3, 4]);
    assert_eq!(distinct(&mut s, u64::MAX, 3).len(), 3);
}

#[test]
fn poisson_samples_take_each_number_alone() {
    let (n, rounds) = (5u64, 20_000);
    for p in [0.05, 0.5, 0.9] {
        let mut s = stream(10);
        // Every subset has a probability of its own: p per member, 1 − p per absent number.
        let mut seen = [0u64; 32];
        for _ in 0..rounds {
            let chosen = bernoulli_subset(&mut s, n, p);
            assert!(chosen.is_sorted_by(|a, b| a < b));
            seen[chosen.iter().map(|c| 1usize << c).sum::<usize>()] += 1;
        }
        for (set, times) in seen.iter().enumerate() {
            let members = set.count_ones();
            let share = libm::pow(p, f64::from(members)) * libm::pow(1.0 - p, 5.0 - f64::from(members));
            let deviation = (share * (1.0 - share) * f64::from(rounds)).sqrt();
            let off = (*times as f64 - share * f64::from(rounds)).abs();
            assert!(off < 4.5 * deviation + 3.0, "p {p}, set {set:05b}: {times}");
        }
    }
    let mut s = stream(10);
    assert!(bernoulli_subset(&mut s, 9, 0.0).is_empty() && bernoulli_subset(&mut s, 0, 0.5).is_empty());
    assert_eq!(bernoulli_subset(&mut s, 3, 1.0), [0, 1, 2]);
    assert!(bernoulli_subset(&mut s, u64::MAX, 1e-300).is_empty());
    assert!(bernoulli_subset(&mut s, 1000, f64::MIN_POSITIVE).is_empty());
}

#[test]
fn weighted_choices_follow_the_weights() {
    let mut s = stream(11);
    let weights = [0.0, 3.0, 1.0, 0.0, 6.0, 0.0];
    let mut seen = [0u64; 6];
    for _ in 0..N {
        seen[weighted(&mut s, &weights)] += 1;
    }
    assert_eq!((seen[0], seen[3], seen[5]), (0, 0, 0));
    assert!(chi_square(&[seen[1], seen[2], seen[4]], &[0.3, 0.1, 0.6]) < 18.42, "{seen:?}");
    assert!((0..1000).all(|_| weighted(&mut s, &[1e-300, 0.0]) == 0));
}

#[test]
fn shuffles_are_any_order_alike() {
    let mut s = stream(12);
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..N {
        let mut items = [0, 1, 2, 3];
        shuffle(&mut s, &mut items);
        *seen.entry(items).or_insert(0u64) += 1;
    }
    let times: Vec<u64> = seen.into_values().collect();
    assert_eq!(times.len(), 24);
    assert!(chi_square(&times, &even(24)) < 57.07, "{times:?}");
}

#[test]
fn a_bound_far_from_zero_may_be_met_by_rounding() {
    let mut s = stream(13);
    assert!((0..N).all(|_| (1e6..=1e6 + 1.0).contains(&uniform_f32(&mut s, 1e6, 1e6 + 1.0))));
}
