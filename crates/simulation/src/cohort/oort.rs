//! Clients by utility: Oort.
//!
//! F. Lai, X. Zhu, H. V. Madhyastha, M. Chowdhury: "Oort: Efficient Federated Learning via Guided Participant
//! Selection", OSDI 2021, algorithm 1.
//!
//! Symbols: `|B_i| · √(1/|B_i| Σ loss²)` = statistical utility, `T` = preferred duration, `t_i` = a client's duration, `α` =
//! penalty, `ε` = share of the cohort that is explored, `R` = round, `L(i)` = the client's last round, `c` = cut-off.
//!
//! Deviations: the root of the mean squared loss is the mean loss of a client's last training, which is what messages
//! hold; `T` is configured where the paper paces it by itself; those that have never answered are explored uniformly, as
//! nothing is known of their speed. Cost: a sort of the population.

use super::{Choice, weighted};
use crate::world::micros;
use serde::{Deserialize, Serialize};
use sottovoce_core::{Stream, sampling};

/// Parameters of Oort.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oort {
    /// Clients in a round.
    pub size: u64,
    /// Share of the cohort in the first round that has never answered.
    #[serde(default = "nine_tenths")]
    #[schemars(extend("minimum" = 0, "maximum" = 1))]
    pub exploration: f64,
    /// What of that share is left from round to round; at least a fifth of the cohort is explored as long as there is anybody.
    #[serde(default = "slowly")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub decay: f64,
    /// Seconds that an answer should take; clients that take longer are chosen less. Speed does not count without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1e9))]
    pub preferred_seconds: Option<f64>,
    /// How much longer ones count less: `(preferred / duration)^penalty`.
    #[serde(default = "two")]
    #[schemars(extend("minimum" = 0, "maximum" = 100))]
    pub penalty: f64,
}

/// Least share that is explored.
const LEAST: f64 = 0.2;
/// Of the utility at the edge of the cohort, what a client must have to be drawn.
const CUT_OFF: f64 = 0.95;
/// Utilities above this quantile count as much as it.
const CLIP: f64 = 0.95;

fn nine_tenths() -> f64 {
    0.9
}

fn slowly() -> f64 {
    0.98
}

fn two() -> f64 {
    2.0
}

impl Default for Oort {
    fn default() -> Self {
        Self {
            size: 10,
            exploration: nine_tenths(),
            decay: slowly(),
            preferred_seconds: None,
            penalty: two(),
        }
    }
}

impl Oort {
    pub(super) fn draw(&self, stream: &mut Stream, choice: &Choice<'_>, size: u64) -> Vec<u64> {
        let (known, unknown): (Vec<u64>, Vec<u64>) =
            choice.everybody().into_iter().partition(|client| choice.seen.contains_key(client));
        let share = (self.exploration * libm::pow(self.decay, choice.round as f64)).max(LEAST);
        let explored = ((share * size as f64) as u64).max(size.saturating_sub(known.len() as u64));
        let explored = explored.min(unknown.len() as u64);
        let mut chosen = self.exploit(stream, choice, &known, size.saturating_sub(explored));
        let places = sampling::distinct(stream, unknown.len() as u64, explored.min(size));
        chosen.extend(places.into_iter().map(|place| unknown[place as usize]));
        chosen
    }

    /// Those of high utility, drawn in proportion to it.
    fn exploit(&self, stream: &mut Stream, choice: &Choice<'_>, known: &[u64], size: u64) -> Vec<u64> {
        let Some(last) = (size.min(known.len() as u64) as usize).checked_sub(1) else { return Vec::new() };
        let utilities = self.utilities(choice, known);
        let mut order = utilities.clone();
        order.sort_unstable_by(|a, b| b.total_cmp(a));
        let cut = CUT_OFF * order[last];
        let (pool, utilities): (Vec<u64>, Vec<f64>) =
            known.iter().zip(utilities).filter(|(_, utility)| *utility >= cut).unzip();
        let of = |client| pool.binary_search(&client).map_or(0.0, |place| utilities[place]);
        // A utility of nothing can be drawn, too, if there is nobody else.
        weighted(stream, &pool, size, |client| of(client).max(1e-12))
    }

    fn utilities(&self, choice: &Choice<'_>, known: &[u64]) -> Vec<f64> {
        let seen = |client: &u64| choice.seen[client];
        let statistical: Vec<f64> = known
            .iter()
            .map(|client| (choice.examples)(*client) as f64 * f64::from(seen(client).loss).max(0.0))
            .collect();
        let mut order = statistical.clone();
        order.sort_unstable_by(f64::total_cmp);
        let clip = order[((order.len() - 1) as f64 * CLIP) as usize].max(f64::MIN_POSITIVE);
        let rounds = libm::log(choice.round.max(1) as f64);
        known
            .iter()
            .zip(statistical)
            .map(|(client, utility)| {
                let seen = seen(client);
                let uncertain = libm::sqrt(0.1 * rounds / seen.round.max(1) as f64);
                let slow = self.preferred_seconds.map_or(1.0, |preferred| {
                    let share = micros(preferred) as f64 / seen.took.max(1) as f64;
                    if share < 1.0 { libm::pow(share, self.penalty) } else { 1.0 }
                });
                (utility.min(clip) / clip + uncertain) * slow
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cohort, Seen};
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn useful_and_fast_clients_are_chosen_and_the_unknown_explored() {
        // The first fifty are known: ten of them have much to learn, of these five are slow.
        let seen: BTreeMap<u64, Seen> = (0..50)
            .map(|c| {
                let loss = if c < 10 { 4.0 } else { 0.1 };
                (c, Seen { round: 100, loss, took: if c < 5 { 60_000_000 } else { 1_000_000 } })
            })
            .collect();
        let oort = Oort { size: 5, preferred_seconds: Some(2.0), ..Oort::default() };
        let mut times = [0u32; 100];
        for round in 200..700 {
            let choice = Choice { seen: &seen, examples: &|_| 10, ..Choice::plain(1, round, 100) };
            for client in Cohort::Oort(oort).draw(&choice) {
                times[client as usize] += 1;
            }
        }
        let sum = |range: std::ops::Range<usize>| times[range].iter().sum::<u32>();
        // A fifth is explored, the rest are four of the five that are useful and fast.
        assert_eq!((sum(0..5), sum(5..10), sum(10..50), sum(50..100)), (0, 2000, 0, 500), "{times:?}");
    }

    #[test]
    fn at_first_nearly_everybody_is_new() {
        let seen: BTreeMap<u64, Seen> = (0..50).map(|c| (c, Seen { round: 1, loss: 1.0, took: 1 })).collect();
        let choice = Choice { seen: &seen, ..Choice::plain(1, 0, 100) };
        let drawn = Cohort::Oort(Oort { size: 20, ..Oort::default() }).draw(&choice);
        assert_eq!(drawn.iter().filter(|c| **c >= 50).count(), 18);
    }
}
