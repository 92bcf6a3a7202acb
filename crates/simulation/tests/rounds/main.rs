//! Whole rounds with clients that train: the same bits however they run, and what hostile clients cannot do.

mod common;
mod exchanges;
mod failures;
mod moon;
mod optimum;
mod sums;
mod transforms;
mod world;

use common::laws::algorithm_laws;
use common::momentum::Momentum;
use common::population::{BUCKETS, CAP, CLASSES, Desks, LOCAL};
use common::run::{adds_up, engine, on_threads, run, state, steps};
use sottovoce_aggregator::{AggregateError, Memory, Rejection};
use sottovoce_algorithms::{Afl, AlgorithmConfig, FedAvg, FedProx, Moon};
use sottovoce_core::digest::pieces;
use sottovoce_core::{
    Address, Aggregate, Algorithm, Answer, AnyAlgorithm, Checksum, ClientError, ClientId, Exchange,
    LedgerLine, LocalTask, Purpose, RowBlock, ServerCx, Transform, Update, Values,
};
use sottovoce_models::{SoftmaxRegression, Task, Workspace};
use sottovoce_simulation::{Clock, Cohort, Engine, Plan, RoundError, State, States, Tap};
use std::sync::Mutex;

const FEDAVG: FedAvg = FedAvg { server_lr: 1.0 };

/// Every algorithm of the library with parameters under which all of it is at work.
pub(crate) fn library() -> Vec<AlgorithmConfig> {
    let configured = r#"[
        {"kind":"fedavg"}, {"kind":"fedavg","server_lr":0.3}, {"kind":"fedavgm","beta":0.9},
        {"kind":"fedbuff"}, {"kind":"fedasync","rho":0.1},
        {"kind":"fedprox","mu":0.1}, {"kind":"fedopt","optimiser":"adagrad","server_lr":0.1,"beta1":0.0},
        {"kind":"fedopt","optimiser":"adam","server_lr":0.05}, {"kind":"fedopt","optimiser":"yogi","server_lr":0.05},
        {"kind":"scaffold","option":1}, {"kind":"scaffold"}, {"kind":"fednova"}, {"kind":"feddyn","alpha":0.1},
        {"kind":"qfedavg","q":1.0,"lipschitz":2.0}, {"kind":"afl","lambda_lr":0.1}, {"kind":"mimelite"}, {"kind":"mime"},
        {"kind":"fedlin"},        {"kind":"moon","mu":1.0}, {"kind":"ifca","clusters":3},
        {"kind":"hierarchical","edges":3,"cloud_every":2}, {"kind":"ditto","lambda":0.5}, {"kind":"fedper"},
        {"kind":"fedrep","head_epochs":1}, {"kind":"apfl","adaptive":true}, {"kind":"fine_tuning","epochs":1}
    ]"#;
    let all: Vec<AlgorithmConfig> = serde_json::from_str(configured).unwrap();
    for kind in AlgorithmConfig::KINDS {
        assert!(all.iter().any(|a| a.name() == *kind), "{kind} is not held against the laws: add it here");
    }
    all
}

#[test]
fn every_algorithm_keeps_the_laws() {
    for algorithm in library() {
        // Shown where a law fails.
        #[allow(clippy::print_stdout)]
        {
            println!("{algorithm:?}");
        }
        algorithm_laws(algorithm.algorithm());
    }
    algorithm_laws(&Momentum { beta: 0.9 });
}

/// The model of each round.
fn models_of(algorithm: &dyn AnyAlgorithm, rounds: u64) -> Vec<Vec<u32>> {
    let desks = Desks::new(algorithm, 14, 3);
    let mut engine = engine(&desks, Cohort::Uniform { size: 5 });
    (0..rounds)
        .map(|_| {
            engine.step().unwrap();
            engine.params().values().iter().map(|v| v.to_bits()).collect()
        })
        .collect()
}

fn trajectory(algorithm: &str, rounds: u64) -> Vec<Vec<u32>> {
    let algorithm: AlgorithmConfig = serde_json::from_str(algorithm).unwrap();
    models_of(algorithm.algorithm(), rounds)
}

#[test]
fn with_nothing_to_add_algorithms_are_fedavg_bit_for_bit() {
    let fedavg = trajectory(r#"{"kind":"fedavg"}"#, 6);
    for same in [
        r#"{"kind":"fedprox","mu":0}"#,
        r#"{"kind":"moon","mu":0}"#,
        r#"{"kind":"fedopt","optimiser":"sgd","server_lr":1}"#,
        r#"{"kind":"fedavgm","beta":0}"#,
        r#"{"kind":"fedbuff"}"#,
        r#"{"kind":"fedasync","mixing":1}"#,
        r#"{"kind":"hierarchical","edges":3,"cloud_every":1}"#,
        r#"{"kind":"ifca","clusters":1}"#,
        r#"{"kind":"ditto","lambda":0.5}"#,
        r#"{"kind":"apfl"}"#,
        r#"{"kind":"fine_tuning","epochs":1}"#,
    ] {
        assert_eq!(trajectory(same, 6), fedavg, "{same}");
    }
    for first_round in [r#"{"kind":"scaffold"}"#, r#"{"kind":"scaffold","option":1}"#] {
        assert_eq!(trajectory(first_round, 1), fedavg[..1], "{first_round}");
        assert_ne!(trajectory(first_round, 2), fedavg[..2], "{first_round}");
    }
    let others = ["fedprox\",\"mu\":0.1", "fedavgm", "feddyn\",\"alpha\":0.1", "fednova", "mimelite"];
    for other in others.map(|o| format!("{{\"kind\":\"{}{}}}", o, if o.contains(':') { "" } else { "\"" })) {
        assert_ne!(trajectory(&other, 6), fedavg, "{other}");
    }
}

/// Round by round with an embedding bag: without a weight MOON is FedAvg, in the round where nobody has a last model
/// as in all others; with one it is, until somebody has.
#[test]
fn without_a_last_model_moon_is_fedavg_bit_for_bit() {
    fn bags(algorithm: &dyn AnyAlgorithm) -> Vec<Vec<u8>> {
        let desks = Desks::bags(algorithm, 6, 3);
        let mut engine = engine(&desks, Cohort::All);
        let bytes = |e: &Engine<'_, _>| e.params().values().iter().flat_map(|v| v.to_le_bytes()).collect();
        (0..4).map(|_| engine.step().map(|_| bytes(&engine)).unwrap()).collect()
    }
    let fedavg = bags(&FEDAVG);
    assert_eq!(bags(&Moon { mu: 0.0, temperature: 0.5 }), fedavg);
    let moon = bags(&Moon { mu: 1.0, temperature: 0.5 });
    assert!(moon[0] == fedavg[0] && moon[1] != fedavg[1]);
}

#[test]
fn a_model_without_representations_is_a_reason() {
    let moon = Moon { mu: 1.0, temperature: 0.5 };
    let model = SoftmaxRegression::new(BUCKETS, CLASSES).unwrap();
    let desks = Desks::of(&moon, Box::new(model), 3, 1);
    let report = engine(&desks, Cohort::All).step().unwrap();
    let reasons = (0..3).map(ClientId).map(|client| (client, ClientError::NoRepresentation { client }));
    assert_eq!(report.dropped, reasons.collect::<Vec<_>>());
}

/// FedAvg over clients that count alike.
struct Unweighted;

impl Algorithm for Unweighted {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "unweighted"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        Ok(Answer::from(task.train(None)?).unweighted())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(1.0);
    }
}

#[test]
fn fairness_of_degree_zero_counts_clients_alike() {
    let alike = models_of(&Unweighted, 6);
    assert_eq!(trajectory(r#"{"kind":"qfedavg","q":0,"lipschitz":2}"#, 6), alike);
    assert_ne!(trajectory(r#"{"kind":"qfedavg","q":0.5,"lipschitz":2}"#, 6), alike);
}

/// A client whose share of AFL's mixture is 0 sends nothing that counts: its round moves the mixture, not the model.
#[test]
fn a_cohort_without_a_share_in_the_mixture_moves_no_parameter() {
    let afl = Afl { lambda_lr: 100.0, server_lr: 1.0 };
    let desks = Desks::new(&afl, 6, 3);
    let mut engine = engine(&desks, Cohort::Uniform { size: 1 });
    let mut without = 0;
    for _ in 0..20 {
        let lambda = engine.algorithm().server().downcast_ref::<Values>().unwrap().clone();
        let before = engine.base();
        let report = engine.step().unwrap();
        let share = lambda[report.accepted[0].client.0 as usize];
        assert_eq!(engine.base() == before, share == 0.0, "share {share}");
        without += u32::from(share == 0.0);
    }
    assert!((1..20).contains(&without), "{without}");
}

#[test]
fn a_plan_can_count_clients_alike() {
    let desks = Desks::new(&FEDAVG, 14, 3);
    let plan = Plan { alike: true, ..Plan::mean(desks.seed, Cohort::Uniform { size: 5 }, CAP) };
    let mut engine = Engine::new(&FEDAVG, &desks, plan, desks.start());
    let alike = models_of(&Unweighted, 6);
    for model in &alike {
        engine.step().unwrap();
        assert_eq!(engine.params().values().iter().map(|v| v.to_bits()).collect::<Vec<_>>(), *model);
    }
    assert_ne!(models_of(&FEDAVG, 6), alike);
}

/// A pull towards the start leaves less of a way from it.
#[test]
fn a_stronger_pull_stays_nearer() {
    let way = |mu| {
        let prox = FedProx { mu, server_lr: 1.0 };
        let desks = Desks::new(&prox, 6, 3);
        let mut engine = engine(&desks, Cohort::All);
        steps(&mut engine, 1);
        engine.params().values().iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>()
    };
    assert!(way(0.0) > way(0.1) && way(0.1) > way(1.0), "{} {} {}", way(0.0), way(0.1), way(1.0));
}

/// One client is the whole mean, so the round gives what its training gave. The sum's grid is 2⁻⁴⁰ of the weight
/// cap: at the full weight, values from 2⁻¹⁷ on are multiples of it and come back bit for bit.
#[test]
fn fedavg_of_one_client_is_local_training() {
    let desks = Desks::new(&FEDAVG, 1, 8).tampering(|update| update.weight = CAP);
    let mut federated = engine(&desks, Cohort::All);
    let mut workspace = Workspace::default();
    for round in 0..4 {
        let start = federated.params().clone();
        let order = Address::new(desks.seed, Purpose::BatchOrder).round(round);
        let (client, model, data) = (ClientId(0), &*desks.model, &desks.shards[0]);
        let workspace = &mut workspace;
        let mut task =
            Task { client, round, model, local: &LOCAL, data, broadcast: &start, order, workspace };
        let answer = FEDAVG.client(&mut task, &(), &mut ()).unwrap();
        let mut local = start.clone();
        local.add_scaled(1.0, &answer.blocks[0].1);
        federated.step().unwrap();
        let mut exact = 0;
        for ((a, b), s) in federated.params().values().iter().zip(local.values()).zip(start.values()) {
            let moved = (b - s).abs();
            if moved >= libm::exp2f(-17.0) {
                assert_eq!(a.to_bits(), b.to_bits(), "round {round}");
                exact += 1;
            } else {
                let rounding = b.abs().max(a.abs()) * f32::EPSILON;
                assert!((a - b).abs() <= libm::exp2f(-41.0) + rounding, "round {round}: {a} {b}");
            }
        }
        assert!(exact > 20, "{exact} values moved far enough to compare");
    }
}

#[test]
fn a_cohort_of_nobody_leaves_the_model_as_it_is() {
    let desks = Desks::new(&FEDAVG, 14, 1);
    let mut engine = engine(&desks, Cohort::Poisson { rate: 0.05 });
    let mut empty = 0;
    for _ in 0..40 {
        let before = engine.base();
        let report = engine.step().unwrap();
        adds_up(&report);
        assert_eq!(report.params == before, report.cohort == 0, "{report:?}");
        if report.cohort == 0 {
            assert_eq!((report.bytes_up, report.bytes_down, report.summary.loss), (0, 0, 0.0));
            empty += 1;
        }
    }
    assert!(empty > 5 && empty < 35, "{empty} of 40 rounds without a client");
}

#[test]
fn values_that_do_not_belong_in_a_mean_are_left_out_wherever_they_stand() {
    let absent = Desks::new(&FEDAVG, 6, 1).silent(&[3]);
    let without = run(&absent, Cohort::All, 3, 1).state;
    for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e30] {
        for from_the_end in [false, true] {
            let hostile = Desks::new(&FEDAVG, 6, 1).tampering(move |update| {
                if update.client.0 == 3 {
                    let values = update.delta.values_mut();
                    let at = if from_the_end { values.len() - 1 } else { 0 };
                    values[at] = bad;
                }
            });
            for threads in [1, 8] {
                assert_eq!(run(&hostile, Cohort::All, 3, threads).state, without, "{bad}");
            }
        }
    }
}

/// Runs one round in which client 3 tampers, and another in which it is silent: same model, and this reason.
fn refused(tamper: impl Fn(&mut Update) + Sync, reason: &str) {
    let tampering = |update: &mut Update| {
        if update.client.0 == 3 {
            tamper(update);
        }
    };
    let hostile = Desks::new(&FEDAVG, 6, 1).tampering(tampering);
    let absent = Desks::new(&FEDAVG, 6, 1).silent(&[3]);
    let mut without = engine(&absent, Cohort::All);
    steps(&mut without, 2);
    for threads in [1, 2, 8] {
        let mut with = engine(&hostile, Cohort::All);
        for report in on_threads(threads, || steps(&mut with, 2)) {
            let refused: Vec<_> = report.rejected.iter().map(|(c, why)| (c.0, why.reason())).collect();
            assert_eq!(refused, [(3, reason)], "round {} on {threads} threads", report.round);
        }
        assert_eq!(state(&with), state(&without), "{reason} on {threads} threads");
    }
}

#[test]
fn what_was_not_asked_for_is_refused() {
    refused(|update| update.round += 1, "wrong_round");
    refused(|update| update.base = Checksum::of(b"other parameters"), "stale_base");
    refused(|update| update.weight = CAP + 1, "weight_above_cap");
    refused(|update| update.weight = u64::MAX, "weight_above_cap");
}

/// Whoever speaks in another's name is refused, and the other is heard, whichever of them comes first.
#[test]
fn an_update_in_the_name_of_another_is_refused() {
    for other in [0, 2, 4, 5, 6, u64::MAX] {
        refused(|update| update.client = ClientId(other), "wrong_sender");
    }
}

#[test]
fn a_message_of_an_earlier_round_is_refused() {
    let kept = Mutex::new(None);
    let desks = Desks::new(&FEDAVG, 6, 1).tampering(|update| {
        if update.client.0 == 3 {
            let mut kept = kept.lock().unwrap();
            *update = kept.get_or_insert_with(|| update.clone()).clone();
        }
    });
    let mut engine = engine(&desks, Cohort::All);
    for report in steps(&mut engine, 3) {
        let refused: Vec<_> = report.rejected.iter().map(|(c, why)| (c.0, why.clone())).collect();
        let replayed = Rejection::WrongRound { client: ClientId(3), expected: report.round, got: 0 };
        assert_eq!(refused, if report.round == 0 { vec![] } else { vec![(3, replayed)] });
    }
}

#[test]
fn a_weight_of_nothing_counts_nothing() {
    let zero = Desks::new(&FEDAVG, 6, 1).tampering(|update| {
        if update.client.0 == 3 {
            update.weight = 0;
        }
    });
    let absent = Desks::new(&FEDAVG, 6, 1).silent(&[3]);
    let (mut zero, mut absent) = (engine(&zero, Cohort::All), engine(&absent, Cohort::All));
    let (reports, _) = (steps(&mut zero, 2), steps(&mut absent, 2));
    assert!(reports.iter().all(|r| r.accepted.len() == 6));
    let parameters = |values: &[f32]| values.to_vec();
    assert_eq!(parameters(zero.params().values()), parameters(absent.params().values()));
}

/// Fails a round on several pools; the model, the state and the round stay, and the next try says the same.
fn fails(desks: &Desks<'_>) -> RoundError {
    let mut engine = engine(desks, Cohort::All);
    let before = state(&engine);
    let error = on_threads(1, || engine.step()).map(|r| r.rejected.len()).unwrap_err();
    for threads in [1, 2, 8] {
        assert_eq!(on_threads(threads, || engine.step()).unwrap_err().to_string(), error.to_string());
        assert_eq!(state(&engine), before);
    }
    error
}

#[test]
fn a_round_of_hostile_clients_fails_and_changes_nothing() {
    let momentum = Momentum { beta: 0.9 };
    let error = fails(&Desks::new(&momentum, 6, 1).tampering(|u| u.delta.values_mut()[0] = f32::NAN));
    let RoundError::Aggregate { round, cohort, rejected, source, .. } = &error else { panic!("{error}") };
    assert_eq!((*round, *cohort, *rejected, source), (0, 6, 6, &AggregateError::NoUpdates));
    assert!(error.to_string().contains("the first: client 0: NaN at coordinate "), "{error}");

    let error = fails(&Desks::new(&momentum, 6, 1).tampering(|u| u.weight = 0));
    let RoundError::Aggregate { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source, &AggregateError::ZeroTotalWeight { updates: 6 });
}

/// Updates at the limit of the sum's range fill it after 2,097. The round says so on one thread as on many:
/// who came last, or to which thread, is no reason to be left out.
#[test]
fn a_sum_that_is_full_fails_the_round_on_any_number_of_threads() {
    let desks = Desks::new(&FEDAVG, 2200, 1).tampering(|update| {
        update.weight = CAP;
        update.delta.values_mut()[0] = 2000.0;
    });
    let RoundError::Aggregate { rejected, source, .. } = fails(&desks) else { panic!("another error") };
    assert_eq!((rejected, source), (0, AggregateError::SumFull { updates: 2200 }));
}

#[test]
fn a_client_that_panics_is_left_out_and_nobody_else() {
    let panicking = Desks::new(&FEDAVG, 6, 3).tampering(|update| {
        assert!(update.client != ClientId(2) || update.round != 1, "client 2 panics in round 1");
    });
    let mut engine = Engine::new(&FEDAVG, &panicking, Plan::mean(3, Cohort::All, CAP), panicking.start());
    for round in 0..3 {
        let report = engine.step().unwrap();
        let gone = ClientId(2);
        let expected = if round == 1 { vec![(gone, ClientError::Panicked { client: gone })] } else { vec![] };
        assert_eq!(report.accepted.len() + expected.len(), 6);
        assert_eq!(report.dropped, expected);
    }
}

#[test]
fn drop_outs_leave_all_others_as_they_were() {
    let desks = Desks::new(&FEDAVG, 40, 1);
    let whole = Plan::mean(desks.seed, Cohort::All, CAP);
    let mut dropped = 0;
    for round in 0..5 {
        let state = || State {
            round,
            params: desks.start(),
            clients: States::default(),
            clock: Clock::default(),
            best: None,
            memory: Memory::default(),
        };
        let plan = Plan { dropout: 0.3, ..whole.clone() };
        let thinned = Engine::at(&FEDAVG, &desks, plan, state(), &[]).unwrap().step().unwrap();
        adds_up(&thinned);
        let gone: Vec<u64> = thinned.dropped.iter().map(|(c, _)| c.0).collect();
        assert!(thinned.dropped.iter().all(|(c, why)| *why == ClientError::DroppedOut { client: *c }));
        let all = Engine::at(&FEDAVG, &desks, whole.clone(), state(), &[]).unwrap().step().unwrap();
        let stayed = |l: &&LedgerLine| !gone.contains(&l.client.0);
        assert!(all.ledger.iter().filter(stayed).eq(&thinned.ledger), "round {round}");
        dropped += gone.len();
    }
    assert!(dropped > 35 && dropped < 85, "{dropped} of 200 clients dropped out at 0.3");
}

/// The checksum of each aggregate, taken in one piece after another.
#[derive(Default)]
struct Aggregates(Mutex<Vec<Checksum>>);

impl Tap for Aggregates {
    fn aggregate(&self, _: Exchange, aggregate: &Aggregate) {
        self.0.lock().unwrap().push(aggregate.checksum_by(pieces));
    }
}

#[test]
fn the_leaf_of_an_aggregate_is_its_checksum() {
    let desks = Desks::new(&FEDAVG, 6, 9);
    let (mut engine, seen) = (engine(&desks, Cohort::All), Aggregates::default());
    let leaves: Vec<_> = (0..3).map(|_| engine.step_with(&seen).unwrap().leaves.aggregate).collect();
    assert_eq!(leaves, seen.0.into_inner().unwrap());
}

/// Adds one to every value of the aggregate and multiplies it.
struct Scale {
    factor: f32,
}

impl Transform for Scale {
    fn client(&self, _at: Address, _delta: &mut RowBlock) {}
    fn server(&self, at: Address, aggregate: &mut Aggregate) {
        assert_eq!((at.purpose, at.round, at.client), (Purpose::ServerTransform, 0, 0));
        for v in aggregate.delta.values_mut() {
            *v = (*v + 1.0) * self.factor;
        }
    }
}

#[test]
fn server_halves_run_last_to_first() {
    let desks = Desks::new(&FEDAVG, 6, 9);
    let scale = |factor| -> Box<dyn Transform> { Box::new(Scale { factor }) };
    let step = |factors: &[f32]| {
        let transforms: Vec<_> = factors.iter().map(|f| scale(*f)).collect();
        let plan = Plan { transforms: &transforms, ..Plan::mean(9, Cohort::All, CAP) };
        let mut engine = Engine::new(&FEDAVG, &desks, plan, desks.start());
        engine.step().unwrap();
        engine.params().values()[0] - desks.start().values()[0]
    };
    let mean = step(&[]);
    assert_eq!(step(&[2.0, 8.0]), (((mean + 1.0) * 8.0) + 1.0) * 2.0);
    assert_eq!(step(&[8.0, 2.0]), (((mean + 1.0) * 2.0) + 1.0) * 8.0);
}
