//! Local training of the embedding bag, beside the arithmetic limit of one core measured in the same run.
//!
//! The workload: a client holds 150 examples of 15 features and 150 classes; table 4,096 × 64, linear layer
//! 64 × 150 with bias; one epoch, batch 10, SGD. `train` is the training alone; `answer` is a client's whole part of
//! a round, from the broadcast to the framed message with its digest.

#![allow(missing_docs, clippy::print_stdout)] // A bench is a program whose output is its purpose.

#[allow(dead_code)] // The memory limit is for the aggregation bench.
mod limits;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use limits::{fastest_call, measuring, peak_flops};
use sottovoce_algorithms::FedAvg;
use sottovoce_clients::{Nodes, SourceKey, StoredShards};
use sottovoce_core::sampling::index;
use sottovoce_core::{
    Address, AnyAlgorithm, Broadcast, ClientId, Contents, Exchange, Format, Params, Population, Purpose,
    StartCx,
};
use sottovoce_models::{
    EmbeddingBag, Examples, LocalExamples, LocalTraining, Model, Optimiser, SoftmaxRegression, Workspace,
    train,
};
use std::hint::black_box;

const CLIENTS: usize = 5;
const EXAMPLES: usize = 150;
const FEATURES: usize = 15;
const BUCKETS: usize = 4096;
const DIM: usize = 64;
const CLASSES: usize = 150;
const LOCAL: LocalTraining =
    LocalTraining { epochs: 1, batch: 10, shuffle: true, optimiser: Optimiser::Sgd { lr: 0.5 } };

/// Examples whose features are drawn from a dozen words of their class and from all words, half and half.
fn shard(client: usize) -> Examples {
    let mut s = Address::new(1, Purpose::Test).client(client as u64).stream();
    let mut all = Examples::default();
    for _ in 0..EXAMPLES {
        let class = index(&mut s, CLASSES);
        let mut rows: Vec<u32> = (0..FEATURES)
            .map(|i| {
                let own = (class * 27 + index(&mut s, 12)) % BUCKETS;
                if i % 2 == 0 { own as u32 } else { index(&mut s, BUCKETS) as u32 }
            })
            .collect();
        rows.sort_unstable();
        all.push(&rows, 1.0, class as u32);
    }
    all
}

fn shards(model: &dyn Model) -> Vec<LocalExamples> {
    (0..CLIENTS).map(|c| shard(c).localise(model.layout())).collect()
}

/// Operations that the mathematics of one client's training needs: three products of the linear layer, sums over
/// the bag forward and back, bias, and the step over everything touched. Softmax's exponentials are not counted.
fn embedding_bag_flops(touched: usize) -> f64 {
    let example = 3 * 2 * DIM * CLASSES + 2 * FEATURES * DIM + 2 * DIM + 3 * CLASSES;
    let batches = EXAMPLES.div_ceil(LOCAL.batch as usize);
    // A batch moves the rows of its own examples, nearly all of them different.
    let step = 2 * (LOCAL.batch as usize * FEATURES * DIM).min(touched * DIM) + 2 * (DIM + 1) * CLASSES;
    (EXAMPLES * example + batches * step) as f64
}

fn embedding_bag(c: &mut Criterion) {
    let model = EmbeddingBag::new(BUCKETS, DIM, CLASSES, 0.1).expect("a model of this size");
    let (shards, params) = (shards(&model), model.init(1));
    let touched = shards.iter().map(|s| s.rows.len()).sum::<usize>() / CLIENTS;
    let flops = embedding_bag_flops(touched);
    let size = format!("{EXAMPLES}x{FEATURES}_{BUCKETS}x{DIM}_{CLASSES}classes_batch{}", LOCAL.batch);

    let mut group = c.benchmark_group("embedding_bag");
    group.throughput(Throughput::Elements(CLIENTS as u64));
    let before = if measuring() { peak_flops() } else { 0.0 };
    let mut workspace = Workspace::default();
    let trained = fastest_call(&mut group, BenchmarkId::new("train", &size), || {
        for (client, shard) in shards.iter().enumerate() {
            let order = Address::new(1, Purpose::BatchOrder).client(client as u64);
            let trained = train(&model, &LOCAL, shard, &params, order, &mut workspace, None);
            workspace.reuse(black_box(trained).expect("training at this rate converges").delta);
        }
    });
    let answered = answers(&mut group, &model, shards, &params, &size);
    group.finish();

    let peak = before.max(if measuring() { peak_flops() } else { 0.0 });
    for (what, seconds) in [("train", trained), ("answer", answered)] {
        let Some(seconds) = seconds else { continue };
        let rate = CLIENTS as f64 / seconds;
        println!(
            "embedding_bag/{what}: {rate:.0} clients/s on one thread, {:.2} MFLOP each: {:.1} of {:.1} GFLOP/s \
             (multiply, then add), ratio {:.2}",
            flops / 1e6,
            rate * flops / 1e9,
            peak / 1e9,
            rate * flops / peak
        );
    }
}

/// The same clients through gate and codec.
fn answers(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    model: &dyn Model,
    train: Vec<LocalExamples>,
    params: &Params,
    size: &str,
) -> Option<f64> {
    let (algorithm, shards) = (FedAvg { server_lr: 1.0 }, StoredShards { train, held_out: vec![] });
    let nodes = Nodes {
        shards: &shards,
        model,
        local: LOCAL,
        transforms: &[],
        root: None,
        sources: SourceKey::of(&shards),
        seed: 1,
    };
    let mut worker = nodes.worker();
    let cx = StartCx { params, clients: CLIENTS as u64, weight: &|| 0, seed: 1 };
    let running = algorithm.begin(&cx);
    let format = Format::new(model.layout().clone(), Contents::DELTA).expect("the model has a layout");
    let broadcast = Broadcast {
        round: 0,
        exchange: Exchange::ONLY,
        params,
        checksum: params.checksum(),
        algorithm: &*running,
        format: &format,
        alike: false,
    };
    fastest_call(group, BenchmarkId::new("answer", size), || {
        for client in 0..CLIENTS as u64 {
            black_box(
                nodes.answer(&mut worker, &broadcast, ClientId(client), &[]).expect("an honest client"),
            );
        }
    })
}

fn softmax_regression(c: &mut Criterion) {
    let model = SoftmaxRegression::new(BUCKETS, CLASSES).expect("a model of this size");
    let (shards, params) = (shards(&model), model.init(1));
    let mut group = c.benchmark_group("softmax_regression");
    group.throughput(Throughput::Elements(CLIENTS as u64));
    let mut workspace = Workspace::default();
    let size = format!("{EXAMPLES}x{FEATURES}_{BUCKETS}_{CLASSES}classes_batch{}", LOCAL.batch);
    let seconds = fastest_call(&mut group, BenchmarkId::new("train", size), || {
        for (client, shard) in shards.iter().enumerate() {
            let order = Address::new(1, Purpose::BatchOrder).client(client as u64);
            let trained = train(&model, &LOCAL, shard, &params, order, &mut workspace, None);
            workspace.reuse(black_box(trained).expect("training at this rate converges").delta);
        }
    });
    group.finish();
    if let Some(seconds) = seconds {
        println!("softmax_regression/train: {:.0} clients/s on one thread", CLIENTS as f64 / seconds);
    }
}

criterion_group!(benches, embedding_bag, softmax_regression);
criterion_main!(benches);
