//! The weighted mean from wire bytes, beside the memory's read bandwidth measured in the same run.
//!
//! `sum` reads messages that are already checked; `receive` is everything that a message goes through: frame, BLAKE3
//! digest, shape, cohort, sum. Both end with the finished mean. Ids say clients × parameters sent, and threads:
//! each thread folds its share into a part of its own.

#![allow(missing_docs, clippy::print_stdout)] // A bench is a program whose output is its purpose.

#[allow(dead_code)] // The arithmetic limit is for the training bench.
mod limits;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use limits::{fastest_call, measuring, read_bandwidth};
use sottovoce_aggregator::{OpenRound, PartialSum, finish};
use sottovoce_core::sampling::{distinct, uniform_f32};
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{Address, ClientId, Digest, Layout, Outbound, Purpose, RowBlock, Rows, Update};
use std::hint::black_box;
use std::sync::Arc;

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
            let (client, weight, base) = (ClientId(client), 100 + client % 50, Digest::default());
            let mut bytes = Vec::new();
            Update { client, round: 0, base, weight, loss: 0.0, delta }.encode(&mut bytes);
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
                let open = OpenRound::new(layout.clone(), 0, Digest::default(), &cohort, CAP);
                pool.install(|| {
                    share(&mut parts, &messages, |part, message| {
                        open.receive(part, message).expect("a good message");
                    });
                    black_box(finish(&parts.iter().collect::<Vec<_>>()).expect("a mean"));
                });
            });
            let limit = before.max(limit(measuring()));
            for (what, seconds) in [("sum", sum), ("receive", receive)] {
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

criterion_group!(benches, aggregation);
criterion_main!(benches);
