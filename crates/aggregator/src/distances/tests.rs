//! Distances against error-free sums, and against themselves in every order and on every CPU.

use super::kernels::Floats;
use super::*;
use proptest::prelude::*;
use sottovoce_core::lanes::{LANES, Portable};
use sottovoce_core::sampling::{shuffle, uniform_f32};
use sottovoce_core::{Address, Purpose};

/// Rows of numbers up to `most`, around a common row that is `common` times larger.
fn drawn<T: Element>(seed: u64, n: usize, d: usize, most: f64, common: f64) -> Vec<Vec<T>> {
    let mut s = Address::new(seed, Purpose::Test).stream();
    let mut one = || f64::from(uniform_f32(&mut s, -1.0, 1.0)) * most;
    let base: Vec<f64> = (0..d).map(|_| one() * common).collect();
    (0..n).map(|_| base.iter().map(|b| T::from_f64(b + one())).collect()).collect()
}

fn stack<T: Element>(rows: &[Vec<T>]) -> Stack<'_, T> {
    Stack::new(rows.iter().map(Vec::as_slice).collect()).unwrap()
}

/// Sum in twice the precision (Knuth's and Dekker's error-free transformations).
fn exactly(terms: impl Iterator<Item = (f64, f64)>) -> f64 {
    let two_sum = |a: f64, b: f64| {
        let sum = a + b;
        let of_b = sum - a;
        (sum, (a - (sum - of_b)) + (b - of_b))
    };
    let split = |a: f64| {
        let c = 134_217_729.0 * a;
        let high = c - (c - a);
        (high, a - high)
    };
    let (mut sum, mut error) = (0.0, 0.0);
    for (a, b) in terms {
        let product = a * b;
        let ((ah, al), (bh, bl)) = (split(a), split(b));
        let (next, lost) = two_sum(sum, product);
        error += lost + (((ah * bh - product) + ah * bl + al * bh) + al * bl);
        sum = next;
    }
    sum + error
}

/// `(a - b)²` for numbers whose difference is exact or nearly so in `f64`.
fn expected<T: Element>(a: &[T], b: &[T]) -> f64 {
    exactly(a.iter().zip(b).map(|(a, b)| (a.to_f64() - b.to_f64(), a.to_f64() - b.to_f64())))
}

fn agrees<T: Element>(rows: &[Vec<T>], tolerance: f64) {
    let pairs = Pairwise::of(&stack(rows));
    for (i, a) in rows.iter().enumerate() {
        assert_eq!(pairs.from(i).len(), rows.len());
        for (j, b) in rows.iter().enumerate() {
            let (got, expected) = (pairs.from(i)[j], expected(a, b));
            assert_eq!(got.to_bits(), pairs.from(j)[i].to_bits());
            let error = (got - expected).abs();
            assert!(error <= tolerance * expected, "{i}, {j} of {}: {got} for {expected}", a.len());
        }
    }
}

const SHAPES: [(usize, usize); 12] = [
    (1, 1),
    (2, 1),
    (3, 7),
    (4, 16),
    (5, 17),
    (6, 33),
    (9, 2047),
    (7, 2048),
    (2, 2049),
    (13, 5000),
    (3, 81_921),
    (131, 50),
];

#[test]
fn distances_agree_with_exact_sums() {
    for (seed, (n, d)) in (0..).zip(SHAPES) {
        agrees::<f32>(&drawn(seed, n, d, 1.0, 1.0), 1e-6);
        agrees::<f64>(&drawn(seed, n, d, 1.0, 1.0), 1e-13);
        // Rows that nearly coincide.
        agrees::<f32>(&drawn(seed, n, d, 1e-3, 1e4), 1e-6);
        agrees::<f64>(&drawn(seed, n, d, 1e-3, 1e8), 1e-13);
        // Squares that f32 does not hold, above and below; f64 does.
        agrees::<f32>(&drawn(seed, n, d, 1e30, 1.0), 1e-13);
        agrees::<f32>(&drawn(seed, n, d, 1e-25, 1.0), 1e-13);
        agrees::<f32>(&drawn(seed, n, d, 1e-14, 1.0), 1e-6);
        agrees::<f32>(&drawn(seed, n, d, 1e17, 1.0), 1e-6);
    }
    // All terms round in the same direction.
    for value in [0.1f32, 0.3, 0.7, 1.1] {
        agrees(&[vec![value; 5000], vec![0.0; 5000], vec![-value; 5000]], 1e-6);
    }
}

#[test]
fn the_farthest_is_a_number() {
    for d in [1, 3, 700] {
        let rows = [vec![f32::MAX; d], vec![-f32::MAX; d], vec![0.0; d]];
        let pairs = Pairwise::of(&stack(&rows));
        let step = f64::from(f32::MAX) * 2.0;
        assert!((pairs.from(0)[1] / (step * step * d as f64) - 1.0).abs() < 1e-13);
        let rows = [vec![f64::MAX; d], vec![-f64::MAX; d], vec![0.0; d], vec![1.0; d]];
        let all = stack(&rows);
        let pairs = Pairwise::of(&all);
        assert_eq!(pairs.from(0), [0.0, FARTHEST, FARTHEST, FARTHEST]);
        assert_eq!(pairs.from(2)[3], d as f64);
        assert_eq!(squared_norms(&all), [FARTHEST, FARTHEST, 0.0, d as f64]);
        let wild: Vec<f64> = (0..d).map(|j| if j % 2 == 0 { f64::MAX } else { -f64::MAX }).collect();
        assert!(inner_products(&all, &wild).iter().all(|v| v.is_finite()));
        assert!(squared_distances_to(&all, &wild).iter().all(|v| v.is_finite()));
    }
}

#[test]
fn sums_over_rows_agree_with_exact_sums() {
    for (seed, (n, d)) in (50..).zip(SHAPES) {
        let rows = drawn::<f32>(seed, n, d, 1.0, 3.0);
        let all = stack(&rows);
        let point = &rows[n / 2];
        let sums = [squared_norms(&all), inner_products(&all, point), squared_distances_to(&all, point)];
        for (i, row) in rows.iter().enumerate() {
            let with = |b: &[f32]| exactly(row.iter().zip(b).map(|(a, b)| (a.to_f64(), b.to_f64())));
            let norms = (with(row) * exactly(point.iter().map(|p| (p.to_f64(), p.to_f64())))).sqrt();
            assert!((sums[0][i] - with(row)).abs() <= 1e-13 * with(row));
            assert!((sums[1][i] - with(point)).abs() <= 1e-13 * norms);
            assert!((sums[2][i] - expected(row, point)).abs() <= 1e-13 * expected(row, point));
        }
    }
}

#[test]
fn centred_products_are_those_of_centred_rows() {
    let rows = drawn::<f64>(9, 6, 20, 1.0, 2.0);
    let chosen = [4, 0, 5, 2];
    let shares = [0.1, 0.4, 0.0, 0.5];
    let mean: Vec<f64> =
        (0..20).map(|c| chosen.iter().zip(shares).map(|(i, share)| share * rows[*i][c]).sum()).collect();
    let got = Pairwise::of(&stack(&rows)).centred(&chosen, &shares);
    for (at, got) in got.iter().enumerate() {
        let (a, b) = (&rows[chosen[at / 4]], &rows[chosen[at % 4]]);
        let expected: f64 = (0..20).map(|c| (a[c] - mean[c]) * (b[c] - mean[c])).sum();
        assert!((got - expected).abs() < 1e-11, "{got} for {expected}");
    }
}

fn bits<T: Element>(rows: &[Vec<T>]) -> Vec<u64> {
    let all = stack(rows);
    let pairs = Pairwise::of(&all);
    let point = &rows[0];
    let sums = [squared_norms(&all), inner_products(&all, point), squared_distances_to(&all, point)];
    (0..rows.len()).flat_map(|i| pairs.from(i).to_vec()).chain(sums.concat()).map(f64::to_bits).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for (n, d) in [(3, 80_000), (11, 9000), (150, 2500)] {
        let (single, double) = (drawn::<f32>(1, n, d, 1.0, 1.0), drawn::<f64>(1, n, d, 1.0, 1.0));
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (bits(&single), bits(&double)))
        };
        let one = with(1);
        assert!(one == with(2) && one == with(8));
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    for d in [16, 48, 128, 304, 2048] {
        let rows = drawn::<f32>(7, 6, d, 1.0, 1.0);
        let chunks: Vec<_> = rows.iter().map(|r| r.as_chunks::<LANES>().0).collect();
        let (tall, wide) = ([chunks[0], chunks[1], chunks[2], chunks[3]], [chunks[4], chunks[5]]);
        let plain = kernels::tile(Floats(Portable), tall, wide);
        let pairs = Pairwise::of(&stack(&rows));
        for (i, plain) in plain.iter().enumerate() {
            assert_eq!(plain.map(f64::to_bits), [pairs.from(i)[4].to_bits(), pairs.from(i)[5].to_bits()]);
        }
        #[cfg(target_arch = "x86_64")]
        assert_eq!(plain, kernels::tile(Floats(sottovoce_core::lanes::Sse2), tall, wide));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn permuted_rows_give_the_permuted_matrix(seed in 0u64..1000, n in 1usize..20, d in 1usize..5000) {
        let rows = drawn::<f32>(seed, n, d, 1.0, 1.0);
        let mut order: Vec<usize> = (0..n).collect();
        shuffle(&mut Address::new(seed, Purpose::Test).slot(1).stream(), &mut order);
        let permuted: Vec<Vec<f32>> = order.iter().map(|i| rows[*i].clone()).collect();
        let (a, b) = (Pairwise::of(&stack(&rows)), Pairwise::of(&stack(&permuted)));
        for i in 0..n {
            for j in 0..n {
                prop_assert_eq!(b.from(i)[j].to_bits(), a.from(order[i])[order[j]].to_bits());
            }
        }
    }
}
