//! Rows to aggregate, and recipes applied to them: what the tests of rules share.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod laws;
pub(crate) mod messages;

use sottovoce_aggregator::rules::Value;
use sottovoce_aggregator::{Element, Outcome, Recipe, Stack};
use sottovoce_core::sampling::normal;
use sottovoce_core::stream::{Address, Purpose, Stream};
use std::collections::BTreeMap;

pub(crate) fn stream(seed: u64) -> Stream {
    Address::new(seed, Purpose::Test).stream()
}

pub(crate) fn given(text: &str, vector: &[f64]) -> BTreeMap<String, Value> {
    let one = |pair: &str| {
        let (name, value) = pair.split_once('=').expect("name=value");
        let value = match (value, value.parse()) {
            ("vector", _) => Value::Vector(vector.to_vec()),
            (_, Ok(number)) => Value::Number(number),
            (word, _) => Value::Word(word.into()),
        };
        (name.to_owned(), value)
    };
    text.split_whitespace().map(one).collect()
}

pub(crate) fn matrix<T: Element>(s: &mut Stream, rows: usize, columns: usize) -> Vec<Vec<T>> {
    (0..rows).map(|_| (0..columns).map(|_| T::from_f64(normal(s))).collect()).collect()
}

pub(crate) fn stack<T: Element>(rows: &[Vec<T>]) -> Stack<'_, T> {
    Stack::new(rows.iter().map(Vec::as_slice).collect()).expect("rows")
}

pub(crate) fn run<T: Element>(recipe: &Recipe, rows: &[Vec<T>], weights: &[f64]) -> Outcome<T> {
    recipe.aggregate(&stack(rows), Some(weights)).unwrap_or_else(|e| panic!("{}: {e}", recipe.names()))
}

pub(crate) fn one<T: Element>(recipe: &Recipe, rows: &[Vec<T>], weights: &[f64]) -> Vec<T> {
    run(recipe, rows, weights).rows.remove(0)
}

pub(crate) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (x, y)| sum + (x - y) * (x - y))
}
