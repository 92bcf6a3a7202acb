//! How many rows a recipe needs, known before there are any.

mod rows;

use rows::laws::{D, LAWS};
use rows::{given, matrix, stack, stream};
use sottovoce_aggregator::{AggregateError, Recipe, RuleError};

/// Recipes that are particular about the number of rows, and the least number that does, by the papers' conditions.
const LEAST: &[(&str, &str, usize)] = &[
    ("trimmed-mean", "f=2", 5),
    ("trimmed-mean", "beta=0.49", 1),
    ("meamed", "f=2", 5),
    ("krum", "f=0", 1),
    ("krum", "f=2", 7),
    ("krum", "f=1 neighbours=4", 5),
    ("multi-krum", "f=1 m=6", 6),
    ("multi-krum", "f=2 m=1", 7),
    ("bulyan", "f=1", 7),
    ("bulyan", "f=2", 11),
    ("bulyan", "f=0 theta=6", 6),
    ("bulyan", "f=0 beta=3", 3),
    ("monna", "f=0 idx=4", 5),
    ("monna", "f=3 idx=1", 7),
    ("mda", "f=2", 5),
    ("smea", "f=2", 5),
    ("caf", "f=2", 5),
    ("nnm+average", "f=4", 9),
    ("arc+average", "f=4", 9),
    // ⌈n/3⌉ buckets.
    ("bucketing+trimmed-mean", "s=3 seed=1 f=1", 7),
    ("bucketing+krum", "s=2 seed=1 f=1", 9),
    ("nnm+bucketing+median", "f=1 s=4 seed=1", 3),
];

#[test]
fn a_recipe_can_work_with_as_many_rows_as_it_says() {
    let mut s = stream(6);
    let mut seen = (0, 0);
    let mut holds = |name: &str, recipe: &Recipe| {
        let mut enough = Vec::new();
        for n in 1..=12 {
            let rows = matrix::<f64>(&mut s, n, D);
            let (said, done) = (recipe.check_rows(n), recipe.aggregate(&stack(&rows), Some(&vec![1.0; n])));
            assert_eq!(said.is_ok(), done.is_ok(), "{name} with {n} rows: {said:?}, {done:?}");
            if said.is_ok() {
                enough.push(n);
            }
            seen = if said.is_ok() { (seen.0 + 1, seen.1) } else { (seen.0, seen.1 + 1) };
            assert_eq!(said.err(), done.err(), "{name} with {n} rows");
        }
        enough
    };
    for law in LAWS {
        for f in 0..5 {
            holds(&law.name(), &law.with(f, &[0.5; D]));
        }
    }
    for (names, parameters, least) in LEAST {
        let recipe = Recipe::parse(names, &given(parameters, &[])).unwrap();
        let enough: Vec<usize> = (*least..=12).collect();
        assert_eq!(holds(names, &recipe), enough, "{names} {parameters}");
        for few in 0..*least {
            assert!(recipe.check_rows(few).unwrap_err().is_too_few(), "{names} {parameters}: {few}");
        }
    }
    let perm = Recipe::parse("bucketing+median", &given("s=2 perm=vector", &[1.0, 0.0, 2.0])).unwrap();
    assert_eq!(holds("perm", &perm), [3]);
    assert!(seen.0 > 500 && seen.1 > 500, "{seen:?}");
}

#[test]
fn too_few_is_told_from_the_rest() {
    let median = Recipe::parse("median", &given("", &[])).unwrap();
    assert!(median.check_rows(0).unwrap_err().is_too_few());
    // 30 without 10 have more than 30 million subsets: more rows do not help.
    let smea = Recipe::parse("smea", &given("f=10", &[])).unwrap();
    assert!(smea.check_rows(20).unwrap_err().is_too_few());
    assert!(smea.check_rows(21).is_ok());
    let many = smea.check_rows(30).unwrap_err();
    assert!(matches!(many, RuleError::TooManySubsets(_)) && !many.is_too_few());
    assert!(AggregateError::from(smea.check_rows(20).unwrap_err()).is_too_few());
    for other in [
        AggregateError::NoUpdates,
        AggregateError::ZeroTotalWeight { updates: 1 },
        AggregateError::SumFull { updates: 1 },
        AggregateError::from(many),
    ] {
        assert!(!other.is_too_few(), "{other}");
    }
}

/// Squares from 0 on, so that every cut has another mean; how many are cut is known from whole numbers.
#[test]
fn a_share_of_the_rows_is_what_it_says() {
    for percent in 0..50usize {
        for n in [1, 2, 3, 7, 50, 99, 100, 101, 200, 300] {
            let recipe =
                Recipe::parse("trimmed-mean", &given(&format!("beta={}", percent as f64 / 100.0), &[]));
            let rows: Vec<Vec<f64>> = (0..n).map(|i| vec![(i * i) as f64]).collect();
            let got = recipe.unwrap().aggregate(&stack(&rows), None).unwrap().rows[0][0];
            let cut = percent * n / 100;
            let left = cut..n - cut;
            let sum: usize = left.clone().map(|i| i * i).sum();
            let expected = sum as f64 / left.len() as f64;
            assert!(
                (got - expected).abs() <= 1e-9 * expected.max(1.0),
                "{percent} % of {n}: {got}, not {expected}"
            );
        }
    }
    // As near to a half as can be.
    let almost = Recipe::parse("trimmed-mean", &given("beta=0.4999999999999999", &[])).unwrap();
    for n in 1..40 {
        assert!(almost.check_rows(n).is_ok(), "{n}");
    }
}

/// Counts that are left open are those of the papers: n - f - 2 neighbours, n - f rows of Multi-Krum, n - 2f of Bulyan and
/// of these n - 4f values. Another count is another rule.
#[test]
fn what_is_not_said_is_the_papers() {
    let mut s = stream(8);
    let (n, f) = (11, 2);
    let say = |names: &str, parameters: String, rows: &[Vec<f64>]| {
        let recipe = Recipe::parse(names, &given(&parameters, &[])).unwrap();
        recipe.aggregate(&stack(rows), None).unwrap().rows
    };
    for (written, count, theirs) in [
        ("krum", "neighbours", n - f - 2),
        ("multi-krum m=3", "neighbours", n - f - 2),
        ("multi-krum", "m", n - f),
        ("bulyan", "theta", n - 2 * f),
        ("bulyan", "beta", n - 4 * f),
    ] {
        let (names, rest) = written.split_once(' ').unwrap_or((written, ""));
        let (mut less, mut more) = (0, 0);
        for _ in 0..100 {
            let rows = matrix::<f64>(&mut s, n, D);
            let with = |value: usize| say(names, format!("f={f} {rest} {count}={value}"), &rows);
            let open = say(names, format!("f={f} {rest}"), &rows);
            assert_eq!(open, with(theirs), "{names} {count}");
            less += usize::from(open != with(theirs - 1));
            more += usize::from(open != with(theirs + 1));
        }
        assert!(less > 3 && more > 3, "{names} {count}: {less}, {more}");
    }
}
