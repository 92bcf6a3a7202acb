//! Clients that join and leave for good.

use super::{Micros, micros};
use serde::{Deserialize, Serialize};
use sottovoce_core::{Address, Purpose, sampling};
use std::ops::Range;

/// Some clients are there from the start, the others join later; every one of them leaves for good one day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// Share of the population that is there from the start.
    #[schemars(extend("minimum" = 0, "maximum" = 1))]
    pub present: f64,
    /// Days over which the others join, any time as likely as any other.
    #[schemars(extend("minimum" = 0, "maximum" = 36500))]
    pub joining_days: f64,
    /// Days that a client stays, in the mean of an exponential distribution.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 36500))]
    pub staying_days: f64,
}

impl Churn {
    /// When a client belongs to the population.
    pub(super) fn stay(&self, seed: u64, client: u64) -> Range<Micros> {
        const DAY: f64 = 86_400.0;
        let stream = &mut Address::new(seed, Purpose::Churn).client(client).stream();
        let [present, joins, stays] = std::array::from_fn(|_| sampling::unit(stream));
        let join = if present < self.present { 0 } else { micros(joins * self.joining_days * DAY) };
        // 1 - unit lies in (0, 1], so the logarithm is finite.
        let stays = micros(-libm::log(1.0 - stays) * self.staying_days * DAY);
        join..join.saturating_add(stays)
    }
}

#[cfg(test)]
mod tests {
    use super::super::SECOND;
    use super::*;

    #[test]
    fn clients_join_and_stay_as_configured() {
        let churn = Churn { present: 0.25, joining_days: 10.0, staying_days: 30.0 };
        let stays: Vec<_> = (0..20_000).map(|c| churn.stay(1, c)).collect();
        let there = stays.iter().filter(|s| s.start == 0).count() as f64;
        assert!((there - 5000.0).abs() < 4.5 * (20_000.0 * 0.25 * 0.75f64).sqrt(), "{there}");
        assert!(stays.iter().all(|s| s.start <= 10 * 86_400 * SECOND));
        let days = |m: u64| m as f64 / 86_400e6;
        let mean = stays.iter().map(|s| days(s.end - s.start)).sum::<f64>() / 20_000.0;
        assert!((mean - 30.0).abs() < 4.5 * 30.0 / 20_000f64.sqrt(), "{mean}");
    }
}
