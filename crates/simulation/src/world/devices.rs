//! Classes of devices.

use super::{Micros, micros};
use serde::{Deserialize, Serialize};
use sottovoce_core::{Address, Purpose, sampling};

/// A class of devices. Which class a client's device is of is drawn once for each client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceClass {
    /// What it is called.
    pub name: String,
    /// Its share of the clients, against the sum of all shares.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1e9))]
    pub share: f64,
    /// Speed of computation: 0.1 takes ten times as long as 1.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1e9))]
    pub speed: f64,
    /// Spread of the time that training takes from round to round: the deviation of its logarithm.
    #[schemars(extend("minimum" = 0, "maximum" = 10))]
    pub pace_spread: f64,
    /// Upstream bandwidth, Mbit/s; unlimited where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1e9))]
    pub up_mbps: Option<f64>,
    /// Downstream bandwidth, Mbit/s; unlimited where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1e9))]
    pub down_mbps: Option<f64>,
    /// Memory for training, MiB; unlimited where absent. Training takes twice the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "maximum" = 1_048_576))]
    pub memory_mb: Option<u64>,
}

impl Default for DeviceClass {
    fn default() -> Self {
        Self {
            name: String::new(),
            share: 1.0,
            speed: 1.0,
            pace_spread: 0.0,
            up_mbps: None,
            down_mbps: None,
            memory_mb: None,
        }
    }
}

impl DeviceClass {
    /// How long bytes take to come down.
    pub(super) fn download(&self, bytes: u64) -> Micros {
        transfer(bytes, self.down_mbps)
    }

    /// How long bytes take to go up.
    pub(super) fn upload(&self, bytes: u64) -> Micros {
        transfer(bytes, self.up_mbps)
    }

    /// How many times as long as on a device of speed 1 training takes in a round.
    pub(super) fn slowness(&self, seed: u64, round: u64, client: u64) -> f64 {
        let pace = if self.pace_spread > 0.0 {
            let stream = &mut Address::new(seed, Purpose::Pace).round(round).client(client).stream();
            libm::exp(self.pace_spread * sampling::normal(stream))
        } else {
            1.0
        };
        pace / self.speed
    }

    /// Bytes that training takes and bytes that there are, if these are fewer.
    pub(super) fn lacks(&self, broadcast: u64) -> Option<(u64, u64)> {
        let (needed, available) = (broadcast.saturating_mul(2), self.memory_mb? << 20);
        (needed > available).then_some((needed, available))
    }
}

/// A Mbit/s is a bit in a microsecond.
fn transfer(bytes: u64, mbps: Option<f64>) -> Micros {
    mbps.map_or(0, |mbps| micros(bytes as f64 * 8.0 / mbps / 1e6))
}

/// The device of a client; `None` where no class is configured.
pub(super) fn of(classes: &[DeviceClass], seed: u64, client: u64) -> Option<&DeviceClass> {
    match classes {
        [] => None,
        [one] => Some(one),
        several => {
            let shares: Vec<f64> = several.iter().map(|class| class.share).collect();
            let stream = &mut Address::new(seed, Purpose::Device).client(client).stream();
            Some(&several[sampling::weighted(stream, &shares)])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_their_shares() {
        let class =
            |name: &str, share| DeviceClass { name: name.to_owned(), share, ..DeviceClass::default() };
        let classes = [class("old", 3.0), class("new", 1.0)];
        let old = (0..20_000).filter(|c| of(&classes, 1, *c).unwrap().name == "old").count() as f64;
        assert!((old - 15_000.0).abs() < 4.5 * (20_000.0 * 0.75 * 0.25f64).sqrt(), "{old}");
    }

    #[test]
    fn pace_has_the_median_of_the_class_and_its_spread() {
        let class = DeviceClass { speed: 0.5, pace_spread: 0.4, ..DeviceClass::default() };
        let logs: Vec<f64> = (0..10_000).map(|r| libm::log(class.slowness(1, r, 7) / 2.0)).collect();
        let mean = logs.iter().sum::<f64>() / 1e4;
        let variance = logs.iter().map(|l| (l - mean) * (l - mean)).sum::<f64>() / 1e4;
        assert!(mean.abs() < 4.5 * 0.4 / 100.0 && (variance / 0.16 - 1.0).abs() < 0.07, "{mean} {variance}");
        let steady = DeviceClass { speed: 0.5, ..DeviceClass::default() };
        assert_eq!(steady.slowness(1, 9, 9), 2.0);
    }

    #[test]
    fn three_classes_have_their_shares_and_no_other_reads_them() {
        let class =
            |name: &str, share| DeviceClass { name: name.to_owned(), share, ..DeviceClass::default() };
        let classes = [class("a", 5.0), class("b", 0.5), class("c", 4.5)];
        let mut times = [0.0f64; 3];
        for client in 0..40_000 {
            let name = &of(&classes, 2, client).unwrap().name;
            times[classes.iter().position(|class| class.name == *name).unwrap()] += 1.0;
        }
        for (times, p) in times.into_iter().zip([0.5, 0.05, 0.45]) {
            assert!((times - 40_000.0 * p).abs() < 4.5 * (40_000.0 * p * (1.0 - p)).sqrt(), "{times} {p}");
        }
    }

    /// Of each client, round and seed a number of its own: what its address draws, as the logarithm.
    #[test]
    fn pace_belongs_to_client_and_round() {
        let class = DeviceClass { speed: 4.0, pace_spread: 0.3, ..DeviceClass::default() };
        let mut seen = std::collections::BTreeSet::new();
        for (seed, round, client) in [(1, 2, 3), (1, 3, 2), (1, 2, 4), (2, 2, 3), (1, 5, 3)] {
            let normal =
                sampling::normal(&mut Address::new(seed, Purpose::Pace).round(round).client(client).stream());
            let slowness = class.slowness(seed, round, client);
            assert!((libm::log(slowness * 4.0) - 0.3 * normal).abs() < 1e-12);
            seen.insert(slowness.to_bits());
        }
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn each_direction_has_its_bandwidth_and_memory_its_edge() {
        let class = DeviceClass {
            up_mbps: Some(2.0),
            down_mbps: Some(16.0),
            memory_mb: Some(3),
            ..DeviceClass::default()
        };
        assert_eq!((class.download(1_000_000), class.upload(1_000_000)), (500_000, 4_000_000));
        let unlimited = DeviceClass::default();
        assert_eq!((unlimited.download(u64::MAX), unlimited.upload(u64::MAX)), (0, 0));
        // Training takes twice the model: one and a half MiB just fit.
        let edge = 3 << 19;
        assert_eq!(class.lacks(edge), None);
        assert_eq!(class.lacks(edge + 1), Some((2 * edge + 2, 3 << 20)));
        assert_eq!(unlimited.lacks(u64::MAX), None);
    }
}
