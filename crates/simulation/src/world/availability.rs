//! When clients are there.

use super::{Micros, SECOND, Trace, micros};
use serde::{Deserialize, Serialize};
use sottovoce_core::{Address, Purpose, sampling};
use std::path::PathBuf;

/// When clients are there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Availability {
    /// As a CSV file says: `device,from,to`, in seconds from the start. Client `c` has the device in place `c mod devices`,
    /// in the order of their names.
    Trace {
        /// The file. A relative path starts at the working directory.
        path: PathBuf,
        /// Seconds after which the trace begins again; without it, whoever is gone at the end stays away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        repeat_seconds: Option<f64>,
    },
    /// By the hour of the day.
    Day(DayCurve),
}

/// A probability of being there that follows a cosine over the day. Time is cut into stretches, and whether a client is
/// there is drawn for each stretch and client; the run starts at midnight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DayCurve {
    /// Probability at the best hour.
    #[schemars(extend("minimum" = 0, "maximum" = 1))]
    pub peak: f64,
    /// Probability twelve hours from it.
    #[schemars(extend("minimum" = 0, "maximum" = 1))]
    pub trough: f64,
    /// The best hour.
    #[serde(default = "evening")]
    #[schemars(extend("minimum" = 0, "maximum" = 24))]
    pub peak_hour: f64,
    /// Hours over which clients' clocks are spread, as time zones do.
    #[serde(default)]
    #[schemars(extend("minimum" = 0, "maximum" = 24))]
    pub spread_hours: f64,
    /// Minutes in a stretch.
    #[serde(default = "ten")]
    #[schemars(extend("minimum" = 0.01, "maximum" = 1440))]
    pub minutes: f64,
}

fn evening() -> f64 {
    20.0
}

fn ten() -> f64 {
    10.0
}

impl Availability {
    pub(super) fn is_there(&self, seed: u64, trace: Option<&Trace>, client: u64, at: Micros) -> bool {
        match self {
            Self::Trace { .. } => trace.is_none_or(|trace| trace.is_there(client, at)),
            Self::Day(curve) => curve.is_there(seed, client, at / curve.stretch()),
        }
    }

    pub(super) fn leaves(
        &self,
        seed: u64,
        trace: Option<&Trace>,
        client: u64,
        from: Micros,
        until: Micros,
    ) -> Option<Micros> {
        match self {
            Self::Trace { .. } => trace?.leaves(client, from, until),
            Self::Day(curve) => {
                let stretch = curve.stretch();
                let last = until.div_ceil(stretch);
                let gone = (from / stretch..last).find(|place| !curve.is_there(seed, client, *place))?;
                Some((gone * stretch).max(from))
            }
        }
    }
}

impl DayCurve {
    fn stretch(&self) -> Micros {
        micros(self.minutes * 60.0).max(1)
    }

    fn is_there(&self, seed: u64, client: u64, stretch: u64) -> bool {
        let device = Address::new(seed, Purpose::Device).client(client).slot(1);
        let ahead = (sampling::unit(&mut device.stream()) - 0.5) * self.spread_hours;
        let hour = (stretch * self.stretch()) as f64 / (3600 * SECOND) as f64 + ahead;
        let angle = (hour - self.peak_hour) * (std::f64::consts::PI / 12.0);
        let height = 0.5 + 0.5 * libm::cos(angle);
        let probability = self.trough + (self.peak - self.trough) * height;
        let address = Address::new(seed, Purpose::Availability).client(client).slot(stretch);
        sampling::chance(&mut address.stream(), probability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_has_its_peak_and_its_trough() {
        let day = DayCurve { peak: 0.9, trough: 0.1, peak_hour: 20.0, spread_hours: 0.0, minutes: 10.0 };
        let share = |hour: u64| (0..4000).filter(|c| day.is_there(3, *c, hour * 6)).count() as f64 / 4000.0;
        for (hour, expected) in [(20, 0.9), (8, 0.1), (2, 0.5), (14, 0.5), (44, 0.9)] {
            assert!((share(hour) - expected).abs() < 0.04, "{hour}: {}", share(hour));
        }
    }

    #[test]
    fn leaving_is_the_first_stretch_without_the_client() {
        let day = DayCurve { peak: 0.7, trough: 0.7, peak_hour: 0.0, spread_hours: 6.0, minutes: 1.0 };
        let availability = Availability::Day(day);
        let minute = 60 * SECOND;
        for client in 0..200 {
            let from = 90 * SECOND;
            let leaves = availability.leaves(5, None, client, from, 10 * minute);
            let first = (1..10).find(|place| !availability.is_there(5, None, client, place * minute));
            assert_eq!(leaves, first.map(|place| (place * minute).max(from)));
        }
    }
}
