//! Rules and wrappers against reference vectors: byzfl 0.0.11 on NumPy, and an independent NumPy implementation of
//! the papers' definitions (`data/robust.json`, which names the source of each).

use serde_json::Value as Json;
use sottovoce_aggregator::rules::Value;
use sottovoce_aggregator::{Element, Outcome, Recipe, Stack};
use std::collections::BTreeMap;

/// Cases of rules and wrappers in the file; the others are attacks.
const CASES: usize = 249;

fn reference() -> Json {
    serde_json::from_str(include_str!("data/robust.json")).expect("robust.json is JSON")
}

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().expect("an array").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// Rows of a matrix, or the one row of a vector.
fn rows(json: &Json) -> Vec<Vec<f64>> {
    match json[0].is_array() {
        true => json.as_array().expect("an array").iter().map(numbers).collect(),
        false => vec![numbers(json)],
    }
}

fn indices(json: &Json) -> Vec<usize> {
    match json.as_u64() {
        Some(one) => vec![one as usize],
        None => numbers(json).into_iter().map(|x| x as usize).collect(),
    }
}

fn parameters(json: &Json) -> BTreeMap<String, Value> {
    let value = |json: &Json| match json {
        Json::String(word) => Value::Word(word.clone()),
        Json::Array(_) => Value::Vector(numbers(json)),
        other => Value::Number(other.as_f64().expect("a number")),
    };
    json.as_object().expect("parameters").iter().map(|(name, v)| (name.clone(), value(v))).collect()
}

/// Calls `check` with each case, its input and what became of it.
fn each<T: Element>(check: impl Fn(&str, &Json, &Outcome<T>)) {
    let reference = reference();
    let cases = reference["cases"].as_array().expect("cases");
    let mut seen = 0;
    for case in cases {
        let op = case["op"].as_str().expect("a name");
        if op.starts_with("attack") {
            continue;
        }
        seen += 1;
        let input = &reference["inputs"][case["input"].as_str().expect("a name")];
        let matrix: Vec<Vec<T>> =
            rows(&input["rows"]).into_iter().map(|row| row.into_iter().map(T::from_f64).collect()).collect();
        let stack = Stack::new(matrix.iter().map(Vec::as_slice).collect()).expect("rows");
        let name = format!("{} {op} {}", case["id"], case["params"]);
        let recipe =
            Recipe::parse(op, &parameters(&case["params"])).unwrap_or_else(|e| panic!("{name}: {e}"));
        let weights = numbers(&input["weights"]);
        let outcome = recipe.aggregate(&stack, Some(&weights)).unwrap_or_else(|e| panic!("{name}: {e}"));
        check(&name, case, &outcome);
    }
    assert_eq!(seen, CASES);
}

#[test]
fn in_f64_every_vector_to_nine_digits() {
    each::<f64>(|name, case, outcome| {
        let absolute = case["tol_abs"].as_f64().unwrap_or(1e-10);
        let expected = rows(&case["output"]);
        assert_eq!(outcome.rows.len(), expected.len(), "{name}");
        for (row, expected) in outcome.rows.iter().zip(&expected) {
            assert_eq!(row.len(), expected.len(), "{name}");
            for (x, y) in row.iter().zip(expected) {
                assert!((x - y).abs() <= absolute.max(1e-9 * y.abs()), "{name}: {x} is not {y}");
            }
        }
        let mut compared = 0;
        if !case["selected"].is_null() {
            let mut expected = indices(&case["selected"]);
            expected.sort_unstable();
            assert_eq!(outcome.selected.as_ref(), Some(&expected), "{name}");
            compared += 1;
        }
        if !case["selection_order"].is_null() {
            assert_eq!(outcome.selected, Some(indices(&case["selection_order"])), "{name}");
            compared += 1;
        }
        if !case["trust_scores"].is_null() {
            let trust = outcome.trust.as_ref().expect("trust scores");
            let expected = numbers(&case["trust_scores"]);
            assert_eq!(trust.len(), expected.len(), "{name}");
            for (x, y) in trust.iter().zip(expected) {
                assert!((x - y).abs() <= 1e-10, "{name}: trust {x} is not {y}");
            }
            compared += 1;
        }
        assert!(compared <= 1, "{name}");
    });
}

#[test]
fn in_f32_every_vector_to_five_digits_of_the_largest() {
    each::<f32>(|name, case, outcome| {
        let expected = rows(&case["output"]);
        let largest = expected.iter().flatten().fold(0.0, |most: f64, x| most.max(x.abs()));
        assert_eq!(outcome.rows.len(), expected.len(), "{name}");
        for (x, y) in outcome.rows.iter().flatten().zip(expected.iter().flatten()) {
            assert!((f64::from(*x) - y).abs() <= 1e-5 * largest, "{name}: {x} is not {y}");
        }
    });
}
