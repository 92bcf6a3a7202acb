//! Faults injected on purpose, each of a kind that has cost somebody a result: `verify` has to catch them, and `diff` to
//! find the very number.
//!
//! They come in by the doors that researchers use, a transform and an algorithm of one's own, so nothing of them is in
//! the command.

mod common;

use common::{SMALL, sottovoce};
use serde_json::Value;
use sottovoce::config::{self, Config};
use sottovoce::core::wire::UpdateView;
use sottovoce::core::{
    Address, Aggregate, Algorithm, Answer, AnyAlgorithm, ClientError, Contents, Format, LocalTask, RowBlock,
    ServerCx, Transform,
};
use sottovoce::experiment::evidence::{self, Evidence};
use sottovoce::experiment::{Experiment, Record};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tempfile::{TempDir, tempdir};

const QUICKSTART: &str = include_str!("../examples/quickstart.toml");
const MU: f32 = 0.3;

fn small(overrides: &[&str]) -> Config {
    let set: Vec<String> = SMALL.iter().chain(overrides).map(|s| (*s).to_owned()).collect();
    config::parse("quickstart.toml", QUICKSTART, &set).expect("a good configuration")
}

/// Runs an experiment with an algorithm, keeping everything.
fn keep(experiment: &Experiment, algorithm: &dyn AnyAlgorithm, out: &Path) {
    let mut record = Record::create(out).expect("a new folder").with_trace();
    record.begin(experiment.config(), experiment.data()).expect("the folder can be written");
    let (summary, params) = experiment.run_with(algorithm, &mut record, &mut ()).expect("a run");
    record
        .finish(experiment.config(), experiment.data(), &params, &summary)
        .expect("the folder can be written");
}

/// The same experiment without and with a fault, in two folders.
fn both(
    overrides: &[&str],
    clean: impl Fn(&Experiment, &Path),
    faulty: impl Fn(Experiment, &Path) + Sync,
) -> (TempDir, PathBuf, PathBuf, Format) {
    let folder = tempdir().expect("a folder can be made");
    let (a, b) = (folder.path().join("clean"), folder.path().join("faulty"));
    let experiment = |_| Experiment::new(small(overrides)).expect("a good experiment");
    let first = experiment(());
    let format =
        Format::new(first.data().model.layout().clone(), Contents::DELTA).expect("the model has one");
    clean(&first, &a);
    // One thread, so that what the fault makes of the order of arrival is the same each time.
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    one.install(|| faulty(experiment(()).arriving(5), &b));
    (folder, a, b, format)
}

fn name(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// What `verify` says of the faulty run, and `diff` of both.
fn caught(clean: &Path, faulty: &Path) -> (Value, Value) {
    sottovoce(&["verify", name(clean)]).ok();
    let verify = sottovoce(&["verify", "--json", name(faulty)]).done();
    assert_eq!(verify.code, Some(1), "{}{}", verify.out(), verify.err());
    let diff = sottovoce(&["diff", "--json", name(clean), name(faulty)]).done();
    assert_eq!(diff.code, Some(1), "{}{}", diff.out(), diff.err());
    (verify.json()["difference"].clone(), diff.json()["first"].clone())
}

/// Bits of the number that `diff` found, and where it is.
fn number(found: &Value) -> (u64, u32, u32) {
    let bits = |side: &str| (found["value"][side].as_f64().expect("both runs have it") as f32).to_bits();
    (found["value"]["coordinate"].as_u64().expect("a number was found"), bits("a"), bits("b"))
}

/// Flips the lowest bit of one value of one client's update in one round.
struct FlipBit {
    round: u64,
    client: u64,
    at: usize,
}

impl Transform for FlipBit {
    fn client(&self, at: Address, delta: &mut RowBlock) {
        if (at.round, at.client) == (self.round, self.client) {
            let value = &mut delta.values_mut()[self.at];
            *value = f32::from_bits(value.to_bits() ^ 1);
        }
    }
}

#[test]
fn a_flipped_bit_of_one_update() {
    let overrides = ["rounds.count=10", "rounds.evaluate_every=1", r#"rounds.cohort={kind="all"}"#];
    let fault = || FlipBit { round: 7, client: 5, at: 40 };
    let algorithm = sottovoce::algorithms::FedAvg { server_lr: 1.0 };
    let (_folder, a, b, format) = both(
        &overrides,
        |experiment, out| keep(experiment, &algorithm, out),
        |experiment, out| keep(&experiment.with_transform(Box::new(fault())), &algorithm, out),
    );
    let (verified, found) = caught(&a, &b);
    for place in [&verified, &found] {
        assert_eq!((&place["round"], &place["client"]), (&7.into(), &5.into()), "{place}");
        assert_eq!(place["stage"], "message", "{place}");
    }
    let evidence = Evidence::read(&evidence::path(&a, 7), &format).expect("kept");
    let update = UpdateView::parse(&evidence.messages[&5], format.message()).expect("a message").to_update();
    let (coordinate, value) =
        update.delta.ranges().flatten().zip(update.delta.values()).nth(40).expect("more than 40 values");
    let bits = value.to_bits();
    assert_eq!(number(&found), (coordinate as u64, bits, bits ^ 1));
}

/// Throws the aggregate away and folds floats in the order in which clients answer.
struct FoldByArrival {
    weights: Vec<u64>,
    arrived: Mutex<Vec<(u64, RowBlock)>>,
}

impl Transform for FoldByArrival {
    fn client(&self, at: Address, delta: &mut RowBlock) {
        self.arrived.lock().expect("no thread panics here").push((at.client, delta.clone()));
    }
    fn server(&self, _at: Address, aggregate: &mut Aggregate) {
        let mut sums: BTreeMap<usize, f32> = BTreeMap::new();
        let mut total = 0.0f32;
        for (client, delta) in self.arrived.lock().expect("no thread panics here").drain(..) {
            let weight = self.weights[client as usize] as f32;
            for (i, v) in delta.ranges().flatten().zip(delta.values()) {
                *sums.entry(i).or_default() += weight * v;
            }
            total += weight;
        }
        let coordinates: Vec<usize> = aggregate.delta.ranges().flatten().collect();
        for (value, i) in aggregate.delta.values_mut().iter_mut().zip(coordinates) {
            *value = sums[&i] / total;
        }
    }
}

#[test]
fn a_sum_in_the_order_of_arrival() {
    let algorithm = sottovoce::algorithms::FedAvg { server_lr: 1.0 };
    let (_folder, a, b, format) = both(
        &["rounds.evaluate_every=1"],
        |experiment, out| keep(experiment, &algorithm, out),
        |experiment, out| {
            let shards = &experiment.data().shards;
            let size = |c| shards.shard(sottovoce::core::ClientId(c)).examples.len() as u64;
            let weights = (0..shards.clients()).map(size).collect();
            let fold = FoldByArrival { weights, arrived: Mutex::default() };
            keep(&experiment.with_transform(Box::new(fold)), &algorithm, out);
        },
    );
    let (verified, found) = caught(&a, &b);
    for place in [&verified, &found] {
        assert_eq!((&place["round"], &place["stage"]), (&0.into(), &"aggregate".into()), "{place}");
    }
    let aggregate = |run: &Path| {
        let evidence = Evidence::read(&evidence::path(run, 0), &format).expect("kept");
        evidence.aggregate.expect("clients answered")
    };
    let (x, y) = (aggregate(&a), aggregate(&b));
    let both = x.ranges().flatten().zip(x.values().iter().zip(y.values()));
    let first = both.map(|(i, (x, y))| (i as u64, x.to_bits(), y.to_bits())).find(|(_, x, y)| x != y);
    assert_eq!(Some(number(&found)), first);
}

/// FedProx whose pull is a fused multiply-add: one rounding less.
struct FusedProx;

impl Algorithm for FusedProx {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "fedprox"
    }
    #[allow(clippy::disallowed_methods)]
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        let trained = task.train(Some(&mut |step, gradient| {
            for ((g, p), s) in gradient.iter_mut().zip(step.params).zip(step.start) {
                *g = MU.mul_add(p - s, *g);
            }
        }))?;
        Ok(trained.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(1.0);
    }
}

#[test]
fn a_fused_multiply_add() {
    let proxy = [r#"algorithm={kind="fedprox",mu=0.3}"#];
    let fedprox = sottovoce::algorithms::FedProx { mu: MU, server_lr: 1.0 };
    let (_folder, a, b, format) = both(
        &proxy,
        |experiment, out| keep(experiment, &fedprox, out),
        |experiment, out| keep(&experiment, &FusedProx, out),
    );
    let (verified, found) = caught(&a, &b);
    let messages = |run: &Path| Evidence::read(&evidence::path(run, 0), &format).expect("kept").messages;
    let (x, y) = (messages(&a), messages(&b));
    let client = x.keys().copied().find(|c| x[c] != y[c]).expect("one rounding less shows in some client");
    for place in [&verified, &found] {
        assert_eq!((&place["round"], &place["stage"]), (&0.into(), &"message".into()), "{place}");
        assert_eq!(place["client"], client, "{place}");
    }
    let delta =
        |message: &[u8]| UpdateView::parse(message, format.message()).expect("a message").to_update().delta;
    let (x, y) = (delta(&x[&client]), delta(&y[&client]));
    let both = x.ranges().flatten().zip(x.values().iter().zip(y.values()));
    let first = both.map(|(i, (x, y))| (i as u64, x.to_bits(), y.to_bits())).find(|(_, x, y)| x != y);
    assert_eq!(Some(number(&found)), first);
}
