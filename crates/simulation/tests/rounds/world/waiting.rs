//! A server that waits, and one that asks again and again, do not pay for what has not changed.

use super::*;
use sottovoce_core::{Broadcast, Population, Sent};
use sottovoce_simulation::Choice;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Clients like those of a desk, as many as there should be; counts how often they are asked for their number of examples,
/// and how often somebody asks how many they are, as every choice does.
struct Told<'a> {
    desks: Desks<'a>,
    clients: u64,
    told: AtomicU64,
    counted: AtomicU64,
}

impl<'a> Told<'a> {
    fn new(algorithm: &'a dyn AnyAlgorithm, clients: u64) -> Self {
        Self {
            desks: Desks::new(algorithm, 30, 1),
            clients,
            told: AtomicU64::new(0),
            counted: AtomicU64::new(0),
        }
    }
}

impl<'a> Population for Told<'a> {
    type Worker = <Desks<'a> as Population>::Worker;
    fn clients(&self) -> u64 {
        self.counted.fetch_add(1, Relaxed);
        self.clients
    }
    fn examples(&self, client: ClientId) -> u64 {
        self.told.fetch_add(1, Relaxed);
        self.desks.examples(ClientId(client.0 % 30))
    }
    fn worker(&self) -> Self::Worker {
        self.desks.worker()
    }
    fn answer<'w>(
        &self,
        worker: &'w mut Self::Worker,
        broadcast: &Broadcast<'_>,
        client: ClientId,
        own: &[u8],
    ) -> Result<Sent<'w>, ClientError> {
        self.desks.answer(worker, broadcast, client, own)
    }
}

fn traced(text: &str) -> World {
    let availability = Availability::Trace { path: "trace.csv".into(), repeat_seconds: None };
    let config = WorldConfig { availability: Some(availability), ..WorldConfig::default() };
    World::new(config, Some(Trace::parse(text, None).unwrap()), 1, 1)
}

/// A hundred thousand clients of which none is there for thirty days: asking each of them every minute would be four
/// thousand million questions.
#[test]
fn a_large_population_without_anybody_is_given_up() {
    let of = |availability, churn| {
        World::new(WorldConfig { availability, churn, ..WorldConfig::default() }, None, 1, 1)
    };
    let day = |p| DayCurve { peak: p, trough: p, peak_hour: 0.0, spread_hours: 0.0, minutes: 1440.0 };
    let churn = |present, staying_days| Some(Churn { present, joining_days: 0.0, staying_days });
    for world in [
        of(Some(Availability::Day(day(0.0))), None),
        of(Some(Availability::Day(day(1e-15))), None),
        of(None, churn(1.0, 1e-15)),
        traced("device,from,to\na,100000000,200000000\n"),
    ] {
        for pace in [PACES[0], Pace::Asynchronous { buffer: 4 }] {
            for cohort in [Cohort::Uniform { size: 4 }, Cohort::Oort(Oort { size: 4, ..Oort::default() })] {
                let told = Told::new(&FEDAVG, 100_000);
                let start = told.desks.start();
                let mut engine = Engine::new(&FEDAVG, &told, plan(&world, pace, cohort), start);
                assert_eq!(engine.step().unwrap_err(), RoundError::Nobody { round: 0, days: 30 });
                assert_eq!(engine.state().clock.now, 30 * 86_400 * SECOND);
                let choices = told.counted.load(Relaxed);
                assert!(choices < 100, "{choices}");
            }
        }
    }
}

/// Clients that are there, but hold no examples, are not waited for by cohorts that never choose them.
#[test]
fn whoever_cannot_be_chosen_is_not_waited_for() {
    let nothing: Vec<u64> = (0..30).collect();
    let told =
        Told { desks: Desks::new(&FEDAVG, 30, 1).without_examples(&nothing), ..Told::new(&FEDAVG, 30) };
    let world = instant();
    let plan = plan(&world, PACES[0], Cohort::BySize { size: 4 });
    let error = Engine::new(&FEDAVG, &told, plan, told.desks.start()).step().unwrap_err();
    assert_eq!(error, RoundError::Nobody { round: 0, days: 30 });
    assert_eq!(told.told.load(Relaxed), 30);
    // Of these thirty are one for each client that tells its examples.
    assert!(told.counted.load(Relaxed) < 200);
}

/// Whoever waits comes to the draw that it would have come to by asking every minute: in rounds always the first, between
/// steps one for each time it has asked.
#[test]
fn waiting_changes_no_draw() {
    let (mut text, mut differ) = ("device,from,to\n".to_owned(), 0);
    for client in 0..30 {
        let from = if client % 2 == 0 { 900_000_000 } else { 7200 };
        text.push_str(&format!("{client:02},{from},1000000000\n"));
    }
    let (world, odd) = (traced(&text), |client: u64| client % 2 == 1);
    for seed in 0..8 {
        let mut both = Vec::new();
        for (pace, slot) in [(PACES[0], 0), (Pace::Asynchronous { buffer: 1 }, 120)] {
            let desks = Desks::new(&FEDAVG, 30, 1);
            let cohort = Cohort::Uniform { size: 3 };
            let plan = Plan { seed, dropout: 0.0, ..plan(&world, pace, cohort) };
            let report = Engine::new(&FEDAVG, &desks, plan, desks.start()).step().unwrap();
            let choice = Choice { slot, size: Some(3), eligible: Some(&odd), ..Choice::plain(seed, 0, 30) };
            let asked: Vec<u64> = report.ledger.iter().map(|line| line.client.0).collect();
            assert_eq!(asked, cohort.draw(&choice), "{pace:?}");
            assert_eq!(report.time.unwrap().ended / SECOND, 7200);
            both.push(asked);
        }
        differ += u32::from(both[0] != both[1]);
    }
    assert!(differ > 4, "{differ}");
}

/// Each client once in a run, and whoever is asked to train once more for the time that it takes.
#[test]
fn clients_are_asked_once_how_much_they_have() {
    let world = World::new(WorldConfig { devices: phones(), ..WorldConfig::default() }, None, 1, 1);
    for (cohort, all) in [
        (Cohort::BySize { size: 6 }, true),
        (Cohort::PowerOfChoice { size: 6, candidates: 9 }, true),
        (Cohort::Oort(Oort { size: 6, ..Oort::default() }), false),
        (Cohort::Uniform { size: 6 }, false),
    ] {
        for pace in [PACES[0], Pace::Asynchronous { buffer: 3 }] {
            let told = Told::new(&FEDAVG, 30);
            let mut engine = Engine::new(&FEDAVG, &told, plan(&world, pace, cohort), told.desks.start());
            let mut asked = 0;
            for _ in 0..12 {
                asked += engine.step().unwrap().cohort;
            }
            let counted = told.told.load(Relaxed) - asked;
            assert!(if all { counted == 30 } else { counted <= 30 }, "{cohort:?}: {counted}");
        }
    }
}
