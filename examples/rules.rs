//! Every aggregation rule on the same updates, eight honest ones and two that lie, and how far each strays from the
//! honest mean. The digests are the same for any number of threads and any x86-64 CPU.
//!   cargo run --release --example rules

use sottovoce::aggregator::rules::{Kind, Value, catalogue};
use sottovoce::aggregator::{Recipe, Stack};
use sottovoce::core::sampling::normal;
use sottovoce::core::{Address, Digest, Purpose};
use std::collections::BTreeMap;

const PARAMS: usize = 10_007;
const LIARS: usize = 2;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut s = Address::new(1, Purpose::Test).stream();
    let updates: Vec<Vec<f32>> = (0..10)
        .map(|client| {
            // The liars send the opposite of what the others found, ten times as long.
            let towards = if client < LIARS { -1.0 } else { 0.1 };
            (0..PARAMS).map(|_| (towards + 0.05 * normal(&mut s)) as f32).collect()
        })
        .collect();
    let rows: Vec<&[f32]> = updates.iter().map(Vec::as_slice).collect();
    let average = Recipe::parse("average", &BTreeMap::new())?;
    let honest = average.aggregate(&Stack::new(rows[LIARS..].to_vec())?, None)?.rows.remove(0);
    let stack = Stack::new(rows)?;

    let rules = catalogue().iter().filter(|e| e.kind == Kind::Rule).map(|e| e.name.to_owned());
    for names in rules.chain(["nnm+trimmed-mean".into(), "bucketing+median".into(), "arc+average".into()]) {
        let known = |name: &str| match name {
            "f" => Some(Value::Number(if names == "bulyan" { 1.0 } else { LIARS as f64 })),
            "tau" | "M" => Some(Value::Number(10.0)),
            "idx" => Some(Value::Number(9.0)),
            "s" => Some(Value::Number(2.0)),
            "seed" => Some(Value::Number(1.0)),
            "server_update" => Some(Value::Vector(vec![0.1; PARAMS])),
            _ => None,
        };
        let parts = names.split('+').filter_map(|name| catalogue().iter().find(|e| e.name == name));
        let parameters: BTreeMap<String, Value> = parts
            .flat_map(|e| e.parameters)
            .filter_map(|p| Some((p.name.to_owned(), known(p.name)?)))
            .collect();
        let weights: Vec<f64> = (1..=10).map(f64::from).collect();
        let outcome = Recipe::parse(&names, &parameters)?.aggregate(&stack, Some(&weights))?;
        let row = &outcome.rows[0];
        let strayed =
            row.iter().zip(&honest).fold(0.0, |sum, (a, b)| sum + f64::from(a - b) * f64::from(a - b));
        let bytes: Vec<u8> = row.iter().flat_map(|v| v.to_le_bytes()).collect();
        println!("{names:<36} strays {:>8.3}  {}", strayed.sqrt(), Digest::of(&bytes));
    }
    Ok(())
}
