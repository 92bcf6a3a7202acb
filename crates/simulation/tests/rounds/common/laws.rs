//! Laws that every federated algorithm keeps.

use super::population::{CAP, Desks};
use super::run::{Run, config, engine, run, standing, state, steps};
use sottovoce_core::{AnyAlgorithm, ClientError, ClientId};
use sottovoce_simulation::{Checkpoint, Cohort, Engine, Plan};

const ROUNDS: u64 = 5;
const COHORT: Cohort = Cohort::Uniform { size: 6 };

/// Calls every law.
pub(crate) fn algorithm_laws(algorithm: &dyn AnyAlgorithm) {
    threads_change_no_bit(algorithm);
    arrival_changes_no_bit(algorithm);
    seeds_matter(algorithm);
    resuming_changes_no_bit(algorithm);
    a_cohort_of_one_trains(algorithm);
    empty_clients_are_left_out(algorithm);
    a_nan_is_named_and_left_out(algorithm);
}

fn run_on(algorithm: &dyn AnyAlgorithm, seed: u64, threads: usize) -> Run {
    run(&Desks::new(algorithm, 14, seed), COHORT, ROUNDS, threads)
}

fn threads_change_no_bit(algorithm: &dyn AnyAlgorithm) {
    let one = run_on(algorithm, 1, 1);
    for threads in [1, 2, 8, 8, 8] {
        assert_eq!(run_on(algorithm, 1, threads), one, "{} on {threads} threads", algorithm.facts(1).name);
    }
}

fn arrival_changes_no_bit(algorithm: &dyn AnyAlgorithm) {
    let desks = Desks::new(algorithm, 14, 1);
    let by = |arrival| {
        let plan = Plan { arrival, ..Plan::mean(desks.seed, COHORT, CAP) };
        let mut engine = Engine::new(algorithm, &desks, plan, desks.start());
        (steps(&mut engine, ROUNDS), state(&engine))
    };
    let by_number = by(None);
    for seed in 0..5 {
        assert_eq!(by(Some(seed)), by_number, "{} asked in order {seed}", algorithm.facts(1).name);
    }
}

fn seeds_matter(algorithm: &dyn AnyAlgorithm) {
    assert_ne!(run_on(algorithm, 1, 1).state, run_on(algorithm, 2, 1).state);
}

fn resuming_changes_no_bit(algorithm: &dyn AnyAlgorithm) {
    let desks = Desks::new(algorithm, 14, 1);
    let mut whole = engine(&desks, COHORT);
    let reports = steps(&mut whole, ROUNDS);
    let folder = tempfile::tempdir().unwrap();
    for at in 0..=ROUNDS {
        let mut first = engine(&desks, COHORT);
        steps(&mut first, at);
        standing().write(first.state(), &first.algorithm().state(), folder.path()).unwrap();
        drop(first);
        let saved = Checkpoint::newest(folder.path(), Some(config()), desks.start().layout(), u64::MAX);
        let saved = saved.unwrap().expect("one was just written").checkpoint;
        assert_eq!(saved.state.round, at);
        let plan = Plan::mean(desks.seed, COHORT, CAP);
        let mut second = Engine::at(algorithm, &desks, plan, saved.state, &saved.server).unwrap();
        assert_eq!(steps(&mut second, ROUNDS), reports[at as usize..], "resumed at round {at}");
        assert_eq!(state(&second), state(&whole), "{} resumed at round {at}", algorithm.facts(1).name);
    }
}

fn a_cohort_of_one_trains(algorithm: &dyn AnyAlgorithm) {
    let desks = Desks::new(algorithm, 14, 1);
    let mut engine = engine(&desks, Cohort::Uniform { size: 1 });
    let before = state(&engine);
    for report in steps(&mut engine, ROUNDS) {
        assert_eq!((report.cohort, report.accepted.len()), (1, 1));
    }
    assert!(engine.params().values().iter().all(|v| v.is_finite()));
    assert_ne!(state(&engine), before, "{}", algorithm.facts(1).name);
}

fn empty_clients_are_left_out(algorithm: &dyn AnyAlgorithm) {
    let some = Desks::new(algorithm, 6, 1).without_examples(&[0, 4]);
    let mut with_empty = engine(&some, Cohort::All);
    for report in steps(&mut with_empty, ROUNDS) {
        let empty = |c| (ClientId(c), ClientError::EmptyShard { client: ClientId(c) });
        assert_eq!(report.dropped, [empty(0), empty(4)]);
        assert!(report.summary.loss.is_finite());
    }
    assert!(with_empty.params().values().iter().all(|v| v.is_finite()));

    let nobody = Desks::new(algorithm, 3, 1).without_examples(&[0, 1, 2]);
    let mut unchanged = engine(&nobody, Cohort::All);
    let before = unchanged.base();
    for report in steps(&mut unchanged, ROUNDS) {
        assert_eq!((report.params, report.dropped.len(), report.bytes_up), (before, 3, 0));
        assert_eq!((report.summary.examples, report.summary.loss), (0, 0.0));
    }
}

fn a_nan_is_named_and_left_out(algorithm: &dyn AnyAlgorithm) {
    let hostile = Desks::new(algorithm, 6, 1).tampering(|update| {
        if update.client.0 == 2 {
            update.delta.values_mut()[3] = f32::NAN;
        }
    });
    let absent = Desks::new(algorithm, 6, 1).silent(&[2]);
    let (mut hostile, mut absent) = (engine(&hostile, Cohort::All), engine(&absent, Cohort::All));
    for (with, without) in steps(&mut hostile, ROUNDS).iter().zip(&steps(&mut absent, ROUNDS)) {
        assert_eq!(with.rejected.len(), 1);
        let (client, why) = &with.rejected[0];
        assert_eq!((client.0, why.reason()), (2, "not_finite"));
        assert!(why.to_string().starts_with("client 2: NaN at coordinate "), "{why}");
        assert_eq!((with.params, with.summary), (without.params, without.summary));
    }
    assert_eq!(hostile.params(), absent.params(), "{}", algorithm.facts(1).name);
}
