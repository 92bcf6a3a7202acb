//! Who takes part in a round.

mod oort;
mod standby;

pub use oort::Oort;
pub use standby::Standby;
pub(crate) use standby::Told;

use crate::world::{Micros, micros};
use serde::{Deserialize, Serialize};
use sottovoce_core::{Address, Purpose, Stream, sampling};
use std::borrow::Cow;
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
    /// Everybody that can be chosen, kept for the next choice of the round.
    pub standby: Option<&'a Standby>,
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
            standby: None,
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
    fn everybody(&self) -> Cow<'a, [u64]> {
        match self.standby {
            Some(standby) => Cow::Borrowed(standby.everybody(self.clients, |client| self.can(client))),
            None => (0..self.clients).filter(|client| self.can(*client)).collect(),
        }
    }

    /// Clients and their training examples.
    fn sizes(&self, clients: &[u64]) -> impl Iterator<Item = (u64, f64)> {
        clients.iter().map(|client| (*client, (self.examples)(*client) as f64))
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

    /// Whether it never chooses clients without training examples.
    pub(crate) fn weighs(&self) -> bool {
        matches!(self, Self::BySize { .. } | Self::PowerOfChoice { .. })
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
            Self::All => return choice.everybody().into_owned(),
            Self::BySize { .. } => weighted(&mut stream, choice.sizes(&choice.everybody()), size),
            Self::LeastAvailable { ahead_seconds, .. } => {
                let ahead = micros(ahead_seconds);
                let mut order = choice.everybody().into_owned();
                sampling::shuffle(&mut stream, &mut order);
                smallest(order, size, |client| (choice.share_there)(client, ahead))
            }
            Self::PowerOfChoice { candidates, .. } => {
                let candidates = candidates.max(size);
                let drawn = weighted(&mut stream, choice.sizes(&choice.everybody()), candidates);
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
        let all = choice.everybody();
        let taken: Vec<usize> = chosen.iter().filter_map(|client| all.binary_search(client).ok()).collect();
        let rest = (all.len() - taken.len()) as u64;
        let places = sampling::distinct(stream, rest, (size - chosen.len() as u64).min(rest));
        chosen.extend(others(&all, &taken, &places));
    }
    chosen.into_iter().collect()
}

/// The clients in some places of a list from which those in the places `taken` have gone; all places ascending.
fn others(all: &[u64], taken: &[usize], places: &[u64]) -> Vec<u64> {
    let mut before = 0;
    let mut at = |place: &u64| {
        while taken.get(before).is_some_and(|taken| *taken <= *place as usize + before) {
            before += 1;
        }
        all[*place as usize + before]
    };
    places.iter().map(&mut at).collect()
}

/// Clients drawn one after the other, each with a probability in proportion to its weight, without replacement; those of
/// weight 0 never (Efraimidis and Spirakis, Weighted random sampling with a reservoir, IPL 2006).
fn weighted(stream: &mut Stream, from: impl Iterator<Item = (u64, f64)>, size: u64) -> Vec<u64> {
    // 1 - unit lies in (0, 1], so the logarithm is finite.
    let key = |(client, weight)| (-libm::log(1.0 - sampling::unit(stream)) / weight, client);
    first(from.map(key).filter(|(key, _)| key.is_finite()).collect(), size)
}

/// The clients of the smallest values, of equal ones those that come first.
fn smallest(from: Vec<u64>, size: u64, value: impl Fn(u64) -> f64) -> Vec<u64> {
    let places = first(from.iter().zip(0..).map(|(client, place)| (value(*client), place)).collect(), size);
    places.into_iter().map(|place| from[place as usize]).collect()
}

/// What belongs to the smallest keys, in their order, of equal keys the smallest; all of it differs.
fn first(mut keys: Vec<(f64, u64)>, size: u64) -> Vec<u64> {
    let order = |a: &(f64, u64), b: &(f64, u64)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if let Ok(size) = usize::try_from(size)
        && size < keys.len()
    {
        keys.select_nth_unstable_by(size, order);
        keys.truncate(size);
    }
    keys.sort_unstable_by(order);
    keys.into_iter().map(|(_, of)| of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Presence;

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

    /// Choices of a round, each without those that were chosen before and those that are gone, against choices that start
    /// from nothing; and presence is asked for once while nothing changes.
    #[test]
    fn what_is_kept_for_the_next_choice_changes_no_draw() {
        let seen: BTreeMap<u64, Seen> =
            (0..90).map(|c| (c * 2, Seen { round: 1 + c % 4, loss: (c % 7) as f32, took: c })).collect();
        let (examples, share) = (|client: u64| client % 5, |client: u64, _| (client % 3) as f64);
        for cohort in kinds() {
            let (mut standby, mut asked, mut looks) = (Standby::default(), BTreeSet::new(), 0);
            for slot in 0..30u64 {
                // Clients come and go after every ten choices.
                let (now, until) = (slot, slot / 10 * 10 + 10);
                let there = |client: u64| !(client * 7 + slot / 10).is_multiple_of(3);
                let free = |client: u64| !client.is_multiple_of(11) && !asked.contains(&client);
                let looked = std::cell::Cell::new(looks);
                standby.at(now);
                let kept = &standby;
                let look = |client| {
                    looked.set(looked.get() + 1);
                    free(client) && kept.there(Presence { there: there(client), until })
                };
                let plain = |client| free(client) && there(client);
                let choice = Choice {
                    slot,
                    examples: &examples,
                    share_there: &share,
                    seen: &seen,
                    size: Some(1 + slot % 3),
                    ..Choice::plain(4, 5, 200)
                };
                let expected = cohort.draw(&Choice { eligible: Some(&plain), ..choice });
                let drawn = cohort.draw(&Choice { eligible: Some(&look), standby: Some(kept), ..choice });
                assert_eq!(drawn, expected, "{cohort:?} {slot}");
                looks = looked.get();
                standby.chosen(&drawn);
                asked.extend(drawn);
            }
            let by_client = matches!(cohort, Cohort::Uniform { .. } | Cohort::Poisson { .. });
            assert!(by_client || looks == 3 * 200, "{cohort:?} {looks}");
        }
    }

    #[test]
    fn a_client_tells_its_examples_once() {
        let (told, asked) = (Told::default(), std::cell::Cell::new(0));
        let ask = |client: u64| {
            told.examples(10, client, || {
                asked.set(asked.get() + 1);
                client * 3
            })
        };
        for _ in 0..3 {
            assert!((0..10).all(|client| ask(client) == client * 3));
        }
        assert_eq!(asked.get(), 10);
    }

    #[test]
    fn those_that_are_left_are_found_by_their_place() {
        let all = [2, 3, 5, 7, 11, 13];
        assert_eq!(others(&all, &[], &[0, 3, 5]), [2, 7, 13]);
        assert_eq!(others(&all, &[0, 1, 4], &[0, 1, 2]), [5, 7, 13]);
        assert_eq!(others(&all, &[2, 5], &[1, 2, 3]), [3, 7, 11]);
    }

    /// Of three clients with weights 3, 2 and 1: the pairs that a draw without replacement gives, by hand. Candidates are
    /// drawn by size, the largest loss of them counts.
    #[test]
    fn candidates_are_drawn_by_size_before_losses_are_looked_at() {
        let examples = |client: u64| 3 - client;
        // The first has the smallest loss, the last the largest.
        let seen: BTreeMap<u64, Seen> =
            (0..3).map(|c| (c, Seen { round: 1, loss: c as f32, took: 0 })).collect();
        let mut times = [0.0f64; 3];
        for round in 0..20_000 {
            let choice = Choice { examples: &examples, seen: &seen, ..plain(round, 3) };
            times[Cohort::PowerOfChoice { size: 1, candidates: 2 }.draw(&choice)[0] as usize] += 1.0;
        }
        // Client 1 is chosen of the pair of 0 and 1, client 2 of the others.
        let pair = |a: f64, b: f64| a / 6.0 * b / (6.0 - a) + b / 6.0 * a / (6.0 - b);
        for (times, p) in times.into_iter().zip([0.0, pair(3.0, 2.0), pair(3.0, 1.0) + pair(2.0, 1.0)]) {
            assert!((times - 20_000.0 * p).abs() <= 4.5 * (20_000.0 * p * (1.0 - p)).sqrt(), "{times} {p}");
        }
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
