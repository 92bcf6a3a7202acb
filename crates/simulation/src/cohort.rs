//! Who takes part in a round.

use serde::{Deserialize, Serialize};
use sottovoce_core::{Address, Purpose, sampling};

/// How a round's cohort is drawn. Cost follows the cohort, not the population.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Cohort {
    /// That many different clients, all sets equally likely.
    Uniform {
        /// Clients in a round, 1 up to the population.
        size: u64,
    },
    /// Each client independently with this probability: what differential privacy's amplification assumes. A round
    /// may have no client at all.
    Poisson {
        /// Probability, in (0, 1].
        rate: f64,
    },
    /// Every client, every round.
    All,
}

impl Cohort {
    /// The clients of `round`, ascending: a pure function of seed and round.
    pub fn draw(&self, seed: u64, round: u64, clients: u64) -> Vec<u64> {
        let mut stream = Address::new(seed, Purpose::Cohort).round(round).stream();
        match *self {
            Self::Uniform { size } => sampling::distinct(&mut stream, clients, size.min(clients)),
            Self::Poisson { rate } => sampling::bernoulli_subset(&mut stream, clients, rate),
            Self::All => (0..clients).collect(),
        }
    }

    /// Number of clients expected in a round.
    pub fn expected(&self, clients: u64) -> f64 {
        match *self {
            Self::Uniform { size } => size.min(clients) as f64,
            Self::Poisson { rate } => rate * clients as f64,
            Self::All => clients as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cohorts_are_sets_of_the_population() {
        for round in 0..200 {
            let uniform = Cohort::Uniform { size: 7 }.draw(1, round, 20);
            assert_eq!(uniform.len(), 7);
            let poisson = Cohort::Poisson { rate: 0.3 }.draw(1, round, 20);
            for cohort in [uniform, poisson] {
                assert!(cohort.windows(2).all(|w| w[0] < w[1]) && cohort.iter().all(|c| *c < 20));
            }
        }
        assert_eq!(Cohort::Uniform { size: 50 }.draw(1, 0, 20).len(), 20);
        assert_eq!(Cohort::All.draw(1, 0, 3), [0, 1, 2]);
    }

    #[test]
    fn every_client_is_as_likely_as_any_other() {
        let (rounds, clients) = (20_000u64, 10u64);
        for cohort in [Cohort::Uniform { size: 3 }, Cohort::Poisson { rate: 0.3 }] {
            let mut times = [0.0f64; 10];
            for round in 0..rounds {
                for c in cohort.draw(9, round, clients) {
                    times[c as usize] += 1.0;
                }
            }
            let (mean, deviation) = (0.3 * rounds as f64, (0.21 * rounds as f64).sqrt());
            assert!(times.iter().all(|t| (t - mean).abs() < 4.5 * deviation), "{times:?}");
        }
    }

    #[test]
    fn a_cohort_of_a_huge_population_costs_its_own_size() {
        let poisson = Cohort::Poisson { rate: 1e-9 }.draw(1, 0, 1 << 40);
        assert!(poisson.len() > 800 && poisson.len() < 1400);
        assert_eq!(Cohort::Uniform { size: 1000 }.draw(1, 0, u64::MAX).len(), 1000);
    }
}
