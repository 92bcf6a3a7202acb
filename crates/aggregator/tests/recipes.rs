//! Recipes as they are written down: what is refused, what counts, and that nothing panics.

mod rows;

use proptest::prelude::*;
use rows::{given, matrix, one, stack, stream};
use sottovoce_aggregator::Recipe;
use sottovoce_aggregator::rules::{Value, catalogue};
use sottovoce_core::sampling::index;
use std::collections::BTreeMap;

const D: usize = 5;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_recipes_and_rows_never_panic(
        seed: u64,
        f in prop_oneof![0.0..8.0f64, Just(f64::NAN), Just(1e300), Just(-1.0), Just(9.007e15)],
        x in prop_oneof![-1.0..10.0f64, Just(f64::INFINITY), Just(5e-324), Just(f64::MAX), Just(0.0)],
        whole: bool,
        n in 1usize..8,
        huge in prop_oneof![Just(1.0), Just(f64::MAX), Just(1e-320), Just(1e140), Just(0.0)],
    ) {
        let mut s = stream(seed);
        let rows: Vec<Vec<f64>> = matrix::<f64>(&mut s, n, D)
            .into_iter()
            .map(|row| row.into_iter().map(|v| v.clamp(-1.0, 1.0) * huge).collect())
            .collect();
        let round = |x: f64| if whole { x.floor() } else { x };
        for entry in catalogue() {
            let mut parameters = BTreeMap::new();
            for parameter in entry.parameters {
                if index(&mut s, 3) == 0 && parameter.default.is_some() {
                    continue;
                }
                let value = match (parameter.name, index(&mut s, 6)) {
                    (_, 0) => Value::Vector(vec![round(x); index(&mut s, 7)]),
                    (_, 1) => Value::Word("mean".into()),
                    ("start" | "v0" | "server_update", _) => Value::Vector(vec![round(x); D]),
                    ("weights", _) => Value::Word("declared".into()),
                    ("eigen", _) => Value::Word("exact".into()),
                    ("even", _) => Value::Word("lower".into()),
                    ("scores", _) => Value::Word("once".into()),
                    ("T" | "R" | "L" | "iterations", _) => Value::Number(round(f) % 20.0),
                    ("f" | "beta" | "idx" | "m" | "theta" | "neighbours" | "s", _) => Value::Number(round(f)),
                    _ => Value::Number(round(x)),
                };
                parameters.insert(parameter.name.to_owned(), value);
            }
            let Ok(recipe) = Recipe::parse(entry.name, &parameters) else { continue };
            let weights: Vec<f64> = (0..n).map(|_| [0.0, 1.0, 1e308, f64::NAN][index(&mut s, 4)]).collect();
            if let Ok(outcome) = recipe.aggregate(&stack(&rows), Some(&weights)) {
                let finite = outcome.rows.iter().flatten().all(|v| v.is_finite());
                prop_assert!(finite, "{}: {:?}", entry.name, outcome.rows);
            }
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_what_would_do() {
    let parse = |names: &str, parameters: &str| Recipe::parse(names, &given(parameters, &[1.0, f64::NAN]));
    let refused = |names: &str, parameters: &str| parse(names, parameters).expect_err(names).to_string();
    for (names, parameters, words) in [
        ("", "", "a recipe needs a name"),
        ("trimed_mean", "f=1", "did you mean trimmed-mean?"),
        ("qqqq", "", "there are average, weighted-average"),
        ("krum+nnm", "f=1", "krum is a rule and comes last"),
        ("nnm+", "f=1", "there is no rule or wrapper \"\""),
        ("average", "f=1", "no parameter \"f\"; there are weight_cap, weights"),
        ("krum", "f=1 neighbors=3", "did you mean neighbours?"),
        ("krum", "", "krum needs f: how many"),
        ("krum", "f=-1", "f = -1: it must be a whole number"),
        ("krum", "f=0.5", "f = 0.5: it must be a whole number"),
        ("krum", "f=many", "f is a number, not a word"),
        ("trimmed-mean", "f=1 beta=0.1", "f or beta, not both"),
        ("trimmed-mean", "beta=0.5", "from 0 to below 0.5"),
        ("centered-clipping", "tau=0", "tau = 0: it must be greater than 0"),
        ("centered-clipping", "tau=1 L=0", "L = 0"),
        ("rfa", "R=1000000", "from 1 to 10000"),
        ("median", "even=upper", "one of midpoint, lower"),
        ("fltrust", "server_update=vector", "server_update: NaN at place 1"),
        ("bucketing", "s=2", "bucketing needs perm"),
        ("bucketing+weighted-average", "s=2 seed=1", "behind bucketing"),
        ("caf", "f=1 eigen=power", "one of exact"),
    ] {
        let message = refused(names, parameters);
        assert!(message.contains(words), "{names} {parameters}: {message}");
    }
    let rows = matrix::<f64>(&mut stream(1), 6, 2);
    let fails = |names: &str, parameters: &str, weights: Option<&[f64]>| {
        let recipe = Recipe::parse(names, &given(parameters, &[1.0; 3])).expect(names);
        recipe.aggregate(&stack(&rows), weights).expect_err(names).to_string()
    };
    for (names, parameters, weights, words) in [
        ("trimmed-mean", "f=3", None, "needs at least 7 rows, there are 6; f may be at most 2"),
        ("krum", "f=2", None, "needs at least 7 rows, there are 6; f may be at most 1"),
        ("bulyan", "f=1", None, "needs at least 7 rows, there are 6; f may be at most 0"),
        ("krum", "f=1 neighbours=6", None, "from 1 to 5"),
        ("multi-krum", "f=1 m=7", None, "from 1 to 6"),
        ("monna", "f=1 idx=6", None, "from 0 to 5"),
        ("fltrust", "server_update=vector", None, "has 3 numbers, the updates have 2"),
        ("bucketing", "s=2 perm=vector", None, "each of 0 to 5, once"),
        ("weighted-average", "", None, "there are none"),
        ("weighted-average", "", Some(&[1.0][..]), "1 weights for 6 updates"),
        ("mean", "", Some(&[0.0; 6][..]), "all weights are 0"),
        ("rfa", "", Some(&[1.0, 1.0, -1.0, 1.0, 1.0, 1.0][..]), "update 2 has weight -1"),
    ] {
        let message = fails(names, parameters, weights);
        assert!(message.contains(words), "{names} {parameters}: {message}");
    }
}

#[test]
fn a_weight_counts_only_where_it_is_asked_for_and_only_up_to_its_cap() {
    let rows = vec![vec![0.0], vec![1.0]];
    let with = |names: &str, parameters: &str| {
        let recipe = Recipe::parse(names, &given(parameters, &[])).expect(names);
        one(&recipe, &rows, &[1.0, 3.0])[0]
    };
    assert_eq!(with("average", ""), 0.5);
    assert_eq!(with("mean", ""), 0.75);
    assert_eq!(with("mean", "weights=uniform"), 0.5);
    assert_eq!(with("weighted_average", "weight_cap=1"), 0.5);
    assert_eq!(with("multi-krum", "f=0"), 0.5);
    assert_eq!(with("multi-krum", "f=0 weights=declared"), 0.75);
    assert_eq!(with("norm-bounding", "M=5 weights=declared"), 0.75);
    assert_eq!(with("geometric-median", "weights=declared"), 1.0);
}
