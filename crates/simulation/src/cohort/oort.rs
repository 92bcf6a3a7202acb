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
//! nothing is known of their speed. Cost: linear in the clients that have answered, over a list of those that can be chosen.

use super::{Choice, Seen, others, weighted};
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
        let all = choice.everybody();
        let (known, places): (Vec<(u64, Seen)>, Vec<usize>) = choice
            .seen
            .iter()
            .filter_map(|(client, seen)| Some(((*client, *seen), all.binary_search(client).ok()?)))
            .unzip();
        let unknown = (all.len() - known.len()) as u64;
        let share = (self.exploration * libm::pow(self.decay, choice.round as f64)).max(LEAST);
        let explored = ((share * size as f64) as u64).max(size.saturating_sub(known.len() as u64));
        let explored = explored.min(unknown);
        let mut chosen = self.exploit(stream, choice, &known, size.saturating_sub(explored));
        let drawn = sampling::distinct(stream, unknown, explored.min(size));
        chosen.extend(others(&all, &places, &drawn));
        chosen
    }

    /// Those of high utility, drawn in proportion to it.
    fn exploit(
        &self,
        stream: &mut Stream,
        choice: &Choice<'_>,
        known: &[(u64, Seen)],
        size: u64,
    ) -> Vec<u64> {
        let Some(last) = (size.min(known.len() as u64) as usize).checked_sub(1) else { return Vec::new() };
        let utilities = self.utilities(choice, known);
        let mut order = utilities.clone();
        let cut = CUT_OFF * *order.select_nth_unstable_by(last, |a, b| b.total_cmp(a)).1;
        let pool = known.iter().zip(utilities).filter(|(_, utility)| *utility >= cut);
        // A utility of nothing can be drawn, too, if there is nobody else.
        weighted(stream, pool.map(|((client, _), utility)| (*client, utility.max(1e-12))), size)
    }

    fn utilities(&self, choice: &Choice<'_>, known: &[(u64, Seen)]) -> Vec<f64> {
        let statistical: Vec<f64> = known
            .iter()
            .map(|(client, seen)| (choice.examples)(*client) as f64 * f64::from(seen.loss).max(0.0))
            .collect();
        let mut order = statistical.clone();
        let place = ((order.len() - 1) as f64 * CLIP) as usize;
        let clip = order.select_nth_unstable_by(place, f64::total_cmp).1.max(f64::MIN_POSITIVE);
        let rounds = libm::log(choice.round.max(1) as f64);
        known
            .iter()
            .zip(statistical)
            .map(|((_, seen), utility)| {
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
    use super::super::Cohort;
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

    /// Exploration decays by what is left of it from round to round, down to a fifth.
    #[test]
    fn exploration_decays_from_round_to_round() {
        let seen: BTreeMap<u64, Seen> = (0..50).map(|c| (c, Seen { round: 1, loss: 1.0, took: 1 })).collect();
        let oort = Oort { size: 40, exploration: 0.8, decay: 0.5, ..Oort::default() };
        // 0.8, 0.4, 0.2 of 40, then a fifth.
        for (round, unknown) in [(0, 32), (1, 16), (2, 8), (3, 8), (50, 8)] {
            let drawn = Cohort::Oort(oort).draw(&Choice { seen: &seen, ..Choice::plain(1, round, 100) });
            assert_eq!(drawn.iter().filter(|c| **c >= 50).count(), unknown, "{round}");
        }
    }

    /// Algorithm 1, line by line, for 41 clients: of the sorted utilities the 39th is the 95 % quantile.
    #[test]
    fn utilities_are_those_of_the_paper() {
        let (loss, examples) = (|c: u64| 0.5 + (c * 17 % 41) as f32, |c: u64| 1 + c * 5 % 7);
        let known: Vec<(u64, Seen)> =
            (0..41).map(|c| (c, Seen { round: 1 + c % 9, loss: loss(c), took: c * 1_000_000 })).collect();
        let choice = Choice { examples: &examples, ..Choice::plain(1, 30, 41) };
        let statistical = |c: u64| examples(c) as f64 * f64::from(loss(c));
        let mut sorted: Vec<f64> = (0..41).map(statistical).collect();
        sorted.sort_by(f64::total_cmp);
        let clip = sorted[38];
        for (penalty, preferred) in [(2.0, Some(10.0)), (0.5, Some(10.0)), (2.0, None)] {
            let oort = Oort { penalty, preferred_seconds: preferred, ..Oort::default() };
            for ((c, seen), utility) in known.iter().zip(oort.utilities(&choice, &known)) {
                let uncertain = (0.1 * libm::log(30.0) / seen.round as f64).sqrt();
                let mut expected = statistical(*c).min(clip) / clip + uncertain;
                if let Some(preferred) = preferred
                    && *c as f64 > preferred
                {
                    expected *= libm::pow(preferred / *c as f64, penalty);
                }
                assert!((utility - expected).abs() < 1e-12, "{c}: {utility}, not {expected}");
            }
        }
    }

    /// Utilities 1, 1, 0.96, 0.94 and 0.1, of which the quantile is 1, and nothing is uncertain in round 1. Up to two wanted
    /// clients the pool ends at 0.95 · 1, with three at 0.95 · 0.96, with four at 0.95 · 0.94.
    #[test]
    fn the_pool_ends_at_the_cut_off_and_is_drawn_in_proportion() {
        let losses = [1.0f32, 1.0, 0.96, 0.94, 0.1];
        let seen: BTreeMap<u64, Seen> =
            losses.iter().zip(0..).map(|(loss, c)| (c, Seen { round: 1, loss: *loss, took: 1 })).collect();
        let times = |size: u64, draws: u64| {
            let mut times = [0.0f64; 5];
            for slot in 0..draws {
                let choice = Choice { seen: &seen, slot, ..Choice::plain(1, 1, 5) };
                for client in Cohort::Oort(Oort { size, ..Oort::default() }).draw(&choice) {
                    times[client as usize] += 1.0;
                }
            }
            times
        };
        let draws = 200_000.0;
        let one = times(1, 200_000);
        for (times, utility) in one.into_iter().zip([1.0, 1.0, 0.96]) {
            let p = utility / 2.96;
            assert!((times - draws * p).abs() < 4.5 * (draws * p * (1.0 - p)).sqrt(), "{one:?}");
        }
        for (size, pool) in [(1, 3), (2, 3), (3, 4), (4, 4), (5, 5)] {
            let times = times(size, 1000);
            assert!((0..5).all(|c| (times[c] > 0.0) == (c < pool)), "{size}: {times:?}");
        }
    }
}
