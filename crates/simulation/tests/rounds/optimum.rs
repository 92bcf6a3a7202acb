//! Where algorithms end: on problems without local minima each reaches the optimum that its paper claims, however far local
//! training drifts in a round.
//!
//! The problems are softmax regressions on data that no model separates, with 20 to 200 examples a client and full batches.
//! Gradients are taken here, in `f64`, from the examples.

use crate::common::population::Desks;
use crate::common::run::DeskEngine;
use sottovoce_aggregator::MAX_WEIGHT_CAP;
use sottovoce_algorithms::{Afl, AlgorithmConfig};
use sottovoce_core::{AnyAlgorithm, ClientId, Values};
use sottovoce_models::{Examples, LocalTraining, Optimiser, SoftmaxRegression};
use sottovoce_simulation::{Cohort, Engine, Plan};

const BUCKETS: usize = 3;
const CLASSES: usize = 3;
const SIZES: [usize; 6] = [20, 45, 80, 110, 160, 200];

type Example = (Vec<u32>, u32);

/// Clients to whom features mean something else. Every feature comes with every label, so that each client has an optimum of
/// its own.
fn data() -> Vec<Vec<Example>> {
    let client = |(client, size): (usize, &usize)| {
        let example = |i: usize| {
            let (row, wrong) = (i % BUCKETS, (i / BUCKETS % 5).saturating_sub(2));
            (vec![row as u32], ((row + client / 2 + wrong) % CLASSES) as u32)
        };
        (0..*size).map(example).collect()
    };
    SIZES.iter().enumerate().map(client).collect()
}

/// Mean loss of a client, and its gradient added to `into` times `share`.
fn loss(examples: &[Example], w: &[f64], share: f64, into: &mut [f64]) -> f64 {
    let mut total = 0.0;
    for (rows, label) in examples {
        let mut z: Vec<f64> = w[BUCKETS * CLASSES..].to_vec();
        rows.iter().for_each(|r| (0..CLASSES).for_each(|k| z[k] += w[*r as usize * CLASSES + k]));
        let sum: f64 = z.iter().map(|z| libm::exp(*z)).sum();
        total += libm::log(sum) - z[*label as usize];
        for k in 0..CLASSES {
            let hit = f64::from(u8::from(k == *label as usize));
            let slope = share * (libm::exp(z[k]) / sum - hit) / examples.len() as f64;
            rows.iter().for_each(|r| into[*r as usize * CLASSES + k] += slope);
            into[BUCKETS * CLASSES + k] += slope;
        }
    }
    total / examples.len() as f64
}

/// What decides: the scores of each feature, those of one feature summing to zero. Parameters themselves are not determined.
fn scores(w: &[f64]) -> Vec<f64> {
    let (table, bias) = w.split_at(BUCKETS * CLASSES);
    let score = |row: &[f64]| {
        let z: Vec<f64> = row.iter().zip(bias).map(|(w, b)| w + b).collect();
        let mean = z.iter().sum::<f64>() / z.len() as f64;
        z.into_iter().map(move |z| z - mean).collect::<Vec<_>>()
    };
    table.chunks(CLASSES).flat_map(score).collect()
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The norm of `Σ share_i ∇F_i`.
fn slope(w: &[f64], shares: impl Fn(usize) -> f64) -> f64 {
    let mut gradient = vec![0.0; w.len()];
    for (i, examples) in data().iter().enumerate() {
        loss(examples, w, shares(i), &mut gradient);
    }
    norm(&gradient)
}

/// By the number of examples.
fn by_size(client: usize) -> f64 {
    SIZES[client] as f64 / SIZES.iter().sum::<usize>() as f64
}

/// Every client as much as any other.
fn alike(_: usize) -> f64 {
    1.0 / SIZES.len() as f64
}

fn desks(algorithm: &dyn AnyAlgorithm, local: LocalTraining, seed: u64) -> Desks<'_> {
    let model = SoftmaxRegression::new(BUCKETS, CLASSES).unwrap();
    let mut desks = Desks::of(algorithm, Box::new(model), SIZES.len() as u64, seed).training(local);
    for (shard, examples) in desks.shards.iter_mut().zip(data()) {
        let mut all = Examples::default();
        examples.iter().for_each(|(rows, label)| all.push(rows, 1.0, *label));
        *shard = all.localise(desks.model.layout());
    }
    desks
}

fn local(lr: f32, epochs: u32, batch: u32) -> LocalTraining {
    LocalTraining { epochs, batch, shuffle: false, optimiser: Optimiser::Sgd { lr } }
}

const FULL: u32 = 65_536;

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

fn engine<'a>(desks: &'a Desks<'a>, cohort: Cohort) -> DeskEngine<'a> {
    const { assert!(MAX_WEIGHT_CAP >= 256) };
    Engine::new(desks.algorithm, desks, Plan::mean(desks.seed, cohort, 256), desks.start())
}

/// The model, and every client's own, after so many rounds.
fn after(
    algorithm: &str,
    rounds: u64,
    cohort: Cohort,
    local: LocalTraining,
    seed: u64,
) -> (Vec<f64>, Vec<Vec<f64>>) {
    let algorithm: AlgorithmConfig = serde_json::from_str(algorithm).unwrap();
    let desks = desks(algorithm.algorithm(), local, seed);
    let mut engine = engine(&desks, cohort);
    while engine.round() < rounds {
        engine.step().unwrap();
    }
    let personal =
        |client| wide(desks.personal(engine.algorithm(), engine.state(), ClientId(client)).values());
    (wide(engine.params().values()), (0..SIZES.len() as u64).map(personal).collect())
}

#[test]
fn those_that_correct_drift_reach_one_point_with_two_of_six_clients_and_unequal_sizes() {
    let cohort = Cohort::Uniform { size: 2 };
    for (algorithm, shares, rounds) in [
        (r#"{"kind":"scaffold"}"#, by_size as fn(usize) -> f64, 2_000),
        (r#"{"kind":"scaffold","option":1}"#, by_size, 2_000),
        (r#"{"kind":"feddyn","alpha":0.1}"#, alike, 4_000),
    ] {
        let ends: Vec<Vec<f64>> =
            [1, 2].map(|seed| after(algorithm, rounds, cohort, local(0.5, 4, FULL), seed).0).into();
        let slopes: Vec<f64> = ends.iter().map(|w| slope(w, shares)).collect();
        #[allow(clippy::print_stdout)]
        {
            println!("{algorithm}: |∇F| {slopes:?}");
        }
        assert!(slopes.iter().all(|s| *s < 1e-4), "{algorithm}: {slopes:?}");
        let apart: Vec<f64> = scores(&ends[0]).iter().zip(scores(&ends[1])).map(|(a, b)| a - b).collect();
        assert!(norm(&apart) < 1e-4, "{algorithm}: {}", norm(&apart));
    }
    // FedAvg does not: drift and chance are seen.
    let (fedavg, _) = after(r#"{"kind":"fedavg"}"#, 2_000, cohort, local(0.5, 4, FULL), 1);
    assert!(slope(&fedavg, by_size) > 2e-3, "{}", slope(&fedavg, by_size));
}

/// Distances at three learning rates, each half of the one before and for twice as many rounds: they shrink with it, to less
/// than `least`.
fn shrinks(name: &str, least: f64, distance: impl Fn(f32, u64) -> f64) {
    let distances: Vec<f64> =
        [1u16, 2, 4].iter().map(|k| distance(0.4 / f32::from(*k), (*k).into())).collect();
    #[allow(clippy::print_stdout)]
    {
        println!("{name}: {distances:.6?}");
    }
    assert!(distances[1] < 0.7 * distances[0] && distances[2] < 0.7 * distances[1], "{name}: {distances:?}");
    assert!(distances[2] < least, "{name}: {distances:?}");
}

/// Without a rate that shrinks: at the optimum the gradient of all is zero, and no client moves away from there.
#[test]
fn those_that_ask_for_the_gradient_of_all_first_reach_the_optimum_at_any_rate() {
    for (algorithm, rounds) in [
        (r#"{"kind":"mime","beta":0}"#, 2_000),
        (r#"{"kind":"mime","beta":0.9}"#, 2_000),
        (r#"{"kind":"fedlin"}"#, 4_000),
    ] {
        let (end, _) = after(algorithm, rounds, Cohort::All, local(0.5, 4, FULL), 1);
        let slope = slope(&end, by_size);
        #[allow(clippy::print_stdout)]
        {
            println!("{algorithm}: |∇F| {slope:e}");
        }
        assert!(slope < 1e-6, "{algorithm}: {slope:e}");
    }
}

#[test]
fn those_that_average_reach_the_weighted_optimum_as_steps_shrink() {
    for algorithm in [
        r#"{"kind":"fedavg"}"#,
        r#"{"kind":"fedavg","server_lr":0.5}"#,
        r#"{"kind":"fedavgm","beta":0.5}"#,
        r#"{"kind":"fedprox","mu":0.2}"#,
        r#"{"kind":"fedopt","optimiser":"sgd","server_lr":1}"#,
        r#"{"kind":"fedopt","optimiser":"adagrad","server_lr":0.1,"tau":0.1}"#,
        r#"{"kind":"fedopt","optimiser":"adam","server_lr":0.03,"tau":0.1}"#,
        r#"{"kind":"fedopt","optimiser":"yogi","server_lr":0.03,"tau":0.1}"#,
        r#"{"kind":"fedbuff"}"#,
        r#"{"kind":"fedasync","mixing":0.5}"#,
        r#"{"kind":"mimelite","beta":0.5}"#,
        r#"{"kind":"hierarchical","edges":2,"cloud_every":2}"#,
        r#"{"kind":"ditto","lambda":0.5}"#,
        r#"{"kind":"apfl"}"#,
        r#"{"kind":"fine_tuning","epochs":1}"#,
    ] {
        shrinks(algorithm, 0.02, |lr, times| {
            slope(&after(algorithm, 400 * times, Cohort::All, local(lr, 4, FULL), 1).0, by_size)
        });
    }
}

/// Batches of 5 make 4 steps for the smallest client and 40 for the largest: FedAvg goes elsewhere for that, FedNova does not.
#[test]
fn unequal_numbers_of_steps_do_not_move_fednova() {
    let at = |algorithm, lr, times| {
        slope(&after(algorithm, 400 * times, Cohort::All, local(lr / 8.0, 1, 5), 1).0, by_size)
    };
    shrinks("fednova", 0.05, |lr, times| at(r#"{"kind":"fednova"}"#, lr, times));
    let fedavg = at(r#"{"kind":"fedavg"}"#, 0.1, 4);
    assert!(fedavg > 2.0 * at(r#"{"kind":"fednova"}"#, 0.1, 4), "{fedavg}");
}

/// `Σ F_k^(q+1)`, clients counting alike.
#[test]
fn fairness_has_its_own_optimum() {
    for q in [0.5, 1.0, 2.0] {
        let algorithm = format!(r#"{{"kind":"qfedavg","q":{q},"lipschitz":2}}"#);
        shrinks(&algorithm, 0.02, |lr, times| {
            let (w, _) = after(&algorithm, 600 * times, Cohort::All, local(lr, 2, FULL), 1);
            let losses: Vec<f64> = data().iter().map(|d| loss(d, &w, 0.0, &mut vec![0.0; w.len()])).collect();
            slope(&w, |k| alike(k) * libm::pow(losses[k], q))
        });
    }
}

/// At the worst mixture no client has a larger loss than those that count, and the mixture has no slope.
#[test]
fn the_worst_mixture_is_found() {
    let afl = Afl { lambda_lr: 0.1, server_lr: 1.0 };
    shrinks("afl", 0.02, |lr, times| {
        let desks = desks(&afl, local(lr, 2, FULL), 1);
        let mut engine = engine(&desks, Cohort::All);
        while engine.round() < 3_000 * times {
            engine.step().unwrap();
        }
        let (w, lambda) = (
            wide(engine.params().values()),
            wide(engine.algorithm().server().downcast_ref::<Values>().unwrap()),
        );
        assert!(lambda.iter().filter(|share| **share > 0.05).count() >= 2, "{lambda:?}");
        let losses: Vec<f64> = data().iter().map(|d| loss(d, &w, 0.0, &mut vec![0.0; w.len()])).collect();
        let most = losses.iter().fold(0.0f64, |most, l| most.max(*l));
        let slack: f64 = lambda.iter().zip(&losses).map(|(share, l)| share * (most - l)).sum();
        slack + slope(&w, |k| lambda[k])
    });
}

/// Ditto: `F_k(v) + λ/2 |v − w|²` around the global model. APFL: the mixed model is the client's own optimum.
#[test]
fn personal_models_reach_their_own_optimum() {
    let own = |k: usize, v: &[f64]| {
        let mut gradient = vec![0.0; v.len()];
        loss(&data()[k], v, 1.0, &mut gradient);
        gradient
    };
    let lambda = 0.5;
    shrinks("ditto's own", 0.02, |lr, times| {
        let (w, personal) =
            after(r#"{"kind":"ditto","lambda":0.5}"#, 400 * times, Cohort::All, local(lr, 4, FULL), 1);
        let most = personal.iter().enumerate().map(|(k, v)| {
            // Batches are full, so only the global model's way between two rounds is left.
            let mut slope = own(k, v);
            slope.iter_mut().zip(v.iter().zip(&w)).for_each(|(s, (v, w))| *s += lambda * (v - w));
            norm(&slope)
        });
        // Of the global model's drift, which `w` has as well: its distance to where the weighted optimum would hold it.
        most.fold(0.0f64, f64::max) + slope(&w, by_size)
    });
    shrinks("apfl's own", 0.02, |lr, times| {
        let apfl = r#"{"kind":"apfl","alpha":0.7}"#;
        let (_, personal) = after(apfl, 400 * times, Cohort::All, local(lr, 4, FULL), 1);
        personal.iter().enumerate().map(|(k, v)| norm(&own(k, v))).fold(0.0, f64::max)
    });
}

#[test]
fn every_cluster_reaches_the_optimum_of_its_own_clients() {
    let algorithm = r#"{"kind":"ifca","clusters":2,"spread":0.5}"#;
    shrinks(algorithm, 0.02, |lr, times| {
        let (_, personal) = after(algorithm, 400 * times, Cohort::All, local(lr, 4, FULL), 1);
        let groups: Vec<Vec<usize>> =
            personal.iter().map(|v| (0..personal.len()).filter(|k| personal[*k] == *v).collect()).collect();
        assert!(groups.iter().any(|g| *g != groups[0]), "one cluster has all");
        let most = personal.iter().zip(&groups).map(|(v, group)| {
            let weight: usize = group.iter().map(|k| SIZES[*k]).sum();
            slope(v, |k| if group.contains(&k) { SIZES[k] as f64 / weight as f64 } else { 0.0 })
        });
        most.fold(0.0, f64::max)
    });
}
