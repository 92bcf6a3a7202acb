//! Rounds in virtual time: the same bits however they run, nobody is lost, and what is stale counts as it should.

mod counts;
mod waiting;

use crate::common::population::{CAP, Desks};
use crate::common::run::{DeskEngine, config, on_threads, standing, state};
use sottovoce_algorithms::fedasync::Hinge;
use sottovoce_algorithms::{FedAsync, FedAvg, FedBuff, Mime, Scaffold};
use sottovoce_core::{
    Algorithm, Answer, AnyAlgorithm, ClientError, ClientId, LocalTask, RowBlock, Rows, ServerCx,
};
use sottovoce_simulation::cohort::Oort;
use sottovoce_simulation::world::{Availability, Churn, DayCurve, DeviceClass, SECOND};
use sottovoce_simulation::{
    Checkpoint, Cohort, Engine, Late, Pace, Plan, RoundError, RoundReport, Trace, World, WorldConfig,
};
use std::collections::BTreeMap;

const FEDAVG: FedAvg = FedAvg { server_lr: 1.0 };
const FEDBUFF: FedBuff = FedBuff { server_lr: 1.0, exponent: 0.5, weighted: true };
const ROUNDS: u64 = 6;

/// Nothing takes time, everybody is there.
fn instant() -> World {
    World::new(WorldConfig { seconds_per_example: 0.0, ..WorldConfig::default() }, None, 1, 1)
}

fn phones() -> Vec<DeviceClass> {
    let fast = DeviceClass {
        name: "new".to_owned(),
        up_mbps: Some(0.1),
        down_mbps: Some(0.5),
        pace_spread: 0.5,
        ..DeviceClass::default()
    };
    let slow = DeviceClass { name: "old".to_owned(), speed: 0.1, share: 0.5, ..fast.clone() };
    vec![fast, slow]
}

/// Slow and fast devices that come and go, fail, and lose answers.
fn wild() -> World {
    let day = DayCurve { peak: 0.95, trough: 0.8, peak_hour: 0.0, spread_hours: 4.0, minutes: 1.0 };
    let config = WorldConfig {
        seconds_per_example: 0.2,
        devices: phones(),
        availability: Some(Availability::Day(day)),
        churn: Some(Churn { present: 0.8, joining_days: 0.002, staying_days: 1.0 }),
        fails_training: 0.1,
        loses_answer: 0.1,
    };
    World::new(config, None, 1, 2)
}

const PACES: [Pace; 4] = [
    Pace::Synchronous { over_selection: 1.0, deadline_seconds: None, late: Late::Drop },
    Pace::Synchronous { over_selection: 1.5, deadline_seconds: Some(30.0), late: Late::Drop },
    Pace::Synchronous { over_selection: 1.0, deadline_seconds: Some(8.0), late: Late::Keep },
    Pace::Asynchronous { buffer: 3 },
];

fn plan(world: &World, pace: Pace, cohort: Cohort) -> Plan<'_> {
    Plan { pace, world: Some(world), dropout: 0.05, ..Plan::mean(1, cohort, CAP) }
}

/// Nobody that was asked is lost: heard of in one way, or awaited.
fn adds_up(before: u64, report: &RoundReport) -> u64 {
    let time = report.time.expect("virtual time");
    let heard = (report.accepted.len() + report.rejected.len() + report.dropped.len()) as u64;
    assert_eq!(before + report.cohort, heard + time.in_flight, "{report:?}");
    assert!(time.began <= time.ended && time.stale <= report.accepted.len() as u64);
    assert!(
        report.accepted.is_sorted_by_key(|a| a.client)
            && report.ledger.is_sorted_by_key(|l| (l.exchange, l.client))
    );
    assert_eq!(report.bytes_up, report.ledger.iter().map(|l| l.bytes).sum::<u64>());
    assert!(report.ledger.iter().all(|line| line.round == report.round));
    assert!(report.rejected.is_empty(), "{report:?}");
    time.in_flight
}

fn steps(engine: &mut DeskEngine<'_>, rounds: u64) -> Vec<RoundReport> {
    let mut awaited = engine.state().clock.flights.len() as u64;
    let mut reports = Vec::new();
    while engine.round() < rounds {
        let report = engine.step().unwrap();
        awaited = adds_up(awaited, &report);
        reports.push(report);
    }
    reports
}

/// Threads, order of asking, and stopping after any round change no bit.
fn laws(algorithm: &dyn AnyAlgorithm, paces: &[Pace]) {
    let desks = Desks::new(algorithm, 30, 1);
    let world = wild();
    for cohort in [
        Cohort::Uniform { size: 8 },
        Cohort::Oort(Oort { size: 8, preferred_seconds: Some(3.0), ..Oort::default() }),
        Cohort::LeastAvailable { size: 8, ahead_seconds: 300.0 },
        Cohort::PowerOfChoice { size: 8, candidates: 12 },
    ] {
        for pace in paces {
            let plan = plan(&world, *pace, cohort);
            let new =
                |arrival| Engine::new(algorithm, &desks, Plan { arrival, ..plan.clone() }, desks.start());
            let mut whole = new(None);
            let reports = on_threads(1, || steps(&mut whole, ROUNDS));
            for (threads, arrival) in [(2, None), (8, Some(3))] {
                let mut other = new(arrival);
                assert!(
                    on_threads(threads, || steps(&mut other, ROUNDS)) == reports,
                    "{pace:?} {cohort:?} {threads}"
                );
                assert!(state(&other) == state(&whole), "{pace:?} {cohort:?} {threads}");
            }
            let folder = tempfile::tempdir().unwrap();
            for at in 1..ROUNDS {
                let mut first = new(None);
                steps(&mut first, at);
                standing().write(first.state(), &first.algorithm().state(), folder.path()).unwrap();
                let (layout, memory) = (desks.start().layout().clone(), u64::MAX);
                let saved = Checkpoint::newest(folder.path(), Some(config()), &layout, memory);
                let saved = saved.unwrap().expect("one was just written").checkpoint;
                let mut second =
                    Engine::at(algorithm, &desks, plan.clone(), saved.state, &saved.server).unwrap();
                assert!(steps(&mut second, ROUNDS) == reports[at as usize..], "{pace:?} resumed at {at}");
                assert!(state(&second) == state(&whole), "{pace:?} resumed at {at}");
            }
        }
    }
}

#[test]
fn virtual_time_keeps_the_laws() {
    laws(&FEDAVG, &PACES);
    laws(&FEDBUFF, &PACES);
    laws(&FedAsync { rho: 0.1, ..MIXED }, &PACES);
    let scaffold: Scaffold = serde_json::from_str("{}").unwrap();
    laws(&scaffold, &PACES[..2]);
    laws(&Mime { beta: 0.5, server_lr: 1.0 }, &PACES[..2]);
}

fn models(algorithm: &dyn AnyAlgorithm, plan: Plan<'_>) -> Vec<Vec<u32>> {
    let desks = Desks::new(algorithm, 14, 1);
    let mut engine = Engine::new(algorithm, &desks, plan, desks.start());
    let mut step = || {
        engine.step().unwrap();
        engine.params().values().iter().map(|v| v.to_bits()).collect()
    };
    (0..ROUNDS).map(|_| step()).collect()
}

#[test]
fn where_nothing_takes_time_a_buffer_of_the_cohort_is_fedavg_bit_for_bit() {
    let cohort = Cohort::Uniform { size: 5 };
    let fedavg = models(&FEDAVG, Plan::mean(1, cohort, CAP));
    let world = instant();
    let buffer = |buffer| Plan { dropout: 0.0, ..plan(&world, Pace::Asynchronous { buffer }, cohort) };
    assert_eq!(models(&FEDBUFF, buffer(5)), fedavg);
    assert_eq!(models(&FedAsync { mixing: 1.0, ..MIXED }, buffer(5)), fedavg);
    assert_ne!(models(&FEDBUFF, buffer(4)), fedavg);
    // In rounds, time changes nothing but time, as long as everybody is waited for.
    let slow = WorldConfig { devices: phones(), ..WorldConfig::default() };
    for world in [instant(), World::new(slow, None, 1, 1)] {
        let plan = Plan { dropout: 0.0, ..plan(&world, Pace::default(), cohort) };
        assert_eq!(models(&FEDAVG, plan), fedavg);
    }
}

/// Every client sends a delta of ones.
struct Ones;

impl Algorithm for Ones {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "ones"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        let layout = task.broadcast().layout().clone();
        let ones = vec![1.0; layout.params()];
        let delta = RowBlock::new(layout, Rows::All, ones).expect("a number for each parameter");
        Ok(Answer { blocks: vec![(0, delta)], numbers: vec![], weight: None, loss: 0.0 })
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        cx.step(1.0);
    }
}

#[test]
fn what_is_stale_counts_as_the_algorithm_says() {
    let desks = Desks::new(&Ones, 30, 1);
    let world = World::new(WorldConfig { devices: phones(), ..WorldConfig::default() }, None, 1, 1);
    let plan = plan(&world, Pace::Asynchronous { buffer: 1 }, Cohort::Uniform { size: 6 });
    let mut engine = Engine::new(&Ones, &desks, plan, desks.start());
    let mut asked: BTreeMap<ClientId, u64> = BTreeMap::new();
    let (mut stale, mut time) = (0, 0);
    for round in 0..60 {
        let before = engine.params().values()[0];
        let report = engine.step().unwrap();
        asked.extend(report.ledger.iter().map(|line| (line.client, round)));
        let [one] = report.accepted[..] else { panic!("a buffer of one: {report:?}") };
        let rounds = round - asked[&one.client];
        let expected = if rounds == 0 { 1.0 } else { 1.0 / (1.0 + rounds as f64).sqrt() };
        let moved = f64::from(engine.params().values()[0] - before);
        assert!((moved - expected).abs() < 1e-5, "round {round}, {rounds} behind: {moved}");
        stale += u64::from(rounds > 0);
        let now = report.time.unwrap();
        assert_eq!(now.stale, u64::from(rounds > 0));
        assert!(now.began >= time && now.ended >= now.began);
        time = now.ended;
    }
    assert!(stale > 30, "{stale}");
}

/// FedAsync's server over clients that send a delta of ones.
struct OnesMixed(FedAsync);

impl Algorithm for OnesMixed {
    type Server = ();
    type Client = ();
    fn name(&self) -> &'static str {
        "ones, mixed"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        Ones.client(task, &(), &mut ())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        self.0.server(cx, &mut ());
    }
    fn staleness(&self, rounds: u64) -> f32 {
        self.0.staleness(rounds)
    }
    fn keeps_bases(&self) -> bool {
        self.0.keeps_bases()
    }
}

const MIXED: FedAsync = FedAsync { mixing: 0.6, exponent: 0.5, hinge: None, rho: 0.0 };

/// Against the paper's formulas in double precision: `x_t = (1 - α_t) x_{t-1} + α_t x_new`.
#[test]
fn a_stale_model_is_mixed_in_as_the_paper_has_it() {
    mixes_as(MIXED, |staleness| 1.0 / (1.0 + staleness).sqrt());
    let hinge = Some(Hinge { a: 0.25, b: 4 });
    mixes_as(FedAsync { hinge, ..MIXED }, |staleness| {
        if staleness <= 4.0 { 1.0 } else { 1.0 / (0.25 * (staleness - 4.0) + 1.0) }
    });
}

fn mixes_as(algorithm: FedAsync, counts: fn(f64) -> f64) {
    let algorithm = OnesMixed(algorithm);
    let desks = Desks::new(&algorithm, 30, 1);
    let world = World::new(WorldConfig { devices: phones(), ..WorldConfig::default() }, None, 1, 1);
    let plan =
        Plan { dropout: 0.0, ..plan(&world, Pace::Asynchronous { buffer: 1 }, Cohort::Uniform { size: 6 }) };
    let mut engine = Engine::new(&algorithm, &desks, plan, desks.start());
    let mut models = vec![f64::from(engine.params().values()[0])];
    let mut asked: BTreeMap<ClientId, usize> = BTreeMap::new();
    let mut stalest = 0;
    for round in 0..60 {
        let report = engine.step().unwrap();
        asked.extend(report.ledger.iter().map(|line| (line.client, round)));
        let from = asked[&report.accepted[0].client];
        stalest = stalest.max(round - from);
        let alpha = 0.6 * counts((round - from) as f64);
        let next = (1.0 - alpha) * models[round] + alpha * (models[from] + 1.0);
        let got = f64::from(engine.params().values()[0]);
        assert!(
            (got - next).abs() < 1e-5 * next.abs().max(1.0),
            "round {round} from {from}: {got}, not {next}"
        );
        models.push(next);
        let bases = &engine.state().clock.bases;
        assert!(bases.len() <= 6 && bases.keys().all(|v| *v as usize <= round));
    }
    assert!(stalest > 6, "{stalest}");
}

#[test]
fn rounds_end_when_they_should() {
    let desks = Desks::new(&FEDAVG, 40, 1);
    let devices = WorldConfig { seconds_per_example: 1.0, devices: phones(), ..WorldConfig::default() };
    let world = World::new(devices, None, 1, 1);
    let cohort = Cohort::Uniform { size: 10 };
    let run = |pace| {
        let plan = Plan { dropout: 0.0, ..plan(&world, pace, cohort) };
        let mut engine = Engine::new(&FEDAVG, &desks, plan, desks.start());
        steps(&mut engine, ROUNDS)
    };
    let synchronous =
        |over_selection, deadline_seconds, late| Pace::Synchronous { over_selection, deadline_seconds, late };
    let length = |r: &RoundReport| r.time.unwrap().ended - r.time.unwrap().began;
    let whole = run(synchronous(1.0, None, Late::Drop));
    let over = run(synchronous(1.5, None, Late::Drop));
    for (whole, over) in whole.iter().zip(&over) {
        assert_eq!((whole.cohort, whole.accepted.len(), whole.dropped.len()), (10, 10, 0));
        assert_eq!((over.cohort, over.accepted.len(), over.dropped.len()), (15, 10, 5));
        assert!(over.dropped.iter().all(|(c, why)| *why == ClientError::Late { client: *c }));
        assert_eq!(over.ledger.len(), 10);
    }
    let total = |reports: &[RoundReport]| reports.iter().map(length).sum::<u64>();
    assert!(total(&over) < total(&whole));
    let deadline = length(&whole[0]) / 3 / SECOND;
    for late in [Late::Drop, Late::Keep] {
        let cut = run(synchronous(1.0, Some(deadline as f64), late));
        assert!(cut.iter().all(|r| length(r) <= deadline * SECOND));
        assert!(cut.iter().any(|r| r.accepted.len() < 10));
        let stale: u64 = cut.iter().map(|r| r.time.unwrap().stale).sum();
        assert_eq!(stale > 0, late == Late::Keep, "{stale}");
        let late_ones = cut.iter().flat_map(|r| &r.dropped).count();
        assert_eq!(late_ones == 0, late == Late::Keep);
    }
}

#[test]
fn a_world_without_anybody_is_given_up_and_one_that_wakes_up_is_waited_for() {
    let desks = Desks::new(&FEDAVG, 10, 1);
    let run = |text: &str, pace| {
        let availability = Availability::Trace { path: "trace.csv".into(), repeat_seconds: None };
        let config = WorldConfig { availability: Some(availability), ..WorldConfig::default() };
        let world = World::new(config, Some(Trace::parse(text, None).unwrap()), 1, 1);
        let plan = Plan { dropout: 0.0, ..plan(&world, pace, Cohort::Uniform { size: 4 }) };
        let mut engine = Engine::new(&FEDAVG, &desks, plan, desks.start());
        let report = engine.step();
        (report, engine.step().map(|_| ()))
    };
    for pace in [PACES[0], Pace::Asynchronous { buffer: 4 }] {
        let (first, second) = run("device,from,to\na,7200,7300\n", pace);
        let time = first.unwrap().time.unwrap();
        assert!((7200 * SECOND..7300 * SECOND).contains(&time.ended), "{time:?}");
        // Rounds go on until the stretch is over; far behind it nobody is there any more.
        assert_eq!(second, Ok(()));
        let (first, _) = run("device,from,to\na,100000000,200000000\n", pace);
        assert_eq!(first.unwrap_err(), RoundError::Nobody { round: 0, days: 30 });
    }
}
