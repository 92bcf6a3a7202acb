//! Rounds of several exchanges: who is in each, what they come to, and what they cost.

use crate::common::population::{CAP, Desks};
use crate::common::run::{engine, state, steps};
use sottovoce_algorithms::{FedAvg, FedLin, Mime};
use sottovoce_core::{
    Algorithm, Answer, ClientError, ClientId, Contents, Exchange, LocalTask, Mean, ServerCx, Values,
};
use sottovoce_simulation::world::{DeviceClass, SECOND};
use sottovoce_simulation::{Cohort, Engine, Late, Pace, Plan, RoundReport, World, WorldConfig};
use std::collections::BTreeSet;

const FEDLIN: FedLin = FedLin { server_lr: 1.0 };

/// Asks for sizes first, then for theirs squared less what all have told: three exchanges whose sums are known.
struct Counting;

impl Algorithm for Counting {
    type Server = Values;
    type Client = ();
    fn name(&self) -> &'static str {
        "counting"
    }
    fn preliminary(&self, _: u64) -> Vec<Contents> {
        vec![Contents { blocks: 1, numbers: 1 }, Contents { blocks: 1, numbers: 2 }]
    }
    fn news(&self, server: &Values) -> u64 {
        server.len() as u64
    }
    fn prepare(
        &self,
        exchange: Exchange,
        task: &mut dyn LocalTask,
        server: &Values,
        _: &(),
    ) -> Result<Answer, ClientError> {
        assert_eq!((server.len(), exchange.of), (exchange.number as usize, 3), "what was told before");
        let nothing = task.block(vec![0.0; task.start().len()]);
        let n = task.num_examples() as f32;
        let answer = Answer { blocks: vec![(0, nothing)], numbers: vec![], weight: Some(1), loss: 0.0 };
        Ok(match exchange.number {
            0 => answer.number(n),
            _ => answer.number(1.0).number(n - server[0]),
        })
    }
    fn gathered(&self, exchange: Exchange, mean: &Mean<'_>, server: &mut Values) {
        server.0.push(mean.numbers[exchange.number as usize]);
    }
    fn client(&self, task: &mut dyn LocalTask, server: &Values, _: &mut ()) -> Result<Answer, ClientError> {
        assert_eq!(server.len(), 2);
        Ok(Answer::from(task.train(None)?).unweighted())
    }
    fn server(&self, cx: &mut ServerCx<'_>, server: &mut Values) {
        cx.step(server[1] + 1.0);
        server.0.clear();
    }
}

#[test]
fn what_an_exchange_comes_to_is_told_in_the_next() {
    let desks = Desks::new(&Counting, 5, 1);
    let plain = Desks::new(&FedAvg { server_lr: 1.0 }, 5, 1);
    let (mut engine_of_three, mut one) = (
        engine(&desks, Cohort::All),
        Engine::new(
            plain.algorithm,
            &plain,
            Plan { alike: true, ..Plan::mean(1, Cohort::All, CAP) },
            plain.start(),
        ),
    );
    // Deviations from the mean have a mean of 0, so that the step is that of FedAvg with everybody alike.
    let report = steps(&mut engine_of_three, 1).remove(0);
    one.step().unwrap();
    let apart = |(a, b): (&f32, &f32)| f64::from((a - b).abs());
    let most =
        engine_of_three.params().values().iter().zip(one.params().values()).map(apart).fold(0.0, f64::max);
    assert!(most < 1e-5, "{most}");
    let exchanges: Vec<u32> = report.ledger.iter().map(|line| line.exchange).collect();
    assert_eq!(exchanges, [[0; 5], [1; 5], [2; 5]].concat());
    // The parameters are sent once; then one number each, and then two.
    let down = one.step().unwrap().bytes_down;
    assert_eq!(report.bytes_down, down + 5 * 4 + 5 * 8);
}

#[test]
fn whoever_is_refused_in_an_exchange_is_out_of_the_round() {
    let desks = Desks::new(&FEDLIN, 6, 1).tampering(|update| {
        if update.client.0 == 2 && update.exchange == 0 {
            update.delta.values_mut()[3] = f32::NAN;
        }
    });
    let absent = Desks::new(&FEDLIN, 6, 1).silent(&[2]);
    let (mut hostile, mut without) = (engine(&desks, Cohort::All), engine(&absent, Cohort::All));
    let (reports, _) = (steps(&mut hostile, 2), steps(&mut without, 2));
    assert_eq!(hostile.params().digest(), without.params().digest());
    for report in reports {
        let refused: Vec<_> = report.rejected.iter().map(|(c, why)| (c.0, why.reason())).collect();
        assert_eq!(refused, [(2, "not_finite")]);
        let sent: BTreeSet<(u32, u64)> = report.ledger.iter().map(|l| (l.exchange, l.client.0)).collect();
        assert!(sent.contains(&(0, 2)) && !sent.contains(&(1, 2)), "{sent:?}");
    }
    // In the last one it has been heard before, and the others go on with the gradient of all six.
    let late = Desks::new(&FEDLIN, 6, 1).tampering(|update| {
        if update.client.0 == 2 && update.exchange == 1 {
            update.delta.values_mut()[3] = f32::NAN;
        }
    });
    let mut late = engine(&late, Cohort::All);
    steps(&mut late, 2);
    assert_ne!(late.params().digest(), without.params().digest());
}

#[test]
fn a_message_of_another_exchange_is_refused() {
    for exchange in [1, 2, u32::MAX] {
        let desks = Desks::new(&FEDLIN, 5, 1).tampering(move |update| {
            if update.client.0 == 3 && update.exchange == 0 {
                update.exchange = exchange;
            }
        });
        let report = steps(&mut engine(&desks, Cohort::All), 1).remove(0);
        let refused: Vec<_> = report.rejected.iter().map(|(c, why)| (c.0, why.reason())).collect();
        assert_eq!(refused, [(3, "wrong_exchange")]);
    }
}

#[test]
fn a_transform_is_at_work_in_every_exchange_with_numbers_of_its_own() {
    use sottovoce_privacy::GaussianNoise;
    let noisy = |std| {
        let desks = Desks::new(&FEDLIN, 4, 1).transforming(vec![Box::new(GaussianNoise { std })]);
        let mut engine = engine(&desks, Cohort::All);
        let report = steps(&mut engine, 1).remove(0);
        report.ledger.iter().map(|line| line.checksum).collect::<Vec<_>>()
    };
    let (plain, noisy) = (noisy(0.0), noisy(0.01));
    assert!(plain.iter().zip(&noisy).all(|(a, b)| a != b), "all eight messages are other ones");
}

/// What the exchanges before the last have left in the server's state is gone with the round: Mime's momentum would have moved
/// without a step, and a gradient that is gathered anew would be added to an old one.
#[test]
fn a_round_without_a_step_leaves_the_server_as_it_was() {
    for algorithm in [&FEDLIN as &dyn sottovoce_core::AnyAlgorithm, &Mime { beta: 0.5, server_lr: 1.0 }] {
        // Everybody is refused in the last exchange of the second round, which is an error.
        let desks = Desks::new(algorithm, 5, 1).tampering(|update| {
            if update.round == 1 && update.exchange == 1 {
                update.delta.values_mut()[0] = f32::NAN;
            }
        });
        let mut engine = engine(&desks, Cohort::All);
        engine.step().unwrap();
        let before = state(&engine);
        assert!(engine.step().is_err() && state(&engine) == before);

        // Everybody is late in it, which is none.
        let world = world(0.1, 500, vec![]);
        let desks = Desks::new(algorithm, 8, 1);
        let pace = Pace::Synchronous { over_selection: 1.0, deadline_seconds: Some(20.0), late: Late::Drop };
        let plan = Plan { pace, world: Some(&world), ..Plan::mean(1, Cohort::All, CAP) };
        let mut engine = Engine::new(desks.algorithm, &desks, plan, desks.start());
        let before = (engine.algorithm().state(), engine.params().digest());
        let report = engine.step().unwrap();
        assert!(report.accepted.is_empty() && report.ledger.len() == 8, "{report:?}");
        assert!((engine.algorithm().state(), engine.params().digest()) == before);
        assert_eq!(report.leaves.server, report.leaves.broadcast);
    }
}

fn world(seconds_per_example: f64, epochs: u32, devices: Vec<DeviceClass>) -> World {
    World::new(WorldConfig { seconds_per_example, devices, ..WorldConfig::default() }, None, 1, epochs)
}

fn timed(algorithm: &dyn sottovoce_core::AnyAlgorithm, world: &World, deadline: Option<f64>) -> RoundReport {
    let desks = Desks::new(algorithm, 8, 1);
    let pace = Pace::Synchronous { over_selection: 1.0, deadline_seconds: deadline, late: Late::Drop };
    let plan = Plan { pace, world: Some(world), ..Plan::mean(1, Cohort::All, CAP) };
    Engine::new(desks.algorithm, &desks, plan, desks.start()).step().unwrap()
}

/// Two epochs, and one look at each example before: half as long again.
#[test]
fn an_exchange_takes_its_time() {
    let world = world(0.5, 2, vec![]);
    let took = |report: &RoundReport| {
        let time = report.time.expect("virtual time");
        time.ended - time.began
    };
    let one = took(&timed(&FedAvg { server_lr: 1.0 }, &world, None));
    for algorithm in [&FEDLIN as &dyn sottovoce_core::AnyAlgorithm, &Mime { beta: 0.5, server_lr: 1.0 }] {
        assert_eq!(took(&timed(algorithm, &world, None)), one / 2 + one);
    }
}

#[test]
fn each_exchange_has_its_share_of_the_deadline() {
    let slow = DeviceClass { name: "slow".to_owned(), speed: 0.01, share: 0.4, ..DeviceClass::default() };
    let fast = DeviceClass { name: "fast".to_owned(), share: 0.6, ..DeviceClass::default() };
    let world = world(0.1, 1, vec![slow, fast]);
    let report = timed(&FEDLIN, &world, Some(40.0));
    let time = report.time.expect("virtual time");
    // The slow ones are late in the first exchange, which ends at half the time; the others are heard in both.
    let late = |why: &ClientError| matches!(why, ClientError::Late { .. });
    assert!(!report.accepted.is_empty() && report.dropped.iter().all(|(_, why)| late(why)), "{report:?}");
    assert!(!report.dropped.is_empty() && time.ended - time.began < 40 * SECOND, "{report:?}");
    let of = |exchange| -> Vec<ClientId> {
        report.ledger.iter().filter(|line| line.exchange == exchange).map(|line| line.client).collect()
    };
    let accepted: Vec<ClientId> = report.accepted.iter().map(|a| a.client).collect();
    assert_eq!((of(0), of(1)), (accepted.clone(), accepted));
}
