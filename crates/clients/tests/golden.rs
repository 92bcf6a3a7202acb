//! Trajectories of algorithms against independent code: `golden/trajectories.py`, float64 from the papers' pseudo-code.

use serde::Deserialize;
use sottovoce_algorithms::{AlgorithmConfig, FedBuff};
use sottovoce_clients::{Nodes, SourceKey, StoredShards};
use sottovoce_core::{
    Adjust, Algorithm, ClientError, ClientId, Exchange, LocalTask, Params, RowBlock, Rows, Running, StartCx,
    Trained,
};
use sottovoce_models::{EmbeddingBag, Examples, LocalTraining, Model, Optimiser, SoftmaxRegression};
use sottovoce_simulation::world::DeviceClass;
use sottovoce_simulation::{Choice, Cohort, Engine, Pace, Plan, World, WorldConfig};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

const SEED: u64 = 5;
const COHORT: Cohort = Cohort::Uniform { size: 4 };
/// Largest difference allowed, relative to the largest number among those that are compared.
const TOLERANCE: f64 = 1e-5;

/// Given to the script: cohorts, arrivals in virtual time for each buffer, the start of IFCA's other models.
const COHORTS: &str = include_str!("golden/cohorts.json");
const ARRIVALS: &str = include_str!("golden/arrivals.json");
const CLUSTERS: &str = include_str!("golden/clusters.json");

#[derive(Deserialize)]
struct Golden {
    features: usize,
    classes: usize,
    dim: usize,
    scale: f32,
    epochs: u32,
    batch: u32,
    shards: Vec<Vec<(Vec<u32>, u32)>>,
    /// Parameters to start from.
    start: BTreeMap<Kind, Vec<f32>>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    algorithm: AlgorithmConfig,
    optimiser: Optimiser,
    /// In virtual time; in rounds where absent.
    pace: Option<Pace>,
    model: Kind,
    /// After so many rounds.
    params: BTreeMap<u64, Vec<f64>>,
    /// Where each client starts after so many rounds, where this is not at the parameters.
    #[serde(default)]
    starts: BTreeMap<u64, Vec<Vec<f64>>>,
    /// Each client's own model after the last round, where clients have one.
    #[serde(default)]
    personal: Vec<Vec<f64>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    SoftmaxRegression,
    EmbeddingBag,
}

impl Golden {
    fn model(&self, kind: &Kind) -> Box<dyn Model> {
        let Self { features, classes, dim, .. } = *self;
        match kind {
            Kind::SoftmaxRegression => {
                Box::new(SoftmaxRegression::new(features, classes).expect("a small model"))
            }
            Kind::EmbeddingBag => {
                Box::new(EmbeddingBag::new(features, dim, classes, 0.1).expect("a small model"))
            }
        }
    }

    fn shards(&self, model: &dyn Model) -> StoredShards {
        let train = self.shards.iter().map(|shard| {
            let mut examples = Examples::default();
            shard.iter().for_each(|(rows, label)| examples.push(rows, self.scale, *label));
            examples.localise(model.layout())
        });
        StoredShards { train: train.collect(), held_out: vec![] }
    }

    fn local(&self, optimiser: Optimiser) -> LocalTraining {
        LocalTraining { epochs: self.epochs, batch: self.batch, shuffle: false, optimiser }
    }
}

/// Devices of two speeds, with a spread: what comes is stale in different ways. Bandwidth has no limit, so that arrivals do
/// not depend on the algorithm.
fn world(epochs: u32) -> World {
    let device = |name: &str, speed| DeviceClass {
        name: name.to_owned(),
        speed,
        pace_spread: 0.4,
        ..DeviceClass::default()
    };
    let devices = vec![device("new", 1.0), device("old", 0.3)];
    World::new(WorldConfig { devices, ..WorldConfig::default() }, None, SEED, epochs)
}

fn plan<'a>(pace: Option<Pace>, world: &'a World) -> Plan<'a> {
    let plan = Plan::mean(SEED, COHORT, 64);
    match pace {
        None => plan,
        Some(pace) => Plan { pace, world: Some(world), ..plan },
    }
}

/// A client that only says where it starts: it has all rows.
struct Starter<'a> {
    client: u64,
    broadcast: &'a Params,
    rows: Arc<[u32]>,
    started: Vec<f32>,
}

impl LocalTask for Starter<'_> {
    fn client(&self) -> ClientId {
        ClientId(self.client)
    }
    fn round(&self) -> u64 {
        0
    }
    fn num_examples(&self) -> u64 {
        1
    }
    fn rows(&self) -> &Arc<[u32]> {
        &self.rows
    }
    fn broadcast(&self) -> &Params {
        self.broadcast
    }
    fn epochs(&self) -> u32 {
        1
    }
    fn steps(&self) -> u64 {
        1
    }
    fn representation(&self) -> usize {
        0
    }
    fn head(&self) -> usize {
        0
    }
    fn train_from(
        &mut self,
        start: Option<&[f32]>,
        _: Range<u32>,
        _: Option<&mut Adjust<'_>>,
    ) -> Result<Trained, ClientError> {
        self.started = start.map_or_else(|| self.start(), <[f32]>::to_vec);
        let (layout, rows) = (self.broadcast.layout().clone(), Rows::Some(self.rows.clone()));
        let zeros = vec![0.0; self.started.len()];
        let delta = RowBlock::new(layout, rows, zeros).expect("a number for each parameter");
        Ok(Trained { delta, loss: 0.0, steps: 1, rates: 1.0 })
    }
    fn loss(&mut self, _: &[f32]) -> f64 {
        1.0
    }
    fn gradient(&mut self, at: &[f32]) -> Vec<f32> {
        vec![0.0; at.len()]
    }
}

fn starts(algorithm: &dyn Running, broadcast: &Params, clients: u64) -> Vec<Vec<f32>> {
    let rows: Arc<[u32]> = (0..broadcast.layout().rows() as u32).collect();
    let start = |client| {
        let mut task = Starter { client, broadcast, rows: rows.clone(), started: vec![] };
        algorithm.answer(Exchange::ONLY, &mut task, &[], &|_| ()).expect("it has all rows");
        task.started
    };
    (0..clients).map(start).collect()
}

/// The largest difference, relative to the largest number that is expected.
fn apart<'n>(
    got: impl IntoIterator<Item = &'n f32>,
    expected: impl IntoIterator<Item = &'n f64> + Clone,
) -> f64 {
    let largest = expected.clone().into_iter().fold(f64::MIN_POSITIVE, |most, v| most.max(v.abs()));
    let (mut got, mut most) = (got.into_iter(), 0.0f64);
    for expected in expected {
        // What is missing, or is not a number, is as far apart as can be.
        let difference = got.next().map_or(f64::NAN, |got| (f64::from(*got) - expected).abs());
        most = if difference.is_nan() { f64::INFINITY } else { most.max(difference) };
    }
    if got.next().is_some() { f64::INFINITY } else { most / largest }
}

struct Compare<'a> {
    golden: &'a Golden,
    run: &'a Run,
}

fn nodes<'a>(
    shards: &'a StoredShards,
    model: &'a dyn Model,
    local: LocalTraining,
) -> Nodes<'a, StoredShards> {
    let sources = SourceKey::of(shards);
    Nodes { shards, model, local, transforms: &[], root: None, sources, seed: SEED }
}

impl Compare<'_> {
    /// The largest relative differences, each with what differs.
    fn differences(self) -> Vec<(String, f64)> {
        let algorithm = self.run.algorithm.algorithm();
        let (g, run) = (self.golden, self.run);
        let model = &*g.model(&run.model);
        let start = Params::from_values(model.layout().clone(), g.start[&run.model].clone());
        let (shards, world, clients) = (g.shards(model), world(g.epochs), g.shards.len() as u64);
        let local = g.local(run.optimiser);
        let nodes = nodes(&shards, model, local);
        let start = start.expect("as many as the model has");
        let mut engine = Engine::new(algorithm, &nodes, plan(run.pace, &world), start);
        let mut differences = Vec::new();
        for (rounds, expected) in &run.params {
            while engine.round() < *rounds {
                engine.step().expect("the clients are honest");
            }
            differences.push((format!("{rounds}"), apart(engine.params().values(), expected)));
            if let Some(expected) = run.starts.get(rounds) {
                let starts = starts(engine.algorithm(), engine.params(), clients);
                let apart = apart(starts.iter().flatten(), expected.iter().flatten());
                differences.push((format!("starts at {rounds}"), apart));
            }
        }
        assert_eq!(run.personal.is_empty(), !algorithm.facts(clients).personalises, "{:?}", run.algorithm);
        if !run.personal.is_empty() {
            let state = engine.state();
            let own = (0..clients).map(|client| {
                let kept = state.clients.bytes(client).expect("it is in memory");
                let kept = kept.as_deref().unwrap_or_default();
                let own =
                    nodes.personal(engine.algorithm(), kept, state.round, ClientId(client), &state.params);
                own.expect("training is finite").expect("every client has examples").values().to_vec()
            });
            let own: Vec<Vec<f32>> = own.collect();
            let apart = apart(own.iter().flatten(), run.personal.iter().flatten());
            differences.push(("personal".to_owned(), apart));
        }
        differences
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/trajectories.json")).expect("the script's own output")
}

#[test]
fn algorithms_go_where_their_papers_go() {
    let golden = golden();
    let (mut most, mut wrong) = (("nothing".to_owned(), 0.0f64), Vec::new());
    for run in &golden.runs {
        let differences = Compare { golden: &golden, run }.differences();
        let shown: Vec<String> = differences.iter().map(|(what, d)| format!("{what}: {d:.1e}")).collect();
        let pace = run.pace.map(|pace| format!(" {pace:?}")).unwrap_or_default();
        let line = format!("{:?} {:?}{pace}: {}", run.algorithm, run.optimiser, shown.join(", "));
        let largest = differences.iter().fold(0.0f64, |most, (_, d)| most.max(*d));
        if largest > most.1 {
            most = (line.clone(), largest);
        }
        if largest > TOLERANCE {
            wrong.push(line.clone());
        }
        #[allow(clippy::print_stdout)]
        {
            println!("{line}");
        }
    }
    #[allow(clippy::print_stdout)]
    {
        println!("the largest of {} runs: {:.1e} in {}", golden.runs.len(), most.1, most.0);
    }
    assert!(wrong.is_empty(), "{} of {} runs:\n{}", wrong.len(), golden.runs.len(), wrong.join("\n"));
}

#[test]
fn every_algorithm_has_a_trajectory() {
    let golden = golden();
    let named: Vec<&str> = golden.runs.iter().map(|run| run.algorithm.name()).collect();
    for kind in AlgorithmConfig::KINDS {
        assert!(named.contains(kind), "{kind}");
    }
}

#[test]
fn cohorts_are_those_of_the_script() {
    let cohorts: Vec<Vec<u64>> = serde_json::from_str(COHORTS).expect("lists of clients");
    let drawn: Vec<Vec<u64>> = (0..20).map(|round| COHORT.draw(&Choice::plain(SEED, round, 6))).collect();
    assert_eq!(cohorts, drawn);
}

/// For each buffer and step, who answers in it, and in which round it was asked.
#[test]
fn arrivals_are_those_of_the_script() {
    let arrivals: BTreeMap<u64, Vec<Vec<(u64, u64)>>> =
        serde_json::from_str(ARRIVALS).expect("lists of arrivals");
    let golden = golden();
    let model = &*golden.model(&Kind::SoftmaxRegression);
    let (shards, world) = (golden.shards(model), world(golden.epochs));
    let algorithm = &FedBuff { server_lr: 1.0, exponent: 0.5, weighted: true };
    let local = golden.local(Optimiser::Sgd { lr: 0.1 });
    let nodes = nodes(&shards, model, local);
    let mut happened = BTreeMap::new();
    for buffer in [1, 3] {
        let plan = plan(Some(Pace::Asynchronous { buffer }), &world);
        let mut engine = Engine::new(algorithm, &nodes, plan, model.init(SEED));
        let steps = (0..20).map(|round| {
            let flights = &engine.state().clock.flights;
            let asked: BTreeMap<u64, u64> = flights.iter().map(|f| (f.client, f.round)).collect();
            let report = engine.step().expect("the clients are honest");
            let client = |client: u64| (client, asked.get(&client).copied().unwrap_or(round));
            report.accepted.iter().map(|a| client(a.client.0)).collect()
        });
        happened.insert(buffer, steps.collect::<Vec<Vec<(u64, u64)>>>());
    }
    assert_eq!(arrivals, happened, "{}", serde_json::to_string(&happened).expect("numbers"));
}

#[test]
fn clusters_start_where_those_of_the_script_do() {
    let clusters: Vec<Vec<f32>> = serde_json::from_str(CLUSTERS).expect("lists of parameters");
    let golden = golden();
    let params = golden.model(&Kind::SoftmaxRegression).init(SEED);
    let ifca = golden.runs.iter().find_map(|run| match &run.algorithm {
        AlgorithmConfig::Ifca(ifca) => Some(ifca),
        _ => None,
    });
    let others = ifca.expect("it is among them").start(&StartCx {
        params: &params,
        clients: 6,
        weight: &|| 45,
        seed: SEED,
    });
    let others: Vec<Vec<f32>> = others.into_iter().map(|values| values.0).collect();
    assert_eq!(clusters, others, "{}", serde_json::to_string(&others).expect("numbers"));
}
