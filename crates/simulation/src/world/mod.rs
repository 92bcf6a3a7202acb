//! The simulated world: how long things take, and who is there. Pure functions of seed, client and virtual time.
//!
//! Time is virtual, in whole microseconds from the start of the run; no clock is read. What a client does when it is
//! asked at `t`:
//!
//! ```text
//! t ── broadcast / down_mbps ── examples · epochs · seconds_per_example / speed · pace ── answer / up_mbps ──▶ arrival
//! ```
//! On the way it may fail, go offline, or find that the model does not fit into its memory.

mod availability;
mod churn;
mod devices;
mod presence;
mod trace;

pub use availability::{Availability, DayCurve};
pub use churn::Churn;
pub use devices::DeviceClass;
pub(crate) use presence::{Awaited, LOOKS, Presence};
pub use trace::{Trace, TraceError};

use serde::{Deserialize, Serialize};
use sottovoce_core::{Address, ClientError, ClientId, Exchange, Purpose, sampling};

/// Microseconds of virtual time.
pub type Micros = u64;

/// Microseconds in a second.
pub const SECOND: Micros = 1_000_000;

/// Devices, and who is there when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorldConfig {
    /// Seconds that one epoch on one example takes on a device of speed 1.
    #[serde(default = "ten_milliseconds")]
    #[schemars(extend("minimum" = 0, "maximum" = 1e6))]
    pub seconds_per_example: f64,
    /// Classes of devices; one of speed 1 with unlimited bandwidth and memory where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceClass>,
    /// When clients are there; always where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
    /// Clients join and leave for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub churn: Option<Churn>,
    /// Probability with which a client that has been asked fails while it trains.
    #[serde(default)]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub fails_training: f64,
    /// Probability with which an answer is lost on its way.
    #[serde(default)]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub loses_answer: f64,
}

fn ten_milliseconds() -> f64 {
    0.01
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            seconds_per_example: ten_milliseconds(),
            devices: Vec::new(),
            availability: None,
            churn: None,
            fails_training: 0.0,
            loses_answer: 0.0,
        }
    }
}

/// A world for one run.
#[derive(Debug, Clone)]
pub struct World {
    config: WorldConfig,
    trace: Option<Trace>,
    seed: u64,
    /// Local epochs.
    epochs: u32,
}

/// A client is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) client: u64,
    pub(crate) round: u64,
    /// For what.
    pub(crate) exchange: Exchange,
    /// When.
    pub(crate) at: Micros,
    /// Size of the broadcast, bytes.
    pub(crate) down: u64,
    /// The client's training examples.
    pub(crate) examples: u64,
}

impl World {
    /// A world in which clients train for so many epochs. `trace` is what the availability's file says, where it
    /// has one.
    pub fn new(config: WorldConfig, trace: Option<Trace>, seed: u64, epochs: u32) -> Self {
        Self { config, trace, seed, epochs }
    }

    /// Whether everybody is always there.
    pub(crate) fn is_always_there(&self) -> bool {
        self.config.availability.is_none() && self.config.churn.is_none()
    }

    /// When the client has trained, or when and why it does not.
    pub(crate) fn train(&self, ask: &Ask) -> Result<Micros, (Micros, ClientError)> {
        let client = ClientId(ask.client);
        let device = devices::of(&self.config.devices, self.seed, ask.client);
        if let Some((needed, available)) = device.and_then(|d| d.lacks(ask.down)) {
            return Err((ask.at, ClientError::Memory { client, needed, available }));
        }
        let begins = ask.at.saturating_add(device.map_or(0, |d| d.download(ask.down)));
        // What is asked before training is worth one look at each example.
        let passes = if ask.exchange.is_last() { self.epochs } else { 1 };
        let work = ask.examples as f64 * f64::from(passes) * self.config.seconds_per_example;
        let slower = device.map_or(1.0, |d| d.slowness(self.seed, ask.round, ask.client));
        let takes = micros(work * slower);
        let stream = &mut self.failure(ask, 0).stream();
        let fails = self.config.fails_training > 0.0 && sampling::chance(stream, self.config.fails_training);
        let share = if fails { sampling::unit(stream) } else { 1.0 };
        let ends = begins.saturating_add((takes as f64 * share) as Micros);
        match self.leaves(ask.client, ask.at, ends) {
            Some(at) => Err((at, ClientError::WentOffline { client })),
            None if fails => Err((ends, ClientError::FailedTraining { client })),
            None => Ok(ends),
        }
    }

    /// When an answer of so many bytes that leaves its client at `from` arrives, or when and why it does not.
    pub(crate) fn send(&self, ask: &Ask, from: Micros, bytes: u64) -> Result<Micros, (Micros, ClientError)> {
        let client = ClientId(ask.client);
        let device = devices::of(&self.config.devices, self.seed, ask.client);
        let arrives = from.saturating_add(device.map_or(0, |d| d.upload(bytes)));
        if let Some(at) = self.leaves(ask.client, from, arrives) {
            return Err((at, ClientError::WentOffline { client }));
        }
        let stream = &mut self.failure(ask, 1).stream();
        if self.config.loses_answer > 0.0 && sampling::chance(stream, self.config.loses_answer) {
            return Err((arrives, ClientError::AnswerLost { client }));
        }
        Ok(arrives)
    }

    fn failure(&self, ask: &Ask, slot: u64) -> Address {
        let slot = u64::from(ask.exchange.number) << 1 | slot;
        Address::new(self.seed, Purpose::Failure).slot(slot).round(ask.round).client(ask.client)
    }
}

/// Seconds as whole microseconds; what is beyond all time is the end of time.
pub(crate) fn micros(seconds: f64) -> Micros {
    // A cast saturates.
    (seconds * SECOND as f64) as Micros
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(client: u64) -> Ask {
        Ask { client, round: 3, exchange: Exchange::ONLY, at: 5 * SECOND, down: 1_000_000, examples: 100 }
    }

    fn answer(world: &World, ask: &Ask, bytes: u64) -> Result<Micros, (Micros, ClientError)> {
        world.train(ask).and_then(|trained| world.send(ask, trained, bytes))
    }

    fn slow() -> DeviceClass {
        DeviceClass { speed: 0.1, up_mbps: Some(1.0), down_mbps: Some(8.0), ..DeviceClass::default() }
    }

    #[test]
    fn time_is_the_sum_of_its_parts() {
        let config = WorldConfig { devices: vec![slow()], ..WorldConfig::default() };
        let world = World::new(config, None, 1, 2);
        // 8 Mbit at 8 Mbit/s, 100 examples of 2 epochs of 10 ms at a tenth of the speed, 2 Mbit at 1 Mbit/s.
        assert_eq!(answer(&world, &ask(0), 250_000), Ok((5 + 1 + 20 + 2) * SECOND));
        assert_eq!(world.train(&ask(0)), Ok((5 + 1 + 20) * SECOND));
        let instant = WorldConfig { seconds_per_example: 0.0, ..WorldConfig::default() };
        assert_eq!(answer(&World::new(instant, None, 1, 2), &ask(0), 250_000), Ok(5 * SECOND));
    }

    #[test]
    fn a_model_that_does_not_fit_is_declined_at_once() {
        let config = WorldConfig {
            devices: vec![DeviceClass { memory_mb: Some(1), ..slow() }],
            ..WorldConfig::default()
        };
        let error = World::new(config, None, 1, 1).train(&ask(4));
        let (needed, available) = (2_000_000, 1 << 20);
        assert_eq!(error, Err((5 * SECOND, ClientError::Memory { client: ClientId(4), needed, available })));
    }

    #[test]
    fn failures_come_as_often_as_configured_and_in_their_place() {
        let config = WorldConfig {
            devices: vec![slow()],
            fails_training: 0.2,
            loses_answer: 0.5,
            ..WorldConfig::default()
        };
        let world = World::new(config, None, 1, 1);
        let (mut failed, mut lost) = (0.0f64, 0.0f64);
        for client in 0..20_000 {
            match answer(&world, &ask(client), 125_000) {
                Err((at, ClientError::FailedTraining { .. })) => {
                    assert!((5 * SECOND..16 * SECOND).contains(&at));
                    failed += 1.0;
                }
                Err((at, ClientError::AnswerLost { .. })) => {
                    assert_eq!(at, 17 * SECOND);
                    lost += 1.0;
                }
                other => assert_eq!(other, Ok(17 * SECOND)),
            }
        }
        let off = |got: f64, p: f64| (got - 20_000.0 * p).abs() / (20_000.0 * p * (1.0 - p)).sqrt();
        assert!(off(failed, 0.2) < 4.5 && off(lost, 0.4) < 4.5, "{failed} {lost}");
    }

    /// The second of a failing client's two numbers says after which share of its training it fails.
    #[test]
    fn a_failure_comes_after_a_share_of_the_training() {
        let config = WorldConfig { devices: vec![slow()], fails_training: 0.5, ..WorldConfig::default() };
        let world = World::new(config, None, 1, 1);
        let (mut shares, mut failed) = (0.0, 0.0f64);
        for client in 0..4000 {
            let stream = &mut Address::new(1, Purpose::Failure).round(3).client(client).stream();
            let [fails, share] = [sampling::unit(stream), sampling::unit(stream)];
            match world.train(&ask(client)) {
                Ok(at) => assert!(fails >= 0.5 && at == 16 * SECOND),
                Err((at, _)) => {
                    // Down in a second, ten seconds of training.
                    assert!(fails < 0.5 && (at as f64 - (6.0 + 10.0 * share) * 1e6).abs() <= 1.0);
                    (shares, failed) = (shares + share, failed + 1.0);
                }
            }
        }
        assert!((shares / failed - 0.5).abs() < 4.5 / (12.0 * failed).sqrt(), "{shares} {failed}");
    }

    #[test]
    fn whoever_goes_offline_before_the_answer_is_there_gives_none() {
        let day = DayCurve { peak: 0.5, trough: 0.5, peak_hour: 20.0, spread_hours: 0.0, minutes: 0.1 };
        let config = WorldConfig {
            devices: vec![slow()],
            availability: Some(Availability::Day(day)),
            ..WorldConfig::default()
        };
        let world = World::new(config, None, 1, 1);
        for client in 0..300 {
            let ask = ask(client);
            let offline = (ask.at..17 * SECOND)
                .step_by(6_000_000)
                .find(|at| !world.is_there(client, at / 6_000_000 * 6_000_000));
            match answer(&world, &ask, 125_000) {
                Ok(at) => assert!(at == 17 * SECOND && offline.is_none()),
                Err((at, why)) => {
                    assert_eq!(why, ClientError::WentOffline { client: ClientId(client) });
                    assert!(!world.is_there(client, at) && at < 17 * SECOND);
                }
            }
        }
    }

    /// What lies here is today's output, not a truth: another value is a breaking change.
    #[test]
    fn a_world_is_as_it_was() {
        let day = DayCurve { peak: 0.9, trough: 0.2, peak_hour: 20.0, spread_hours: 12.0, minutes: 10.0 };
        let fast = DeviceClass { speed: 2.0, pace_spread: 0.5, up_mbps: Some(3.0), ..DeviceClass::default() };
        let config = WorldConfig {
            devices: vec![fast, DeviceClass { share: 0.5, ..slow() }],
            availability: Some(Availability::Day(day)),
            churn: Some(Churn { present: 0.5, joining_days: 3.0, staying_days: 10.0 }),
            fails_training: 0.2,
            loses_answer: 0.2,
            ..WorldConfig::default()
        };
        let world = World::new(config, None, 2026, 3);
        let mut seen = String::new();
        for client in 0..40 {
            let ask = Ask { at: 3600 * SECOND * client, ..ask(client) };
            let there = world.is_there(client, ask.at);
            let line = format!("{client} {there} {:?}\n", there.then(|| answer(&world, &ask, 300_000)));
            seen.push_str(&line);
        }
        assert_eq!(
            sottovoce_core::Digest::of(seen.as_bytes()).to_string()[..16],
            *"6d220bcf44bc0083",
            "{seen}"
        );
    }
}
