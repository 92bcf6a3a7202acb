//! The synthetic corpus: the support centre of a large provider, in Chinese and English, computed on demand.
//!
//! A client's transcripts are a pure function of configuration, seed and client. Nothing is stored, so a
//! population of a million clients costs nothing until a client is asked for, and then only its own work:
//! time and memory are proportional to its transcripts.
//!
//! Four product lines share the clients as 10 : 5 : 3 : 30, by their daily volume. A client serves one line
//! in one language (some in both), has its own Dirichlet mix of intents around a Zipf popularity, its own
//! size and its own writing habits. Popularity drifts from month to month, and four intents appear only when
//! a feature or a faulty driver is released. Texts come from hand-written template grammars
//! (`phrases/*.txt`), then go through typos, slips of speech recognition and code-switching.
//!
//! Labels: in training a documented share (`label_noise`) is replaced by a related intent; test labels are
//! right. Ambiguous texts, which fit several intents of a group, occur in both and bound what any
//! classifier can reach. On the default configuration (10,000 training and 2,000 test transcripts) a linear
//! support vector machine on n-grams of the customer turns reaches 89 to 91 %; trained on one client, 13 %;
//! on a tenth of all data, 66 %. All personal data are invented: see `personal.rs` for the ranges they are from.
//!
//! ```
//! use sottovoce_transcripts::{Synthetic, SyntheticConfig};
//!
//! let corpus = Synthetic::new(SyntheticConfig { clients: 1_000_000, ..SyntheticConfig::default() })?;
//! let transcripts = corpus.transcripts(1, 999_999);
//! assert_eq!(transcripts, corpus.transcripts(1, 999_999));
//! assert_eq!(corpus.test(1, 10).len(), 10);
//! # Ok::<(), sottovoce_transcripts::synthetic::SyntheticError>(())
//! ```

mod calendar;
mod catalogue;
mod client;
mod config;
mod dialogue;
mod grammar;
mod personal;
mod slips;

pub use catalogue::ProductLine;
pub use client::ClientProfile;
pub use config::{MAX_CLIENTS, SyntheticConfig, SyntheticError};
pub use grammar::PhraseError;

use crate::Language;
use crate::transcript::{Split, Transcript};
use calendar::Calendar;
use catalogue::INTENTS;
use dialogue::{Subject, Writer};
use sottovoce_core::sampling::{self, chance};
use sottovoce_core::{Address, Purpose, Stream};

/// The corpus of a checked configuration.
#[derive(Debug)]
pub struct Synthetic {
    config: SyntheticConfig,
    calendar: Calendar,
    /// Share of each intent within its product line; a line's shares sum to 1.
    popularity: Vec<f64>,
    /// Intents of each product line.
    own: [Vec<usize>; 4],
    /// For each month the factor of each intent's weight.
    drift: Vec<Vec<f64>>,
    /// When each intent first appears.
    introduced: Vec<i64>,
    /// By product line, Chinese then English.
    writers: Vec<[Writer; 2]>,
    /// Sections of each intent and of its group in the two languages.
    sections: Vec<[(usize, usize); 2]>,
}

macro_rules! tables {
    ($line:literal) => {
        [
            [
                ("shared.zh", include_str!("phrases/shared.zh.txt")),
                (concat!($line, ".zh"), include_str!(concat!("phrases/", $line, ".zh.txt"))),
            ],
            [
                ("shared.en", include_str!("phrases/shared.en.txt")),
                (concat!($line, ".en"), include_str!(concat!("phrases/", $line, ".en.txt"))),
            ],
        ]
    };
}

type Tables = [[(&'static str, &'static str); 2]; 2];
const TABLES: [Tables; 4] =
    [tables!("messaging"), tables!("social"), tables!("mini_programs"), tables!("games")];

impl Synthetic {
    /// Checks a configuration and prepares what all clients share: tables and weights, a few milliseconds.
    pub fn new(config: SyntheticConfig) -> Result<Self, SyntheticError> {
        let calendar = Calendar::new(config.first_month()?, config.months);
        let own = ProductLine::ALL
            .map(|line| (0..INTENTS.len()).filter(|i| INTENTS[*i].line() == line).collect::<Vec<_>>());
        let mut popularity = vec![0.0; INTENTS.len()];
        for line in &own {
            let weight = |i: usize| libm::pow(f64::from(INTENTS[i].rank), -config.zipf);
            let total = line.iter().fold(0.0, |sum, i| sum + weight(*i));
            for i in line {
                popularity[*i] = weight(*i) / total;
            }
        }
        let swing = |month: u32, rank: u32| {
            // Phases a golden section apart spread the peaks evenly over the period.
            let phase = 0.618 * f64::from(rank) + f64::from(month) / f64::from(config.months);
            libm::exp(config.drift * libm::sin(2.0 * std::f64::consts::PI * phase))
        };
        let drift = (0..config.months).map(|m| INTENTS.iter().map(|i| swing(m, i.rank)).collect()).collect();
        let introduced = INTENTS.iter().map(|i| calendar.after(i.from)).collect();
        let mut writers = Vec::with_capacity(TABLES.len());
        for [zh, en] in TABLES {
            writers
                .push([Writer::new(zh[1].0, Language::ZH, &zh)?, Writer::new(en[1].0, Language::EN, &en)?]);
        }
        let mut sections = Vec::with_capacity(INTENTS.len());
        for intent in INTENTS {
            let line = intent.line() as usize;
            let find = |language: usize, name: String| {
                let table = TABLES[line][language][1].0;
                let found = writers[line][language].grammar.section(&name);
                found.ok_or(SyntheticError::MissingSection { table, section: name })
            };
            let both = |language: usize| -> Result<(usize, usize), SyntheticError> {
                let group = find(language, format!("~{}", intent.group))?;
                Ok((find(language, intent.section().to_owned())?, group))
            };
            sections.push([both(0)?, both(1)?]);
        }
        Ok(Self { config, calendar, popularity, own, drift, introduced, writers, sections })
    }

    /// The configuration.
    pub fn config(&self) -> &SyntheticConfig {
        &self.config
    }

    /// Names of all intents, sorted: `product_line.issue_type.subject`.
    pub fn intents() -> Vec<&'static str> {
        INTENTS.iter().map(|i| i.name).collect()
    }

    /// Names of the four product lines, as they stand in [`Transcript::domain`].
    pub fn domains() -> [&'static str; 4] {
        ProductLine::ALL.map(ProductLine::name)
    }

    /// First second of the corpus's period and first second after it, since 1970-01-01 UTC.
    pub fn span(&self) -> (i64, i64) {
        self.calendar.span()
    }

    /// When an intent first appears (seconds since 1970-01-01 UTC); `None` if there is no such intent.
    pub fn introduced(&self, intent: &str) -> Option<i64> {
        INTENTS.binary_search_by(|i| i.name.cmp(intent)).ok().map(|i| self.introduced[i])
    }

    /// All transcripts of a client, oldest first. A client outside of the population has none.
    pub fn transcripts(&self, seed: u64, client: u64) -> Vec<Transcript> {
        if client >= self.config.clients {
            return Vec::new();
        }
        let profile = self.profile(seed, client);
        let mut all: Vec<Transcript> =
            (0..profile.num_transcripts).map(|i| self.transcript(seed, client, i, &profile)).collect();
        // Stable, so that equal times keep the order of their slots.
        all.sort_by_key(|t| t.timestamp);
        all
    }

    /// The held-out test set: transcript `i` is the first one of client 2⁴⁰ + `i`, outside of every
    /// population. Its client is not named, and its label is always right.
    pub fn test(&self, seed: u64, count: u64) -> Vec<Transcript> {
        // Pushed one by one: a senseless count must not reserve memory.
        let mut all = Vec::new();
        for i in 0..count {
            let client = MAX_CLIENTS.saturating_add(i);
            all.push(self.transcript(seed, client, 0, &self.profile(seed, client)));
        }
        all
    }

    fn transcript(&self, seed: u64, client: u64, slot: u64, profile: &ClientProfile) -> Transcript {
        let s = &mut Address::new(seed, Purpose::Corpus).client(client).slot(slot).stream();
        let own = !chance(s, self.config.other_lines);
        let line = if own { profile.line } else { self.draw_line(s) };
        let time = self.calendar.draw(line, s);
        let shares = if own { &profile.mix } else { &self.popularity };
        let intent = self.draw_intent(line, time, shares, s);
        let language = profile.language.unwrap_or(if chance(s, 0.5) { Language::ZH } else { Language::EN });

        let tongue = usize::from(language != Language::ZH);
        let ambiguous = chance(s, self.config.ambiguity);
        let (core, group) = self.sections[intent][tongue];
        let other = self.confused(intent, time, 0.5, s);
        let subject = Subject {
            core: if ambiguous { group } else { core },
            other: self.sections[other][tongue].0,
            ambiguous,
            config: &self.config,
            profile,
        };
        let turns = self.writers[line as usize][tongue].conversation(&subject, s);

        let test = client >= MAX_CLIENTS;
        let wrong = chance(s, self.config.label_noise);
        let label = if wrong && !test { self.confused(intent, time, 1.0, s) } else { intent };
        Transcript {
            id: if test {
                format!("synthetic/test/{}", client - MAX_CLIENTS)
            } else {
                format!("synthetic/{client}/{slot}")
            },
            client: (!test).then(|| format!("{}-{client}", profile.line.name())),
            language,
            timestamp: Some(time),
            domain: Some(line.name().to_owned()),
            split: if test { Split::Test } else { Split::Train },
            turns,
            intent: INTENTS[label].name.to_owned(),
        }
    }

    fn draw_line(&self, s: &mut Stream) -> ProductLine {
        ProductLine::ALL[sampling::weighted(s, &ProductLine::ALL.map(ProductLine::daily_volume))]
    }

    /// An intent of a line that exists at a time, by shares and drift.
    fn draw_intent(&self, line: ProductLine, time: i64, shares: &[f64], s: &mut Stream) -> usize {
        let own = &self.own[line as usize];
        let drift = &self.drift[self.calendar.month(time)];
        let weigh = |shares: &[f64], floor: f64| -> Vec<f64> {
            let weight =
                |i: &usize| if self.introduced[*i] <= time { shares[*i] * drift[*i] + floor } else { 0.0 };
            own.iter().map(weight).collect()
        };
        let mut weights = weigh(shares, 0.0);
        if weights.iter().all(|w| *w <= 0.0) {
            // The client's only intents do not exist yet: it gets what is popular. A line's first intents
            // exist from the start, so some weight is positive.
            weights = weigh(&self.popularity, f64::MIN_POSITIVE);
        }
        own[sampling::weighted(s, &weights)]
    }

    /// Another intent of the same line that exists at a time: with probability `related` one of the same
    /// group if there is any.
    fn confused(&self, intent: usize, time: i64, related: f64, s: &mut Stream) -> usize {
        let group = chance(s, related);
        let line = &self.own[INTENTS[intent].line() as usize];
        let exists = |i: &usize| *i != intent && self.introduced[*i] <= time;
        let near: Vec<usize> = line
            .iter()
            .copied()
            .filter(|i| exists(i) && INTENTS[*i].group == INTENTS[intent].group)
            .collect();
        let pool =
            if group && !near.is_empty() { near } else { line.iter().copied().filter(exists).collect() };
        pool[sampling::index(s, pool.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_intent_has_phrasings_enough_in_both_languages_and_no_section_is_idle() {
        let corpus = Synthetic::new(SyntheticConfig::default()).unwrap();
        for (intent, sections) in INTENTS.iter().zip(&corpus.sections) {
            for (writer, (core, group)) in corpus.writers[intent.line() as usize].iter().zip(sections) {
                assert!(writer.grammar.phrasings(*core) >= 5, "{}", intent.name);
                assert!(writer.grammar.phrasings(*group) >= 3, "{}", intent.group);
            }
        }
        for (line, writers) in ProductLine::ALL.into_iter().zip(&corpus.writers) {
            let own = || INTENTS.iter().filter(|i| i.line() == line);
            let known: BTreeSet<String> =
                own().flat_map(|i| [i.section().to_owned(), format!("~{}", i.group)]).collect();
            for writer in writers {
                let found = writer.grammar.names().filter(|n| !n.starts_with('@'));
                assert_eq!(found.map(str::to_owned).collect::<BTreeSet<_>>(), known, "{line:?}");
            }
        }
    }

    #[test]
    fn no_phrase_occurs_twice_in_a_table() {
        for (name, text) in TABLES.as_flattened().as_flattened() {
            let mut seen = BTreeSet::new();
            for line in text.lines().filter(|l| l.chars().count() > 12) {
                assert!(seen.insert(line), "{name}: {line}");
            }
        }
    }
}
