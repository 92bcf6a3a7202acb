//! When clients are there.

use super::{Micros, Presence, SECOND, Trace, micros};
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
    /// Hours by which a client's clock is ahead.
    pub(super) fn ahead(&self, seed: u64, client: u64) -> f64 {
        match self {
            Self::Day(curve) => curve.ahead(seed, client),
            Self::Trace { .. } => 0.0,
        }
    }

    /// Whether a client whose clock is so many hours ahead is there.
    pub(super) fn presence(
        &self,
        seed: u64,
        trace: Option<&Trace>,
        (client, ahead): (u64, f64),
        at: Micros,
    ) -> Presence {
        match self {
            Self::Trace { .. } => trace.map_or(Presence::ALWAYS, |trace| trace.presence(client, at)),
            Self::Day(curve) => curve.presence(seed, (client, ahead), at),
        }
    }
}

impl DayCurve {
    fn stretch(&self) -> Micros {
        micros(self.minutes * 60.0).max(1)
    }

    fn ahead(&self, seed: u64, client: u64) -> f64 {
        if self.spread_hours == 0.0 {
            return 0.0;
        }
        let device = Address::new(seed, Purpose::Device).client(client).slot(1);
        (sampling::unit(&mut device.stream()) - 0.5) * self.spread_hours
    }

    fn presence(&self, seed: u64, client: (u64, f64), at: Micros) -> Presence {
        // Nothing is drawn where the whole day is certain.
        if self.peak.min(self.trough) >= 1.0 {
            return Presence::ALWAYS;
        }
        if self.peak.max(self.trough) <= 0.0 {
            return Presence::NEVER;
        }
        let stretch = self.stretch();
        let place = at / stretch;
        Presence { there: self.is_there(seed, client, place), until: (place + 1).saturating_mul(stretch) }
    }

    fn is_there(&self, seed: u64, (client, ahead): (u64, f64), stretch: u64) -> bool {
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
        let share =
            |hour: u64| (0..4000).filter(|c| day.is_there(3, (*c, 0.0), hour * 6)).count() as f64 / 4000.0;
        for (hour, expected) in [(20, 0.9), (8, 0.1), (2, 0.5), (14, 0.5), (44, 0.9)] {
            assert!((share(hour) - expected).abs() < 0.04, "{hour}: {}", share(hour));
        }
    }

    /// Whether each of some clients is there in some stretches, by the formula of the curve from the two uniform numbers of
    /// its addresses: clocks of the whole spread are half of it ahead or behind.
    #[test]
    fn presence_is_what_its_numbers_say() {
        let day = DayCurve { peak: 0.8, trough: 0.1, peak_hour: 21.0, spread_hours: 10.0, minutes: 15.0 };
        for client in 0..400 {
            let unit = |purpose, slot| {
                sampling::unit(&mut Address::new(3, purpose).client(client).slot(slot).stream())
            };
            let ahead = 10.0 * unit(Purpose::Device, 1) - 5.0;
            assert!((day.ahead(3, client) - ahead).abs() < 1e-12);
            for stretch in 0..192 {
                let hour = 0.25 * stretch as f64 + ahead;
                let cosine = libm::cos((hour - 21.0) / 24.0 * 2.0 * std::f64::consts::PI);
                let probability = (0.8 + 0.1) / 2.0 + (0.8 - 0.1) / 2.0 * cosine;
                let drawn = unit(Purpose::Availability, stretch);
                let presence = day.presence(3, (client, ahead), stretch * 900 * SECOND + 5);
                assert!((drawn - probability).abs() < 1e-9 || presence.there == (drawn < probability));
                assert_eq!(presence.until, (stretch + 1) * 900 * SECOND);
            }
        }
    }

    /// Over clocks that are spread evenly by S hours the cosine keeps sin(πS/24) / (πS/24) of its height.
    #[test]
    fn clocks_that_are_spread_flatten_the_curve() {
        let day = DayCurve { peak: 1.0, trough: 0.0, peak_hour: 20.0, spread_hours: 12.0, minutes: 60.0 };
        let n = 40_000u64;
        for hour in [2u64, 8, 17, 20] {
            let there = (0..n).filter(|c| day.is_there(3, (*c, day.ahead(3, *c)), hour)).count() as f64;
            let angle = std::f64::consts::PI / 12.0;
            let flat = libm::sin(angle * 6.0) / (angle * 6.0);
            let p = 0.5 + 0.5 * flat * libm::cos((hour as f64 - 20.0) * angle);
            assert!(
                (there - n as f64 * p).abs() < 4.5 * (n as f64 * p * (1.0 - p)).sqrt(),
                "{hour}: {there}"
            );
        }
    }
}
