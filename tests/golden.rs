//! Trajectories of algorithms against independent code: `golden/trajectories.py`, float64 from the papers' pseudo-code.

use serde::Deserialize;
use sottovoce::algorithms::{AlgorithmConfig, Visitor};
use sottovoce::clients::{Nodes, StoredShards};
use sottovoce::core::{Algorithm, Params};
use sottovoce::models::{EmbeddingBag, Examples, LocalTraining, Model, Optimiser, SoftmaxRegression};
use sottovoce::simulation::{Choice, Cohort, Engine, Plan};
use std::collections::BTreeMap;

const SEED: u64 = 5;
const COHORT: Cohort = Cohort::Uniform { size: 4 };
/// Largest difference allowed, relative to the largest parameter.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    features: usize,
    classes: usize,
    scale: f32,
    lr: f32,
    epochs: u32,
    batch: u32,
    shards: Vec<Vec<(Vec<u32>, u32)>>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    algorithm: AlgorithmConfig,
    /// After so many rounds.
    params: BTreeMap<u64, Vec<f64>>,
    /// Numbers in a vector of an embedding bag; softmax regression where absent.
    dim: Option<usize>,
    /// Parameters to start from; the model's own where empty.
    #[serde(default)]
    start: Vec<f32>,
}

struct Compare<'a> {
    golden: &'a Golden,
    run: &'a Run,
}

impl Visitor for Compare<'_> {
    /// The largest relative difference after each of the rounds.
    type Output = BTreeMap<u64, f64>;

    fn visit<A: Algorithm>(self, algorithm: &A) -> Self::Output {
        let (g, run) = (self.golden, self.run);
        let model: Box<dyn Model> = match run.dim {
            None => Box::new(SoftmaxRegression::new(g.features, g.classes).expect("a small model")),
            Some(dim) => Box::new(EmbeddingBag::new(g.features, dim, g.classes, 0.1).expect("a small model")),
        };
        let start = match &run.start[..] {
            [] => model.init(SEED),
            given => Params::from_values(model.layout().clone(), given.to_vec()).expect("as many as it has"),
        };
        let train = g.shards.iter().map(|shard| {
            let mut examples = Examples::default();
            shard.iter().for_each(|(rows, label)| examples.push(rows, g.scale, *label));
            examples.localise(model.layout())
        });
        let shards = StoredShards { train: train.collect(), held_out: vec![] };
        let optimiser = Optimiser::Sgd { lr: g.lr };
        let local = LocalTraining { epochs: g.epochs, batch: g.batch, shuffle: false, optimiser };
        let nodes = Nodes { algorithm, shards: &shards, model: &*model, local, transforms: &[], seed: SEED };
        let mut engine = Engine::new(algorithm, &nodes, Plan::mean(SEED, COHORT, 64), start);
        let mut differences = BTreeMap::new();
        for (rounds, expected) in &run.params {
            while engine.round() < *rounds {
                engine.step().expect("the clients are honest");
            }
            let largest = expected.iter().fold(0.0f64, |most, v| most.max(v.abs()));
            let both = engine.params().values().iter().zip(expected);
            let apart = both.fold(0.0f64, |most, (a, b)| most.max((f64::from(*a) - b).abs()));
            differences.insert(*rounds, apart / largest);
        }
        differences
    }
}

#[test]
fn algorithms_go_where_their_papers_go() {
    let golden: Golden =
        serde_json::from_str(include_str!("golden/trajectories.json")).expect("the script's own output");
    for run in &golden.runs {
        let differences = run.algorithm.visit(Compare { golden: &golden, run });
        #[allow(clippy::print_stdout)]
        {
            println!("{:?}: {differences:?}", run.algorithm);
        }
        assert!(differences.values().all(|d| *d <= TOLERANCE), "{:?}: {differences:?}", run.algorithm);
    }
}

#[test]
fn cohorts_are_those_of_the_script() {
    let cohorts: Vec<Vec<u64>> =
        serde_json::from_str(include_str!("golden/cohorts.json")).expect("lists of clients");
    let drawn: Vec<Vec<u64>> = (0..20).map(|round| COHORT.draw(&Choice::plain(SEED, round, 6))).collect();
    assert_eq!(cohorts, drawn);
}
