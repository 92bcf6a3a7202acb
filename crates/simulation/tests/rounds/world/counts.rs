//! What counts in a round: answers, not clients; weights, not heads; and who is remembered.

use super::*;
use std::sync::Mutex;

/// Steady devices of speed 1: a client answers a second for each example after it was asked.
fn steady(fails_training: f64) -> World {
    World::new(WorldConfig { seconds_per_example: 1.0, fails_training, ..WorldConfig::default() }, None, 1, 1)
}

fn rounds_of(world: &World, pace: Pace, cohort: Cohort, rounds: u64) -> Vec<RoundReport> {
    let desks = Desks::new(&FEDAVG, 40, 1);
    let plan = Plan { dropout: 0.0, ..plan(world, pace, cohort) };
    steps(&mut Engine::new(&FEDAVG, &desks, plan, desks.start()), rounds)
}

/// A round of ten answers ends with ten, or when there is nobody left who could give one.
#[test]
fn whoever_drops_out_is_no_answer() {
    let pace = Pace::Synchronous { over_selection: 2.0, deadline_seconds: None, late: Late::Drop };
    let (mut full, mut short) = (0, 0);
    for report in rounds_of(&steady(0.45), pace, Cohort::Uniform { size: 10 }, 60) {
        assert_eq!(report.cohort, 20);
        let late = report.dropped.iter().filter(|(c, why)| *why == ClientError::Late { client: *c }).count();
        let failed = report.dropped.len() - late;
        assert!(report.accepted.len() == 10 || (report.accepted.len() < 10 && late == 0), "{report:?}");
        full += u32::from(report.accepted.len() == 10 && failed > 3 && late > 0);
        short += u32::from(report.accepted.len() < 10);
    }
    assert!(full > 10 && short > 2, "{full} {short}");
}

#[test]
fn an_answer_at_the_deadline_is_in_time() {
    let examples = |client: u64| 3 + client * 5 % 9;
    for (deadline, most) in [(7.0, 7), (6.999_999, 6), (3.0, 3), (2.5, 2)] {
        let pace =
            Pace::Synchronous { over_selection: 1.0, deadline_seconds: Some(deadline), late: Late::Drop };
        for report in rounds_of(&steady(0.0), pace, Cohort::All, 3) {
            let accepted: Vec<u64> = report.accepted.iter().map(|a| a.client.0).collect();
            let expected: Vec<u64> = (0..40).filter(|client| examples(*client) <= most).collect();
            assert_eq!(accepted, expected, "{deadline}");
            let time = report.time.unwrap();
            assert_eq!(time.ended - time.began, (deadline * 1e6) as u64);
        }
    }
    // When all are there, nobody waits for the deadline: eleven examples.
    let pace = Pace::Synchronous { over_selection: 1.0, deadline_seconds: Some(60.0), late: Late::Drop };
    let time = rounds_of(&steady(0.0), pace, Cohort::All, 1)[0].time.unwrap();
    assert_eq!(time.ended - time.began, 11 * SECOND);
}

#[test]
fn over_selection_asks_whole_clients_and_takes_the_first() {
    let examples = |client: ClientId| 3 + client.0 * 5 % 9;
    for (over_selection, asked) in [(1.0, 3), (1.3, 3), (1.34, 4), (1.9, 5), (2.0, 6), (100.0, 40)] {
        let pace = Pace::Synchronous { over_selection, deadline_seconds: None, late: Late::Drop };
        for report in rounds_of(&steady(0.0), pace, Cohort::Uniform { size: 3 }, 4) {
            assert_eq!((report.cohort, report.accepted.len()), (asked, 3), "{over_selection}");
            // By time and client.
            let last = report.accepted.iter().map(|a| (examples(a.client), a.client)).max();
            assert!(report.dropped.iter().all(|(client, _)| Some((examples(*client), *client)) > last));
        }
    }
}

#[test]
fn a_buffer_is_filled_and_no_more() {
    for world in [instant(), steady(0.0), steady(0.3)] {
        for buffer in [1, 3, 7] {
            for report in rounds_of(&world, Pace::Asynchronous { buffer }, Cohort::Uniform { size: 6 }, 8) {
                assert_eq!(report.accepted.len() as u64, buffer);
            }
        }
    }
}

/// Clients send ones with a weight of their own; the server writes down what is said of stale ones.
struct Shares(Mutex<Vec<Vec<(u64, f32)>>>);

impl Algorithm for Shares {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "shares"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        Ones.client(task, &(), &mut ())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        self.0.lock().unwrap().push(cx.stale.iter().map(|stale| (stale.rounds, stale.share)).collect());
        cx.step(1.0);
    }
}

#[test]
fn the_share_of_a_stale_update_is_that_of_its_weight() {
    let shares = Shares(Mutex::default());
    let desks = Desks::new(&shares, 30, 1);
    let slow = WorldConfig { seconds_per_example: 1.0, devices: phones(), ..WorldConfig::default() };
    let world = World::new(slow, None, 1, 1);
    for (pace, size) in [(Pace::Asynchronous { buffer: 4 }, 9), (PACES[2], 12)] {
        shares.0.lock().unwrap().clear();
        let plan = Plan { dropout: 0.0, ..plan(&world, pace, Cohort::Uniform { size }) };
        let mut engine = Engine::new(&shares, &desks, plan, desks.start());
        let mut asked: BTreeMap<ClientId, u64> = BTreeMap::new();
        let mut uneven = 0;
        for report in steps(&mut engine, 40) {
            // Those that were heard of in this round were asked before, or are in this ledger and count as fresh.
            let fresh: Vec<ClientId> = report.ledger.iter().map(|line| line.client).collect();
            asked.extend(fresh.iter().map(|client| (*client, report.round)));
            let total: u64 = report.accepted.iter().map(|a| a.weight).sum();
            let mut expected: Vec<(u64, f64)> = report
                .accepted
                .iter()
                .map(|a| (report.round - asked[&a.client], a.weight as f64 / total as f64))
                .filter(|(rounds, _)| *rounds > 0)
                .collect();
            expected.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            if report.accepted.is_empty() {
                continue;
            }
            let mut said = shares.0.lock().unwrap().remove(0);
            said.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            assert_eq!(said.len(), expected.len());
            for (said, expected) in said.iter().zip(&expected) {
                assert!(said.0 == expected.0 && (f64::from(said.1) - expected.1).abs() < 1e-6, "{said:?}");
                uneven += u32::from((expected.1 * report.accepted.len() as f64 - 1.0).abs() > 0.1);
            }
        }
        assert!(uneven > 20, "{uneven}");
    }
}

/// Without a world, too, those with the largest losses of their last training are chosen, after those that had none.
#[test]
fn answers_are_remembered_without_a_world() {
    let desks = Desks::new(&FEDAVG, 12, 1);
    let mut by_loss = 0;
    for cohort in [
        Cohort::PowerOfChoice { size: 4, candidates: 12 },
        Cohort::Oort(Oort { size: 4, ..Oort::default() }),
        Cohort::Uniform { size: 4 },
    ] {
        let mut engine = Engine::new(&FEDAVG, &desks, Plan::mean(1, cohort, CAP), desks.start());
        let mut last: BTreeMap<u64, (u64, f32)> = BTreeMap::new();
        for round in 0..10 {
            let mut order: Vec<u64> = (0..12).collect();
            let loss = |client: &u64| last.get(client).map_or(f32::INFINITY, |(_, loss)| *loss);
            order.sort_by(|a, b| loss(b).total_cmp(&loss(a)));
            let report = engine.step().unwrap();
            let chosen: Vec<u64> = report.accepted.iter().map(|a| a.client.0).collect();
            if matches!(cohort, Cohort::PowerOfChoice { .. }) {
                let least = chosen.iter().map(&loss).fold(f32::INFINITY, f32::min);
                assert!(chosen.len() == 4 && least >= loss(&order[3]), "{round}: {chosen:?}");
                by_loss += u32::from(least.is_finite());
            }
            last.extend(report.accepted.iter().map(|a| (a.client.0, (round, a.loss))));
            let seen = engine.state().clock.seen.iter();
            let seen: BTreeMap<u64, (u64, f32)> =
                seen.map(|(c, seen)| (*c, (seen.round, seen.loss))).collect();
            if matches!(cohort, Cohort::Uniform { .. }) {
                assert!(seen.is_empty());
            } else {
                assert_eq!(seen, last);
            }
        }
    }
    assert!(by_loss >= 7, "{by_loss}");
}

/// In a world an answer has taken as long as it has: a second for each example.
#[test]
fn what_an_answer_took_is_remembered() {
    let desks = Desks::new(&FEDAVG, 40, 1);
    for pace in [PACES[0], Pace::Asynchronous { buffer: 3 }] {
        let world = steady(0.0);
        let cohort = Cohort::Oort(Oort { size: 6, preferred_seconds: Some(5.0), ..Oort::default() });
        let mut engine = Engine::new(&FEDAVG, &desks, plan(&world, pace, cohort), desks.start());
        steps(&mut engine, 8);
        let seen = &engine.state().clock.seen;
        assert!(seen.len() > 12 && seen.iter().all(|(c, seen)| seen.took == (3 + c * 5 % 9) * SECOND));
    }
}
