//! Who takes part in a round.

mod oort;

pub use oort::Oort;

use crate::world::{Micros, micros};
use serde::{Deserialize, Serialize};
use sottovoce_core::{Address, Purpose, Stream, sampling};
use std::collections::{BTreeMap, BTreeSet};

/// How a round's cohort is drawn, among the clients that are there and not at work already.
///
/// The cost of `uniform` and `poisson` follows the cohort where most clients are there, that of all others the population.
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
    /// One after the other with a probability in proportion to its training examples, without replacement.
    BySize {
        /// Clients in a round.
        size: u64,
    },
    /// Those that will be there least in the time to come, ties drawn. Abdelmoniem, Sahu, Canini, Fahmy: REFL:
    /// resource-efficient federated learning, EuroSys 2023, section 4.1; it knows the world where the paper predicts it.
    LeastAvailable {
        /// Clients in a round.
        size: u64,
        /// Length of the time to come, seconds.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1e9))]
        ahead_seconds: f64,
    },
    /// Those with the largest loss of candidates drawn by size. Cho, Wang, Joshi: Towards understanding biased client
    /// selection in federated learning, AISTATS 2022, variant rpow-d: the loss is that of a client's last training, infinite
    /// before its first.
    PowerOfChoice {
        /// Clients in a round.
        size: u64,
        /// Candidates, at least as many as clients.
        #[schemars(extend("minimum" = 1))]
        candidates: u64,
    },
    /// By utility: loss, size and speed, with exploration.
    Oort(Oort),
}

/// What is known of a client's last answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The round in which it counted.
    pub round: u64,
    /// Mean training loss.
    pub loss: f32,
    /// From the ask to the answer.
    pub took: Micros,
}

/// What clients are chosen by.
pub struct Choice<'a> {
    /// The run's seed.
    pub seed: u64,
    /// The round.
    pub round: u64,
    /// How often was chosen in this round before.
    pub slot: u64,
    /// Number of clients in the population.
    pub clients: u64,
    /// Clients wanted in the place of the configured number.
    pub size: Option<u64>,
    /// Whether a client can be chosen; everybody can without it.
    pub eligible: Option<&'a dyn Fn(u64) -> bool>,
    /// A client's training examples.
    pub examples: &'a dyn Fn(u64) -> u64,
    /// The share of so much time from now on in which a client is there.
    pub share_there: &'a dyn Fn(u64, Micros) -> f64,
    /// Last answers, of those clients that have given one.
    pub seen: &'a BTreeMap<u64, Seen>,
}

impl<'a> Choice<'a> {
    /// Of a population that is always there and of which nothing is known.
    pub fn plain(seed: u64, round: u64, clients: u64) -> Self {
        static NOBODY: BTreeMap<u64, Seen> = BTreeMap::new();
        Self {
            seed,
            round,
            slot: 0,
            clients,
            size: None,
            eligible: None,
            examples: &|_| 1,
            share_there: &|_, _| 1.0,
            seen: &NOBODY,
        }
    }

    fn stream(&self) -> Stream {
        Address::new(self.seed, Purpose::Cohort).round(self.round).slot(self.slot).stream()
    }

    fn can(&self, client: u64) -> bool {
        self.eligible.is_none_or(|eligible| eligible(client))
    }

    /// Everybody that can be chosen.
    fn everybody(&self) -> Vec<u64> {
        (0..self.clients).filter(|client| self.can(*client)).collect()
    }
}

impl Cohort {
    /// Clients wanted in a round, where that is a number.
    pub fn size(&self) -> Option<u64> {
        match *self {
            Self::Uniform { size }
            | Self::BySize { size }
            | Self::LeastAvailable { size, .. }
            | Self::PowerOfChoice { size, .. }
            | Self::Oort(Oort { size, .. }) => Some(size),
            Self::Poisson { .. } | Self::All => None,
        }
    }

    /// Whether it looks at clients' last answers.
    pub(crate) fn remembers(&self) -> bool {
        matches!(self, Self::PowerOfChoice { .. } | Self::Oort(_))
    }

    /// The clients chosen, ascending: a pure function of the choice.
    pub fn draw(&self, choice: &Choice<'_>) -> Vec<u64> {
        let mut stream = choice.stream();
        let size = choice.size.or(self.size()).unwrap_or(0);
        let mut chosen = match *self {
            Self::Uniform { .. } => return uniform(&mut stream, choice, size),
            Self::Poisson { rate } => {
                let mut chosen = sampling::bernoulli_subset(&mut stream, choice.clients, rate);
                chosen.retain(|client| choice.can(*client));
                return chosen;
            }
            Self::All => return choice.everybody(),
            Self::BySize { .. } => {
                weighted(&mut stream, &choice.everybody(), size, |c| (choice.examples)(c) as f64)
            }
            Self::LeastAvailable { ahead_seconds, .. } => {
                let ahead = micros(ahead_seconds);
                let mut order = choice.everybody();
                sampling::shuffle(&mut stream, &mut order);
                smallest(order, size, |client| (choice.share_there)(client, ahead))
            }
            Self::PowerOfChoice { candidates, .. } => {
                let candidates = candidates.max(size);
                let drawn =
                    weighted(&mut stream, &choice.everybody(), candidates, |c| (choice.examples)(c) as f64);
                smallest(drawn, size, |client| {
                    choice.seen.get(&client).map_or(f64::NEG_INFINITY, |seen| -f64::from(seen.loss))
                })
            }
            Self::Oort(oort) => oort.draw(&mut stream, choice, size),
        };
        chosen.sort_unstable();
        chosen
    }

    /// Number of clients expected in a round.
    pub fn expected(&self, clients: u64) -> f64 {
        match *self {
            Self::Poisson { rate } => rate * clients as f64,
            _ => self.size().unwrap_or(clients).min(clients) as f64,
        }
    }
}

/// Distinct clients that can be chosen, ascending, all sets equally likely; all of them where there are no more.
fn uniform(stream: &mut Stream, choice: &Choice<'_>, size: u64) -> Vec<u64> {
    if choice.eligible.is_none() {
        return sampling::distinct(stream, choice.clients, size.min(choice.clients));
    }
    // Most clients can be chosen, as a rule: then this ends after a few draws more than there are clients wanted.
    let mut chosen = BTreeSet::new();
    for _ in 0..size.saturating_mul(8).min(choice.clients) {
        if chosen.len() as u64 == size {
            break;
        }
        let client = sampling::below(stream, choice.clients);
        if choice.can(client) {
            chosen.insert(client);
        }
    }
    if (chosen.len() as u64) < size {
        let mut rest = choice.everybody();
        rest.retain(|client| !chosen.contains(client));
        let wanted = (size - chosen.len() as u64).min(rest.len() as u64);
        let places = sampling::distinct(stream, rest.len() as u64, wanted);
        chosen.extend(places.into_iter().map(|place| rest[place as usize]));
    }
    chosen.into_iter().collect()
}

/// Clients drawn one after the other, each with a probability in proportion to its weight, without replacement; those of
/// weight 0 never (Efraimidis and Spirakis, Weighted random sampling with a reservoir, IPL 2006).
fn weighted(stream: &mut Stream, from: &[u64], size: u64, weight: impl Fn(u64) -> f64) -> Vec<u64> {
    let mut keys = Vec::with_capacity(from.len());
    for client in from {
        // 1 - unit lies in (0, 1], so the logarithm is finite.
        let key = -libm::log(1.0 - sampling::unit(stream)) / weight(*client);
        if key.is_finite() {
            keys.push((key, *client));
        }
    }
    keys.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    keys.truncate(size as usize);
    keys.into_iter().map(|(_, client)| client).collect()
}

/// The clients of the smallest values, of equal ones those that come first.
fn smallest(from: Vec<u64>, size: u64, value: impl Fn(u64) -> f64) -> Vec<u64> {
    let mut all: Vec<(f64, u64)> = from.into_iter().map(|client| (value(client), client)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.truncate(size as usize);
    all.into_iter().map(|(_, client)| client).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(round: u64, clients: u64) -> Choice<'static> {
        Choice::plain(9, round, clients)
    }

    fn kinds() -> Vec<Cohort> {
        vec![
            Cohort::Uniform { size: 7 },
            Cohort::Poisson { rate: 0.3 },
            Cohort::All,
            Cohort::BySize { size: 7 },
            Cohort::LeastAvailable { size: 7, ahead_seconds: 60.0 },
            Cohort::PowerOfChoice { size: 7, candidates: 12 },
            Cohort::Oort(Oort { size: 7, ..Oort::default() }),
        ]
    }

    #[test]
    fn cohorts_are_sets_of_those_that_can_be_chosen() {
        for cohort in kinds() {
            for round in 0..200 {
                let odd = |client: u64| client % 2 == 1;
                for eligible in [None, Some(&odd as &dyn Fn(u64) -> bool)] {
                    let drawn = cohort.draw(&Choice { eligible, ..plain(round, 20) });
                    assert!(drawn.windows(2).all(|w| w[0] < w[1]), "{cohort:?} {drawn:?}");
                    assert!(drawn.iter().all(|c| *c < 20 && (eligible.is_none() || odd(*c))), "{cohort:?}");
                    assert!(cohort.size().is_none_or(|size| drawn.len() as u64 == size), "{cohort:?}");
                }
            }
            if cohort.size().is_some() {
                assert_eq!(cohort.draw(&plain(0, 5)), [0, 1, 2, 3, 4], "{cohort:?}");
                assert_eq!(cohort.draw(&Choice { size: Some(3), ..plain(0, 20) }).len(), 3);
            }
        }
    }

    #[test]
    fn every_client_is_as_likely_as_any_other() {
        let (rounds, clients) = (20_000u64, 10u64);
        let most = |client: u64| client != 11;
        for (cohort, eligible) in [
            (Cohort::Uniform { size: 3 }, None),
            (Cohort::Poisson { rate: 0.3 }, None),
            (Cohort::Uniform { size: 3 }, Some(&most as &dyn Fn(u64) -> bool)),
            (Cohort::BySize { size: 3 }, None),
            (Cohort::LeastAvailable { size: 3, ahead_seconds: 1.0 }, None),
            (Cohort::PowerOfChoice { size: 3, candidates: 3 }, None),
        ] {
            let mut times = [0.0f64; 10];
            for round in 0..rounds {
                for c in cohort.draw(&Choice { eligible, ..plain(round, clients) }) {
                    times[c as usize] += 1.0;
                }
            }
            let (mean, deviation) = (0.3 * rounds as f64, (0.21 * rounds as f64).sqrt());
            assert!(times.iter().all(|t| (t - mean).abs() < 4.5 * deviation), "{cohort:?} {times:?}");
        }
    }

    #[test]
    fn the_first_of_a_draw_by_size_is_as_likely_as_it_is_large() {
        let examples = |client: u64| [1, 2, 3, 4, 0][client as usize];
        let mut times = [0.0f64; 5];
        for round in 0..20_000 {
            let choice = Choice { examples: &examples, ..plain(round, 5) };
            times[Cohort::BySize { size: 1 }.draw(&choice)[0] as usize] += 1.0;
        }
        for (client, times) in times.into_iter().enumerate() {
            let p = examples(client as u64) as f64 / 10.0;
            assert!(
                (times - 20_000.0 * p).abs() <= 4.5 * (20_000.0 * p * (1.0 - p)).sqrt(),
                "{client} {times}"
            );
        }
    }

    #[test]
    fn those_that_are_soon_gone_and_those_that_have_most_to_learn_come_first() {
        let share = |client: u64, _| client as f64;
        let choice = Choice { share_there: &share, ..plain(0, 20) };
        assert_eq!(Cohort::LeastAvailable { size: 3, ahead_seconds: 1.0 }.draw(&choice), [0, 1, 2]);
        let seen = |c| Seen { round: 0, loss: c as f32, took: 0 };
        let seen: BTreeMap<u64, Seen> = (0..18).map(|c| (c, seen(c))).collect();
        let choice = Choice { seen: &seen, ..plain(0, 20) };
        let cohort = Cohort::PowerOfChoice { size: 4, candidates: 20 };
        // Two have never answered.
        assert_eq!(cohort.draw(&choice), [16, 17, 18, 19]);
    }

    #[test]
    fn a_cohort_of_a_huge_population_costs_its_own_size() {
        let poisson = Cohort::Poisson { rate: 1e-9 }.draw(&plain(0, 1 << 40));
        assert!(poisson.len() > 800 && poisson.len() < 1400);
        let third = |client: u64| client.is_multiple_of(3);
        for eligible in [None, Some(&third as &dyn Fn(u64) -> bool)] {
            let choice = Choice { eligible, ..plain(0, 1 << 62) };
            assert_eq!(Cohort::Uniform { size: 1000 }.draw(&choice).len(), 1000);
        }
    }

    /// What lies here is today's output, not a truth: another value is a breaking change.
    #[test]
    fn draws_are_as_they_were() {
        let odd = |client: u64| client % 2 == 1;
        let (examples, share) = (|client: u64| 1 + client % 5, |client: u64, _| (client % 3) as f64);
        let seen: BTreeMap<u64, Seen> =
            (0..20).map(|c| (c, Seen { round: c % 4, loss: (c % 7) as f32, took: c })).collect();
        let mut drawn = Vec::new();
        for cohort in kinds() {
            let choice = Choice {
                examples: &examples,
                share_there: &share,
                seen: &seen,
                ..Choice::plain(2026, 5, 30)
            };
            drawn.push(cohort.draw(&choice));
            drawn.push(cohort.draw(&Choice { eligible: Some(&odd), slot: 2, ..choice }));
        }
        let text = format!("{drawn:?}");
        assert_eq!(
            sottovoce_core::Digest::of(text.as_bytes()).to_string()[..16],
            *"0bd5fe869ce607ff",
            "{text}"
        );
    }
}
