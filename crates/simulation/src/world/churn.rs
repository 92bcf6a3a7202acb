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
    use super::*;

    const CHURN: Churn = Churn { present: 0.25, joining_days: 10.0, staying_days: 30.0 };
    const N: u64 = 200_000;

    fn days(micros: Micros) -> f64 {
        micros as f64 / 86_400e6
    }

    /// The stay that a client's own three uniform numbers give: by the share that is there from the start, by the joining
    /// days, and by the inverse of the exponential's distribution function.
    #[test]
    fn a_stay_is_what_its_numbers_say() {
        for (churn, clients) in
            [(CHURN, 2000), (Churn { joining_days: 0.5, staying_days: 0.01, ..CHURN }, 500)]
        {
            for client in 0..clients {
                let stream = &mut Address::new(7, Purpose::Churn).client(client).stream();
                let [from_start, joins, stays] = std::array::from_fn(|_| sampling::unit(stream));
                let joins = if from_start < churn.present { 0.0 } else { joins * churn.joining_days };
                let stays = -libm::log1p(-stays) * churn.staying_days;
                let stay = churn.stay(7, client);
                assert!((days(stay.start) - joins).abs() < 2e-11, "{client}");
                assert!((days(stay.end - stay.start) - stays).abs() < 2e-11 + 1e-12 * stays, "{client}");
            }
        }
    }

    /// Laws of the exponential (mean and deviation 30, median 30 ln 2) and of the uniform distribution (mean 5, deviation
    /// 10 / √12), and that the draws have nothing to do with each other, each within 4.5 standard errors.
    #[test]
    fn clients_join_and_stay_as_configured() {
        let stays: Vec<_> = (0..N).map(|client| CHURN.stay(1, client)).collect();
        let n = N as f64;
        let there = stays.iter().filter(|s| s.start == 0).count() as f64;
        assert!((there - 0.25 * n).abs() < 4.5 * (n * 0.25 * 0.75).sqrt(), "{there}");
        let mean = |of: &dyn Fn(&Range<Micros>) -> f64| {
            let mut sum = 0.0;
            stays.iter().for_each(|stay| sum += of(stay));
            sum / n
        };
        let stayed = mean(&|s| days(s.end - s.start));
        assert!((stayed - 30.0).abs() < 4.5 * 30.0 / n.sqrt(), "{stayed}");
        let longer = mean(&|s| f64::from(days(s.end - s.start) > 30.0 * std::f64::consts::LN_2));
        assert!((longer - 0.5).abs() < 4.5 * 0.5 / n.sqrt(), "{longer}");
        // Those that join later, three in four.
        let joined = mean(&|s| days(s.start)) / 0.75;
        let error = 10.0 / 12f64.sqrt() / (0.75 * n).sqrt();
        assert!((joined - 5.0).abs() < 4.5 * error + 5.0 * 4.5 * (0.25 / (0.75 * n)).sqrt(), "{joined}");
        assert!(stays.iter().all(|s| days(s.start) <= 10.0));
        // Covariance over those that join later: both draws as so many deviations from their means.
        let score = |s: &Range<Micros>| {
            let later = f64::from(s.start > 0);
            later * (days(s.start) - 5.0) / (10.0 / 12f64.sqrt()) * (days(s.end - s.start) - 30.0) / 30.0
        };
        let covariance = mean(&score) * n / (0.75 * n).sqrt();
        assert!(covariance.abs() < 4.5, "{covariance}");
    }
}
