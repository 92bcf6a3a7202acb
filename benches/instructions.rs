//! Instructions of the mean, the median and the trimmed mean under Callgrind: a gate that no other work on the machine can move.
//!
//! The limits are what this build needed when they were set, and a seventh more: standard libraries differ. Needs valgrind and
//! `cargo install gungraun-runner`, of the version that Cargo.lock has; `.ci/run` installs both where it can. Callgrind
//! knows no AVX-512, so this counts the AVX2 kernels, on one thread.

#![allow(missing_docs)]

use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use sottovoce::aggregator::rules::Value;
use sottovoce::aggregator::{OpenRound, PartialSum, Recipe, Stack, finish, mean_into};
use sottovoce::core::sampling::normal;
use sottovoce::core::{Address, Checksum, ClientId, Layout, Outbound, Purpose, RowBlock, Rows, Update};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

fn updates(clients: usize, params: usize) -> Vec<Vec<f32>> {
    let mut s = Address::new(1, Purpose::Test).stream();
    (0..clients).map(|_| (0..params).map(|_| normal(&mut s) as f32).collect()).collect()
}

/// In a pool of this thread alone: what happens on another thread is not counted.
fn one_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    pool.build().expect("a pool of one").install(work)
}

fn limit(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

#[library_benchmark(config = limit(3_220_000))]
#[bench::dense_20x50000(updates(20, 50_000))]
fn mean_of(rows: Vec<Vec<f32>>) -> f32 {
    let mut means = vec![0.0; rows[0].len()];
    let stack = Stack::new(rows.iter().map(Vec::as_slice).collect()).expect("equal rows");
    one_thread(|| mean_into(black_box(&stack), &[3; 20], &mut means)).expect("finite numbers");
    means[0]
}

#[library_benchmark(config = limit(5_020_000))]
#[bench::dense_20x50000(updates(20, 50_000))]
fn median_of(rows: Vec<Vec<f32>>) -> f32 {
    let stack = Stack::new(rows.iter().map(Vec::as_slice).collect()).expect("equal rows");
    let median = Recipe::parse("median", &BTreeMap::<String, Value>::new()).expect("a rule");
    one_thread(|| median.aggregate(black_box(&stack), None)).expect("finite numbers").rows[0][0]
}

#[library_benchmark(config = limit(9_100_000))]
#[bench::dense_100x10000(updates(100, 10_000))]
fn trimmed_mean_of(rows: Vec<Vec<f32>>) -> f32 {
    let stack = Stack::new(rows.iter().map(Vec::as_slice).collect()).expect("equal rows");
    let f = BTreeMap::from([("f".to_owned(), Value::Number(20.0))]);
    let trimmed = Recipe::parse("trimmed-mean", &f).expect("a rule");
    one_thread(|| trimmed.aggregate(black_box(&stack), None)).expect("finite numbers").rows[0][0]
}

fn messages(clients: u64, params: usize) -> (Arc<Layout>, Vec<Vec<u8>>) {
    let layout = Layout::new(&[("weight", params / 100, 100)]).expect("a model of this size");
    let message = |(client, values)| {
        let delta = RowBlock::new(layout.clone(), Rows::All, values).expect("all rows");
        let (client, base) = (ClientId(client), Checksum::default());
        let mut bytes = Vec::new();
        Update { client, round: 0, exchange: 0, base, weight: 3, loss: 0.0, delta }.encode(&mut bytes);
        bytes
    };
    let messages = (0..clients).zip(updates(clients as usize, params)).map(message).collect();
    (layout, messages)
}

#[library_benchmark(config = limit(4_220_000))]
#[bench::dense_20x50000(messages(20, 50_000))]
fn mean_from_wire((layout, messages): (Arc<Layout>, Vec<Vec<u8>>)) -> f32 {
    let cohort: Vec<u64> = (0..messages.len() as u64).collect();
    let mut part = PartialSum::new(layout.clone(), 3);
    one_thread(|| {
        let open = OpenRound::new(layout, 0, Checksum::default(), &cohort, 3);
        assert!(open.receive_all(&mut part, black_box(&messages)).iter().all(Result::is_ok));
        finish(&[&part]).expect("a mean").delta.values()[0]
    })
}

library_benchmark_group!(name = aggregation; benchmarks = mean_of, median_of, trimmed_mean_of, mean_from_wire);
main!(library_benchmark_groups = aggregation);
