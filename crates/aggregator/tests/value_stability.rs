//! What each rule and wrapper, the mean and an edge's message make of fixed updates.
//!
//! Values that only pin what this version gives; changing one is a breaking change, of the contract where runs hold such
//! numbers (`f32`), and must be said in
//! CHANGELOG.md together with a new contract version. Vectors of independent implementations are in
//! `robust_vectors.rs`, sums in exact arithmetic in `mean.rs` and `sum.rs`.

mod rows;

use rows::given;
use sottovoce_aggregator::rules::catalogue;
use sottovoce_aggregator::{Element, PartialSum, Recipe, Stack, finish, mean};
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{Checksum, ClientId, Digest, Layout, Outbound, RowBlock, Rows, Update};

const N: usize = 9;
const D: usize = 33;

/// Holds a table against what was found; if they differ, the message is the table as it would have to be.
fn pinned(pins: &[(&str, &str)], found: &[(&str, String)]) {
    let found: String = found.iter().map(|(name, value)| format!("    ({name:?}, {value:?}),\n")).collect();
    let pins: String = pins.iter().map(|(name, value)| format!("    ({name:?}, {value:?}),\n")).collect();
    assert!(found == pins, "the values are now\n{found}");
}

/// Value `j` of row `i`: all distinct, some rows longer than others.
fn value(i: usize, j: usize) -> f64 {
    let spread = ((i * D + j) * 7919 % 1009) as f64 / 1009.0 - 0.4;
    spread * (1.0 + i as f64 / 8.0)
}

fn stack<T: Element>() -> Vec<Vec<T>> {
    (0..N).map(|i| (0..D).map(|j| T::from_f64(value(i, j))).collect()).collect()
}

fn weights() -> [f64; N] {
    std::array::from_fn(|i| (i * i + 1) as f64)
}

fn hex(content: &[u8]) -> String {
    Digest::of(content).to_string()[..16].to_owned()
}

/// Bits of everything that a recipe says, of `f32` rows and of `f64` rows.
fn outcome<T: Element>(recipe: &Recipe) -> Vec<u8> {
    let rows = stack::<T>();
    let stack = Stack::new(rows.iter().map(Vec::as_slice).collect()).unwrap();
    let outcome =
        recipe.aggregate(&stack, Some(&weights())).unwrap_or_else(|e| panic!("{}: {e}", recipe.names()));
    let mut content = Vec::new();
    for v in outcome.rows.iter().flatten() {
        content.extend_from_slice(&v.to_f64().to_bits().to_le_bytes());
    }
    for at in outcome.selected.iter().flatten() {
        content.extend_from_slice(&(*at as u64).to_le_bytes());
    }
    for trust in outcome.trust.iter().flatten() {
        content.extend_from_slice(&trust.to_bits().to_le_bytes());
    }
    content
}

/// A recipe with its parameters, and the digest of what it says. `vector` is row 4.
const RULES: &[(&str, &str)] = &[
    ("average", "15fb5ded4fee8038"),
    ("average weights=declared weight_cap=20", "5d8db8a7b4880636"),
    ("weighted-average", "f8908fc868b31982"),
    ("mean", "f8908fc868b31982"),
    ("coordinate-median", "ba6b48d6a095da0f"),
    ("coordinate-median even=lower", "ba6b48d6a095da0f"),
    ("trimmed-mean f=2", "51cfa2bd320af746"),
    ("trimmed-mean beta=0.3", "51cfa2bd320af746"),
    ("meamed f=2", "d6b580e26d18a1d3"),
    ("krum f=2", "1e304d8602907528"),
    ("multi-krum f=2", "05a87c4780d91a7d"),
    ("multi-krum f=2 m=3 weights=declared", "bc21562913698070"),
    ("bulyan f=1", "80ddc23048c6bf0b"),
    ("bulyan f=1 scores=once", "4a2e0444f4551ab9"),
    ("geometric-median-smoothed-weiszfeld", "1ed58d3caef7aca2"),
    ("geometric-median-exact", "7b1cd40f879be3d9"),
    ("rfa", "47eb6c9c4b2f5533"),
    ("centered-clipping tau=0.5 L=3", "3a2758b1b5678bef"),
    ("norm-bounding-average M=2", "b8c250409e6f64bc"),
    ("fltrust server_update=vector", "a398ce4987735376"),
    ("monna f=2 idx=8", "ff6115b9dd2f39e0"),
    ("mda f=2", "05a87c4780d91a7d"),
    ("smea f=2", "05a87c4780d91a7d"),
    ("caf f=2", "20bf7991b501a61b"),
    ("nnm f=2", "e6c4a06be7a2e360"),
    ("bucketing s=2 perm=vector", "87085c22d91bb691"),
    ("bucketing s=2 seed=7", "42b0c828ceaaf865"),
    ("static-clipping c=1.5", "a369f89fa976f747"),
    ("arc f=2", "9974d8b464a99177"),
    ("arc+nnm+trimmed-mean f=2", "df7790a8d9faef88"),
];

#[test]
fn rules_give_the_bits_that_they_gave() {
    let server: Vec<f64> = (0..D).map(|j| value(4, j)).collect();
    let order: Vec<f64> = [3, 1, 4, 0, 5, 8, 2, 6, 7].map(f64::from).into();
    let found: Vec<(&str, String)> = RULES
        .iter()
        .map(|(written, _)| {
            let (names, parameters) = written.split_once(' ').unwrap_or((written, ""));
            let vector = if names == "bucketing" { &order } else { &server };
            let recipe =
                Recipe::parse(names, &given(parameters, vector)).unwrap_or_else(|e| panic!("{written}: {e}"));
            (*written, hex(&[outcome::<f32>(&recipe), outcome::<f64>(&recipe)].concat()))
        })
        .collect();
    for entry in catalogue() {
        let is_there = RULES.iter().any(|(written, _)| written.split([' ', '+']).next() == Some(entry.name));
        assert!(is_there, "{} needs a row in RULES", entry.name);
    }
    pinned(RULES, &found);
}

/// The streaming sum and the mean of a stack; the message is on the wire and changes with it.
const SUMS: &[(&str, &str)] = &[
    ("streaming sum", "140ba8e8a15a627a"),
    ("mean, f32", "d4728be628061be7"),
    ("mean, f64", "a4ed6fbbca52db1f"),
    ("an edge's message", "8cad9354f26c8709"),
];

#[test]
fn sums_give_the_bits_that_they_gave() {
    let layout = Layout::new(&[("table", 10, 3), ("bias", 1, 3)]).unwrap();
    let base = Checksum::of(b"parameters");
    let mut sum = PartialSum::new(layout.clone(), 100);
    for (client, row) in stack::<f32>().into_iter().enumerate() {
        let rows = layout.touched(&(client as u32..10).step_by(2).collect::<Vec<_>>());
        let values = row[..layout.params_in(rows.iter().copied())].to_vec();
        let delta = RowBlock::new(layout.clone(), Rows::Some(rows.into()), values).unwrap();
        let (client, weight) = (ClientId(client as u64), 1 + (client * client) as u64);
        let mut message = Vec::new();
        Update { client, round: 3, exchange: 0, base, weight, loss: 0.5, delta }.encode(&mut message);
        sum.add(&UpdateView::parse(&message, &layout).unwrap()).unwrap();
    }
    let bits =
        |values: &[f64]| hex(&values.iter().flat_map(|v| v.to_bits().to_le_bytes()).collect::<Vec<_>>());
    let whole = weights().map(|w| w as u64);
    let streamed: Vec<f64> = finish(&[&sum]).unwrap().delta.values().iter().map(|v| f64::from(*v)).collect();
    let (short, long) = (stack::<f32>(), stack::<f64>());
    let short = mean(&Stack::new(short.iter().map(Vec::as_slice).collect()).unwrap(), &whole).unwrap();
    let long = mean(&Stack::new(long.iter().map(Vec::as_slice).collect()).unwrap(), &whole).unwrap();
    let found = [
        ("streaming sum", bits(&streamed)),
        ("mean, f32", bits(&short.iter().map(|v| f64::from(*v)).collect::<Vec<_>>())),
        ("mean, f64", bits(&long)),
        ("an edge's message", hex(&sum.message(3, base))),
    ];
    pinned(SUMS, &found);
}
