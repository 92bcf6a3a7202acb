//! Laws that every rule and wrapper keeps, as functions that are called for all of them.
//!
//! Robustness: Allouah et al., "Fixing by Mixing", AISTATS 2023, definition 2 and table 1.

mod rows;

use proptest::prelude::*;
use rows::laws::{D, F, LAWS, Law, N};
use rows::{given, matrix, one, run, squared_distance, stack, stream};
use sottovoce_aggregator::rules::{Value, catalogue};
use sottovoce_aggregator::{Element, Recipe, RuleError, StackError};
use sottovoce_core::sampling::{distinct, index, normal, shuffle, uniform_f32};
use sottovoce_core::stream::Stream;
use std::collections::BTreeMap;

fn bits<T: Element>(rows: &[Vec<T>]) -> Vec<Vec<u64>> {
    rows.iter().map(|row| row.iter().map(|v| v.to_f64().to_bits()).collect()).collect()
}

fn close(a: &[Vec<f64>], b: &[Vec<f64>], tolerance: f64, name: &str) {
    assert_eq!(a.len(), b.len(), "{name}");
    for (x, y) in a.iter().flatten().zip(b.iter().flatten()) {
        assert!((x - y).abs() <= tolerance, "{name}: {x} is not {y}");
    }
}

/// The mean, by arithmetic of its own.
fn plain_mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let column = |j: usize| rows.iter().fold(0.0, |sum, row| sum + row[j]) / rows.len() as f64;
    (0..rows[0].len()).map(column).collect()
}

fn weights(s: &mut Stream, n: usize) -> Vec<f64> {
    (0..n).map(|_| f64::from(uniform_f32(s, 1.0, 200.0)).floor()).collect()
}

/// Rows of few small whole numbers: many lie at the same distance from each other, and some are equal.
fn tied<T: Element>(s: &mut Stream) -> Vec<Vec<T>> {
    let d = 1 + index(s, D);
    let mut number = || match index(s, 4) {
        0 => -0.0,
        n => n as f64 - 2.0,
    };
    (0..N).map(|_| (0..D).map(|j| T::from_f64(if j < d { number() } else { 1.0 })).collect()).collect()
}

fn permuted<T: Element>(law: &Law, rows: Vec<Vec<T>>, mut s: Stream) {
    let weights = weights(&mut s, N);
    let vector: Vec<f64> = (0..D).map(|_| normal(&mut s)).collect();
    let mut order: Vec<usize> = (0..N).collect();
    shuffle(&mut s, &mut order);
    let mut parameters = law.parameters(F, &vector);
    let expected = run(&law.with(F, &vector), &rows, &weights);
    if law.takes("idx") {
        let place = order.iter().position(|i| *i == N - 1).expect("each row is somewhere");
        parameters.insert("idx".into(), Value::Number(place as f64));
    }
    let recipe = Recipe::parse(law.names, &parameters).expect("the same parameters");
    let shuffled: Vec<Vec<T>> = order.iter().map(|i| rows[*i].clone()).collect();
    let theirs: Vec<f64> = order.iter().map(|i| weights[*i]).collect();
    let got = run(&recipe, &shuffled, &theirs);
    // Buckets are no client's.
    if got.rows.len() == 1 || law.names == "bucketing" {
        assert_eq!(bits(&got.rows), bits(&expected.rows), "{}", law.name());
    } else {
        let back: Vec<Vec<T>> = order.iter().map(|i| expected.rows[*i].clone()).collect();
        assert_eq!(bits(&got.rows), bits(&back), "{}", law.name());
    }
    // Which of equal rows is selected does not matter; mixed rows may be equal where those of clients are not.
    if let Some(selected) = got.selected.filter(|_| !law.names.contains("nnm")) {
        let contents = |rows: &[Vec<T>], selected: Vec<usize>| {
            let mut contents = bits(&selected.into_iter().map(|i| rows[i].clone()).collect::<Vec<_>>());
            if law.names != "bulyan" {
                contents.sort_unstable();
            }
            contents
        };
        let expected = contents(&rows, expected.selected.expect("selected before"));
        assert_eq!(contents(&shuffled, selected), expected, "{}", law.name());
    }
}

fn moved_and_scaled(law: &Law, seed: u64) {
    let mut s = stream(seed);
    let (rows, weights) = (matrix::<f64>(&mut s, N, D), weights(&mut s, N));
    let vector: Vec<f64> = (0..D).map(|_| normal(&mut s)).collect();
    let recipe = law.with(F, &vector);
    let expected = run(&recipe, &rows, &weights).rows;
    let map = |rows: &[Vec<f64>], f: &dyn Fn(usize, f64) -> f64| -> Vec<Vec<f64>> {
        rows.iter().map(|row| row.iter().enumerate().map(|(j, x)| f(j, *x)).collect()).collect()
    };
    if law.moves {
        let shift = |j: usize, x: f64| x + 3.0 * vector[j];
        close(&run(&recipe, &map(&rows, &shift), &weights).rows, &map(&expected, &shift), 1e-7, &law.name());
    }
    if law.scales {
        let by = 0.01 + 100.0 * f64::from(uniform_f32(&mut s, 0.0, 1.0));
        let scale = |_: usize, x: f64| by * x;
        let got = run(&recipe, &map(&rows, &scale), &weights).rows;
        close(&got, &map(&expected, &scale), 1e-7 * by, &law.name());
    }
}

fn identical_rows_give_that_row<T: Element>(law: &Law, seed: u64) {
    // Clipping and trust change even one row alone.
    if !law.moves {
        return;
    }
    let mut s = stream(seed);
    let row = matrix::<T>(&mut s, 1, D).remove(0);
    let (rows, weights) = (vec![row.clone(); N], weights(&mut s, N));
    for got in run(&law.with(F, &[0.5; D]), &rows, &weights).rows {
        for (x, y) in got.iter().zip(&row) {
            let (x, y) = (x.to_f64(), y.to_f64());
            assert!((x - y).abs() <= 1e-6 * y.abs().max(1.0), "{}: {x} is not {y}", law.name());
        }
    }
}

fn few_large_rows_change_little<T: Element>(law: &Law, seed: u64) {
    if !law.resists {
        return;
    }
    let mut s = stream(seed);
    let mut rows = matrix::<T>(&mut s, N, D);
    let weights = vec![1.0; N];
    for row in &mut rows[..F] {
        for v in row.iter_mut() {
            *v = T::from_f64(if index(&mut s, 2) == 0 { 1e30 } else { -1e30 });
        }
    }
    let honest = &rows[F..];
    let got = one(&law.with(F, &[0.5; D]), &rows, &weights);
    let span = |j: usize| {
        honest.iter().fold((f64::MAX, f64::MIN), |(low, high), row| {
            (low.min(row[j].to_f64()), high.max(row[j].to_f64()))
        })
    };
    for (j, v) in got.iter().enumerate() {
        let (low, high) = span(j);
        // The geometric median may leave the box of the others, but not by its width.
        let slack = if law.names.contains("geometric") { high - low } else { 1e-6 };
        let v = v.to_f64();
        assert!(low - slack <= v && v <= high + slack, "{}: {v} is not in {low}..{high}", law.name());
    }
}

fn threads_do_not_matter<T: Element>(law: &Law) {
    let (n, d) = (9, 9000);
    let mut s = stream(5);
    let rows = matrix::<T>(&mut s, n, d);
    let (weights, vector) = (weights(&mut s, n), vec![0.25; d]);
    let mut parameters = law.parameters(1, &vector);
    if law.takes("idx") {
        parameters.insert("idx".into(), Value::Number(3.0));
    }
    let recipe = Recipe::parse(law.names, &parameters).expect("the same parameters");
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        bits(&pool.install(|| run(&recipe, &rows, &weights)).rows)
    };
    let expected = with(1);
    assert!(with(2) == expected && with(8) == expected, "{}", law.name());
}

fn what_is_not_finite_is_named<T: Element>(law: &Law, seed: u64) {
    let mut s = stream(seed);
    let mut rows = matrix::<T>(&mut s, N, D);
    let (client, coordinate) = (index(&mut s, N), index(&mut s, D));
    rows[client][coordinate] = T::from_f64([f64::NAN, f64::INFINITY, f64::NEG_INFINITY][index(&mut s, 3)]);
    match law.with(F, &[0.5; D]).aggregate(&stack(&rows), Some(&[1.0; N])) {
        Err(RuleError::Stack(StackError::NotFinite { client: c, coordinate: j, .. })) => {
            assert_eq!((c, j), (client, coordinate), "{}", law.name());
        }
        other => panic!("{}: {other:?}", law.name()),
    }
}

/// `‖F(x) - mean_S‖² ≤ κ/|S| Σ_S ‖xᵢ - mean_S‖²` for all sets of n - f rows.
fn robust(names: &str, kappa: f64, seed: u64) {
    let (n, f) = (10, 3);
    let mut s = stream(seed);
    let mut rows = matrix::<f64>(&mut s, n, D);
    // Liars near, far, in one direction, or all the same.
    let kind = index(&mut s, 4);
    let target = matrix::<f64>(&mut s, 1, D).remove(0);
    for row in &mut rows[..f] {
        for (v, t) in row.iter_mut().zip(&target) {
            *v = match kind {
                0 => 3.0 * *v,
                1 => 1e6 * *v,
                2 => *v + 8.0 * t,
                _ => 2.0 * t,
            };
        }
    }
    let mut parameters = BTreeMap::new();
    if !["coordinate-median", "geometric-median"].contains(&names) {
        parameters.insert("f".into(), Value::Number(f as f64));
    }
    let got = one(&Recipe::parse(names, &parameters).expect("a recipe"), &rows, &[1.0; 10]);
    for _ in 0..60 {
        let set: Vec<Vec<f64>> = distinct(&mut s, n as u64, (n - f) as u64)
            .into_iter()
            .map(|i| rows[i as usize].clone())
            .collect();
        let mean = plain_mean(&set);
        let spread = set.iter().fold(0.0, |sum, x| sum + squared_distance(x, &mean)) / set.len() as f64;
        let off = squared_distance(&got, &mean);
        assert!(off <= kappa * spread * (1.0 + 1e-9), "{names}: {off} above {kappa} times {spread}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_clients_does_not_matter_bit_for_bit(seed: u64) {
        for law in LAWS {
            let s = || stream(seed);
            permuted::<f64>(law, matrix(&mut s(), N, D), s());
            permuted::<f32>(law, matrix(&mut s(), N, D), s());
            permuted::<f64>(law, tied(&mut s()), s());
            permuted::<f32>(law, tied(&mut s()), s());
        }
    }

    #[test]
    fn rules_move_and_scale_with_their_rows(seed: u64) {
        LAWS.iter().for_each(|law| moved_and_scaled(law, seed));
    }

    #[test]
    fn rows_that_are_all_the_same_give_that_row(seed: u64) {
        for law in LAWS {
            identical_rows_give_that_row::<f64>(law, seed);
            identical_rows_give_that_row::<f32>(law, seed);
        }
    }

    #[test]
    fn f_rows_of_1e30_leave_the_result_among_the_honest(seed: u64) {
        for law in LAWS {
            few_large_rows_change_little::<f64>(law, seed);
            few_large_rows_change_little::<f32>(law, seed);
        }
    }

    #[test]
    fn nan_and_infinity_are_named_with_client_and_coordinate(seed: u64) {
        for law in LAWS {
            what_is_not_finite_is_named::<f64>(law, seed);
            what_is_not_finite_is_named::<f32>(law, seed);
        }
    }

    #[test]
    fn f_kappa_robustness_holds(seed: u64) {
        let (n, f) = (10.0, 3.0);
        let r: f64 = f / (n - 2.0 * f);
        let point = 4.0 * (1.0 + r) * (1.0 + r);
        let known = [
            ("trimmed-mean", 6.0 * r * (1.0 + r)),
            ("krum", 6.0 * (1.0 + r)),
            ("coordinate-median", point),
            ("geometric-median", point),
        ];
        for (name, kappa) in known {
            robust(name, kappa, seed);
            robust(&format!("nnm+{name}"), 8.0 * f / (n - f) * (kappa + 1.0), seed);
        }
    }

    #[test]
    fn with_nothing_to_leave_out_it_is_the_mean(seed: u64) {
        let mut s = stream(seed);
        let rows = matrix::<f64>(&mut s, N, D);
        let expected = vec![plain_mean(&rows)];
        let same = ["trimmed-mean f=0", "trimmed-mean beta=0", "meamed f=0", "multi-krum f=0", "multi-krum f=2 m=11",
            "bulyan f=0", "nnm+average f=0", "arc+average f=0", "mda f=0", "smea f=0", "caf f=0", "monna f=0 idx=4",
            "bucketing+average s=1 seed=4", "norm-bounding M=1e9", "static-clipping+mean c=1e9",
            "centered-clipping tau=1e9", "rfa nu=1e9 R=1"];
        for recipe in same {
            let (names, parameters) = recipe.split_once(' ').expect("names and parameters");
            let parsed = Recipe::parse(names, &given(parameters, &[])).expect(recipe);
            let got = parsed.aggregate(&stack(&rows), None).expect(recipe).rows;
            close(&got, &expected, 1e-12, recipe);
        }
    }

    #[test]
    fn the_result_lies_in_the_range_of_each_coordinate(seed: u64) {
        let mut s = stream(seed);
        let rows = matrix::<f32>(&mut s, N, D);
        for recipe in ["median", "trimmed-mean f=3", "meamed f=3"] {
            let (names, parameters) = recipe.split_once(' ').unwrap_or((recipe, ""));
            let parsed = Recipe::parse(names, &given(parameters, &[])).expect(recipe);
            let got = one(&parsed, &rows, &[1.0; N]);
            for (j, v) in got.iter().enumerate() {
                let column = || rows.iter().map(|row| row[j]);
                prop_assert!(column().any(|x| x <= *v) && column().any(|x| x >= *v), "{recipe}: {v}");
            }
        }
    }
}

#[test]
fn every_entry_of_the_catalogue_is_here() {
    for entry in catalogue() {
        assert!(LAWS.iter().any(|law| law.names == entry.name), "no law for {}", entry.name);
    }
}

#[test]
fn weights_change_the_outcome_where_a_recipe_says_that_it_uses_them() {
    let mut s = stream(11);
    let (rows, vector) = (matrix::<f64>(&mut s, N, D), [0.5; D]);
    let weights = [|i: usize| 1.0 + i as f64, |i: usize| 40.0 - 3.0 * i as f64];
    let mut used = 0;
    let words = [None, Some("uniform"), Some("declared")];
    for (law, word) in LAWS.iter().flat_map(|law| words.map(|word| (law, word))) {
        for m in [None, Some(1.0), Some(2.0)] {
            let mut parameters = law.parameters(F, &vector);
            let more = [("weights", word.map(|w| Value::Word(w.into()))), ("m", m.map(Value::Number))];
            for (name, value) in more {
                if let Some(value) = value.filter(|_| law.takes(name)) {
                    parameters.insert(name.into(), value);
                }
            }
            let recipe = Recipe::parse(law.names, &parameters).expect("a recipe");
            let [one, other] = weights.map(|w| {
                let weights: Vec<f64> = (0..N).map(w).collect();
                bits(&run(&recipe, &rows, &weights).rows)
            });
            assert_eq!(one != other, recipe.uses_weights(), "{} {word:?} {m:?}", law.name());
            used += usize::from(one != other);
        }
    }
    assert!(used > 0);
    let buckets = Recipe::parse("bucketing+mean", &given("s=2 seed=1", &[])).expect("a recipe");
    assert!(!buckets.uses_weights(), "buckets have no weights");
}

#[test]
fn every_number_of_threads_gives_the_same_bits() {
    // Those that look at all subsets are slow here, and gather nothing over blocks of their own.
    for law in LAWS.iter().filter(|law| !["smea", "caf"].contains(&law.names)) {
        threads_do_not_matter::<f32>(law);
        threads_do_not_matter::<f64>(law);
    }
}

#[test]
fn one_client_is_enough_where_nobody_lies() {
    let rows = vec![vec![1.5f32, -2.0, 0.25, 3.0, 1.0]];
    for law in LAWS {
        let mut parameters = law.parameters(0, &[0.5; D]);
        for (name, value) in [("idx", 0.0), ("m", 1.0), ("theta", 1.0)] {
            if law.takes(name) {
                parameters.insert(name.into(), Value::Number(value));
            }
        }
        let recipe = Recipe::parse(law.names, &parameters).expect("parameters");
        let got = one(&recipe, &rows, &[3.0]);
        if law.moves {
            assert_eq!(got, rows[0], "{}", law.name());
        }
    }
}

#[test]
fn one_liar_more_than_f_may_win() {
    let mut s = stream(1);
    for (recipe, liars) in
        [("median", 6), ("trimmed-mean f=2", 3), ("meamed f=2", 3), ("geometric-median", 6)]
    {
        let mut rows = matrix::<f64>(&mut s, N, D);
        rows[..liars].iter_mut().for_each(|row| row.fill(1e30));
        let (names, parameters) = recipe.split_once(' ').unwrap_or((recipe, ""));
        let got = one(&Recipe::parse(names, &given(parameters, &[])).expect(recipe), &rows, &[1.0; N]);
        assert!(got.iter().all(|v| *v > 1e20), "{recipe}: {got:?}");
    }
}
