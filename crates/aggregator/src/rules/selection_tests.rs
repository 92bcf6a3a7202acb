//! The rules that select rows, against independent values (`robust.json`) and against trying all subsets.

use super::{bulyan, caf, krum, mda, smea};
use crate::distances::Pairwise;
use crate::stack::{Element, Stack};
use proptest::prelude::*;
use serde_json::Value;
use sottovoce_core::sampling::{shuffle, uniform_f32};
use sottovoce_core::{Address, Purpose};
use std::io::Write;

fn vectors() -> Option<Value> {
    let found = std::env::var("SOTTOVOCE_DATA").ok().filter(|data| !data.is_empty());
    let found = found.map(|data| format!("{data}/../reference/robust.json"));
    let text = found.and_then(|path| std::fs::read_to_string(path).ok());
    if text.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: SOTTOVOCE_DATA does not name data beside robust.json");
    }
    text.map(|text| serde_json::from_str(&text).unwrap())
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn indices(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

/// Calls `check` with each case of `op`, the rows of its input, and f.
fn each_case<T: Element>(all: &Value, op: &str, check: impl Fn(&Value, &Stack<'_, T>, usize)) {
    let mut met = 0;
    for case in all["cases"].as_array().unwrap().iter().filter(|case| case["op"] == op) {
        let rows = all["inputs"][case["input"].as_str().unwrap()]["rows"].as_array().unwrap();
        let rows: Vec<Vec<T>> =
            rows.iter().map(|r| numbers(r).into_iter().map(T::from_f64).collect()).collect();
        let stack = Stack::new(rows.iter().map(Vec::as_slice).collect()).unwrap();
        check(case, &stack, case["params"]["f"].as_u64().unwrap() as usize);
        met += 1;
    }
    assert!(met > 0, "no case of {op}");
}

fn close(case: &Value, got: &[f64], expected: &Value, tolerance: f64) {
    let expected = numbers(expected);
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() <= tolerance * e.abs().max(1.0), "{}: {g} for {e}", case["id"]);
    }
}

/// Weighted mean in the plainest way.
fn mean<T: Element>(stack: &Stack<'_, T>, weights: &[f64]) -> Vec<f64> {
    let column = |j: usize| stack.rows().iter().zip(weights).map(|(r, w)| r[j].to_f64() * w).sum();
    (0..stack.params()).map(column).collect()
}

fn mean_of<T: Element>(stack: &Stack<'_, T>, rows: &[usize]) -> Vec<f64> {
    let share = |i: usize| if rows.contains(&i) { 1.0 / rows.len() as f64 } else { 0.0 };
    mean(stack, &(0..stack.clients()).map(share).collect::<Vec<f64>>())
}

fn published<T: Element>(tolerance: f64) {
    let Some(all) = vectors() else { return };
    let neighbours = |case: &Value| case["params"]["neighbours"].as_u64().unwrap() as usize;
    each_case::<T>(&all, "krum", |case, stack, _| {
        let selected = krum::select(stack, neighbours(case));
        close(case, &mean_of(stack, &[selected]), &case["output"], tolerance);
        if let Some(expected) = case["selected"].as_u64() {
            assert_eq!(selected as u64, expected, "{}", case["id"]);
            let everyone: Vec<usize> = (0..stack.clients()).collect();
            let scores = krum::scores(&Pairwise::of(stack), &everyone, neighbours(case));
            close(case, &scores, &case["scores"], tolerance);
        }
    });
    each_case::<T>(&all, "multi_krum", |case, stack, _| {
        let m = case["params"]["m"].as_u64().unwrap() as usize;
        let selected = krum::multi_krum(stack, m, neighbours(case));
        close(case, &mean_of(stack, &selected), &case["output"], tolerance);
        if case["selected"].is_array() {
            let mut expected = indices(&case["selected"]);
            expected.sort_unstable();
            assert_eq!(selected, expected, "{}", case["id"]);
        }
    });
    each_case::<T>(&all, "bulyan", |case, stack, f| {
        let theta = case["params"]["theta"].as_u64().unwrap() as usize;
        let selected = bulyan::select(stack, f, theta, bulyan::Scores::Recomputed);
        assert_eq!(selected, indices(&case["selection_order"]), "{}", case["id"]);
        let keep = case["params"]["beta"].as_u64().unwrap() as usize;
        let column = |j: usize| around_median(selected.iter().map(|i| stack.rows()[*i][j].to_f64()), keep);
        let output: Vec<f64> = (0..stack.params()).map(column).collect();
        close(case, &output, &case["output"], tolerance);
    });
    each_case::<T>(&all, "mda", |case, stack, f| {
        close(case, &mean_of(stack, &mda::select(stack, f).unwrap()), &case["output"], tolerance);
    });
    each_case::<T>(&all, "smea", |case, stack, f| {
        let selected = smea::select(stack, f).unwrap();
        assert_eq!(selected, indices(&case["selected"]), "{}", case["id"]);
        close(case, &mean_of(stack, &selected), &case["output"], tolerance);
    });
    each_case::<T>(&all, "caf", |case, stack, f| {
        let tolerance = tolerance.max(case["tol_abs"].as_f64().unwrap());
        close(case, &mean(stack, &caf::weights(stack, f)), &case["output"], tolerance);
    });
    each_case::<T>(&all, "nnm", |case, stack, f| {
        let pairs = Pairwise::of(stack);
        for (i, expected) in case["output"].as_array().unwrap().iter().enumerate() {
            let mixed = mean_of(stack, &krum::nearest(&pairs, i, stack.clients() - f));
            close(case, &mixed, expected, tolerance);
        }
    });
}

/// Mean of the `keep` values nearest to the median, for checking alone.
fn around_median(values: impl Iterator<Item = f64>, keep: usize) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
    sorted.sort_by(|a, b| (a - median).abs().total_cmp(&(b - median).abs()));
    sorted[..keep].iter().sum::<f64>() / keep as f64
}

#[test]
fn published_values_for_f64() {
    published::<f64>(1e-9);
}

#[test]
fn published_values_for_f32() {
    published::<f32>(2e-6);
}

/// Rows of small whole numbers: many ties.
fn drawn(seed: u64, n: usize, d: usize, most: f32) -> Vec<Vec<f64>> {
    let mut s = Address::new(seed, Purpose::Test).stream();
    (0..n).map(|_| (0..d).map(|_| f64::from(uniform_f32(&mut s, -most, most).round())).collect()).collect()
}

fn stack(rows: &[Vec<f64>]) -> Stack<'_, f64> {
    Stack::new(rows.iter().map(Vec::as_slice).collect()).unwrap()
}

/// All subsets of `size`, in lexicographic order.
fn subsets(n: usize, size: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = (0..1u32 << n)
        .filter(|bits| bits.count_ones() as usize == size)
        .map(|bits| (0..n).filter(|i| bits >> i & 1 == 1).collect())
        .collect();
    all.sort();
    all
}

/// The first subset whose value is the least, up to one part in 10¹¹.
fn first_least(n: usize, f: usize, value: impl Fn(&[usize]) -> f64) -> Vec<usize> {
    let all = subsets(n, n - f);
    let least = all.iter().map(|s| value(s)).fold(f64::INFINITY, f64::min);
    all.into_iter().find(|s| value(s) <= least + 1e-11 * least.abs().max(1e-3)).unwrap()
}

fn diameter(rows: &[Vec<f64>], subset: &[usize]) -> f64 {
    let squared = |i: usize, j: usize| rows[i].iter().zip(&rows[j]).map(|(a, b)| (a - b) * (a - b)).sum();
    subset.iter().flat_map(|i| subset.iter().map(move |j| squared(*i, *j))).fold(0.0, f64::max)
}

/// Top eigenvalue of the covariance by many power iterations in the space of the columns.
fn top_eigenvalue(rows: &[Vec<f64>], subset: &[usize]) -> f64 {
    let d = rows[0].len();
    let mean: Vec<f64> =
        (0..d).map(|j| subset.iter().map(|i| rows[*i][j]).sum::<f64>() / subset.len() as f64).collect();
    let entry =
        |j: usize, k: usize| subset.iter().map(|i| (rows[*i][j] - mean[j]) * (rows[*i][k] - mean[k])).sum();
    let mut power: Vec<f64> = (0..d * d).map(|at| entry(at / d, at % d)).collect();
    let trace = |a: &[f64]| (0..d).map(|j| a[j * d + j]).sum::<f64>();
    let covariance = power.clone();
    // Squaring 40 times: the 2⁴⁰th power, of trace 1.
    for _ in 0..40 {
        let t = trace(&power);
        if t == 0.0 {
            return 0.0;
        }
        let a: Vec<f64> = power.iter().map(|v| v / t).collect();
        power = (0..d * d).map(|at| (0..d).map(|k| a[at / d * d + k] * a[k * d + at % d]).sum()).collect();
    }
    (0..d * d).map(|at| covariance[at] * power[at]).sum::<f64>() / trace(&power)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn mda_is_the_first_of_all_subsets_of_least_diameter(
        seed in 0u64..10_000, n in 1usize..11, d in 1usize..4, most in 1u8..30, f in 0usize..10,
    ) {
        let rows = drawn(seed, n, d, f32::from(most));
        let f = f.min(n - 1);
        let expected = first_least(n, f, |subset| diameter(&rows, subset));
        prop_assert_eq!(mda::select(&stack(&rows), f).unwrap(), expected);
    }

    #[test]
    fn smea_is_the_first_of_all_subsets_of_least_top_eigenvalue(
        seed in 0u64..10_000, n in 1usize..9, d in 1usize..4, most in 1u8..30, f in 0usize..8,
    ) {
        let rows = drawn(seed, n, d, f32::from(most));
        let f = f.min(n - 1);
        let expected = first_least(n, f, |subset| top_eigenvalue(&rows, subset));
        prop_assert_eq!(smea::select(&stack(&rows), f).unwrap(), expected);
    }

    #[test]
    fn the_order_of_rows_changes_no_bit(seed in 0u64..10_000, n in 3usize..12, d in 1usize..40) {
        let mut s = Address::new(seed, Purpose::Test).stream();
        let rows: Vec<Vec<f64>> =
            (0..n).map(|_| (0..d).map(|_| f64::from(uniform_f32(&mut s, -1.0, 1.0))).collect()).collect();
        let mut order: Vec<usize> = (0..n).collect();
        shuffle(&mut s, &mut order);
        let permuted: Vec<Vec<f64>> = order.iter().map(|i| rows[*i].clone()).collect();
        let (a, b) = (stack(&rows), stack(&permuted));
        let (f, everyone) = ((n - 1) / 3, (0..n).collect::<Vec<usize>>());

        let scores = krum::scores(&Pairwise::of(&a), &everyone, n - f - 1);
        let of_permuted = krum::scores(&Pairwise::of(&b), &everyone, n - f - 1);
        for (place, i) in order.iter().enumerate() {
            prop_assert_eq!(of_permuted[place].to_bits(), scores[*i].to_bits());
        }
        let back = |selected: Vec<usize>| selected.into_iter().map(|place| order[place]).collect::<Vec<usize>>();
        for mode in [bulyan::Scores::Recomputed, bulyan::Scores::Once] {
            // With one neighbour, two rows nearest to each other have the same score: two at least.
            let theta = n.saturating_sub(f + 3);
            prop_assert_eq!(bulyan::select(&a, f, theta, mode), back(bulyan::select(&b, f, theta, mode)));
        }
    }
}
