//! The weighted mean from wire bytes, beside the memory's read bandwidth measured in the same run.
//!
//! `sum` reads messages that are already checked; `receive` is everything that a message goes through: frame,
//! checksum, shape, cohort, sum. Both end with the finished mean. Ids say clients × parameters sent, and threads:
//! each thread folds its share into a part of its own; `together` receives all messages in one call. `sums` compares
//! two reproducible sums, `rules` has every rule at every size.

#![allow(missing_docs, clippy::print_stdout)] // A bench is a program whose output is its purpose.

#[path = "limits/binned.rs"]
mod binned;
#[allow(dead_code)] // The arithmetic limit is for the training bench.
mod limits;

use binned::Bins;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use limits::{fastest_call, measuring};
use rayon::prelude::*;
use sottovoce::limits::read_bandwidth;
use sottovoce_aggregator::rules::{Entry, Kind, Value, catalogue};
use sottovoce_aggregator::{OpenRound, Outcome, PartialSum, Recipe, Stack, finish};
use sottovoce_core::sampling::{distinct, uniform_f32};
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{Address, Checksum, ClientId, Layout, Outbound, Purpose, RowBlock, Rows, Update};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const CAP: u64 = 1024;

struct Workload {
    name: &'static str,
    layout: Arc<Layout>,
    /// Rows of the table that each client sends; `None` for all parameters.
    sparse: Option<u64>,
    clients: u64,
}

fn workloads() -> Vec<Workload> {
    let layout = |tensors: &[(&str, usize, usize)]| Layout::new(tensors).expect("a model of this size");
    let dense = |name, params: usize, clients| Workload {
        name,
        layout: layout(&[("weight", params / 100, 100)]),
        sparse: None,
        clients,
    };
    let table = layout(&[("table", 1 << 16, 64), ("output", 64, 150), ("bias", 1, 150)]);
    vec![
        dense("dense/10x1e6", 1_000_000, 10),
        dense("dense/100x1e5", 100_000, 100),
        dense("dense/1000x1e5", 100_000, 1000),
        Workload { name: "rows/100x1500of65536x64", layout: table, sparse: Some(1500), clients: 100 },
    ]
}

impl Workload {
    fn messages(&self) -> Vec<Vec<u8>> {
        let message = |client| {
            let mut s = Address::new(1, Purpose::Test).client(client).stream();
            let rows = match self.sparse {
                None => Rows::All,
                Some(rows) => {
                    let table = self.layout.tensors()[0].rows() as u64;
                    let rows: Vec<u32> = distinct(&mut s, table, rows).iter().map(|r| *r as u32).collect();
                    Rows::Some(self.layout.touched(&rows).into())
                }
            };
            let n = match &rows {
                Rows::All => self.layout.params(),
                Rows::Some(rows) => self.layout.params_in(rows.iter().copied()),
            };
            let values = (0..n).map(|_| uniform_f32(&mut s, -0.1, 0.1)).collect();
            let delta = RowBlock::new(self.layout.clone(), rows, values).expect("rows of this layout");
            let (client, weight, base) = (ClientId(client), 100 + client % 50, Checksum::default());
            let mut bytes = Vec::new();
            Update { client, round: 0, exchange: 0, base, weight, loss: 0.0, delta }.encode(&mut bytes);
            bytes
        };
        (0..self.clients).map(message).collect()
    }
}

/// Lets each part take its share of the items, on a thread of its own.
fn share<T: Sync>(parts: &mut [PartialSum], items: &[T], take: impl Fn(&mut PartialSum, &T) + Sync) {
    let threads = parts.len();
    let work = |at: usize, part: &mut PartialSum| {
        part.clear();
        items.iter().skip(at).step_by(threads).for_each(|item| take(part, item));
    };
    rayon::scope(|scope| {
        for (at, part) in parts.iter_mut().enumerate() {
            scope.spawn(move |_| work(at, part));
        }
    });
}

fn aggregation(c: &mut Criterion) {
    let most = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut threads = vec![1, most];
    threads.dedup();
    for workload in workloads() {
        let messages = workload.messages();
        let bytes: usize = messages.iter().map(Vec::len).sum();
        let layout = &workload.layout;
        let cohort: Vec<u64> = (0..workload.clients).collect();
        let views: Vec<UpdateView<'_>> =
            messages.iter().map(|m| UpdateView::parse(m, layout).expect("a good message")).collect();
        let mut group = c.benchmark_group(workload.name);
        group.throughput(Throughput::Bytes(bytes as u64)).sample_size(20);
        for &threads in &threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a few threads");
            let mut parts: Vec<PartialSum> =
                (0..threads).map(|_| PartialSum::new(layout.clone(), CAP)).collect();
            let limit = |measuring: bool| if measuring { read_bandwidth(1 << 28, threads) } else { 0.0 };
            let before = limit(measuring());
            let id = |what| BenchmarkId::new(what, format!("threads{threads}"));
            let sum = fastest_call(&mut group, id("sum"), || {
                pool.install(|| {
                    share(&mut parts, &views, |part, view| part.add(view).expect("within the sum's range"));
                    black_box(finish(&parts.iter().collect::<Vec<_>>()).expect("a mean"));
                });
            });
            let receive = fastest_call(&mut group, id("receive"), || {
                let open = OpenRound::new(layout.clone(), 0, Checksum::default(), &cohort, CAP);
                pool.install(|| {
                    share(&mut parts, &messages, |part, message| {
                        open.receive(part, message).expect("a good message");
                    });
                    black_box(finish(&parts.iter().collect::<Vec<_>>()).expect("a mean"));
                });
            });
            let together = fastest_call(&mut group, id("together"), || {
                let open = OpenRound::new(layout.clone(), 0, Checksum::default(), &cohort, CAP);
                let part = &mut parts[0];
                part.clear();
                pool.install(|| {
                    assert!(open.receive_all(part, &messages).iter().all(Result::is_ok));
                    black_box(finish(&[part]).expect("a mean"));
                });
            });
            let limit = before.max(limit(measuring()));
            for (what, seconds) in [("sum", sum), ("receive", receive), ("together", together)] {
                let Some(seconds) = seconds else { continue };
                let rate = bytes as f64 / seconds;
                println!(
                    "{}/{what}/threads{threads}: {:.2} ms, {:.2} of {:.2} GB/s, ratio {:.2}",
                    workload.name,
                    seconds * 1e3,
                    rate / 1e9,
                    limit / 1e9,
                    rate / limit
                );
            }
        }
        group.finish();
    }
}

/// Rules on updates in memory: every rule, clients × parameters in the id, where it fits into two gigabytes and does
/// not compare too many pairs.
fn rules(c: &mut Criterion) {
    for (clients, params) in [10, 100, 1000].iter().flat_map(|n| SIZES.iter().map(move |p| (*n, *p))) {
        // Under `cargo test --benches` the small sizes show that the bodies work.
        if clients * params > if measuring() { 500_000_000 } else { 200_000 } {
            continue;
        }
        let rows = updates(clients, params);
        let stack = Stack::new(rows.iter().map(Vec::as_slice).collect()).expect("equal rows");
        let weights: Vec<f64> = (0..clients).map(|c| 100.0 + (c % 50) as f64).collect();
        let mut group = c.benchmark_group(format!("rules/{clients}x{params:e}"));
        group.throughput(Throughput::Bytes(4 * (clients * params) as u64)).sample_size(10);
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        for entry in catalogue().iter().filter(|e| e.kind == Kind::Rule) {
            let pairs = clients * clients * params;
            if matches!(entry.name, "mda" | "smea") && clients > 20 || pairs > 20_000_000_000 {
                continue;
            }
            let recipe = Recipe::parse(entry.name, &parameters(entry, clients, params)).expect("a rule");
            let mut outcome = Outcome::default();
            group.bench_function(entry.name, |b| {
                b.iter(|| {
                    recipe.aggregate_into(&stack, Some(&weights), &mut outcome).expect("finite updates");
                });
            });
        }
        group.finish();
    }
}

const SIZES: [usize; 4] = [10_000, 100_000, 1_000_000, 10_000_000];

fn updates(clients: usize, params: usize) -> Vec<Vec<f32>> {
    let row = |client| {
        let mut s = Address::new(1, Purpose::Test).client(client).stream();
        (0..params).map(|_| uniform_f32(&mut s, -0.1, 0.1)).collect()
    };
    (0..clients as u64).into_par_iter().map(row).collect()
}

/// What a rule must be told, its own defaults for the rest.
fn parameters(entry: &Entry, clients: usize, params: usize) -> BTreeMap<String, Value> {
    let known = entry.parameters.iter().filter_map(|parameter| {
        let value = match (parameter.name, entry.name) {
            ("f", "bulyan") => Value::Number(((clients as f64 - 3.0) / 4.0).floor()),
            ("f", _) => Value::Number((clients / 5) as f64),
            // About the norm of a row, so that what clips has something to clip.
            ("tau" | "M", _) => Value::Number(0.057 * (params as f64).sqrt()),
            ("idx", _) => Value::Number(0.0),
            ("server_update", _) => Value::Vector(vec![0.01; params]),
            _ => return None,
        };
        Some((parameter.name.to_owned(), value))
    });
    known.collect()
}

/// The two reproducible sums, written in the same way: fixed grid and binned accumulators. Beside each other they say
/// what exactness over the whole range of `f32` costs.
fn sums(c: &mut Criterion) {
    let (clients, params) = if measuring() { (100, 1 << 20) } else { (20, 1 << 12) };
    const BLOCK: usize = 8192;
    const TOGETHER: usize = 10;
    let rows = updates(clients, params);
    let factors = vec![(1u64 << 36) as f64; clients];
    let mut group = c.benchmark_group(format!("sums/{clients}x{params}"));
    group.throughput(Throughput::Bytes(4 * (clients * params) as u64)).sample_size(10);
    type Work<'w> = dyn Fn(&[Vec<&[f32]>]) + Sync + 'w;
    let blocks = |work: &Work<'_>| {
        (0..params.div_ceil(BLOCK)).into_par_iter().for_each(|block| {
            let range = block * BLOCK..params.min((block + 1) * BLOCK);
            let pieces: Vec<&[f32]> = rows.iter().map(|r| &r[range.clone()]).collect();
            work(&pieces.chunks(TOGETHER).map(<[_]>::to_vec).collect::<Vec<_>>());
        });
    };
    group.bench_function("fixed", |b| {
        b.iter(|| {
            blocks(&|groups| {
                let mut sums = vec![[0i64; 16]; groups[0][0].len() / 16];
                groups.iter().for_each(|g| binned::add_fixed(&mut sums, g, &factors[..g.len()]));
                black_box(sums);
            });
        });
    });
    group.bench_function("binned", |b| {
        b.iter(|| {
            blocks(&|groups| {
                let mut bins = Bins::new(groups[0][0].len());
                groups.iter().for_each(|g| bins.add(g, &factors[..g.len()]));
                black_box(bins);
            });
        });
    });
    group.finish();
}

criterion_group!(benches, aggregation, sums, rules);
criterion_main!(benches);
