//! Rounds that end badly, and what is left as it was.

use crate::common::population::{CAP, CLASSES, Desks, LOCAL};
use crate::common::run::{engine, state, steps};
use sottovoce_aggregator::rules::Value;
use sottovoce_aggregator::{Aggregation, Recipe};
use sottovoce_algorithms::{AlgorithmConfig, FedAvg, FedDyn};
use sottovoce_core::{AnyAlgorithm, ClientError, ClientId, Exchange};
use sottovoce_models::{Examples, LocalExamples, LocalTraining, Model, Optimiser};
use sottovoce_simulation::{Cohort, Engine, Plan, RoundError, RoundReport, Tap, TooFew};
use std::panic::{AssertUnwindSafe, catch_unwind};

const FEDAVG: FedAvg = FedAvg { server_lr: 1.0 };

/// The error of the first round that has one.
fn fails(algorithm: &dyn AnyAlgorithm, local: LocalTraining) -> RoundError {
    let desks = Desks::new(algorithm, 6, 1).training(local);
    let mut engine = engine(&desks, Cohort::All);
    (0..40).find_map(|_| engine.step().err()).expect("nothing can be right here")
}

#[test]
fn a_step_that_is_not_finite_is_named() {
    // Updates above 2, so that the largest rates leave the numbers.
    let large = LocalTraining { optimiser: Optimiser::Sgd { lr: 30.0 }, ..LOCAL };
    for (algorithm, tensor) in [
        (r#"{"kind":"fedavg","server_lr":3e38}"#, "weight"),
        (r#"{"kind":"fedprox","mu":0.1,"server_lr":3e38}"#, "weight"),
        (r#"{"kind":"fedavgm","server_lr":3e38}"#, "weight"),
        (r#"{"kind":"fedopt","optimiser":"sgd","server_lr":3e38}"#, "weight"),
        (r#"{"kind":"scaffold","server_lr":3e38}"#, "weight"),
        (r#"{"kind":"fednova","server_lr":3e38}"#, "weight"),
        (r#"{"kind":"mimelite","beta":0,"server_lr":3e38}"#, "weight"),
    ] {
        let config: AlgorithmConfig = serde_json::from_str(algorithm).unwrap();
        let RoundError::Diverged { round, algorithm: name, tensor: seen, at, value } =
            fails(config.algorithm(), large)
        else {
            panic!("{algorithm}")
        };
        assert!(round < 12 && name == config.name() && !value.is_finite(), "{algorithm}: {round} {value}");
        assert!(seen == tensor && at < 64 * CLASSES, "{algorithm}: {seen} {at}");
    }
}

#[test]
fn whoever_diverges_is_left_out_and_all_of_them_are_an_error() {
    let wild = LocalTraining {
        optimiser: Optimiser::Adam { lr: 3e38, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
        ..LOCAL
    };
    let RoundError::AllDiverged { round: 0, clients: 6, first } = fails(&FEDAVG, wild) else { panic!() };
    assert!(matches!(first, ClientError::NotFinite { client: ClientId(0), .. }), "{first}");

    let mut desks = Desks::new(&FEDAVG, 6, 1);
    for client in [1, 4] {
        desks.shards[client] = beyond_numbers(&*desks.model);
    }
    let report = steps(&mut engine(&desks, Cohort::All), 1).remove(0);
    assert_eq!(report.accepted.iter().map(|a| a.client.0).collect::<Vec<_>>(), [0, 2, 3, 5]);
    for ((client, why), expected) in report.dropped.iter().zip([1, 4]) {
        assert!(client.0 == expected && matches!(why, ClientError::NotFinite { .. }), "{client:?}: {why}");
    }
}

/// Examples of a size at which the first steps leave the numbers.
fn beyond_numbers(model: &dyn Model) -> LocalExamples {
    let mut all = Examples::default();
    for label in 0..CLASSES as u32 {
        all.push(&[label, label + 4], f32::MAX, label);
    }
    all.localise(model.layout())
}

/// The server's own code fails while it takes what a client sent.
struct Broken;

impl Tap for Broken {
    fn message(&self, _: Exchange, _client: ClientId, _message: &[u8]) {
        panic!("the server's own fault");
    }
}

#[test]
fn no_client_is_blamed_for_what_the_server_does() {
    let desks = Desks::new(&FEDAVG, 3, 1);
    let mut engine = engine(&desks, Cohort::All);
    let step = catch_unwind(AssertUnwindSafe(|| engine.step_with(&Broken)));
    assert!(step.is_err(), "{:?}", step.map(|report| report.map(|r| r.dropped)));
}

fn krum(too_few: TooFew) -> Plan<'static> {
    let recipe = Recipe::parse("krum", &[("f".to_owned(), Value::Number(1.0))].into()).unwrap();
    let aggregation = Aggregation { recipe: Some(recipe), ..Aggregation::mean(CAP) };
    Plan { aggregation, too_few, dropout: 0.3, ..Plan::mean(1, Cohort::Uniform { size: 6 }, CAP) }
}

/// Krum with one liar needs five answers; of six clients some drop out.
#[test]
fn a_rule_with_too_few_updates_leaves_the_round_without_a_step() {
    let feddyn = FedDyn { alpha: 0.1 };
    let desks = Desks::new(&feddyn, 14, 3);
    let mut engine = Engine::new(&feddyn, &desks, krum(TooFew::Skip), desks.start());
    let (mut skipped, mut stepped) = (0, 0);
    for _ in 0..30 {
        let before = (engine.base(), engine.algorithm().state(), kept(&engine, 14));
        let report: RoundReport = engine.step().unwrap();
        let after = (engine.base(), engine.algorithm().state(), kept(&engine, 14));
        assert_eq!(report.skipped.is_some(), report.accepted.len() < 5, "{report:?}");
        assert_eq!(before == after, report.skipped.is_some(), "round {}", report.round);
        match report.skipped {
            Some(why) => {
                assert!(
                    why.to_string().contains("krum") && report.ledger.iter().all(|line| line.state.is_none())
                );
                skipped += 1;
            }
            None => stepped += 1,
        }
    }
    assert!(skipped > 5 && stepped > 5, "{skipped} {stepped}");

    let mut strict = Engine::new(&feddyn, &desks, krum(TooFew::End), desks.start());
    let ended = (0..30).find_map(|_| strict.step().err());
    assert!(matches!(ended, Some(RoundError::Aggregate { .. })), "{ended:?}");
}

fn kept(engine: &crate::common::run::DeskEngine<'_>, clients: u64) -> Vec<Option<Vec<u8>>> {
    let bytes = |client| engine.state().clients.bytes(client).unwrap().map(|b| b.into_owned());
    (0..clients).map(bytes).collect()
}

/// What a client kept is as it was where its answer was refused, and changes where it was accepted.
#[test]
fn who_is_refused_keeps_what_it_kept() {
    let feddyn = FedDyn { alpha: 0.1 };
    let desks = Desks::new(&feddyn, 6, 3).tampering(|update| {
        if update.client.0 == 2 && update.round % 2 == 1 {
            update.weight = CAP + 1;
        }
    });
    let mut engine = engine(&desks, Cohort::All);
    for round in 0..6 {
        let before = kept(&engine, 6);
        let report = steps(&mut engine, round + 1).remove(0);
        let after = kept(&engine, 6);
        for client in 0..6 {
            let refused = client == 2 && round % 2 == 1;
            assert_eq!(before[client] == after[client], refused, "client {client} in round {round}");
            assert_eq!(report.ledger[client].state.is_none(), refused);
        }
    }
    assert!(!state(&engine).is_empty());
}

/// FLTrust, with the server's own data and without. Who sends the opposite of what the server's data say is not
/// trusted; honest clients move the model.
#[test]
fn a_rule_that_trusts_the_server_follows_its_own_data_round_by_round() {
    let recipe = Recipe::in_rounds("fltrust", &Default::default()).unwrap();
    let plan = || {
        let aggregation = Aggregation { recipe: Some(recipe.clone()), ..Aggregation::mean(CAP) };
        Plan { aggregation, ..Plan::mean(3, Cohort::All, CAP) }
    };
    let without = Desks::new(&FEDAVG, 6, 3);
    let error = Engine::new(&FEDAVG, &without, plan(), without.start()).step().unwrap_err();
    assert_eq!(error, RoundError::NoRoot { round: 0 });

    let rooted = |desks: Desks<'static>| Desks { root: Some(desks.shards[0].clone()), ..desks };
    let honest = rooted(Desks::new(&FEDAVG, 6, 3));
    let opposite = |u: &mut sottovoce_core::Update| u.delta.values_mut().iter_mut().for_each(|v| *v = -*v);
    let liar = rooted(Desks::new(&FEDAVG, 6, 3).silent(&[1, 2, 3, 4, 5]).tampering(opposite));
    let mut engine = Engine::new(&FEDAVG, &honest, plan(), honest.start());
    let (mut before, mut steps) = (engine.params().values().to_vec(), Vec::new());
    for _ in 0..3 {
        engine.step().unwrap();
        let now = engine.params().values().to_vec();
        steps.push(
            now.iter().zip(&before).map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum::<f64>().sqrt(),
        );
        before = now;
    }
    assert!(steps.iter().all(|way| *way > 0.01), "{steps:?}");
    let mut engine = Engine::new(&FEDAVG, &liar, plan(), liar.start());
    let start = engine.base();
    engine.step().unwrap();
    assert_eq!(engine.base(), start, "nobody was to be trusted");
}
